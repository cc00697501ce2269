# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job's spec and its model make of a method: strength, steps, feature net, and the sync itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from sync_engine.common.progress import Reporter
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.runtime.job import Engine
from sync_engine.sync import embeddings, feature_nets
from sync_engine.sync.feature_nets import FeatureNet, FeatureNets
from sync_engine.sync.method import SyncContext, build_sync
from sync_engine.sync.methods import METHODS
from tests.small_models import tiny
from tests.small_models.nets import RandomFeatures, roughness


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The folder of a model with a perceptual net of its own on its latents."""
    (tmp_path / "own" / "perceptual").mkdir(parents=True)
    (tmp_path / "own" / "perceptual" / "config.json").touch()
    return tmp_path / "own"


@pytest.fixture
def no_net(tmp_path: Path) -> Path:
    """The folder of a model whose windows have to be decoded to be compared."""
    return tmp_path / "none"


@pytest.fixture(autouse=True)
def _no_lpips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(feature_nets.WEIGHTS_VARIABLE, raising=False)


def settings(spec: EnvironmentSpec, steps: int, folder: Path) -> Any:
    return METHODS[spec.method].settings(spec, steps, folder)


def sync_of(
    spec: EnvironmentSpec, steps: int, backbone: Any, folder: Path, elevations: Sequence[float] = ()
) -> Any:
    context = SyncContext(model=backbone, batch=4, elevations=elevations)
    return build_sync(METHODS[spec.method], settings(spec, steps, folder), context)


def test_the_sync_of_a_job_knows_where_its_windows_look(backbone, own, monkeypatch) -> None:
    monkeypatch.setattr(embeddings, "embedding", lambda *_: lambda latents: [latents])
    spec = EnvironmentSpec("x", kind="world")
    sky = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    x0 = torch.cat([sky, sky.flip(-2)])
    moved = [
        (sync_of(spec, 10, backbone, own, [degrees] * 2)(0, x0, x0, [[0, 1]], lambda w, i: w)[1] - x0)
        for degrees in (0.0, 45.0)
    ]
    assert moved[0].abs().max() > 100 * moved[1].abs().max()


def test_a_job_knows_whether_its_windows_are_decoded(backbone, own, no_net, monkeypatch) -> None:
    embed = embeddings.latent_embedding(RandomFeatures())
    monkeypatch.setattr(embeddings, "embedding", lambda *_: embed)
    monkeypatch.setattr(embeddings, "halved", lambda embed: embed)
    spec = EnvironmentSpec("x", kind="plate", sync_strength=1.0)
    x0 = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    found = []
    for folder in (no_net, own):
        sync = sync_of(spec, 10, backbone, folder)
        found.append(roughness(sync(0, x0, x0, [[0, 1, 2]], lambda w, i: w)[1] - x0))
    assert found[0] < 0.3 < found[1]


def test_settings_follow_the_method_and_the_spec_wins(own, no_net) -> None:
    published = settings(EnvironmentSpec("a", method="sync-paper"), 50, own)
    assert (published.strength, published.steps, published.decay) == (20.0, 10, 0.95)
    assert published.uniform
    assert published.solver == "published"
    users = settings(EnvironmentSpec("a", method="sync-paper", sync_strength=3.0, sync_steps=99), 8, own)
    assert (users.strength, users.steps) == (3.0, 8)
    world, plate = (settings(EnvironmentSpec("a", kind=kind), 10, own) for kind in ("world", "plate"))
    assert plate.strength < world.strength, "a plate's windows are all in one row"
    assert plate.layout < world.layout
    for folder in (own, no_net):
        given = settings(EnvironmentSpec("a", kind="plate", sync_strength=2.0, sync_steps=7), 10, folder)
        assert (given.strength, given.steps) == (2.0, 7)


def test_settings_follow_what_the_windows_are_compared_through(own, no_net, monkeypatch) -> None:
    """Through LPIPS a plate needs the strength of a world; through the draft model's net that ruins it."""
    plate = EnvironmentSpec("a", kind="plate")
    through_own, through_draft = settings(plate, 50, own), settings(plate, 50, no_net)
    monkeypatch.setattr(feature_nets, "lpips_weights", lambda net: net)
    lpips = settings(plate, 50, no_net)
    nets = [chosen.net for chosen in (through_own, through_draft, lpips)]
    assert nets == [FeatureNet.OWN, FeatureNet.DRAFT, FeatureNet.LPIPS]
    assert through_own.strength == through_draft.strength < lpips.strength
    assert lpips.strength == settings(EnvironmentSpec("a", kind="world"), 50, no_net).strength
    assert settings(plate, 50, own).net is FeatureNet.OWN, "the model's own net comes first"
    assert settings(EnvironmentSpec("a", method="sync-paper"), 50, own).net is FeatureNet.LPIPS
    assert settings(EnvironmentSpec("a", method="multidiffusion"), 50, own).net is None


