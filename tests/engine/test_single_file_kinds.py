# SPDX-License-Identifier: GPL-3.0-or-later
"""Single files as people have them: scaled fp8, tensors that nothing takes, Turbo, v, EDM."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sync_engine.backbones import single_file
from sync_engine.backbones.loading import load
from sync_engine.backbones.scaled_weights import unscaled
from sync_engine.catalog import few_steps, models
from sync_engine.catalog.few_steps import FewSteps
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.interface.loras import Lora
from tests.engine.test_single_file import CPU, Case, outputs, refused
from tests.small_models import lora_files, tiny_flow

E4M3 = torch.float8_e4m3fn
MOST = 448.0
"""The largest number of the format."""


def scaled(file: Path, spelling: str, rows: bool, marked: bool) -> dict[str, torch.Tensor]:
    """Write a file's matrices in scaled fp8; return the weights that are meant, in float32."""
    state, kept, meant = load_file(file), {}, {}
    for name, value in state.items():
        if not name.endswith(".weight") or value.ndim != 2:
            kept[name] = meant[name] = value
            continue
        most = value.abs().amax(1, keepdim=True) if rows else value.abs().max()
        scale = most / MOST
        kept[name] = (value / scale).to(E4M3)
        stem = name.removesuffix(".weight")
        kept[f"{stem}.{spelling}"] = scale.squeeze(-1) if rows else scale
        if marked:
            kept[f"{stem}.scale_input"] = torch.ones(1)
        meant[name] = kept[name].float() * scale
    if marked:
        kept["scaled_fp8"] = torch.zeros(2).to(E4M3)
    save_file({name: value.contiguous() for name, value in kept.items()}, file)
    return meant


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "spelling", "rows", "marked"),
    [
        ("sd", "scale_weight", False, True),
        ("xl", "weight_scale", False, False),
        ("z-image", "scale_weight", True, True),
        ("klein", "weight_scale", False, False),
    ],
)
def test_scaled_fp8_is_the_model_that_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, spelling: str, rows: bool, marked: bool
) -> None:
    case = Case(name, tmp_path, monkeypatch)
    plain = outputs(str(case.file))
    meant = scaled(case.file, spelling, rows, marked)
    given = outputs(str(case.file))
    save_file({key: value.contiguous() for key, value in meant.items()}, case.file)
    for from_scaled, from_meant in zip(given, outputs(str(case.file)), strict=True):
        torch.testing.assert_close(from_scaled, from_meant, rtol=0, atol=1e-5)
    assert (given[0] - plain[0]).abs().max() > 0, "8 bits are not 32"


W8 = torch.ones(4, 3).to(E4M3)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"a.weight": W8, "b.weight": W8, "a.scale_weight": torch.ones(1)}, r"b\.weight lacks its scale"),
        ({"a.weight": W8, "scaled_fp8": torch.ones(1)}, r"a\.weight lacks its scale"),
        ({"a.scale_weight": torch.ones(1)}, "belongs to no weight"),
        ({"a.weight": W8, "a.weight_scale": torch.ones(7)}, "7 numbers for 4 rows"),
        ({"a.weight": torch.ones(6, 1, dtype=torch.uint8), "a.weight.absmax": torch.ones(1)}, "quantised"),
        ({"a.weight": torch.ones(6, 6, dtype=torch.int8)}, "quantised"),
    ],
)
def test_weights_that_cannot_be_scaled_are_refused(state: dict[str, torch.Tensor], words: str) -> None:
    with pytest.raises(ModelNotAvailable, match=words):
        unscaled(Path("a.safetensors"), state, torch.float32)


def test_plain_fp8_needs_no_scales() -> None:
    assert unscaled(Path("a"), {"a.weight": W8}, torch.float32)["a.weight"].dtype == E4M3


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("sd", "model.diffusion_model.control.0.weight"),
        ("sd", "first_stage_model.extra.weight"),
        ("sd", "control_model.input_blocks.0.0.weight"),
        ("z-image", "layers.7.attention.qkv.weight"),
        ("klein", "double_blocks.9.img_mlp.0.weight"),
    ],
)
def test_a_tensor_that_nothing_takes_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, extra: str
) -> None:
    case = Case(name, tmp_path, monkeypatch)
    save_file(load_file(case.file) | {extra: torch.zeros(123, 457)}, case.file)
    with pytest.raises(ModelNotAvailable) as error:
        load(models.find(str(case.file)), CPU, torch.float32)
    assert extra in error.value.message


