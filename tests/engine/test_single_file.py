# SPDX-License-Identifier: GPL-3.0-or-later
"""Single-file checkpoints: the same model as its folder, what the header decides, what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sync_engine.backbones.loading import load
from sync_engine.catalog import families, models
from sync_engine.catalog.families import Family
from sync_engine.catalog.single_file_header import inspect
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.common.progress import Reporter
from sync_engine.downloads import store
from sync_engine.interface.loras import Lora
from sync_engine.interface.messages import EXIT_STATUS
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.prompting.conditioning import Conditioning
from sync_engine.runtime.job import Engine
from tests.small_models import lora_files, original_layout, tiny, tiny_flow, tiny_xl
from tests.small_models.fake_hub import REVISION, FakeHub

CPU = torch.device("cpu")


def small(folder: Path) -> Path:
    return tiny.build(folder, tiny_vae=False)


CASES: dict[str, Any] = {
    "sd": (small, "sd-1.5", 16, {}),
    "sd2": (small, "sd-2-base", 16, {"open_clip": True}),
    "xl": (tiny_xl.build, "sdxl", 40, {}),
    "z-image": (tiny_flow.build_z_image, "z-image-turbo", 16, {}),
    "klein": (tiny_flow.build_klein, "flux2-klein", 24, {}),
}
SMALL_FILES = (".json", ".txt", ".jinja")


def with_base(features: int, row: str) -> Callable[[], tuple[Family, ...]]:
    """Return the families, of which the one with a row has small models: so many features of the text."""

    def of(family: Family) -> Family:
        facts = family.single_file
        if facts is None:
            return family
        bases = {features: row} if row in facts.bases.values() else {}
        return dataclasses.replace(family, single_file=dataclasses.replace(facts, bases=bases))

    found = tuple(of(family) for family in families.known())
    return lambda: found


class Case:
    """A small model as a folder and as a file, and the folder of the row that is the file's base."""

    def __init__(self, name: str, home: Path, patch: pytest.MonkeyPatch, **said: str) -> None:
        build, row, features, options = CASES[name]
        self.folder = build(home / "model")
        self.file = original_layout.write(self.folder, home / "model.safetensors", **options, **said)
        self.base = home / "base"
        shutil.copytree(self.folder, self.base)
        if "unet" in {path.name for path in self.base.iterdir()}:
            for weights in self.base.rglob("*.safetensors"):
                weights.unlink()  # a whole checkpoint needs none of them
        patch.setattr(families, "known", with_base(features, row))
        base = dataclasses.replace(models.TABLE[row], source=str(self.base), window=128)
        patch.setitem(models.TABLE, row, base)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(request.param, tmp_path, monkeypatch)


def outputs(model: str, window: int = 0, *loras: Lora) -> list[torch.Tensor]:
    """Return what a model makes of the same words and noise: its prediction and its picture."""
    row = models.find(model)
    backbone = load(dataclasses.replace(row, window=window or row.window), CPU, torch.float32, loras)
    words = Conditioning.one_prompt_each(backbone.encode(["a calm sea"]), backbone.encode([""]), [0], 2.0)
    noisy = torch.randn(1, backbone.channels, 8, 8, generator=torch.Generator().manual_seed(5))
    prediction = backbone.predict(noisy, torch.tensor(500.0), words, words.entries)
    return [prediction, backbone.decode(noisy)]


