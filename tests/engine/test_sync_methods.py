# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job's spec and its model make of a method: strength, steps, net, and the pull itself."""

from __future__ import annotations

import pytest
import torch

from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.sync import distance as distances
from sync_engine.sync import methods
from sync_engine.sync.distance import latent_embedding
from sync_engine.sync.methods import pull_for, settings
from tests.small_models.nets import RandomFeatures, roughness


def test_the_pull_of_a_job_knows_where_its_windows_look(backbone, monkeypatch) -> None:
    monkeypatch.setattr(methods, "choose", lambda *_: lambda latents: [latents])
    chosen = settings(EnvironmentSpec("x", kind="world"), 10, backbone)
    sky = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    x0 = torch.cat([sky, sky.flip(-1)])
    moved = [
        (pull_for("sync", chosen, backbone, 2, [degrees] * 2)(0, x0, x0, [[0, 1]], lambda w, i: w)[1] - x0)
        for degrees in (0.0, 45.0)
    ]
    assert moved[0].abs().max() > 100 * moved[1].abs().max()


def test_a_job_knows_whether_its_pull_looks_at_pictures(backbone, monkeypatch) -> None:
    monkeypatch.setattr(methods, "choose", lambda *_: latent_embedding(RandomFeatures()))
    spec = EnvironmentSpec("x", kind="plate", sync_strength=1.0)
    x0 = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    found = []
    for own in (None, RandomFeatures()):
        monkeypatch.setattr(backbone, "latent_features", lambda own=own: own)
        pull = pull_for("sync", settings(spec, 10, backbone), backbone, 4, [])
        found.append(roughness(pull(0, x0, x0, [[0, 1, 2]], lambda w, i: w)[1] - x0))
    assert found[0] < 0.3 < found[1]


class OwnNet:
    """Stands for a model with a perceptual net of its own on its latents."""

    def latent_features(self) -> torch.nn.Module:
        return RandomFeatures()


class NoNet:
    """Stands for a model whose windows have to be decoded to be compared."""

    def latent_features(self) -> None:
        return None


def test_settings_follow_the_method_and_the_spec_wins() -> None:
    published = settings(EnvironmentSpec("a", method="sync-paper"), 50, OwnNet())
    assert (published.strength, published.steps, published.decay) == (20.0, 10, 0.95)
    assert published.uniform
    assert published.scheduler == "published"
    own = settings(EnvironmentSpec("a", method="sync-paper", sync_strength=3.0, sync_steps=99), 8, OwnNet())
    assert (own.strength, own.steps) == (3.0, 8)
    world, plate = (settings(EnvironmentSpec("a", kind=kind), 10, OwnNet()) for kind in ("world", "plate"))
    assert plate.strength < world.strength, "a plate's windows are all in one row"
    assert plate.layout < world.layout
    for model in (OwnNet(), NoNet()):
        given = settings(EnvironmentSpec("a", kind="plate", sync_strength=2.0, sync_steps=7), 10, model)
        assert (given.strength, given.steps) == (2.0, 7)


def test_settings_follow_what_the_windows_are_seen_through(monkeypatch) -> None:
    """Through LPIPS a plate needs the strength of a world; through the draft model's net that ruins it."""
    monkeypatch.setattr(distances, "lpips_weights", lambda net: None)
    plate = EnvironmentSpec("a", kind="plate")
    own, draft = settings(plate, 50, OwnNet()), settings(plate, 50, NoNet())
    monkeypatch.setattr(distances, "lpips_weights", lambda net: net)
    lpips = settings(plate, 50, NoNet())
    assert [chosen.net for chosen in (own, draft, lpips)] == ["own", "draft", "lpips"]
    assert own.strength == draft.strength < lpips.strength
    assert lpips.strength == settings(EnvironmentSpec("a", kind="world"), 50, NoNet()).strength
    assert settings(plate, 50, OwnNet()).net == "own", "the model's own net comes first"


@pytest.mark.parametrize(
    ("own", "steps", "expected"),
    [
        (False, 1, [0]),
        (False, 4, [0, 2]),
        (False, 10, [0, 2, 4, 6]),
        (False, 50, list(range(0, 35, 2))),
        (True, 10, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_job_that_decodes_pulls_in_every_second_step(
    backbone, monkeypatch, own: bool, steps: int, expected: list[int]
) -> None:
    seen: list[int] = []

    def embed(latents: torch.Tensor) -> list[torch.Tensor]:
        seen.append(len(latents))
        return [latents]

    monkeypatch.setattr(methods, "choose", lambda *_: embed)
    monkeypatch.setattr(backbone, "latent_features", RandomFeatures if own else lambda: None)
    x0 = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    pull = pull_for("sync", settings(EnvironmentSpec("a"), steps, backbone), backbone, 4, [0.0] * 3)
    pulled = []
    for step in range(steps):
        seen.clear()
        pull(step, x0, x0, [[0, 1, 2]], lambda w, i: w)
        pulled += [step] if seen else []
    assert pulled == expected


def test_rooms_are_compared_by_lines_where_windows_are_decoded_only() -> None:
    kitchen, meadow = EnvironmentSpec("a kitchen"), EnvironmentSpec("a meadow")
    assert settings(kitchen, 10, NoNet()).lines
    assert not settings(meadow, 10, NoNet()).lines
    assert not settings(kitchen, 10, OwnNet()).lines


def test_what_stands_in_one_window_of_a_room_only_may_stay(backbone, monkeypatch) -> None:
    """Windows that show the same at each height are left alone in a room and pulled in a meadow."""
    monkeypatch.setattr(methods, "choose", lambda *_: lambda latents: [latents])
    room = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    x0 = torch.cat([room, room.roll(5, dims=3), room.flip(3)])
    moved = {}
    for prompt in ("a kitchen", "a meadow"):
        chosen = settings(EnvironmentSpec(prompt, kind="plate"), 10, backbone)
        pull = pull_for("sync", chosen, backbone, 4, [])
        moved[prompt] = (pull(0, x0, x0, [[0, 1, 2]], lambda w, i: w)[1] - x0).abs().max().item()
    assert moved["a kitchen"] < 1e-3
    assert moved["a meadow"] > 0.1
    taller = x0 + torch.linspace(-1, 1, 16)[:, None] * torch.tensor([-1.0, 0.0, 1.0])[:, None, None, None]
    chosen = settings(EnvironmentSpec("a kitchen", kind="plate"), 10, backbone)
    pulled = pull_for("sync", chosen, backbone, 4, [])(0, taller, taller, [[0, 1, 2]], lambda w, i: w)[1]
    lines = [x.mean(dim=(1, 3)).std(dim=0).mean() for x in (taller, pulled)]
    assert lines[1] < 0.8 * lines[0], "what differs by height still comes together"
