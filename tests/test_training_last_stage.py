# SPDX-License-Identifier: GPL-3.0-or-later
"""The decoder's last stage as one kernel: exact inside, its forms are what is measured, borders stay."""

from __future__ import annotations

import pytest

pytest.importorskip("diffusers", reason="the decoder is an AutoencoderTiny; its last stage would be checked")

import torch

from sync_engine.evaluation.weave import HARMONICS, power_spectra
from training import last_stage
from training.autoencoder import build_autoencoder
from training.decoder import write


@pytest.fixture
def decoder():
    """A decoder with random weights, its convolutions and the features of two latents of 20x20."""
    torch.manual_seed(0)
    model = build_autoencoder().eval().requires_grad_(False)
    latents = torch.randn(2, 8, 20, 20)
    return model, latents, last_stage.hidden_features(model, latents, torch.float32)


def test_one_kernel_paints_what_the_decoder_paints_but_for_the_border(decoder) -> None:
    model, latents, hidden = decoder
    first, second = last_stage.last_convolutions(model)
    ours = last_stage.paint(hidden, last_stage.joined_kernel(first, second), second.bias)
    theirs = model.decoder(latents)
    assert torch.allclose(ours[..., 2:-2, 2:-2], theirs[..., 2:-2, 2:-2], atol=1e-4)
    rim = last_stage.rim(model, hidden, last_stage.joined_kernel(first, second), second.bias)
    assert torch.allclose(ours + rim, theirs, atol=1e-4)


def test_a_kernel_that_is_put_in_paints_the_same_change_up_to_the_border(decoder) -> None:
    model, latents, hidden = decoder
    first, second = last_stage.last_convolutions(model)
    old, before = last_stage.joined_kernel(first, second), model.decoder(latents)
    new = old + 0.02 * old.abs().mean() * torch.randn_like(old)
    wanted = last_stage.paint(hidden, new, second.bias) - last_stage.paint(hidden, old, second.bias)
    last_stage.put_kernel(first, second, new)
    change = model.decoder(latents) - before
    assert wanted.abs().mean() > 1e-5
    assert torch.allclose(last_stage.joined_kernel(first, second), new, atol=1e-6)
    # the four corners alone see two borders at once
    assert torch.allclose(change[..., :, 2:-2], wanted[..., :, 2:-2], atol=0.02 * float(wanted.abs().max()))


def test_weights_that_are_written_are_read_again(decoder, tmp_path) -> None:
    model = decoder[0]
    model.save_pretrained(tmp_path)
    last_stage.last_convolutions(model)[0].weight += 0.25
    write(model, tmp_path)
    again = type(model).from_pretrained(tmp_path)
    for name, value in model.state_dict().items():
        assert torch.allclose(again.state_dict()[name].float(), value, atol=1e-3), name


def test_the_form_of_a_harmonic_is_the_power_that_the_metric_finds(decoder, monkeypatch) -> None:
    model, _, hidden = decoder
    monkeypatch.setattr(last_stage, "LINES_A_PICTURE", 400)
    kernel = last_stage.joined_kernel(*last_stage.last_convolutions(model))
    grey = kernel.mean(dim=0, keepdim=True)
    forms = last_stage.harmonic_forms(hidden, torch.Generator().manual_seed(0))
    painted = last_stage.paint(hidden, kernel, torch.zeros(3)) / 2
    spectra = power_spectra(painted).mean(dim=0)
    flat = grey.flatten(1).double()
    for row, direction in enumerate(("across", "down")):
        for peak in HARMONICS[1:]:  # the metric's lines begin elsewhere, and know no mean
            # the form adds the two phases of the other direction
            found = float((flat * (flat @ forms[direction, peak])).sum()) / 2
            assert found == pytest.approx(float(spectra[row, peak]), rel=0.35)