def test_the_file_is_the_same_model_as_its_folder(case: Case) -> None:
    for from_file, from_folder in zip(
        outputs(str(case.file)), outputs(str(case.folder), window=128), strict=True
    ):
        torch.testing.assert_close(from_file, from_folder, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_file_takes_loras_as_its_folder_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("xl", tmp_path, monkeypatch)
    lora = Lora(str(lora_files.write(tmp_path / "lora.safetensors", case.folder)), 0.7)
    from_file, _ = outputs(str(case.file), 0, lora)
    from_folder, _ = outputs(str(case.folder), 0, lora)
    torch.testing.assert_close(from_file, from_folder, rtol=0, atol=1e-5)
    assert (from_file - outputs(str(case.file))[0]).abs().max() > 1e-3


@pytest.mark.slow
def test_a_job_makes_a_picture_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("sd", tmp_path, monkeypatch)
    spec = EnvironmentSpec(
        "a calm sea", kind="plate", width=256, height=128, model=str(case.file), steps=2, device="cpu"
    )
    files, _ = Engine().run(spec, tmp_path / "out", Reporter("job", lambda event: None))
    record = json.loads(Path(files["spec"]).read_text())["spec"]
    assert record["model"] == str(case.file)
    assert record["guidance"] == models.TABLE["sd-1.5"].guidance


@pytest.mark.parametrize(
    ("said", "extra", "prediction", "spacing"),
    [
        ({}, [], "epsilon", "leading"),
        ({"modelspec.prediction_type": "v"}, [], "v_prediction", "leading"),
        ({}, ["v_pred"], "v_prediction", "leading"),
        ({}, ["v_pred", "ztsnr"], "v_prediction", "trailing"),
    ],
)
def test_what_the_file_says_of_its_prediction(
    tmp_path: Path, monkeypatch, said: dict, extra: list[str], prediction: str, spacing: str
) -> None:
    case = Case("sd2", tmp_path, monkeypatch, **said)
    if extra:
        save_file(load_file(case.file) | {name: torch.zeros(1) for name in extra}, case.file)
    backbone = load(models.find(str(case.file)), CPU, torch.float32)
    config = backbone.scheduler("model", 4).config
    assert (config.prediction_type, config.timestep_spacing) == (prediction, spacing)
    assert backbone.window == (96 if prediction == "v_prediction" else 16)


def test_the_rows_are_those_of_the_real_families() -> None:
    for family in families.known():
        if family.single_file is not None:
            assert set(family.single_file.bases.values()) <= set(models.TABLE)


def refused(file: Path, words: str) -> None:
    with pytest.raises(ModelNotAvailable, match=words) as error:
        load(models.find(str(file)), CPU, torch.float32)
    assert str(file) in error.value.message
    assert error.value.hint
    assert EXIT_STATUS[error.value.code] == 3


INPUT = "model.diffusion_model.input_blocks.0.0.weight"
TEXT = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({INPUT: (8, 9, 3, 3), TEXT: (8, 768)}, "9 channels"),
        ({INPUT: (8, 4, 3, 3), TEXT: (8, 1280)}, "1280 features"),
        ({INPUT: (8, 4, 3, 3)}, "of None features"),
        ({"conditioner.embedders.0.model.positional_embedding": (4, 4)}, "refiner"),
        ({"lora_unet_mid_block.lora_down.weight": (4, 4)}, "is a LoRA"),
        ({"down_blocks.0.resnets.0.conv1.weight": (4, 4)}, "one part of a model"),
        ({"x": (4, 4)}, "no family"),
        ({"double_stream_modulation_img.lin.weight": (4, 4), "txt_in.weight": (4, 15360)}, "15360 features"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, tensors: dict, words: str) -> None:
    file = tmp_path / "a.safetensors"
    save_file({name: torch.zeros(shape) for name, shape in tensors.items()}, file)
    refused(file, words)


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"PK\x03\x04" + bytes(100), "a.ckpt", "zip archive"),
        (b"\x80\x02" + bytes(100), "a.safetensors", "a pickle"),
        ((90 * 2**20).to_bytes(8, "little") + b"{" + bytes(100), "a.safetensors", "claims 90 MiB"),
        (b"GGUF" + bytes(100), "a.gguf", "cannot be used: its version is 0"),
    ],
)
def test_what_is_no_safetensors_file_is_refused(
    tmp_path: Path, content: bytes, name: str, words: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    refused(file, words)


def change(case: Case, change) -> Path:
    state = load_file(case.file)
    changed = {name: new for name, value in state.items() if (new := change(name, value)) is not None}
    save_file(changed, case.file)
    return case.file


def test_a_file_that_lacks_a_tensor_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("sd", tmp_path, monkeypatch)
    file = change(case, lambda name, value: None if name.endswith("out.2.weight") else value)
    refused(file, "could not be loaded")


def test_a_file_of_other_sizes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("sd", tmp_path, monkeypatch)
    file = change(case, lambda name, value: torch.zeros(7) if name.endswith("out.2.bias") else value)
    refused(file, "could not be loaded")


def test_a_file_without_an_autoencoder_takes_that_of_its_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case("sd", tmp_path, monkeypatch)
    file = change(case, lambda name, value: None if name.startswith("first_stage") else value)
    assert models.find(str(file)).base_weights
    with pytest.raises(ModelNotAvailable, match="has no safetensors weights"):
        load(models.find(str(file)), CPU, torch.float32)
    shutil.copytree(case.folder / "vae", case.base / "vae", dirs_exist_ok=True)
    for from_file, from_folder in zip(outputs(str(file)), outputs(str(case.folder)), strict=True):
        torch.testing.assert_close(from_file, from_folder, rtol=0, atol=1e-5)


def test_without_its_base_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("sd", tmp_path, monkeypatch)
    away = dataclasses.replace(models.TABLE["sd-1.5"], source="nobody/nothing", revision="0" * 40)
    monkeypatch.setitem(models.TABLE, "sd-1.5", away)
    monkeypatch.setenv("SYNCSCAPE_MODELS", str(tmp_path / "models"))
    with pytest.raises(ModelNotAvailable, match=r"needs the configuration and tokenizer of sd-1.5") as error:
        load(models.find(str(case.file)), CPU, torch.float32)
    assert "models download sd-1.5" in error.value.hint


@pytest.mark.slow
def test_a_job_fetches_only_the_small_files_of_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case("sd", tmp_path, monkeypatch)
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    pinned = dataclasses.replace(models.TABLE["sd-1.5"], source="owner/tiny", revision=REVISION)
    monkeypatch.setitem(models.TABLE, "sd-1.5", pinned)
    spec = EnvironmentSpec(
        "a calm sea", kind="plate", width=256, height=128, model=str(case.file), steps=1, device="cpu"
    )
    with FakeHub(case.folder) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        Engine().run(spec, tmp_path / "out", Reporter("job", lambda event: None))
        assert not [path for path, _ in served.hub_requests if path.endswith(".safetensors")]
        asked = len(served.hub_requests)
        Engine().run(spec, tmp_path / "again", Reporter("job", lambda event: None))
        assert len(served.hub_requests) == asked, "what is here is not asked for again"
    assert store.installed(pinned) is None, "the base itself is not whole"


def test_the_header_of_a_file_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("xl", tmp_path, monkeypatch)
    told = inspect(case.file)
    assert (told.family.name, told.base) == ("Stable Diffusion XL", "sdxl")
    assert (told.lacking, told.prediction) == ((), None)
