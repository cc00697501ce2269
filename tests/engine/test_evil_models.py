# SPDX-License-Identifier: GPL-3.0-or-later
"""Models made to do harm: no code runs, no pickle is opened, every refusal is in words.

Each kind is a small model's folder with one change, built here. What would run writes a sentinel file; what
opens a pickle is seen by an audit hook.
"""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from sync_engine.backbones import tiny_decoder
from sync_engine.backbones.loading import load
from sync_engine.catalog import models
from sync_engine.catalog.model_folder import PICKLES
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.interface.loras import Lora
from sync_engine.interface.messages import EXIT_STATUS
from sync_engine.sync.feature_nets import FeatureNet, FeatureNets
from tests.small_models import lora_files, original_layout, tiny, tiny_flow
from tests.small_models.evil_models import KINDS, MAP, TEMPLATES, WORDS, Evil, Payload

CPU = torch.device("cpu")
opened: list[str] = []
"""Pickles that were opened while a test watches."""
_watching = False


def _on_audit(event: str, arguments: tuple[Any, ...]) -> None:
    reads = event == "open" and not (isinstance(arguments[1], str) and "w" in arguments[1])
    if _watching and reads and Path(str(arguments[0])).suffix in PICKLES:
        opened.append(str(arguments[0]))


sys.addaudithook(_on_audit)


@pytest.fixture
def watch() -> Iterator[None]:
    global _watching
    opened.clear()
    _watching = True
    yield
    _watching = False


@pytest.fixture
def evil(tiny_folder: Path, tmp_path: Path, watch: None) -> Evil:
    return Evil(tiny_folder, tmp_path)


def refused(work: Callable[[], object], words: str, sentinel: Path) -> None:
    with pytest.raises(ModelNotAvailable, match=words) as error:
        work()
    assert EXIT_STATUS[error.value.code] == 3
    assert error.value.hint
    assert not sentinel.exists(), "code has run"
    assert not opened, "a pickle was opened"


def test_there_are_enough_kinds() -> None:
    assert len(KINDS) >= 50


@pytest.mark.parametrize("kind", KINDS)
def test_an_evil_folder_is_refused(evil: Evil, kind: str) -> None:
    change, words = KINDS[kind]
    change(evil)
    refused(lambda: load(models.find(str(evil.folder)), CPU, torch.float32), words, evil.sentinel)


@pytest.fixture(scope="module")
def flow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_flow.build_z_image(tmp_path_factory.mktemp("flow"))


@pytest.mark.parametrize("kind", TEMPLATES)
def test_an_evil_chat_template_is_refused(flow_folder: Path, tmp_path: Path, watch: None, kind: str) -> None:
    template, words = TEMPLATES[kind]
    evil = Evil(flow_folder, tmp_path)
    for file in (evil.folder / "tokenizer").glob("*.jinja"):
        file.unlink()
    evil.say(WORDS, chat_template=template)
    refused(lambda: load(models.find(str(evil.folder)), CPU, torch.float32), words, evil.sentinel)
    evil.say(WORDS, chat_template=None)
    (evil.folder / "tokenizer" / "chat_template.jinja").write_text(template)
    refused(
        lambda: load(models.find(str(evil.folder)), CPU, torch.float32), f"{words}|it has 0.1", evil.sentinel
    )


def test_pickles_beside_the_weights_are_left_alone(evil: Evil) -> None:
    for file in ("unet/diffusion_pytorch_model.bin", "text_encoder/pytorch_model.bin", "vae/model.pt"):
        evil.pickle(file)
    load(models.find(str(evil.folder)), CPU, torch.float32)
    assert not opened
    assert not evil.sentinel.exists()


def test_a_tokenizer_without_a_limit_fills_no_more_places_than_there_are(evil: Evil) -> None:
    evil.say(WORDS, model_max_length=10**9)
    backbone = load(models.find(str(evil.folder)), CPU, torch.float32)
    assert len(backbone.encode(["a calm sea"]).states[0]) == 16


