# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs and situations that people meet and that belong to no one room (docs/dev/cases.md lists all)."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sync_engine.backbones.loading import load
from sync_engine.catalog import models
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.host.process import child_environment, child_folder
from sync_engine.interface.embedded import read_spec
from sync_engine.interface.loras import Lora
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.interface.validation import plain
from sync_engine.pictures.picture import UnreadablePicture
from sync_engine.pictures.read import read_picture
from sync_engine.prompting.marks import marks_in
from tests.small_models import lora_files

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


# --- LoRAs of other programs ----------------------------------------------------------------


def one_trainer(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return state | {"bundle_emb.word.clip_l": torch.zeros(2, 32)}


def whole_differences(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return state | {
        "lora_unet_conv_in.diff": torch.zeros(4, 4, 3, 3),
        "lora_unet_conv_in.diff_b": torch.zeros(4),
    }


def of_peft(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name.replace("unet.", "base_model.model."): value
        for name, value in state.items()
        if name.startswith("unet.")
    }


@pytest.mark.parametrize("change", [one_trainer, whole_differences, of_peft])
def test_a_lora_of_another_program_is_read_whole_or_refused_in_words(
    tmp_path: Path, tiny_folder: Path, change
) -> None:
    file = lora_files.write(tmp_path / "lora.safetensors", tiny_folder)
    state = change(load_file(file))
    save_file({name: value.contiguous() for name, value in state.items()}, file)
    with pytest.raises(ModelNotAvailable, match=r"which this engine cannot read|does not fit") as refused:
        load(models.find(str(tiny_folder)), CPU, torch.float32, [Lora(str(file))])
    assert refused.value.hint


# --- prompts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "marks"),
    [
        ("a lake <lora:detail:0.8>", ["<lora:detail:0.8>"]),
        ("a (lake:1.3), [fog:0.5] BREAK ((tall)) trees", ["(lake:1.3)", "[fog:0.5]", "BREAK", "((tall))"]),
        ("a lake (calm), [early], breakfast at 10:30", []),
    ],
)
def test_marks_of_other_programs_are_noticed(prompt: str, marks: list[str]) -> None:
    assert marks_in(prompt) == marks


def test_no_prompt_takes_time() -> None:
    begun = time.process_time()
    for part in ("(", "((", "[a:", "<lora:", "(a:1", "BREAK"):
        marks_in(part * 2000)
    assert time.process_time() - begun < 5  # a pattern without end would take for ever


@pytest.mark.slow
def test_marks_are_told_and_line_ends_are_blanks(tiny_folder: Path, tmp_path: Path) -> None:
    from sync_engine.common.progress import Reporter
    from sync_engine.runtime.job import Engine

    spec = EnvironmentSpec(
        "a calm\r\nsea (big:1.3)", kind="plate", width=128, height=64, steps=1, seed=1, model=str(tiny_folder)
    )
    told: list[str] = []
    Engine().run(
        spec.validated(), tmp_path / "out", Reporter("j", lambda event: told.append(event.note or ""))
    )
    assert any("(big:1.3) have no meaning here" in note for note in told)


# --- pictures -------------------------------------------------------------------------------


def float_tiff(colours: np.ndarray) -> bytes:
    """Return an uncompressed TIFF of 32-bit float colours ``(H, W, 3)``."""
    height, width = colours.shape[:2]
    data = colours.astype("<f4").tobytes()
    entries = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, 3, 8 + len(data)),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 8),
        (277, 3, 1, 3),
        (278, 3, 1, height),
        (279, 4, 1, len(data)),
        (339, 3, 3, 8 + len(data) + 6),
    ]
    beside = struct.pack("<6H", 32, 32, 32, 3, 3, 3)
    table = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<2sHI", b"II", 42, 8 + len(data) + len(beside)) + data + beside + table + bytes(4)


def test_a_tiff_of_float_colours_is_light_or_told(tmp_path: Path) -> None:
    path = tmp_path / "light.tif"
    light = np.random.default_rng(0).random((32, 64, 3)).astype(np.float32) * 4
    path.write_bytes(float_tiff(light))
    with pytest.raises(UnreadablePicture) as refused:
        read_picture(path)
    assert "floats in grey are read; save others as EXR" in str(refused.value)


def test_a_record_with_a_byte_order_mark(tmp_path: Path) -> None:
    spec = EnvironmentSpec("ein See", seed=3)
    text = "\ufeff" + json.dumps({"spec": spec.to_dict(), "created": ""})
    (tmp_path / "spec.json").write_text(text, encoding="utf-8")
    assert read_spec(tmp_path / "spec.json") == spec


# --- where the engine runs ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a:b", "a;b", "ä ö", "trailing "])
def test_an_engine_whose_folder_has_any_name(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    (root / "sync_engine").mkdir(parents=True)
    (root / "sync_engine" / "__init__.py").write_text("")
    (root / "sync_engine" / "__main__.py").write_text(
        "import subprocess, sys\n"
        "again = [] if len(sys.argv) > 1 else [sys.executable, '-m', 'sync_engine', 'again']\n"
        "print('here', flush=True)\n"
        "sys.exit(subprocess.call(again) if again else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "sync_engine"],
        env=child_environment(root, None),
        cwd=child_folder(root),
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["here", "here"], done.stderr


@pytest.mark.slow
@pytest.mark.skipif(
    os.name == "nt", reason="a folder in use stays there; it would check what is done without"
)
def test_the_folder_that_blender_was_started_in_is_gone(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "gone = Path(sys.argv[1]) / 'gone'\ngone.mkdir()\nos.chdir(gone)\ngone.rmdir()\n"
        "from sync_engine.host.client import EngineClient\n"
        "client = EngineClient(sys.executable, Path(sys.argv[1]) / 'library', command=sys.argv[2:])\n"
        "print(client.wait_ready(60)['pid'])\nclient.shutdown()\n"
    )
    fake = [sys.executable, "-S", str(ROOT / "tests/unit/fake_engine.py")]
    command = [sys.executable, "-c", code, str(tmp_path), *fake]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert child_folder(ROOT) is None, "else a child runs where this process does"


# --- scripts --------------------------------------------------------------------------------


def test_numbers_of_numpy_and_paths_are_taken(tmp_path: Path) -> None:
    fields = {
        "prompt": "a",
        "width": np.int64(1024),
        "seed": np.uint32(7),
        "guidance": np.float32(2.5),
        "ldr": np.bool_(True),
        "model": tmp_path,
        "loras": [tmp_path / "a.safetensors"],
    }
    spec = EnvironmentSpec.from_dict(plain(fields))
    assert (spec.width, spec.seed, spec.guidance, spec.ldr) == (1024, 7, 2.5, True)
    assert (spec.model, spec.loras) == (str(tmp_path), (str(tmp_path / "a.safetensors"),))
    assert spec.to_json()
