# SPDX-License-Identifier: GPL-3.0-or-later
"""GGUF files as models, and folders that have one variant of their weights only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sync_engine.backbones.gguf_weights import unpacked
from sync_engine.catalog import gguf_header, models
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.interface.spec import EnvironmentSpec
from tests.engine.test_single_file import Case, outputs, refused

gguf = pytest.importorskip("gguf", reason="the package gguf is not here: it would write and read GGUF files")
PREFIX = "model.diffusion_model."


def packed(
    file: Path, kind: str = "Q8_0", architecture: str = "some"
) -> tuple[Path, dict[str, torch.Tensor]]:
    """Write the denoiser of a single file as GGUF; return the file and the weights that are meant.

    Matrices whose rows fill whole blocks are quantised, all else is in float32.
    """
    quantised = gguf.GGMLQuantizationType[kind]
    out = file.with_suffix(".gguf")
    writer = gguf.GGUFWriter(out, architecture)
    meant: dict[str, torch.Tensor] = {}
    for name, value in load_file(file).items():
        if name.startswith(("first_stage_model.", "cond_stage_model.", "conditioner.")):
            meant[name] = value
            continue
        numbers = value.float().numpy()
        short = name.removeprefix(PREFIX)
        if value.ndim == 2 and value.shape[1] % gguf.GGML_QUANT_SIZES[quantised][0] == 0:
            data = gguf.quants.quantize(numbers, quantised)
            writer.add_tensor(short, data, raw_dtype=quantised)
            numbers = gguf.quants.dequantize(data, quantised).reshape(numbers.shape)
        else:
            writer.add_tensor(short, np.ascontiguousarray(numbers))
        meant[name] = torch.from_numpy(np.ascontiguousarray(numbers))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out, meant


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [("z-image", "Q8_0"), ("klein", "Q4_0"), ("sd", "Q5_1")])
def test_a_gguf_is_the_model_that_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    case = Case(name, tmp_path, monkeypatch)
    if name == "sd":  # such a file is the denoiser alone, and the rest is its base's
        case.base.rename(tmp_path / "texts")
        case.folder.rename(case.base)
    file, meant = packed(case.file, kind)
    given = outputs(str(file))
    save_file({key: value.contiguous() for key, value in meant.items()}, case.file)
    for from_gguf, from_meant in zip(given, outputs(str(case.file)), strict=True):
        torch.testing.assert_close(from_gguf, from_meant, rtol=0, atol=1e-5)


def test_quantised_weights_are_near_and_have_their_shapes(tmp_path: Path, monkeypatch) -> None:
    case = Case("z-image", tmp_path, monkeypatch)
    file, meant = packed(case.file)
    found = unpacked(file, torch.float32)
    assert set(found) == {name.removeprefix(PREFIX) for name in meant}
    shapes = gguf_header.shapes(file)
    for name, value in meant.items():
        short = name.removeprefix(PREFIX)
        assert shapes[short] == tuple(value.shape)
        torch.testing.assert_close(found[short], value)


def test_another_architecture_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save_file({"blk.0.attn_q.weight": torch.ones(4, 32)}, file)
    refused(packed(file, architecture="llama")[0], "architecture 'llama', which is not known here")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"GGUF" + bytes(100), "its version is 0"),
        (gguf_header.START.pack(b"GGUF", 3, 2**40, 1) + bytes(50), "claims 1099511627776 tensors"),
        (gguf_header.START.pack(b"GGUF", 3, 4, 1) + b"\xff" * 50, "damaged or cut off"),
    ],
)
def test_bad_files_are_told(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "a.gguf"
    file.write_bytes(content)
    refused(file, words)


def test_a_file_that_is_cut_off_is_told(tmp_path: Path, monkeypatch) -> None:
    file, _ = packed(Case("z-image", tmp_path, monkeypatch).file)
    file.write_bytes(file.read_bytes()[:-5000])
    refused(file, "cut off")


def test_a_gguf_by_another_name_is_told(tmp_path: Path, monkeypatch) -> None:
    file, _ = packed(Case("z-image", tmp_path, monkeypatch).file)
    refused(file.rename(tmp_path / "other.bin"), r"does not end in \.gguf")


def test_without_the_package_it_is_told_how(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "a.gguf"
    file.write_bytes(b"GGUF" + bytes(100))
    monkeypatch.setattr(gguf_header.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelNotAvailable, match="has no gguf") as error:
        models.find(EnvironmentSpec("a hall", model=str(file)).model)
    assert "requirements/gguf.txt" in error.value.hint


@pytest.mark.parametrize("variant", ["bf16", "fp16", "ema"])
def test_a_folder_with_one_variant_only_loads(tmp_path: Path, tiny_folder: Path, variant: str) -> None:
    import shutil

    folder = tmp_path / "m"
    shutil.copytree(tiny_folder, folder)
    plain = outputs(str(folder), window=128)
    for file in folder.rglob("*.safetensors"):
        file.rename(file.with_name(f"{file.stem}.{variant}.safetensors"))
    for ours, theirs in zip(outputs(str(folder), window=128), plain, strict=True):
        assert torch.equal(ours, theirs)
