# SPDX-License-Identifier: GPL-3.0-or-later
"""The draft model's depth ControlNet: its size, its loading beside that model, and what it learns from."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from sync_engine.backbones import controlnets  # noqa: E402
from sync_engine.backbones.loading import read_index  # noqa: E402
from sync_engine.catalog.control_nets import find  # noqa: E402
from sync_engine.catalog.models import DRAFT_FOLDER  # noqa: E402
from training import control, parts  # noqa: E402

MOST_BYTES = 8 * 10**6
CHANNELS = 8


@pytest.fixture(scope="module")
def net() -> "torch.nn.Module":
    torch.manual_seed(0)
    return control.build_net(parts.build_unet(CHANNELS))


def test_it_is_small_and_belongs_to_the_draft_model(net, tmp_path: Path) -> None:
    control.save(net, tmp_path)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < MOST_BYTES
    found = controlnets.find(find(str(tmp_path)), DRAFT_FOLDER, read_index(DRAFT_FOLDER))
    assert found.logarithmic, "it was taught depth in doublings"
    net.float()


@pytest.mark.slow
def test_only_the_net_learns() -> None:
    torch.manual_seed(0)
    unet = parts.build_unet(CHANNELS).requires_grad_(False)
    net = control.build_net(unet)

    def words(tokens: "torch.Tensor") -> tuple["torch.Tensor"]:
        return (torch.ones(len(tokens), 48, parts.TEXT_WIDTH),)

    models = (unet, words, parts.build_scheduler(), torch.float32)
    batch = (
        torch.randn(1, CHANNELS, 32, 32),
        torch.rand(1, 3, 256, 256),
        torch.ones(1, 48, dtype=torch.long),
    )
    control.loss_of(models, net, batch, torch.tensor([900])).backward()
    assert net.controlnet_mid_block.weight.grad.abs().max() > 0
    assert all(weight.grad is None for weight in unet.parameters())


def test_views_look_mostly_at_the_horizon() -> None:
    rng = np.random.default_rng(1)
    pitches = np.array([control.draw_view(rng).pitch for _ in range(400)])
    assert np.mean(np.abs(pitches) <= 6) == pytest.approx(control.LEVEL_SHARE, abs=0.06)
    assert {-90.0, -45.0, 45.0, 90.0} <= set(pitches.round(1))


def test_most_timesteps_are_early() -> None:
    steps = control.draw_timesteps(1000)
    assert int(steps.min()) >= 0
    assert int(steps.max()) <= 999
    assert float((steps >= 600).float().mean()) == pytest.approx(0.7, abs=0.01)
