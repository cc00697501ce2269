# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a job: what it settles, once, and what it leaves to a loaded model."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync_engine.backbones import loading
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.canvas.sphere import SphereCanvas
from sync_engine.catalog.models import find
from sync_engine.common.errors import EngineError
from sync_engine.common.progress import Reporter
from sync_engine.interface.messages import Progress, Stage
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.runtime.job import Engine
from sync_engine.runtime.plan import JobPlan
from tests.small_models import tiny


def plan(folder: Path, **fields) -> JobPlan:
    spec = EnvironmentSpec("a calm sea", model=str(folder), device="cpu", **fields)
    return JobPlan.of(spec, find(spec.model))


def test_what_the_spec_leaves_open_is_settled(tiny_folder: Path) -> None:
    settled = plan(tiny_folder, kind="plate", height=128, width=256)
    assert settled.seed == settled.spec.seed is not None
    assert (settled.steps, settled.guidance) == (settled.row.steps, settled.row.guidance)
    complete = settled.complete_spec(Engine().model(settled))
    assert None not in (complete.seed, complete.height, complete.steps, complete.guidance, complete.stride)
    assert plan(tiny_folder, seed=5, steps=3, guidance=2.0).steps == 3


def test_a_complete_spec_makes_the_same_plan(tiny_folder: Path) -> None:
    first = plan(tiny_folder, kind="plate", height=128, width=256, method="sync")
    model = Engine().model(first)
    again = JobPlan.of(first.complete_spec(model), find(str(tiny_folder)))
    assert again.complete_spec(model) == first.complete_spec(model)
    assert again.settings == first.settings


@pytest.mark.parametrize(
    ("fields", "kind", "wraps"),
    [
        ({"width": 256}, SphereCanvas, None),
        ({"width": 256, "projection": "equirectangular"}, PlaneCanvas, True),
        ({"kind": "plate", "width": 256, "height": 128}, PlaneCanvas, False),
    ],
)
def test_kind_and_projection_choose_the_canvas(tiny_folder: Path, fields, kind: type, wraps) -> None:
    settled = plan(tiny_folder, **fields)
    canvas = settled.canvas(Engine().model(settled))
    assert type(canvas) is kind
    assert getattr(canvas, "wrap", None) == wraps
    assert len(canvas.views) == (len(canvas.elevations) if kind is SphereCanvas else 0)


def test_a_device_that_is_not_there_is_told_before_anything_is_loaded(tiny_folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(loading, "load_parts", lambda *_: pytest.fail("the model was loaded"))
    spec = EnvironmentSpec("a calm sea", model=str(tiny_folder), device="cuda:99")
    with pytest.raises(EngineError, match="device = 'cuda:99'"):
        JobPlan.of(spec, find(spec.model))


def test_a_job_finds_its_model_once_and_walks_through_its_stages(
    tiny_folder: Path, tmp_path: Path, monkeypatch
) -> None:
    from sync_engine.runtime import plan as plan_module

    found, told, read = [], [], plan_module.read_index
    monkeypatch.setattr(plan_module, "read_index", lambda folder: found.append(folder) or read(folder))
    monkeypatch.setattr(loading, "read_index", lambda folder: pytest.fail("the index was read again"))
    monkeypatch.setattr(loading, "folder_of", lambda row: pytest.fail("the folder was looked up again"))
    spec = tiny.plate_spec(tiny_folder, steps=2, method="multidiffusion")
    _, seconds = Engine().run(spec, tmp_path / "out", Reporter("job", told.append))
    assert found == [tiny_folder]
    stages = list(dict.fromkeys(event.stage for event in told if isinstance(event, Progress)))
    assert stages == [Stage.LOAD, Stage.ENCODE, Stage.DENOISE, Stage.DECODE, Stage.WRITE]
    assert list(seconds) == [*stages, "total"]
