# SPDX-License-Identifier: GPL-3.0-or-later
"""Latents held to a picture while the rest is painted, and the picture pasted exactly."""

from __future__ import annotations

import pytest
import torch

from sync_engine.backbones.loading import load
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.catalog import models
from sync_engine.diffusion.joint_loop import sample
from sync_engine.diffusion.keep_picture import KeepPicture, pasted
from sync_engine.diffusion.prediction import NoiseLevel
from sync_engine.prompting.conditioning import Conditioning
from tests.small_models import tiny


def test_where_the_mask_is_one_the_state_is_the_noisy_picture() -> None:
    clean, noise, state = torch.randn(3, 2, 4, 8, 8).unbind()
    mask = torch.zeros(2, 1, 8, 8)
    mask[..., :4] = 1
    level = NoiseLevel(0.6, 0.8, "epsilon")
    got = KeepPicture(clean, mask, noise).change_state(3, level, state)
    torch.testing.assert_close(got[..., :4], (0.6 * clean + 0.8 * noise)[..., :4])
    assert torch.equal(got[..., 4:], state[..., 4:])


def test_shapes_have_to_fit() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        KeepPicture(torch.zeros(1, 4, 8, 8), torch.zeros(1, 1, 8, 4), torch.zeros(1, 4, 8, 8))


def test_a_job_ends_near_the_picture_where_it_is_kept(tmp_path) -> None:
    """What the model makes of the last, nearly clean step is left of the picture: close, for ``pasted``."""
    model = load(models.find(str(tiny.build(tmp_path / "m"))), torch.device("cpu"), torch.float32)
    canvas = PlaneCanvas(16, 40, 16, 8)
    generator = torch.Generator().manual_seed(1)
    state, noise = canvas.noise(4, generator), canvas.noise(4, generator)
    clean = torch.sin(torch.arange(40) / 3).expand(1, 4, 16, 40)
    mask = torch.zeros(1, 1, 16, 40)
    mask[..., 10:24] = 1
    texts = model.encode(["a calm sea"]), model.encode([""])
    conditioning = Conditioning.one_prompt_each(*texts, [0] * len(canvas.corners), 1.0)

    def end(guides: list[KeepPicture]) -> torch.Tensor:
        solver = model.scheduler("ddim", 12)
        return sample(model, canvas, solver, state, conditioning, guides=guides)

    kept, free = end([KeepPicture(clean, mask, noise)]), end([])
    inside, outside = mask.bool().expand_as(clean), ~mask.bool().expand_as(clean)
    assert (kept - clean)[inside].abs().mean() < 0.3 * (free - clean)[inside].abs().mean()
    assert (kept - clean)[outside].abs().mean() > 0.5 * (free - clean)[outside].abs().mean()


def test_pasted_pixels_are_the_picture_s_to_the_bit() -> None:
    picture, kept = torch.rand(2, 3, 6, 6).unbind()
    mask = torch.tensor([0.0, 0.0, 0.3, 1.0, 1.0, 1.0]).expand(6, 6)
    got = pasted(picture, kept, mask)
    assert torch.equal(got[..., 3:], kept[..., 3:])
    assert torch.equal(got[..., :2], picture[..., :2])
    torch.testing.assert_close(got[..., 2], torch.lerp(picture[..., 2], kept[..., 2], 0.3))
