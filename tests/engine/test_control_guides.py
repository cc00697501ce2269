# SPDX-License-Identifier: GPL-3.0-or-later
"""Control guides in whole jobs: on every canvas, with every joint method, with offloading, after a kill."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sync_engine.backbones.backbone import Backbone
from sync_engine.backbones.loading import load
from sync_engine.backbones.sequential_offload import OFFLOAD_DEVICE, SequentialOffload
from sync_engine.catalog import control_nets, models
from sync_engine.common.errors import EngineError, ModelNotAvailable, NotAgreed
from sync_engine.common.progress import Reporter
from sync_engine.downloads import consent, store
from sync_engine.interface.embedded import read_spec
from sync_engine.interface.guides import Control, Region
from sync_engine.interface.memory_plan import MemoryPlan
from sync_engine.interface.spec import EnvironmentSpec, SpecError
from sync_engine.runtime import checkpoint
from sync_engine.runtime.job import Engine
from tests.engine.test_control_maps import distances
from tests.engine.test_resume import killed
from tests.small_models import control, tiny, tiny_xl
from tests.small_models.fake_hub import REVISION, FakeHub

STEPS = 3


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """A ControlNet for the small model."""
    model = load(models.find(str(tiny_folder)), torch.device("cpu"), torch.float32)
    return control.build(tmp_path_factory.mktemp("net"), model.unet)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def depth(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Ground below, sky above, twice as wide as high."""
    rows = np.linspace(-1, 1, 64)[:, None].repeat(128, 1)
    return distances(tmp_path_factory.mktemp("map") / "depth.exr", np.where(rows > 0, 2 / rows, 0.0))


def job(model: Path, *guides: Control, **fields: object) -> EnvironmentSpec:
    made = tiny.plate_spec(model, steps=STEPS, guides=guides)
    return dataclasses.replace(made, **fields).validated()  # type: ignore[arg-type]


def pixels(spec: EnvironmentSpec, out: Path, engine: Engine | None = None) -> bytes:
    files, _ = (engine or Engine()).run(spec, out, Reporter("j", lambda event: None))
    return Path(files["image"]).read_bytes()[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {"method": "multidiffusion"},
        {"method": "sync"},
        {"method": "sync-paper", "sync_steps": 1},
        {"kind": "world", "height": None, "projection": "equirectangular", "method": "multidiffusion"},
        {"kind": "world", "height": None, "width": 512, "method": "multidiffusion"},
    ],
    ids=["multidiffusion", "sync", "sync-paper", "equirectangular", "sphere"],
)
def test_on_every_canvas_with_every_joint_method(
    tmp_path: Path, tiny_folder: Path, net: Path, depth: str, fields: dict[str, object]
) -> None:
    engine = Engine()
    guide = Control(file=depth, model=str(net))
    without = pixels(job(tiny_folder, **fields), tmp_path / "a", engine)
    followed = pixels(job(tiny_folder, guide, **fields), tmp_path / "b", engine)
    nothing = pixels(
        job(tiny_folder, dataclasses.replace(guide, scale=0.0), **fields), tmp_path / "c", engine
    )
    assert followed != without
    assert nothing == without, "with scale 0 to the bit"


@pytest.mark.slow
def test_beside_a_region(tmp_path: Path, tiny_folder: Path, net: Path, depth: str) -> None:
    """Every prompt of a window sees the window's map."""
    region = Region(prompt="desert sunset", x=0.25, radius=0.4, feather=0.1)
    base = job(tiny_folder, method="multidiffusion")
    made = [
        pixels(dataclasses.replace(base, guides=guides), tmp_path / str(number))
        for number, guides in enumerate([(region,), (region, Control(file=depth, model=str(net)))])
    ]
    assert made[0] != made[1]


def test_blended_is_refused(tiny_folder: Path, depth: str) -> None:
    with pytest.raises(SpecError, match="takes no guides"):
        job(tiny_folder, Control(file=depth), method="blended")


@pytest.mark.slow
def test_the_result_can_be_made_again_without_the_map(
    tmp_path: Path, tiny_folder: Path, net: Path, depth: str
) -> None:
    mine = tmp_path / "mine.exr"
    mine.write_bytes(Path(depth).read_bytes())
    spec = job(tiny_folder, Control(file=str(mine), model=str(net), end=0.8), method="multidiffusion")
    first = pixels(spec, tmp_path / "a")
    record = json.loads((tmp_path / "a" / "spec.json").read_text())
    (kept,) = record["guide_files"]
    assert kept["copy"] == "guide-0-file.exr"
    assert len(kept["sha256"]) == 64
    assert "mine" not in json.dumps(spec.without_paths().to_dict()["guides"][0]["model"])
    mine.unlink()
    again = read_spec(tmp_path / "a")
    assert pixels(again, tmp_path / "b") == first


