# SPDX-License-Identifier: GPL-3.0-or-later
"""The training code: captions, tokenizer, latent features, schedules and masters of the weights."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from sync_engine.sync.perceptual_net import LatentFeatures  # noqa: E402
from training import captions, checkpoints, parts, precision  # noqa: E402
from training.autoencoder import block_colours  # noqa: E402
from training.batches import LatentSource  # noqa: E402
from training.denoiser import Model, drop_out, velocity_loss  # noqa: E402
from training.encode_views import LatentCache  # noqa: E402
from training.panoramas import is_held_out  # noqa: E402
from training.precision import MasterAverage, MasterWeights  # noqa: E402
from training.text_encoder import CaptionSource  # noqa: E402
from training.views import View, sees  # noqa: E402
from training.vocabulary import MAX_WORDS, build_tokenizer, collect_words, unknown_words  # noqa: E402

DRAFT = Path(__file__).resolve().parent.parent / "sync_engine" / "draft"
RECORD = {
    "id": "0001",
    "scene": "desert",
    "time": "sunset",
    "weather": "clear",
    "colours": ["orange", "blue"],
    "has_moon": False,
    "sun": {"azimuth_deg": 30.0, "elevation_deg": 5.0, "visible": True},
    "details": {"sand": "red", "dunes": True},
    "captions": ["a spherical photo of a red desert at sundown"] * 5,
}


def test_sun_is_named_only_when_it_is_in_the_frame():
    assert sees(View(30, 5, 80), 30, 5)
    assert not sees(View(-150, 5, 80), 30, 5)
    assert captions.SUN_PHRASE in captions.direction_phrase(RECORD, View(20, 0, 80))
    assert captions.SUN_PHRASE not in captions.direction_phrase(RECORD, View(200, 0, 80))
    night = {**RECORD, "has_moon": True}
    assert captions.MOON_PHRASE in captions.direction_phrase(night, View(20, 0, 80))


def test_view_phrases_cover_all_pitches_without_gaps():
    lows, highs = [row[0] for row in captions.VIEW_PHRASES], [row[1] for row in captions.VIEW_PHRASES]
    assert (lows[0], highs[-1]) == (-90, 90)
    assert lows[1:] == highs[:-1]
    assert captions.view_phrase(90) == captions.VIEW_PHRASES[-1][2]
    assert captions.view_phrase(-90) == captions.VIEW_PHRASES[0][2]
    assert captions.view_phrase(0) == "looking at the horizon"


def test_captions_drop_photo_words_words_and_directions_by_chance():
    assert captions.strip_photo_words("HDRI of a quiet room") == "a quiet room"
    assert captions.strip_photo_words("360 hdri, lake") == "lake"
    rng = np.random.default_rng(0)
    drawn = [captions.view_caption(RECORD, View(0, 0, 80), rng) for _ in range(2000)]
    assert sum(not text for text in drawn) / 2000 == pytest.approx(0.1, abs=0.03)
    assert sum("looking at" in text for text in drawn) / 2000 == pytest.approx(0.81, abs=0.04)
    assert not any("spherical" in text for text in drawn)


def test_tokenizer_knows_its_words_and_reports_the_others(tmp_path):
    words = collect_words([RECORD, {**RECORD, "id": "0003", "captions": ["a held-out zebra"]}])
    assert is_held_out({"id": "0003"})
    assert "zebra" not in words
    tokenizer = build_tokenizer(words)
    tokenizer.save_pretrained(tmp_path)
    again = type(tokenizer).from_pretrained(tmp_path)
    assert again.tokenize("A RED desert, at sundown!") == ["a", "red", "desert", "at", "sundown"]
    unknown = unknown_words(again, "Dragon over a red desert, dragon-like wyvern")
    assert unknown == ["Dragon", "dragon", "like", "wyvern"]
    assert again.tokenize("deserts") == ["desert"]
    tokens = parts.tokenize(again, ["red desert", ""])
    assert tokens.shape == (2, MAX_WORDS)
    assert tokens[1, :2].tolist() == [again.bos_token_id, again.eos_token_id]


def test_schedule_ends_in_pure_noise_and_suits_the_multistep_solver():
    from diffusers import DPMSolverMultistepScheduler

    scheduler = parts.build_scheduler()
    assert scheduler.alphas_cumprod[-1] < 1e-6
    solver = DPMSolverMultistepScheduler.from_config(scheduler.config)
    solver.set_timesteps(10)
    sample = torch.randn(1, 6, 8, 8)
    for timestep in solver.timesteps:
        sample = solver.step(torch.zeros_like(sample), timestep, sample).prev_sample
    assert sample.isfinite().all()


def test_latent_features_take_any_window_and_tell_blur_from_another_picture(tmp_path):
    from safetensors.torch import save_file

    net = LatentFeatures(6, {"scene": ["a", "b"]}, widths=(16, 24, 32), blocks=1)
    save_file({key: value.half() for key, value in net.state_dict().items()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(net.config), encoding="utf-8")
    loaded = LatentFeatures.from_folder(tmp_path)
    latents = torch.randn(2, 6, 24, 40)
    shapes = [tuple(x.shape) for x in loaded.features(latents)]
    assert shapes == [(2, 16, 24, 40), (2, 24, 12, 20), (2, 32, 6, 10)]
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    latents.requires_grad_(True)
    loaded.features(latents)[-1].square().mean().backward()
    assert latents.grad is not None
    assert latents.grad.abs().sum() > 0


def test_master_weights_train_a_bfloat16_module_by_steps_too_small_for_bfloat16():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 3, 1))
    masters = MasterWeights(module, rate=1e-5, weight_decay=0.0, plain=[module[1]])
    average = MasterAverage(masters, 0.5)
    before = [master.clone() for master in masters.masters]
    inputs = torch.randn(4, 3, 8, 8, dtype=torch.bfloat16)
    for step in range(3):
        module(inputs).float().square().mean().backward()
        masters.step()
        average.update(step)
    for old, master, weight in zip(before, masters.masters, masters.weights, strict=True):
        moved = (master - old).abs().max().item()
        assert 0 < moved < 1e-3, "float32 weights keep steps that bfloat16 would round away"
        assert weight.dtype == torch.bfloat16
        assert torch.equal(weight, master.to(torch.bfloat16))
        assert weight.grad is None
    averaged = average.copy_to(
        torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 3, 1))
    )
    assert not torch.equal(averaged[0].weight, masters.masters[0])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_no_number_moves_nothing_and_is_counted(value):
    torch.manual_seed(0)
    module = torch.nn.Linear(8, 8)
    masters = MasterWeights(module, 1e-2)
    before = module.weight.detach().clone()
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    module.bias.grad[3] = value
    assert not masters.step().isfinite()
    assert masters.refused.item() == 1
    assert torch.allclose(module.weight, before, rtol=1e-2), "weight decay alone"
    module(torch.ones(2, 8, dtype=torch.bfloat16)).sum().backward()
    assert masters.step().isfinite()
    assert (masters.refused.item(), masters.steps) == (1, 2)
    assert not torch.allclose(module.weight, before, rtol=1e-2)


def test_training_stops_when_its_gradients_are_no_numbers():
    masters = MasterWeights(torch.nn.Linear(2, 2), 1e-3)
    for refused, steps in ((20, 50), (90, 1000)):
        masters.steps, masters.refused = steps, torch.tensor(refused)
        masters.check()
    masters.steps, masters.refused = 50, torch.tensor(25)
    with pytest.raises(FloatingPointError, match="25 of 50 steps"):
        masters.check()


def test_training_goes_on_from_saved_master_weights():
    def build():
        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
        return module, MasterWeights(module, rate=1e-2)

    def go(module, masters, steps):
        for step in range(steps):
            module(torch.full((2, 4), 0.5 + step, dtype=torch.bfloat16)).float().square().sum().backward()
            masters.step()

    module, masters = build()
    go(module, masters, 2)
    other, resumed = build()
    resumed.load_state_dict(copy.deepcopy(masters.state_dict()))
    assert torch.equal(other[0].weight, module[0].weight)
    go(module, masters, 2)
    go(other, resumed, 2)
    assert torch.equal(resumed.masters[0], masters.masters[0])


def small_cache(views: int = 400) -> LatentCache:
    """Random latents of many views of one panorama, four channels."""
    latents = np.random.default_rng(0).standard_normal((views, 1, 4, 32, 32)).astype(np.float16)
    return LatentCache(latents, views, 0.5)


def test_captions_come_with_the_layout_of_their_own_view():
    records, cache = [RECORD], small_cache(3)
    source = CaptionSource(cache, records, build_tokenizer(collect_words(records)), 0)
    source.draw = lambda size: ([(2, 0), (0, 0)], torch.zeros(2, MAX_WORDS, dtype=torch.long))
    batch, rows = source.layouts(2)
    assert rows == [0, 0]
    assert batch.latents.shape == (2, 3, 8, 8)
    first = torch.from_numpy(cache.latents[2, 0, 0, :4, :4].astype(np.float32)).mean() * 0.5
    assert batch.latents[0, 0, 0, 0].item() == pytest.approx(first.item(), abs=1e-3)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_hold_the_latents_of_their_views_whoever_draws_them(workers):
    records = [{**RECORD, "id": number} for number in ("0001", "0002", "0003")]  # the last is held out
    latents = np.arange(15, dtype=np.float16).reshape(5, 3, 1, 1, 1)
    source = LatentSource(LatentCache(latents, 4, 0.5), records, build_tokenizer(collect_words(records)), 0)
    stream = source.batches(50, workers)
    drawn = [next(stream) for _ in range(4)]
    assert all(batch.tokens.shape == (50, MAX_WORDS) for batch in drawn)
    seen = [tuple((batch.latents.flatten() * 2).int().tolist()) for batch in drawn]
    assert {value for batch in seen for value in batch} == {0, 1, 3, 4, 6, 7, 9, 10}, "of four ready views"
    assert len(set(seen)) == 4, "no batch comes twice, whichever process draws it"


def test_dropout_is_set_in_every_part():
    unet = parts.build_unet(4)
    drop_out(unet, 0.25)
    shares = {part.p for part in unet.modules() if isinstance(part, torch.nn.Dropout)}
    assert shares == {0.25}


def test_only_the_denoiser_learns_from_the_velocity():
    tokenizer = build_tokenizer(collect_words([RECORD]))
    torch.manual_seed(0)
    model = Model(parts.build_unet(4), parts.build_text_encoder(tokenizer))
    batch = LatentSource(small_cache(4), [RECORD], tokenizer, 0).batch(2)
    velocity_loss(model, parts.build_scheduler(), batch, torch.tensor([200, 900])).mean().backward()
    assert all(weight.grad is None for weight in model.text_encoder.parameters())
    assert model.unet.conv_in.weight.grad.abs().sum() > 0
    assert model.unet.add_embedding.proj.weight.grad.abs().sum() > 0, "the words reach the denoiser"


def test_block_colours_are_the_mean_colour_of_eight_by_eight_pixels():
    picture = torch.zeros(1, 3, 8, 16)
    picture[:, 1, :, :8] = 1.0  # green on the left
    code = block_colours(picture)
    assert code.shape == (1, 3, 1, 2)
    assert code[0, :, 0, 0].tolist() == pytest.approx([2 / 3, 0.0, 6.0])
    assert code[0, :, 0, 1].tolist() == [0, 0, 0]


def test_average_follows_its_module():
    module = torch.nn.Linear(2, 2)
    average = checkpoints.Average(module, 0.9)
    with torch.no_grad():
        module.weight.add_(1)
    before = average.module.weight.clone()
    average.update(module, step=100)
    assert torch.allclose(average.module.weight, before + 0.1, atol=1e-6)


@pytest.mark.skipif(
    not (DRAFT / "unet" / "config.json").is_file(), reason="no exported draft model in this checkout"
)
def test_exported_model_paints_a_picture_and_knows_the_direction_phrases():
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(DRAFT, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline("sunset over a desert", num_inference_steps=2, output_type="pt").images
    assert picture.shape == (1, 3, 256, 256)
    assert picture.isfinite().all()
    exported = json.loads((DRAFT / "view_phrases.json").read_text(encoding="utf-8"))
    assert [(row["pitch_min"], row["pitch_max"], row["phrase"]) for row in exported["phrases"]] == list(
        captions.VIEW_PHRASES
    )
    for row in exported["phrases"]:
        assert unknown_words(pipeline.tokenizer, row["phrase"]) == []
    assert sum(path.stat().st_size for path in DRAFT.rglob("*") if path.is_file()) <= 48 * 2**20


def test_a_processor_without_bfloat16_trains_in_float32(monkeypatch):
    device = torch.device("cpu")
    for fast, dtype in ((False, torch.float32), (True, torch.bfloat16)):
        monkeypatch.setattr(precision, "cpu_has_fast_bf16", lambda fast=fast: fast)
        assert precision.working_dtype(device) is dtype
        with precision.autocast(device):
            assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype is dtype
    assert precision.working_dtype(torch.device("cuda")) is torch.bfloat16


def test_master_weights_of_a_float32_module_are_apart_from_its_own():
    module = torch.nn.Linear(4, 2)
    masters = MasterWeights(module, rate=1e-2, dtype=torch.float32)
    module(torch.ones(1, 4)).square().sum().backward()
    before = module.weight.detach().clone()
    masters.step()
    assert not torch.equal(module.weight, before)
    assert torch.equal(module.weight, masters.masters[0])
    assert module.weight.data_ptr() != masters.masters[0].data_ptr()
