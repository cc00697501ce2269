# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: exit codes, what it writes, and what bad input is told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sync_engine.__main__ import main
from sync_engine.interface.embedded import read_record, read_spec
from sync_engine.interface.spec import EnvironmentSpec

ROOT = Path(__file__).parents[2]


def generate(capfdbinary: pytest.CaptureFixture, *options: str) -> tuple[int, list[dict]]:
    """Run ``generate --json`` in this process; return its exit status and events."""
    status = main(["generate", "--json", *options])
    return status, [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]


@pytest.fixture
def capfd_restored():
    """``--json`` moves the process's stdout to stderr; put it back afterwards."""
    stdout = os.dup(1)
    yield
    os.dup2(stdout, 1)
    os.close(stdout)


@pytest.fixture
def run(capfdbinary, capfd_restored):
    return lambda *options: generate(capfdbinary, *options)


@pytest.fixture
def quick(tiny_folder: Path) -> list[str]:
    """Options of a job of a second."""
    return [
        "--prompt",
        "a calm sea",
        "--model",
        str(tiny_folder),
        "--steps",
        "2",
        "--method",
        "multidiffusion",
    ]


@pytest.mark.slow
def test_a_world_is_written_whole(run, quick, tmp_path: Path) -> None:
    import OpenEXR

    status, events = run(*quick, "--width", "256", "--seed", "7", "--out", str(tmp_path / "w"))
    assert status == 0
    assert events[0]["type"] == "accepted"
    assert events[-1]["type"] == "done"
    assert sorted(p.name for p in (tmp_path / "w").iterdir()) == ["preview.png", "spec.json", "world.exr"]
    assert [p.name for p in tmp_path.iterdir()] == ["w"], "no partial folder may stay"
    with OpenEXR.File(str(tmp_path / "w" / "world.exr")) as file:
        pixels = file.channels()["RGB"].pixels
        header = dict(file.header())
    assert pixels.dtype == np.float32
    assert pixels.shape == (128, 256, 3)
    assert pixels.min() >= 0
    record = json.loads((tmp_path / "w" / "spec.json").read_text())
    assert record["spec"]["seed"] == 7
    assert record["spec"]["steps"] == 2
    kept = EnvironmentSpec.from_dict(record["spec"]).without_paths()
    assert json.loads(header["syncscape"]) == kept.to_dict(), (
        "the record knows the paths, the picture does not"
    )
    assert read_record(tmp_path / "w" / "world.exr") == {"spec": kept.to_dict(), "light": record["light"]}
    assert {"load", "encode", "denoise", "decode", "write", "total"} <= record["timings"].keys()
    assert record["engine"]["torch"]


@pytest.mark.slow
def test_the_same_spec_and_seed_give_identical_pixels(run, quick, tmp_path: Path) -> None:
    import OpenEXR

    pictures = []
    for name in ("a", "b"):
        run(*quick, "--width", "256", "--seed", "7", "--out", str(tmp_path / name))
        with OpenEXR.File(str(tmp_path / name / "world.exr")) as file:
            pictures.append(file.channels()["RGB"].pixels.copy())
    assert np.array_equal(*pictures)


@pytest.mark.slow
def test_the_spec_of_a_result_makes_it_again(run, quick, tmp_path: Path) -> None:
    run(*quick, "--kind", "plate", "--width", "192", "--height", "128", "--out", str(tmp_path / "a"))
    status, _ = run("--spec", str(tmp_path / "a" / "spec.json"), "--out", str(tmp_path / "b"))
    assert status == 0
    assert read_spec(tmp_path / "a" / "plate.png") == read_spec(tmp_path / "a").without_paths()
    assert (tmp_path / "a" / "plate.png").read_bytes() == (tmp_path / "b" / "plate.png").read_bytes()


def test_a_plate_may_be_lower_than_a_window(run, quick, tmp_path: Path) -> None:
    from PIL import Image

    status, _ = run(
        *quick, "--kind", "plate", "--width", "320", "--height", "64", "--out", str(tmp_path / "p")
    )
    assert status == 0
    assert Image.open(tmp_path / "p" / "plate.png").size == (320, 64)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sync", "sync-paper", "multidiffusion"])
def test_every_method_makes_a_plate(run, quick, tmp_path: Path, monkeypatch, method: str) -> None:
    monkeypatch.delenv("SYNCSCAPE_LPIPS", raising=False)
    options = [*quick, "--method", method, "--kind", "plate", "--width", "192", "--height", "128"]
    if method != "multidiffusion":  # the tiny model has no net: its windows are seen through the draft model
        options += ["--sync-steps", "1"]
    assert run(*options, "--out", str(tmp_path / "p"))[0] == 0
    engine = json.loads((tmp_path / "p" / "spec.json").read_text())["engine"]
    assert engine.get("sync_net") == (None if method == "multidiffusion" else "draft")


BAD = [
    (["--prompt", ""], "prompt"),
    (["--prompt", "x" * 10_000], "prompt"),
    (["--prompt", "a\x07b"], "prompt"),
    (["--width", "1000"], "width"),
    (["--width", "0"], "width"),
    (["--width", "1152", "--height", "512"], "height"),
    (["--steps", "0"], "steps"),
    (["--steps", "-3"], "steps"),
    (["--sync-strength", "nan"], "sync_strength"),
    (["--guidance", "inf"], "guidance"),
    (["--device", "tpu"], "device"),
]