def test_a_net_is_loaded_once(backbone, monkeypatch) -> None:
    loads: list[str] = []

    def load(net: str, weights: Path, device: torch.device) -> object:
        loads.append(net)
        return object()

    monkeypatch.setattr(feature_nets, "lpips_weights", lambda net: net)
    monkeypatch.setattr(feature_nets, "load_lpips", load)
    nets = FeatureNets()
    first = nets.get(FeatureNet.LPIPS, backbone, torch.float32)
    assert nets.get(FeatureNet.LPIPS, backbone, torch.float32) is first
    assert loads == ["vgg"]
    nets.clear()
    assert nets.get(FeatureNet.LPIPS, backbone, torch.float32) is not first


@pytest.mark.slow
def test_jobs_of_two_models_share_the_net(tmp_path, monkeypatch) -> None:
    """The draft model, through which models without a net are compared, is loaded for the first job only."""
    from sync_engine.backbones import loading

    loaded: list[str] = []
    load = loading.load

    def counted(model: Any, *rest: Any) -> Any:
        loaded.append(model.name)
        return load(model, *rest)

    monkeypatch.setattr(loading, "load", counted)
    engine = Engine()
    for name in ("one", "two"):
        folder = tiny.build(tmp_path / name)
        spec = tiny.plate_spec(folder, steps=2).validated()
        engine.run(spec, tmp_path / f"{name}-out", Reporter("job", lambda event: None))
    assert loaded.count("draft") == 1


def test_without_strength_no_net_is_loaded(backbone, no_net, monkeypatch) -> None:
    monkeypatch.setattr(FeatureNets, "get", lambda *_: pytest.fail("a net is loaded for nothing"))
    sync = sync_of(EnvironmentSpec("a", sync_strength=0.0), 10, backbone, no_net)
    x0 = torch.zeros(2, 4, 16, 16)
    assert sync(0, x0, x0, [[0, 1]], lambda w, i: w) == (None, x0)


@pytest.mark.parametrize(
    ("has_own", "steps", "expected"),
    [
        (False, 1, [0]),
        (False, 4, [0, 2]),
        (False, 10, [0, 2, 4, 6]),
        (False, 50, list(range(0, 35, 2))),
        (True, 10, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_job_that_decodes_has_sync_in_every_second_step(
    backbone, own, no_net, monkeypatch, has_own: bool, steps: int, expected: list[int]
) -> None:
    seen: list[int] = []

    def embed(latents: torch.Tensor) -> list[torch.Tensor]:
        seen.append(len(latents))
        return [latents]

    monkeypatch.setattr(embeddings, "embedding", lambda *_: embed)
    x0 = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    sync = sync_of(EnvironmentSpec("a"), steps, backbone, own if has_own else no_net, [0.0] * 3)
    moved = []
    for step in range(steps):
        seen.clear()
        sync(step, x0, x0, [[0, 1, 2]], lambda w, i: w)
        moved += [step] if seen else []
    assert moved == expected


def test_meadows_are_compared_by_places_where_windows_are_decoded_only(own, no_net) -> None:
    kitchen, meadow = EnvironmentSpec("a kitchen"), EnvironmentSpec("a meadow")
    assert settings(kitchen, 10, no_net).by_rows
    assert not settings(meadow, 10, no_net).by_rows
    assert settings(kitchen, 10, own).by_rows
    assert settings(meadow, 10, own).by_rows
    assert settings(EnvironmentSpec("a meadow", kind="plate"), 10, own).by_rows


def test_what_stands_in_one_window_of_a_room_only_may_stay(backbone, no_net, monkeypatch) -> None:
    """Windows that show the same at each height are left alone in a room and moved in a meadow."""
    monkeypatch.setattr(embeddings, "embedding", lambda *_: lambda latents: [latents])
    monkeypatch.setattr(embeddings, "halved", lambda embed: embed)
    room = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    x0 = torch.cat([room, room.roll(5, dims=3), room.flip(3)])
    moved = {}
    for prompt in ("a kitchen", "a meadow"):
        sync = sync_of(EnvironmentSpec(prompt, kind="plate"), 10, backbone, no_net)
        moved[prompt] = (sync(0, x0, x0, [[0, 1, 2]], lambda w, i: w)[1] - x0).abs().max().item()
    assert moved["a kitchen"] < 1e-3
    assert moved["a meadow"] > 0.1
    taller = x0 + torch.linspace(-1, 1, 16)[:, None] * torch.tensor([-1.0, 0.0, 1.0])[:, None, None, None]
    sync = sync_of(EnvironmentSpec("a kitchen", kind="plate"), 10, backbone, no_net)
    closer = sync(0, taller, taller, [[0, 1, 2]], lambda w, i: w)[1]
    rows = [x.mean(dim=(1, 3)).std(dim=0).mean() for x in (taller, closer)]
    assert rows[1] < 0.8 * rows[0], "what differs by height still comes together"