@pytest.mark.slow
def test_nets_stay_between_jobs_and_go_when_they_are_not_wanted(
    tmp_path: Path, tiny_folder: Path, net: Path, depth: str
) -> None:
    engine, guide = Engine(), Control(file=depth, model=str(net))
    spec = job(tiny_folder, guide, method="multidiffusion")
    pixels(spec, tmp_path / "a", engine)
    (first,) = engine._controls.values()
    pixels(dataclasses.replace(spec, seed=9), tmp_path / "b", engine)
    assert list(engine._controls.values()) == [first]
    engine.release()
    assert not engine._controls


@pytest.mark.slow
def test_with_turns_a_net_is_there_when_the_denoiser_is(
    tmp_path: Path, tiny_folder: Path, net: Path, depth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU a net on the wrong device would not fail: what was brought is looked at."""
    spec = job(tiny_folder, Control(file=depth, model=str(net)), method="multidiffusion")
    plain = pixels(spec, tmp_path / "a")
    beside: list[int] = []

    def place(self: Any, plan: MemoryPlan) -> None:
        self._offloader = SequentialOffload(torch.device(OFFLOAD_DEVICE), [self.encoders, [self.denoiser]])
        self.denoiser.register_forward_pre_hook(lambda *_: beside.append(len(self._offloader._here)))

    monkeypatch.setattr(Backbone, "place", place)
    assert pixels(spec, tmp_path / "b") == plain
    assert beside
    assert set(beside) == {2}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a fork; it would check what a killed job leaves")
def test_a_killed_job_goes_on_to_the_same_pixels(
    tmp_path: Path, tiny_folder: Path, net: Path, depth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the child: the same rounding
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    monkeypatch.setattr(checkpoint, "SHARE", 1.0)
    spec = job(tiny_folder, Control(file=depth, model=str(net), end=0.7), method="sync", sync_steps=2)
    whole = pixels(spec, tmp_path / "whole")
    killed(spec, tmp_path / "out", 2)
    assert pixels(spec, tmp_path / "out") == whole
    torch.set_num_threads(threads)


def test_what_cannot_be_followed_is_said_before_the_model_is_loaded(
    tmp_path: Path, tiny_folder: Path, net: Path, depth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loads(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("sync_engine.runtime.model_cache.load_from", loads)
    other = tiny_xl.build(tmp_path / "xl")
    for spec, words in (
        (job(other, Control(file=depth, model=str(net))), "another family of models"),
        (job(tiny_folder, Control(file=depth)), "No ControlNet for depth"),
        (job(tiny_folder, Control(file=depth, model="sd-1.5-depth")), "not on this computer|unpinned|online"),
        (job(tiny_folder, Control(file=depth, model="nothing")), "no ControlNet that is known"),
        (job(tiny_folder, Control(file=str(tmp_path / "gone.exr"), model=str(net))), "cannot be read"),
    ):
        with pytest.raises((ModelNotAvailable, EngineError), match=words) as raised:
            pixels(spec, tmp_path / "out")
        assert raised.value.hint


@pytest.fixture
def hub_of_net(net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub that has the ControlNet, beside a pickle of it, and a row of the table that names it."""
    folder = tmp_path / "repository"
    shutil.copytree(net, folder)
    (folder / "diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    row = control_nets.CONTROL_NETS["sd-1.5-depth"]
    model = dataclasses.replace(row.model, source="owner/tiny", revision=REVISION)
    small = dataclasses.replace(row, model=model, text_features=16)
    monkeypatch.setitem(control_nets.CONTROL_NETS, "sd-1.5-depth", small)
    with FakeHub(folder) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        yield served


@pytest.mark.slow
def test_the_tables_net_is_fetched_when_a_guide_leaves_it_open(
    tmp_path: Path, tiny_folder: Path, net: Path, depth: str, hub_of_net: FakeHub
) -> None:
    spec = job(tiny_folder, Control(file=depth), method="multidiffusion")
    fetched = pixels(spec, tmp_path / "a")
    assert not [path for path, _ in hub_of_net.hub_requests if path.endswith(".bin")]
    record = json.loads((tmp_path / "a" / "spec.json").read_text())
    assert record["spec"]["guides"][0]["model"] == "sd-1.5-depth"
    named = job(tiny_folder, Control(file=depth, model=str(net)), method="multidiffusion")
    assert pixels(named, tmp_path / "b") == fetched


def test_a_net_that_a_file_or_a_scene_names_is_fetched_only_after_agreement(hub_of_net: FakeHub) -> None:
    for name in ("sd-1.5-depth", f"owner/other@{REVISION}"):
        consent.check_named_by_file(name, agreed=True, can_ask=False, control=True)
        with pytest.raises(NotAgreed, match="only after you agree"):
            consent.check_named_by_file(name, agreed=False, can_ask=False, control=True)
    assert not hub_of_net.hub_requests