def test_the_hook_sees_a_pickle(evil: Evil) -> None:
    path = evil.pickle("unet/evil.bin")
    with path.open("rb") as file:
        pickle.load(file)
    assert opened == [str(path)]
    assert evil.sentinel.exists()


# --- single files, LoRAs, tiny decoders ------------------------------------------------------


@pytest.mark.parametrize("name", ["a.safetensors", "a.ckpt", "a.pt", "a.bin"])
def test_a_pickle_is_no_single_file(evil: Evil, name: str) -> None:
    path = evil.folder / name
    path.write_bytes(pickle.dumps(Payload(evil.sentinel)))
    # the header is looked at, so that the file is opened, but not by a library
    with pytest.raises(ModelNotAvailable, match=r"it is a pickle"):
        load(models.find(str(path)), CPU, torch.float32)
    assert not evil.sentinel.exists()


def test_weights_with_the_name_of_a_pickle_are_not_given_to_a_library(
    evil: Evil, tiny_v_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = original_layout.write(tiny_v_folder, evil.folder / "model.safetensors")
    path = path.rename(path.with_suffix(".ckpt"))
    monkeypatch.setattr(torch, "load", lambda *given, **named: pytest.fail("torch.load was called"))
    with pytest.raises(ModelNotAvailable, match=r"does not end in \.safetensors"):
        load(models.find(str(path)), CPU, torch.float32)


def lora_with(file: Path, evil: Evil, **said: Any) -> None:
    lora_files.write(file, evil.folder)
    from safetensors.torch import load_file

    save_file(load_file(file), file, {"lora_adapter_metadata": json.dumps(said)})


LORAS: dict[str, tuple[Callable[[Evil, Path], object], str]] = {
    "a pickle": (lambda e, f: f.write_bytes(pickle.dumps(Payload(e.sentinel))), "a pickle"),
    "a pattern that never ends": (
        lambda e, f: lora_with(f, e, **{"unet.target_modules": "(a+)+$"}),
        "could take time without end",
    ),
    "a pattern of ranks": (lambda e, f: lora_with(f, e, **{"unet.rank_pattern": {"(x|xx)*y": 4}}), "time"),
    "nonsense": (
        lambda e, f: save_file({"a": torch.zeros(1)}, f, {"lora_adapter_metadata": "{"}),
        "not JSON",
    ),
}


@pytest.mark.parametrize("kind", LORAS)
def test_an_evil_lora_is_refused(evil: Evil, kind: str) -> None:
    write, words = LORAS[kind]
    file = evil.folder.parent / "lora.safetensors"
    write(evil, file)
    lora = Lora(str(file), 1.0)
    refused(lambda: load(models.find(str(evil.folder)), CPU, torch.float32, [lora]), words, evil.sentinel)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: e.only_pickle("vae", "diffusion_pytorch_model.bin"), "may hold code"),
        (lambda e: e.code("vae/evil.py"), "it is code"),
        (lambda e: e.say("vae/config.json", auto_map=MAP), "auto_map"),
    ],
)
def test_an_evil_tiny_decoder_is_refused(evil: Evil, backbone: Any, change: Any, words: str) -> None:
    change(evil)
    refused(lambda: tiny_decoder.load(evil.folder / "vae", backbone), words, evil.sentinel)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: e.code("perceptual/evil.py"), "it is code"),
        (lambda e: e.say("perceptual/config.json", widths=[10**7] * 3), "beyond what"),
    ],
)
def test_an_evil_perceptual_net_is_refused(evil: Evil, change: Any, words: str) -> None:
    draft = Path(models.TABLE["draft"].source)
    shutil.copytree(draft / "perceptual", evil.folder / "perceptual")
    change(evil)
    backbone = load(models.find(str(evil.folder)), CPU, torch.float32)
    nets = FeatureNets()
    refused(lambda: nets.get(FeatureNet.OWN, backbone, torch.float32), words, evil.sentinel)


def test_the_small_models_of_the_tests_pass(tiny_folder: Path, flow_folder: Path) -> None:
    for folder in (tiny_folder, flow_folder):
        load(models.find(str(folder)), CPU, torch.float32)
    assert tiny.WORDS
