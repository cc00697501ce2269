# SPDX-License-Identifier: GPL-3.0-or-later
"""The methods: fast sync lowers the distance it is given; sync-paper is the published algorithm."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cosine_similarity, interpolate

from sync_engine.backbones.controlnets import Found
from sync_engine.backbones.controlnets import load as load_net
from sync_engine.backbones.loading import load
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.catalog.control_nets import find as find_net
from sync_engine.catalog.models import find
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.diffusion.controlnet import Control
from sync_engine.diffusion.controlnet_guides import guide_for
from sync_engine.diffusion.joint_loop import sample
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.prompting.conditioning import Conditioning
from sync_engine.sync import feature_nets
from sync_engine.sync.embeddings import distance, latent_embedding, lpips_embedding
from sync_engine.sync.fast import FastSync
from sync_engine.sync.method import SyncContext, build_sync
from sync_engine.sync.methods import METHODS
from sync_engine.sync.paper import PaperSync
from tests.small_models import control
from tests.small_models.nets import RandomFeatures, roughness


@pytest.fixture(scope="module")
def random_lpips():
    """LPIPS-alex with random weights: the published structure, no download."""
    import sync_engine.common.torchvision_schemas  # noqa: F401

    import lpips  # isort: skip

    torch.manual_seed(3)
    model = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval().requires_grad_(False)
    for lin in model.lins:
        lin.model[-1].weight.data.abs_()
    return model


def test_embedding_distance_is_lpips(random_lpips) -> None:
    a, b = torch.randn(2, 3, 3, 64, 64).clamp(-1, 1)
    embed = lpips_embedding(random_lpips, lambda picture: picture)
    torch.testing.assert_close(
        distance(embed(a), embed(b)), random_lpips(a, b).flatten(), rtol=1e-4, atol=1e-6
    )


def test_half_the_precision_pulls_in_the_same_direction(random_lpips) -> None:
    pictures = interpolate(torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)), size=(64, 64))
    moves = []
    for dtype in (torch.float32, torch.bfloat16):
        pull = FastSync(lpips_embedding(copy.deepcopy(random_lpips), torch.tanh, dtype), 1.0, 5, 1.0, 4)
        moves.append((pull(0, pictures, pictures, [[0, 1, 2, 3]], lambda w, i: w)[1] - pictures).flatten(1))
    assert (cosine_similarity(*moves) > 0.95).all()
    assert moves[1].norm() / moves[0].norm() == pytest.approx(1, abs=0.1)


def built(backbone, method: str):
    """Return the sync of a method with its defaults for a loaded model."""
    chosen = METHODS[method].settings(EnvironmentSpec("a", method=method), 10, backbone.folder)
    return build_sync(METHODS[method], chosen, SyncContext(model=backbone, batch=4))


@pytest.mark.parametrize("method", ["sync", "sync-paper"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_only_the_fast_method_compares_in_half_precision(
    backbone, random_lpips, monkeypatch, method: str, dtype: torch.dtype
) -> None:
    model = copy.deepcopy(random_lpips)
    monkeypatch.setattr(feature_nets, "lpips_weights", lambda net: net)
    monkeypatch.setattr(feature_nets, "load_lpips", lambda net, weights, device: model)
    monkeypatch.setattr(backbone, "dtype", dtype)
    monkeypatch.setattr(backbone, "decode", lambda latents: latents[:, :3])
    layers = built(backbone, method).embed(torch.randn(1, 4, 64, 64))
    quick = method == "sync" and dtype == torch.bfloat16
    expected = torch.bfloat16 if quick else torch.float32
    assert next(model.net.parameters()).dtype == expected
    assert {layer.dtype for layer in layers} == {expected}


def spread(embed, x0: torch.Tensor, row: list[int]) -> float:
    layers = embed(x0[row])
    return distance(layers, [layer.mean(dim=0, keepdim=True) for layer in layers]).mean().item()


def test_fast_sync_brings_the_windows_of_a_row_together() -> None:
    embed = latent_embedding(RandomFeatures())
    coarse = torch.randn(6, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    x0 = interpolate(coarse, size=(16, 16), mode="bilinear")
    rows = [[1, 0, 2], [4, 3, 5]]
    moved, pulled = FastSync(embed, 1.0, 5, 1.0, 2)(0, x0, x0, rows, lambda w, i: w)
    assert moved is None
    for row in rows:
        assert spread(embed, pulled, row) < 0.95 * spread(embed, x0, row)


def test_the_fast_pull_is_the_same_in_batches() -> None:
    embed = latent_embedding(RandomFeatures())
    x0 = torch.randn(5, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    row = [[0, 1, 2, 3, 4]]
    whole, parts = (
        FastSync(embed, 1.0, 5, 1.0, batch)(0, x0, x0, row, lambda w, i: w)[1] for batch in (5, 2)
    )
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-5)


def test_windows_that_look_up_agree_on_what_they_show_and_not_on_where() -> None:
    rough = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    sky = interpolate(rough, size=(16, 16), mode="bilinear")
    turned = torch.cat([sky, sky.roll(8, dims=-1), sky.flip(-1)])
    other_colours = turned + torch.tensor([0.5, 0.0, -0.5]).reshape(3, 1, 1, 1)

    def pulled(x0: torch.Tensor, elevation: float) -> torch.Tensor:
        pull = FastSync(lambda latents: [latents], 1.0, 5, 1.0, 2, [elevation] * 3)
        return pull(0, x0, x0, [[0, 1, 2]], lambda w, i: w)[1]

    torch.testing.assert_close(pulled(turned, 45.0), turned, rtol=0, atol=1e-3)
    for elevation in (0.0, -45.0):
        assert (pulled(turned, elevation) - turned).abs().max() > 0.1
    colours = [x0.mean(dim=(1, 2, 3)) for x0 in (other_colours, pulled(other_colours, 45.0))]
    assert colours[1].std() < 0.7 * colours[0].std()


def test_windows_that_agree_are_hardly_moved() -> None:
    embed = latent_embedding(RandomFeatures())
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(1, 4, 16, 16, generator=generator)
    apart = torch.randn(3, 4, 16, 16, generator=generator)

    def moved(x0: torch.Tensor) -> float:
        pulled = FastSync(embed, 1.0, 5, 1.0, 4)(0, x0, x0, [[0, 1, 2]], lambda w, i: w)[1]
        return (pulled - x0).square().mean().sqrt().item()

    assert moved(one + 0.01 * apart) < 0.05 * moved(one + apart)


def test_through_pictures_nothing_finer_than_four_cells_moves() -> None:
    embed = latent_embedding(RandomFeatures())
    x0 = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    coarse, whole = (
        FastSync(embed, 1.0, 5, 1.0, 4, decoded=decoded)(0, x0, x0, [[0, 1, 2]], lambda w, i: w)[1] - x0
        for decoded in (True, False)
    )
    assert roughness(coarse) < 0.3 < roughness(whole)


def test_a_pull_has_no_less_effect_where_most_of_its_gradient_is_fine() -> None:
    """Left as long as the whole gradient's step, the coarse part of one through LPIPS did next to nothing."""
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    rough = torch.randn(3, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    x0 = interpolate(rough, size=(16, 16), mode="bilinear")

    def embed(latents: torch.Tensor) -> list[torch.Tensor]:
        return [latents, 30 * latents * noise.sign() * noise.square()]

    pulled = FastSync(embed, 1.0, 5, 1.0, 4, decoded=True)(0, x0, x0, [[0, 1, 2]], lambda w, i: w)[1]
    assert (pulled.std(dim=0) < 0.95 * x0.std(dim=0)).float().mean() > 0.5


def test_rows_are_pulled_apart_from_each_other() -> None:
    """What one row shows must not leak into another: a zenith is not pulled to the horizon."""
    pull = FastSync(latent_embedding(RandomFeatures()), 1.0, 5, 1.0, 4)
    x0 = torch.randn(6, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    other = x0.clone()
    other[3:] += 1.0
    rows = [[1, 0, 2], [4, 3, 5]]
    first = pull(0, x0, x0, rows, lambda w, i: w)[1]
    second = pull(0, other, other, rows, lambda w, i: w)[1]
    torch.testing.assert_close(first[:3], second[:3])


@pytest.mark.parametrize(("strength", "steps", "step"), [(0.0, 5, 0), (1.0, 2, 2), (1.0, 0, 0)])
def test_fast_sync_at_rest_changes_nothing(strength: float, steps: int, step: int) -> None:
    x0 = torch.randn(3, 4, 16, 16)
    pull = FastSync(latent_embedding(RandomFeatures()), strength, steps, 1.0, 4)
    assert torch.equal(pull(step, x0, x0, [[1, 0, 2]], lambda w, i: w)[1], x0)


class BlindFeatures:
    """Features that are the same for every picture."""

    def features(self, latents: torch.Tensor) -> list[torch.Tensor]:
        return [torch.ones(len(latents), 3, *latents.shape[-2:]) + 0 * latents[:, :1]]


def test_windows_of_a_row_come_together_in_brightness_that_unit_length_features_do_not_hold() -> None:
    generator = torch.Generator().manual_seed(0)
    x0 = torch.randn(3, 4, 16, 16, generator=generator) + torch.tensor([-1.0, 0.0, 1.0])[:, None, None, None]
    pull = FastSync(latent_embedding(BlindFeatures()), 1.0, 5, 1.0, 4)
    _, pulled = pull(0, x0, x0, [[0, 1, 2]], lambda windows, numbers: windows)
    means, before = pulled.mean((1, 2, 3)), x0.mean((1, 2, 3))
    assert means.max() - means.min() < 0.95 * (before.max() - before.min())


def test_a_pull_in_every_second_step_goes_further_than_one_in_each() -> None:
    x0 = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    embed = latent_embedding(RandomFeatures())

    def moved(every: int, steps: int) -> torch.Tensor:
        pull = FastSync(embed, 1.0, steps, 1.0, 4, every=every)
        return (pull(0, x0, x0, [[0, 1, 2]], lambda w, i: w)[1] - x0).norm()

    assert moved(2, 10) > 1.3 * moved(1, 10)
    torch.testing.assert_close(moved(2, 1), moved(1, 1))  # a single pull stands for itself


@pytest.mark.slow
@pytest.mark.parametrize("controlled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_sync_paper_equals_a_straight_implementation(
    backbone, random_lpips, controlled: bool, tmp_path: Path
) -> None:
    """Algorithm 1 of SyncDiffusion, window by window, each stepped and then averaged.

    With a ControlNet it is the paper's conditional variant: the gradient goes through that too.

    In double precision, because the gradient of a random LPIPS magnifies rounding.
    """
    backbone = load(find(str(backbone.folder)), torch.device("cpu"), torch.float64)
    random_lpips = copy.deepcopy(random_lpips).double()
    steps, sync_steps, weight, decay, stride = 4, 2, 20.0, 0.95, 4
    canvas = PlaneCanvas(16, 40, 16, stride, uniform=True)
    state = canvas.noise(4, torch.Generator().manual_seed(5)).double()
    prompt, negative = backbone.encode(["a calm sea"]), backbone.encode([""])
    conditioning = Conditioning.one_prompt_each(prompt, negative, [0] * len(canvas.corners), 7.5)
    pull = PaperSync(lpips_embedding(random_lpips, backbone.decode), weight, sync_steps, decay)
    net, guides = None, []
    maps = torch.rand(len(canvas.corners), 3, 128, 128, generator=torch.Generator().manual_seed(4)).double()
    if controlled:
        folder = control.build(tmp_path / "net", backbone.unet.float())
        net = load_net(Found(find_net(str(folder)), folder), backbone.unet.double(), torch.float64)
        entries = tuple(replace(entry, control=maps[entry.window][None]) for entry in conditioning.entries)
        conditioning = replace(conditioning, entries=entries)
        guides = [guide_for(backbone, [Control(net=net, scale=0.8)], steps)]
    solver = backbone.scheduler("ddim", steps)
    ours = sample(backbone, canvas, solver, state, conditioning, pull, guides=guides)

    scheduler = backbone.scheduler("ddim", steps)
    unet, vae = backbone.unet, backbone.vae

    def evaluate(latent: torch.Tensor, t: torch.Tensor, text: torch.Tensor, number: int) -> torch.Tensor:
        if net is None:
            return unet(latent, t, encoder_hidden_states=text).sample
        down, middle = net(latent, t, text, maps[number][None], 0.8, return_dict=False)
        return unet(
            latent,
            t,
            encoder_hidden_states=text,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample

    def noise_of(latent: torch.Tensor, t: torch.Tensor, number: int) -> torch.Tensor:
        texts = (torch.stack(text.states) for text in (negative, prompt))
        without, with_prompt = (evaluate(latent, t, text, number) for text in texts)
        prediction = without + 7.5 * (with_prompt - without)
        alpha = scheduler.alphas_cumprod[t]
        if scheduler.config.prediction_type == "v_prediction":
            return alpha.sqrt() * prediction + (1 - alpha).sqrt() * latent
        return prediction

    def picture_of(latent: torch.Tensor, t: torch.Tensor, number: int) -> torch.Tensor:
        alpha = scheduler.alphas_cumprod[t]
        clean = (latent - (1 - alpha).sqrt() * noise_of(latent, t, number)) / alpha.sqrt()
        return vae.decode(clean / vae.config.scaling_factor).sample

    views = [(left, left + 16) for left in range(0, 40 - 16 + 1, stride)]
    anchor = views[len(views) // 2]
    theirs = state
    for i, t in enumerate(scheduler.timesteps):
        value, count = torch.zeros_like(theirs), torch.zeros_like(theirs)
        target = picture_of(theirs[..., anchor[0] : anchor[1]], t, len(views) // 2).detach()
        for number, view in enumerate(views):
            latent = theirs[..., view[0] : view[1]].detach().clone()
            if i < sync_steps and view != anchor:
                latent.requires_grad_()
                loss = random_lpips(picture_of(latent, t, number), target).sum()
                gradient = torch.autograd.grad(loss, latent)[0]
                latent = (latent - weight * decay**i * gradient).detach()
            with torch.no_grad():
                noise = noise_of(latent, t, number)
                alpha = scheduler.alphas_cumprod[t]
                before = t - scheduler.config.num_train_timesteps // steps
                final = scheduler.final_alpha_cumprod
                earlier = scheduler.alphas_cumprod[before] if before >= 0 else final
                clean = (latent - (1 - alpha).sqrt() * noise) / alpha.sqrt()
                value[..., view[0] : view[1]] += earlier.sqrt() * clean + (1 - earlier).sqrt() * noise
            count[..., view[0] : view[1]] += 1
        theirs = value / count
    plain = sample(backbone, canvas, backbone.scheduler("ddim", steps), state, conditioning, guides=guides)
    pulled = (ours - plain).abs().max()
    assert pulled > 5e-4, "without a visible pull this tests nothing"
    assert (ours - theirs).abs().max() < 0.01 * pulled
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_a_model_without_a_net_is_seen_through_the_draft_model(backbone, monkeypatch, tmp_path) -> None:
    """The fast method needs no download: pictures of any model go through the draft model's encoder."""
    from sync_engine.catalog import models
    from tests.small_models import tiny

    monkeypatch.delenv(feature_nets.WEIGHTS_VARIABLE, raising=False)
    draft = tiny.build(tmp_path / "draft")
    monkeypatch.setitem(models.TABLE, "draft", models.find(str(draft)))
    with pytest.raises(ModelNotAvailable, match="perceptual net"):
        built(backbone, "sync")
    save_net(draft / "perceptual")
    embed = built(backbone, "sync").embed
    windows = torch.randn(2, 4, 16, 16, requires_grad=True)
    distance(embed(windows), embed(windows.detach().flip(0))).sum().backward()
    assert windows.grad is not None
    assert windows.grad.abs().max() > 0


def save_net(folder) -> None:
    """Save a random perceptual net in the draft model's format."""
    from safetensors.torch import save_file

    from sync_engine.sync.perceptual_net import LatentFeatures

    net = LatentFeatures(4, {"scene": ["a", "b"]}, widths=(8, 16), blocks=1)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(net.config))
    save_file(net.state_dict(), folder / "model.safetensors")