@pytest.mark.parametrize(("options", "field"), BAD)
def test_a_bad_field_is_named_with_value_and_remedy(run, quick, tmp_path: Path, options, field: str) -> None:
    status, events = run(*quick, *options, "--out", str(tmp_path / "w"))
    assert status == 2
    (event,) = events
    assert event["type"] == "failed"
    assert event["code"] == "bad_spec"
    assert event["message"].startswith(f"{field} = ")
    assert event["hint"]
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_method_is_refused_by_the_parser(tmp_path: Path, capfd) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["generate", "--prompt", "a", "--method", "magic", "--out", str(tmp_path)])
    assert stop.value.code == 2
    assert "sync-paper" in capfd.readouterr().err


def damaged(kind: str, healthy: Path, folder: Path) -> Path:
    """Return a copy of a model folder with one thing broken."""
    shutil.copytree(healthy, folder)
    weights = next((folder / "unet").glob("*.safetensors"))
    if kind == "truncated":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif kind == "garbage":
        weights.write_bytes(b"\x80\x04pickle" * 100)
    elif kind == "no weights":
        weights.unlink()
    elif kind == "no part":
        shutil.rmtree(folder / "vae")
    elif kind == "no index":
        (folder / "model_index.json").unlink()
    elif kind == "bad index":
        (folder / "model_index.json").write_text("[]")
    elif kind == "other family":
        text = (
            (folder / "model_index.json")
            .read_text()
            .replace("UNet2DConditionModel", "FluxTransformer2DModel")
        )
        (folder / "model_index.json").write_text(text)
    elif kind == "wrong shapes":
        config = json.loads((folder / "unet" / "config.json").read_text())
        (folder / "unet" / "config.json").write_text(json.dumps(config | {"cross_attention_dim": 24}))
    return folder


@pytest.mark.parametrize(
    "kind",
    [
        "truncated",
        "garbage",
        "no weights",
        "no part",
        "no index",
        "bad index",
        "other family",
        "wrong shapes",
    ],
)
def test_a_damaged_model_exits_with_3_and_words(run, quick, tiny_folder, tmp_path: Path, kind: str) -> None:
    folder = damaged(kind, tiny_folder, tmp_path / "model")
    status, events = run(*quick, "--model", str(folder), "--out", str(tmp_path / "w"))
    assert status == 3
    assert events[-1]["code"] == "model_not_available"
    assert str(folder) in events[-1]["message"]
    assert events[-1]["hint"]
    assert "Traceback" not in events[-1]["message"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("model", ["{folder}/weights.bin", "no-such-model", "{folder}/absent"])
def test_a_file_as_model_and_an_unknown_model_exit_with_3(run, quick, tmp_path: Path, model: str) -> None:
    (tmp_path / "weights.bin").write_bytes(b"x")
    model = model.format(folder=tmp_path)
    status, events = run(*quick, "--model", model, "--out", str(tmp_path / "w"))
    assert status == 3
    assert model in events[-1]["message"]
    assert [p.name for p in tmp_path.iterdir()] == ["weights.bin"]


@pytest.mark.parametrize("below", ["", "deeper"])
def test_an_output_folder_that_cannot_be_made_is_told(run, quick, tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("x")
    out = tmp_path / "file" / below
    status, events = run(*quick, "--width", "256", "--out", str(out))
    assert status == 5
    assert events[-1]["code"] == "output"
    assert str(out) in events[-1]["message"]
    assert (tmp_path / "file").read_text() == "x"


def test_too_little_space_is_told_before_any_work(run, quick, tmp_path: Path, monkeypatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    status, events = run(*quick, "--width", "256", "--out", str(tmp_path / "w"))
    assert status == 5
    assert "free" in events[-1]["message"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_interrupt_exits_with_130_and_leaves_nothing(tiny_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sync_engine", "generate", "--json", "--prompt", "a", "--steps", "200"]
    command += ["--model", str(tiny_folder), "--method", "multidiffusion", "--width", "2048"]
    process = subprocess.Popen([*command, "--out", str(tmp_path / "w")], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "progress" and event["stage"] == "denoise" and event["step"] >= 1:
            break
    process.send_signal(signal.SIGINT)
    rest = [json.loads(line) for line in process.stdout]
    assert process.wait(60) == 130
    assert rest[-1]["type"] == "cancelled"
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_what_is_here(capfd) -> None:
    main(["doctor", "--json"])
    report = json.loads(capfd.readouterr().out)
    assert report["packages"]["torch"]
    assert report["device"]
    assert report["free_memory_gb"] > 0
    main(["doctor"])
    assert "torch" in capfd.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(("width", "refined"), [(256, False), (1024, True)])
def test_a_large_world_gets_a_detail_pass(run, quick, tmp_path: Path, width: int, refined: bool) -> None:
    """Above the model's own pixels per degree (512 around for 16 cells) there is more to do."""
    status, events = run(*quick, "--steps", "1", "--width", str(width), "--out", str(tmp_path / "w"))
    assert status == 0
    assert any(event.get("stage") == "detail" for event in events) == refined