def test_averages_and_schedules_are_no_strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("sd", tmp_path, monkeypatch)
    more = {"model_ema.decay": torch.ones(()), "betas": torch.ones(9), "model_ema.a.weight": torch.ones(5, 5)}
    save_file(load_file(case.file) | more, case.file)
    load(models.find(str(case.file)), CPU, torch.float32)


@pytest.mark.parametrize("mark", ["edm_mean", "edm_vpred.sigma_max"])
def test_another_schedule_of_noise_is_refused(tmp_path: Path, monkeypatch, mark: str) -> None:
    case = Case("xl", tmp_path, monkeypatch)
    save_file(load_file(case.file) | {mark: torch.ones(4)}, case.file)
    refused(case.file, "another schedule of noise")


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("sd_xl_turbo_1.0_fp16", FewSteps(4, True, 512)),
        ("DreamShaperXL_Turbo-v2", FewSteps(4, True, 512)),
        ("sdxl_lightning_8step", FewSteps(8, False)),
        ("Hyper-SDXL-4steps", FewSteps(4, False)),
        ("juggernautXL_v9", None),
        ("turbocharged", None),
    ],
)
def test_the_name_says_whether_a_file_is_distilled(name: str, how: FewSteps | None) -> None:
    assert few_steps.said_by(name) == how


def test_a_turbo_file_has_few_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("xl", tmp_path, monkeypatch, **{"modelspec.title": "SDXL Turbo"})
    row = models.find(str(case.file))
    assert (row.steps, row.guidance, row.window) == (4, 1.0, 512)
    config = load(row, CPU, torch.float32).scheduler("model", 4)
    assert type(config).__name__ == "EulerAncestralDiscreteScheduler"
    assert config.config.timestep_spacing == "trailing"


@pytest.mark.parametrize(("spread", "predicts_v"), [(0.02, False), (0.2, True)])
def test_stable_diffusion_2_tells_v_by_its_last_bias(spread: float, predicts_v: bool) -> None:
    bias = torch.randn(320, generator=torch.Generator().manual_seed(1)) * spread
    assert single_file._predicts_v({single_file.LAST_BIAS: bias}) is predicts_v
    assert not single_file._predicts_v({})


@pytest.mark.parametrize(
    "error", [NotImplementedError("meta"), ImportError("no torchsde"), AssertionError("?")]
)
def test_errors_of_libraries_are_words(tiny_folder: Path, monkeypatch, error: Exception) -> None:
    from transformers import CLIPTextModel

    def broken(*given: object, **named: object) -> None:
        raise error

    monkeypatch.setattr(CLIPTextModel, "from_pretrained", broken)
    with pytest.raises(ModelNotAvailable, match="the part text_encoder could not be loaded"):
        load(models.find(str(tiny_folder)), CPU, torch.float32)


def test_a_lora_of_nan_is_refused_before_anything_is_loaded(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = lora_files.write(tmp_path / "lora.safetensors", tiny_folder)
    state = load_file(file)
    name = next(iter(state))
    state[name][0] = float("nan")
    save_file(state, file)
    monkeypatch.setattr("sync_engine.backbones.loading.load_parts", lambda *given: pytest.fail("loaded"))
    with pytest.raises(ModelNotAvailable, match="holds NaN or infinite numbers"):
        load(models.find(str(tiny_folder)), CPU, torch.float32, [Lora(str(file), 1.0)])


def test_the_words_beyond_the_encoder_are_told(tiny_folder: Path, tmp_path: Path) -> None:
    backbone = load(models.find(str(tiny_folder)), CPU, torch.float32)
    words = ["calm", "sea", "desert", "sky"] * 5
    assert backbone.cut_off(" ".join(words)) == " ".join(words[14:]), "16 places, two of them for the ends"
    assert backbone.cut_off("a calm sea") == ""
    flow = load(models.find(str(tiny_flow.build_z_image(tmp_path / "z"))), CPU, torch.float32)
    assert flow.cut_off("a calm sea") == ""
    assert flow.cut_off("sea " * 600).startswith("sea sea")
