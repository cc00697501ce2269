# SPDX-License-Identifier: GPL-3.0-or-later
"""One picture on several devices: two processes paint what one does, a lost one ends the job with words."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sync_engine.common.errors import EngineError, JobCancelled
from sync_engine.common.progress import Reporter
from sync_engine.common.ranks import ALONE, Ranks
from sync_engine.interface.messages import FailureCode, Progress, Stage
from sync_engine.interface.spec import EnvironmentSpec, SpecError
from sync_engine.runtime import stages
from sync_engine.runtime.job import Engine
from sync_engine.sync.feature_nets import FOLDER
from sync_engine.sync.perceptual_net import LatentFeatures
from tests.small_models import tiny


def test_windows_are_shared_whole_and_evenly() -> None:
    shares = [Ranks(number, 3).share(8) for number in range(3)]
    assert shares == [[0, 1], [2, 3, 4], [5, 6, 7]]
    assert ALONE.share(3) == [0, 1, 2]


@pytest.mark.parametrize(
    "device", ["cuda:0,cuda:0", "cpu,cuda:0", "cuda,cuda:1", "auto,auto", "cuda:0,", "cuda:0,cuda:00"]
)
def test_devices_that_are_not_several_are_refused(device: str) -> None:
    with pytest.raises(SpecError, match="device"):
        EnvironmentSpec("a calm sea", device=device).validated()


@pytest.mark.parametrize("method", ["sync-paper", "blended"])
def test_methods_that_work_on_one_device_say_so(method: str) -> None:
    spec = EnvironmentSpec("a calm sea", kind="plate", device="cuda:0,cuda:1", method=method)
    with pytest.raises(SpecError, match="works on one device"):
        spec.validated()


def spec_of(folder: Path, kind: str, **changes: object) -> EnvironmentSpec:
    """Return a small job in two processes on the CPU; a world has a detail pass."""
    size = {"width": 768} if kind == "world" else {"width": 448, "height": 128}
    given = {
        "model": str(folder),
        "kind": kind,
        "steps": 3,
        "guidance": 2.0,
        "seed": 5,
        "precision": "fp32",
        "device": "cpu,cpu",
    }
    return EnvironmentSpec.from_dict({"prompt": "a calm sea", **given, **size, **changes})


class Watch:
    """Keeps what a job has before it is decoded, of the windows of this process, and its pictures."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.latents: list[torch.Tensor] = []
        self.numbers: list[list[int]] = []
        self.pictures: list[torch.Tensor] = []
        decode, add_detail = stages.decode, stages.add_detail

        def decoded(plan, model, canvas, latents, *more) -> torch.Tensor:
            self.latents.append(latents)
            self.numbers.append(canvas.numbers)
            self.pictures.append(decode(plan, model, canvas, latents, *more))
            return self.pictures[-1]

        def detailed(*given) -> torch.Tensor:
            self.pictures.append(add_detail(*given))
            return self.pictures[-1]

        monkeypatch.setattr(stages, "decode", decoded)
        monkeypatch.setattr(stages, "add_detail", detailed)

    def check(self, passes: int, sphere: bool) -> None:
        """Check that the first job, of two processes, is the second's, of one."""
        (two, one), (numbers, every) = self.latents, self.numbers
        assert one.std() > 0.1
        assert 0 < len(numbers) <= len(every) / 2 + 1
        bound = 1e-5 * max(1.0, float(one.std()))
        torch.testing.assert_close(two, one[numbers] if sphere else one, rtol=0, atol=bound)
        assert len(self.pictures) == 2 * passes
        for shared, alone in zip(self.pictures[:passes], self.pictures[passes:], strict=True):
            torch.testing.assert_close(shared, alone, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model with a perceptual net of its own, which is smooth: rounding stays rounding."""
    folder = tiny.build(tmp_path_factory.mktemp("ranks"), prediction="v_prediction", tiny_vae=False)
    torch.manual_seed(4)
    net = LatentFeatures(4, {"scene": ["a", "b"]}, widths=(8, 16), blocks=1)
    (folder / FOLDER).mkdir()
    (folder / FOLDER / "config.json").write_text(json.dumps(net.config))
    save_file(net.state_dict(), folder / FOLDER / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def engine():
    """An engine whose other process stays between the tests."""
    made = Engine()
    yield made
    made.release()


CASES = {
    "world, sync": {"kind": "world"},
    "world, multidiffusion": {"kind": "world", "method": "multidiffusion", "width": 256},
    "world, sync, a region": {
        "kind": "world",
        "width": 256,
        "guides": [
            {"type": "region", "prompt": "desert sunset", "azimuth": 20.0, "elevation": 0.0, "radius": 50.0}
        ],
    },
    "plate, sync": {"kind": "plate"},
    "plate, multidiffusion, noise at each step": {
        "kind": "plate",
        "method": "multidiffusion",
        "solver": "euler-ancestral",
    },
    "equirectangular, sync": {"kind": "world", "projection": "equirectangular", "width": 256},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.replace(", ", "-").replace(" ", "-"))
def test_two_processes_paint_what_one_does(
    engine: Engine, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    watch, wanted = Watch(monkeypatch), CASES[case]
    for name, devices in {"two": "cpu,cpu", "one": "cpu"}.items():
        spec = spec_of(model_folder, **{**wanted, "device": devices})
        engine.run(spec, tmp_path / name, Reporter("job", lambda event: None, False))
    watch.check(1 if "width" in wanted or wanted["kind"] == "plate" else 2, case.startswith("world"))
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == sorted(
        path.name for path in (tmp_path / "one").iterdir()
    )


@pytest.mark.slow
def test_a_kept_photo_is_the_same_too(
    engine: Engine, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "photo.png"
    from PIL import Image

    pixels = np.random.default_rng(1).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(photo)
    watch = Watch(monkeypatch)
    guides = [{"type": "picture", "file": str(photo), "azimuth": 10.0, "elevation": 5.0, "fov": 80.0}]
    for devices in ("cpu,cpu", "cpu"):
        spec = spec_of(model_folder, "world", width=256, guides=guides, device=devices)
        engine.run(spec, tmp_path / devices.replace(",", "-"), Reporter("job", lambda event: None, False))
    watch.check(1, sphere=True)


@pytest.mark.slow
def test_a_cancelled_job_ends_the_other_process_too(
    engine: Engine, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []
    spec = spec_of(model_folder, "plate", steps=40)

    def begun(event: Progress) -> None:
        told.append(event.stage is Stage.DENOISE and event.step == 2)

    with pytest.raises(JobCancelled):
        engine.run(spec, tmp_path / "ended", Reporter("job", begun, False), lambda: any(told))
    assert list(tmp_path.iterdir()) == []
    assert engine.helpers._helpers == []


@pytest.mark.slow
def test_a_lost_process_ends_the_job_with_words(
    engine: Engine, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(monkeypatch)
    spec = spec_of(model_folder, "plate", steps=40)

    def kill(event: Progress) -> None:
        if event.stage is Stage.DENOISE and event.step == 2:
            os.kill(engine.helpers._helpers[0].process.pid, signal.SIGKILL)

    with pytest.raises(EngineError, match="process of a job on several devices ended") as told:
        engine.run(spec, tmp_path / "lost", Reporter("job", kill, False))
    assert told.value.code is FailureCode.ENGINE_DIED
    assert list(tmp_path.iterdir()) == [], "nothing half made is left"
    assert watch.latents == []
