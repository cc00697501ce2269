# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of windows: what is evaluated, how masks combine, what guides may change in the loop."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from sync_engine.backbones.loading import load
from sync_engine.backbones.model import Residuals
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.catalog.models import find
from sync_engine.diffusion.guides import StepGuide
from sync_engine.diffusion.joint_loop import WindowBatch, combine, sample
from sync_engine.prompting.conditioning import Conditioning, Entry, TextEmbedding
from tests.small_models import tiny_flow

CELLS = 16
LEFT = torch.zeros(CELLS, CELLS)
LEFT[:, : CELLS // 2] = 1.0
NOTHING, HALF = torch.zeros(CELLS, CELLS), torch.full((CELLS, CELLS), 0.5)


def text(*values: float) -> TextEmbedding:
    """Stand for what a model makes of prompts: one number each."""
    return TextEmbedding(tuple(torch.tensor([[value]]) for value in values))


class Painter:
    """A model whose clean picture of a prompt is that prompt's number everywhere; it counts its work."""

    def __init__(self) -> None:
        self.batches: list[list[Entry]] = []
        self.residuals: list[Residuals | None] = []

    def predict(self, windows, timestep, conditioning, entries, residuals=None) -> torch.Tensor:
        self.batches.append(list(entries))
        self.residuals.append(residuals)
        chosen = conditioning.prompts.pick([entry.prompt for entry in entries]).states
        return torch.stack(chosen)[..., None].expand(windows.shape).clone()


def painted(
    entries: tuple[Entry, ...], values: tuple[float, ...] = (1.0, 5.0), batch: int = 16, guides=()
) -> tuple[torch.Tensor, Painter]:
    """Return the clean canvas of two windows side by side, and the model that painted it."""
    painter, canvas = Painter(), PlaneCanvas(CELLS, 2 * CELLS, CELLS, CELLS)
    scheduler = _ddim(2)
    state = canvas.noise(1, torch.Generator().manual_seed(3))
    conditioning = Conditioning(text(*values), text(0.0), entries, 1.0)
    clean = sample(painter, canvas, scheduler, state, conditioning, batch=WindowBatch(batch), guides=guides)
    return clean, painter


def _ddim(steps: int):
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    scheduler = DDIMScheduler(prediction_type="sample", clip_sample=False, set_alpha_to_one=True)
    scheduler.set_timesteps(steps)
    return scheduler


def test_masks_divide_a_window_among_its_prompts() -> None:
    entries = (Entry(0, 0, mask=1 - LEFT), Entry(0, 1, mask=LEFT), Entry(1, 0))
    clean, painter = painted(entries)
    columns = clean[0, 0].mean(dim=0)
    torch.testing.assert_close(columns[: CELLS // 2], torch.full((CELLS // 2,), 5.0))
    torch.testing.assert_close(columns[CELLS // 2 :], torch.full((3 * CELLS // 2,), 1.0))
    assert [len(batch) for batch in painter.batches] == [3, 3], "all entries of a step are one batch"


def test_where_masks_overlap_the_prompts_are_weighed() -> None:
    x0 = torch.tensor([1.0, 5.0, 7.0]).reshape(3, 1, 1, 1).expand(3, 2, CELLS, CELLS)
    groups = [(Entry(0, 0), Entry(0, 1, mask=HALF)), (Entry(1, 0),)]
    both = combine(x0, groups)
    torch.testing.assert_close(both[0], torch.full((2, CELLS, CELLS), (1 + 0.5 * 5) / 1.5))
    assert torch.equal(both[1], x0[2])


def test_an_empty_mask_costs_nothing_and_changes_nothing() -> None:
    plain, one = painted((Entry(0, 0), Entry(1, 0)))
    masked, two = painted((Entry(0, 0), Entry(0, 1, mask=NOTHING), Entry(1, 0), Entry(1, 1, mask=NOTHING)))
    assert torch.equal(plain, masked)
    assert [len(batch) for batch in two.batches] == [len(batch) for batch in one.batches] == [2, 2]


def test_the_batch_counts_entries_and_does_not_change_the_picture() -> None:
    entries = (Entry(0, 0), Entry(0, 1, mask=LEFT), Entry(1, 0), Entry(1, 1, mask=HALF))
    whole, _ = painted(entries)
    parts, painter = painted(entries, batch=3)
    assert torch.equal(whole, parts)
    assert [len(batch) for batch in painter.batches] == [3, 1, 3, 1]


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ((Entry(1, 0),), "window 0 has no entry"),
        ((Entry(0, 0, mask=NOTHING),), "window 0 has no entry"),
        ((Entry(0, 0, mask=LEFT),), "window 0 has cells"),
    ],
)
def test_every_cell_of_every_window_has_a_prompt(entries: tuple[Entry, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Conditioning(text(1.0), text(0.0), entries, 1.0)


@pytest.mark.parametrize("solver", ["ddim", "dpm"])
def test_one_unmasked_entry_a_window_is_the_loop_written_out(backbone, solver: str) -> None:
    """Bit for bit: the windows as they are cut go to the model in one batch and are fused."""
    canvas = PlaneCanvas(CELLS, 40, CELLS, 8)
    state = canvas.noise(4, torch.Generator().manual_seed(5))
    prompts, negative = backbone.encode(["a calm sea", "desert sunset"]), backbone.encode(["red"])
    numbers = [window % 2 for window in range(len(canvas.corners))]
    conditioning = Conditioning.one_prompt_each(prompts, negative, numbers, 7.5)
    ours = sample(backbone, canvas, backbone.scheduler(solver, 3), state, conditioning)

    from sync_engine.diffusion.prediction import levels

    scheduler = backbone.scheduler(solver, 3)
    for timestep, level in zip(scheduler.timesteps, levels(scheduler), strict=True):
        windows = canvas.gather(state)
        batch = torch.stack([*([negative.states[0]] * len(windows)), *(prompts.states[n] for n in numbers)])
        with torch.no_grad(), backbone._stem.guided():
            noisy = torch.cat([windows, windows]).contiguous(memory_format=torch.channels_last)
            both = backbone.unet(noisy, timestep, encoder_hidden_states=batch).sample
        without, with_prompt = both.chunk(2)
        x0 = canvas.fuse(level.to_x0(without + 7.5 * (with_prompt - without), windows))
        state = scheduler.step(level.from_x0(x0, state), timestep, state).prev_sample
    assert torch.equal(ours, state)


def test_each_entry_has_its_own_negative_prompt(backbone) -> None:
    windows = torch.randn(2, 4, CELLS, CELLS, generator=torch.Generator().manual_seed(1))
    prompts, negatives = backbone.encode(["a calm sea"]), backbone.encode(["", "sand"])
    conditioning = Conditioning(prompts, negatives, (Entry(0, 0), Entry(1, 0, negative=1)), 7.5)
    first, second = backbone.predict(windows, torch.tensor(500), conditioning, conditioning.entries)
    other = dataclasses.replace(conditioning, negatives=negatives.pick([0, 0]))
    one, two = backbone.predict(windows, torch.tensor(500), other, other.entries)
    assert torch.equal(first, one)
    assert (second - two).abs().max() > 1e-3


def test_a_guide_changes_what_entries_see_and_what_a_step_begins_with() -> None:
    seen: list[tuple[int, list[int]]] = []

    class Guide(StepGuide):
        def change_state(self, step, level, state):
            return torch.full_like(state, float(step))

        def change_windows(self, step, level, windows, entries):
            assert bool((windows == step).all()), "the state comes first"
            seen.append((step, [entry.prompt for entry in entries]))
            return windows + 1.0

    class Echo(Painter):
        """A model that paints what it sees."""

        def predict(self, windows, timestep, conditioning, entries, residuals=None):
            return windows.clone()

    canvas = PlaneCanvas(CELLS, CELLS, CELLS, CELLS)
    conditioning = Conditioning(text(1.0, 2.0), text(0.0), (Entry(0, 0), Entry(0, 1, mask=LEFT)), 1.0)
    state = canvas.noise(1, torch.Generator().manual_seed(3))
    clean = sample(Echo(), canvas, _ddim(2), state, conditioning, guides=[Guide()])
    assert seen == [(0, [0, 1]), (1, [0, 1])]
    torch.testing.assert_close(clean, torch.full_like(clean, 2.0))


def test_what_guides_add_inside_the_network_reaches_it_in_sum() -> None:
    class Control(StepGuide):
        def residuals(self, step, timestep, windows, conditioning, entries):
            if step > 0:
                return None
            return Residuals((torch.ones(len(entries), 1),), torch.ones(len(entries), 1, 1, 1))

    _, painter = painted((Entry(0, 0), Entry(1, 0)), guides=[Control(), StepGuide(), Control()])
    first, second = painter.residuals
    assert first is not None
    assert first.down[0].tolist() == [[2.0], [2.0]]
    assert first.middle.shape == (2, 1, 1, 1)
    assert second is None


@pytest.mark.parametrize("guidance", [1.0, 7.5])
def test_a_u_net_adds_residuals_to_both_halves(backbone, guidance: float) -> None:
    windows = torch.randn(1, 4, CELLS, CELLS, generator=torch.Generator().manual_seed(1))
    words, negative = backbone.encode(["a calm sea"]), backbone.encode([""])
    conditioning = Conditioning.one_prompt_each(words, negative, [0], guidance)
    shapes: list[torch.Size] = []

    def note(_module, inputs) -> None:
        shapes.append(inputs[0].shape)

    hook = backbone.unet.mid_block.register_forward_pre_hook(note)
    plain = backbone.predict(windows, torch.tensor(500), conditioning, conditioning.entries)
    hook.remove()
    middle = torch.zeros(1, *shapes[0][1:])
    skips = _skip_shapes(backbone.unet, windows, words)
    none = Residuals(tuple(torch.zeros(shape) for shape in skips), middle)
    some = dataclasses.replace(none, middle=middle + 1)
    without, with_some = (
        backbone.predict(windows, torch.tensor(500), conditioning, conditioning.entries, added)
        for added in (none, some)
    )
    assert torch.equal(without, plain)
    assert (with_some - plain).abs().max() > 1e-3


def _skip_shapes(unet, windows: torch.Tensor, words: TextEmbedding) -> list[torch.Size]:
    shapes: list[torch.Size] = []
    hooks = [unet.conv_in.register_forward_hook(lambda m, i, out: shapes.append(out.shape))]
    for block in unet.down_blocks:
        hooks.append(
            block.register_forward_hook(lambda m, i, out: shapes.extend(skip.shape for skip in out[1]))
        )
    unet(windows, torch.tensor(500), encoder_hidden_states=torch.stack(words.states))
    for hook in hooks:
        hook.remove()
    return shapes


def test_a_transformer_says_that_it_has_no_place_for_residuals(tmp_path) -> None:
    model = load(find(str(tiny_flow.build_klein(tmp_path / "m"))), torch.device("cpu"), torch.float32)
    words = model.encode(["a calm sea"])
    conditioning = Conditioning.one_prompt_each(words, words, [0], 1.0)
    nothing = Residuals((), torch.zeros(1))
    with pytest.raises(ValueError, match="residuals"):
        model.predict(
            torch.zeros(1, 16, 8, 8), torch.tensor(500.0), conditioning, conditioning.entries, nothing
        )
