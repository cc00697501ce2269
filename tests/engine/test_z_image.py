# SPDX-License-Identifier: GPL-3.0-or-later
"""Z-Image: diffusers' own loop for one window, positions and noise levels per window, every method."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from sync_engine.backbones.loading import load
from sync_engine.backbones.z_image import ZImage
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.catalog import models
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.diffusion.joint_loop import WindowBatch, sample
from sync_engine.interface.messages import EXIT_STATUS
from sync_engine.prompting.conditioning import Conditioning
from tests.small_models import flow_jobs, tiny_flow

CPU = torch.device("cpu")
PIXELS = 128
"""Side of the small model's windows; its rotary tables end at 16 tokens, 256 pixels."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_flow.build_z_image(tmp_path_factory.mktemp("z"))


@pytest.fixture(scope="module")
def still_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_flow.build_z_image(tmp_path_factory.mktemp("still"), dynamic=False)


@pytest.fixture(scope="module")
def backbone(folder: Path) -> ZImage:
    return load_small(folder)


def load_small(folder: Path) -> ZImage:
    return load(flow_jobs.row(folder, PIXELS), CPU, torch.float32)


def their_pipeline(folder: Path):
    from diffusers import ZImagePipeline

    pipeline = ZImagePipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def theirs_and_ours(
    backbone: ZImage, guidance: float, negative: str = "", height: int = 16, steps: int = 5
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the latents of diffusers' pipeline and of our loop, from the same noise and words."""
    canvas = PlaneCanvas(height, 16, backbone.window, 8)
    state = canvas.noise(4, torch.Generator().manual_seed(5))
    theirs = their_pipeline(backbone.folder)(
        "a calm sea",
        negative_prompt=negative,
        latents=state,
        num_inference_steps=steps,
        guidance_scale=guidance - 1,  # theirs counts from 0: with + s·(with − without)
        output_type="latent",
        height=8 * height,
        width=128,
    ).images
    conditioning = Conditioning.one_prompt_each(
        backbone.encode(["a calm sea"]), backbone.encode([negative]), [0], guidance
    )
    scheduler = backbone.scheduler("dpm", steps, canvas.window_size)
    return theirs, sample(backbone, canvas, scheduler, state, conditioning)


@pytest.mark.parametrize(("guidance", "negative"), [(1.0, ""), (4.0, ""), (4.0, "desert under sunset")])
def test_one_window_equals_the_pipeline_of_diffusers(backbone, guidance: float, negative: str) -> None:
    theirs, ours = theirs_and_ours(backbone, guidance, negative)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_a_low_window_has_the_noise_levels_of_its_own_size(backbone) -> None:
    """Its 24 tokens are padded to 32 too, which the network is told."""
    theirs, ours = theirs_and_ours(backbone, 1.0, height=6)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_turbo_has_one_shift_for_every_size(still_folder: Path) -> None:
    still = load_small(still_folder)
    theirs, ours = theirs_and_ours(still, 1.0, steps=8)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
    assert torch.equal(still.scheduler("dpm", 8, (8, 8)).sigmas, still.scheduler("dpm", 8, (16, 64)).sigmas)


@pytest.mark.slow
def test_the_comparison_would_see_another_prompt_guidance_or_shift(backbone) -> None:
    plain = theirs_and_ours(backbone, 1.0)[1]
    assert (theirs_and_ours(backbone, 4.0)[1] - plain).abs().max() > 1e-3
    assert (
        theirs_and_ours(backbone, 4.0, "desert")[1] - theirs_and_ours(backbone, 4.0)[1]
    ).abs().max() > 1e-3
    canvas = PlaneCanvas(16, 16, 16, 8)
    state = canvas.noise(4, torch.Generator().manual_seed(5))
    sea, desert = (
        Conditioning.one_prompt_each(backbone.encode([words]), backbone.encode([""]), [0], 1.0)
        for words in ("a calm sea", "desert")
    )
    other_words = sample(backbone, canvas, backbone.scheduler("dpm", 5, (16, 16)), state, desert)
    other_shift = sample(backbone, canvas, backbone.scheduler("dpm", 5, (16, 64)), state, sea)
    assert (other_words - plain).abs().max() > 1e-3
    assert (other_shift - plain).abs().max() > 1e-3


def test_the_prompt_equals_that_of_diffusers(backbone) -> None:
    prompts = ["a calm sea", "desert"]
    theirs, _ = their_pipeline(backbone.folder).encode_prompt(
        list(prompts), do_classifier_free_guidance=False
    )
    ours = backbone.encode(prompts).states
    assert len(ours[0]) == len(ours[1]) + 2  # without padding
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_windows_of_different_words_do_not_hear_each_other(backbone) -> None:
    """Prompts of one batch have different lengths; the shorter ones are padded inside the network."""
    long = (
        "a calm sea under sunset sky a calm sea under sunset sky a calm sea under sunset sky a calm sea under"
    )
    conditioning = Conditioning.one_prompt_each(
        backbone.encode(["desert", f"{long} {long}"]), backbone.encode([""]), [0, 1], 4.0
    )
    windows = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    assert len(conditioning.prompts.states[1]) > 32 > len(conditioning.prompts.states[0])
    together = backbone.predict(windows, torch.tensor(600.0), conditioning, conditioning.entries)
    alone = [
        backbone.predict(windows[i : i + 1], torch.tensor(600.0), conditioning, [conditioning.entries[i]])
        for i in (0, 1)
    ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-5)


def test_every_window_of_a_wide_canvas_has_positions_from_0(backbone, monkeypatch) -> None:
    """The canvas has 32 tokens across and the small network's tables end at 16."""
    seen: list[torch.Tensor] = []
    embed = backbone.transformer.rope_embedder.__class__.__call__

    def watch(self, ids: torch.Tensor) -> torch.Tensor:
        seen.append(ids)
        return embed(self, ids)

    monkeypatch.setattr(backbone.transformer.rope_embedder.__class__, "__call__", watch)
    canvas = PlaneCanvas(16, 64, backbone.window, 8, wrap=True)
    conditioning = Conditioning.one_prompt_each(
        backbone.encode(["a calm sea"]), backbone.encode([""]), [0] * len(canvas.corners), 1.0
    )
    state = canvas.noise(4, torch.Generator().manual_seed(5))
    sample(backbone, canvas, backbone.scheduler("dpm", 1, canvas.window_size), state, conditioning)
    pictures = seen[0].reshape(len(canvas.corners), -1, 3)
    text = 32  # padded to a multiple of 32; a picture begins after it
    grid = torch.cartesian_prod(torch.tensor([text + 1]), torch.arange(8), torch.arange(8))
    assert len(pictures) == 8
    for ids in pictures:
        assert torch.equal(ids.long(), grid)


def test_a_window_is_predicted_as_if_it_were_a_picture_alone(backbone) -> None:
    canvas = PlaneCanvas(16, 64, backbone.window, 8, wrap=True)
    state = canvas.noise(4, torch.Generator().manual_seed(5))
    windows = canvas.gather(state)
    conditioning = Conditioning.one_prompt_each(
        backbone.encode(["a calm sea"]), backbone.encode([""]), [0] * 8, 1.0
    )
    ours = WindowBatch(3).map(
        lambda part, entries: backbone.predict(part, torch.tensor(400.0), conditioning, entries),
        windows,
        list(conditioning.entries),
    )
    network = their_pipeline(backbone.folder).transformer
    for number, (_, left) in enumerate(canvas.corners):
        alone = state.roll(-left, dims=-1)[..., :16].permute(1, 0, 2, 3)
        with torch.no_grad():
            (theirs,) = network(
                [alone], torch.tensor([0.6]), list(conditioning.prompts.states), return_dict=False
            )[0]
        torch.testing.assert_close(ours[number], -theirs[:, 0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("cells", [(16, 16), (8, 16), (128, 128), (64, 128)])
def test_the_shift_follows_from_the_window_and_not_from_the_canvas(backbone, cells: tuple[int, int]) -> None:
    """Noise levels by hand: exp(mu) on the odds of each level; mu 0.5 at 256 tokens and 1.15 at 4096."""
    tokens = cells[0] // 2 * (cells[1] // 2)
    mu = 0.5 + (1.15 - 0.5) * (tokens - 256) / (4096 - 256)
    expected = [math.exp(mu) / (math.exp(mu) + 1 / s - 1) for s in (1.0, 0.75, 0.5, 0.25)]
    given = backbone.scheduler("dpm", 4, cells).sigmas.tolist()
    assert given == pytest.approx([*expected, 0.0], abs=1e-6)


def test_pictures_are_decoded_and_encoded_as_diffusers_does(backbone) -> None:
    pipeline = their_pipeline(backbone.folder)
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    config = pipeline.vae.config
    with torch.no_grad():
        picture = pipeline.vae.decode(latents / config.scaling_factor + config.shift_factor).sample
        torch.testing.assert_close(backbone.decode(latents), picture, rtol=0, atol=1e-5)
        encoded = pipeline.vae.encode(picture).latent_dist.mode()
        theirs = (encoded - config.shift_factor) * config.scaling_factor
        torch.testing.assert_close(backbone.encode_picture(picture), theirs, rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "method"), flow_jobs.CASES)
def test_every_method_makes_a_picture(
    folder: Path, tmp_path: Path, monkeypatch, kind: str, method: str
) -> None:
    flow_jobs.check(folder, PIXELS, tmp_path / "out", monkeypatch, kind, method)


@pytest.mark.slow
def test_a_job_takes_the_shift_of_its_windows(folder: Path, tmp_path: Path, monkeypatch) -> None:
    """A plate of 64 × 256 pixels under windows of 128: they are 8 cells high and 16 wide."""
    sizes = []
    original = ZImage._shift

    def watch(self, height: int, width: int, steps: int) -> float:
        sizes.append((height, width))
        return original(self, height, width, steps)

    monkeypatch.setattr(ZImage, "_shift", watch)
    flow_jobs.check(folder, PIXELS, tmp_path / "out", monkeypatch, "plate", "multidiffusion", height=64)
    assert sizes == [(8, 16)]


def test_half_precision_is_bfloat16(folder: Path) -> None:
    """In float16 the activations of the real network overflow."""
    half = load(flow_jobs.row(folder, PIXELS), CPU, torch.float16)
    assert half.dtype == half.transformer.dtype == half.text_encoder.dtype == torch.bfloat16
    text = half.encode(["a calm sea"])
    words = Conditioning.one_prompt_each(text, text, [0], 4.0)
    prediction = half.predict(torch.randn(1, 4, 16, 16), torch.tensor(500.0), words, words.entries)
    assert prediction.dtype == torch.float32
    assert prediction.isfinite().all()


# --- bad folders ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text_encoder": [None, None]}, "no text_encoder"),
        ({"transformer": [None, None]}, "no transformer"),
        (
            {"transformer": ["diffusers", "Flux2Transformer2DModel"]},
            "transformer of class Flux2Transformer2DModel",
        ),
        ({"text_encoder": ["transformers", "CLIPTextModel"]}, "text_encoder of class CLIPTextModel"),
        ({"scheduler": ["diffusers", "DDIMScheduler"]}, "scheduler of class DDIMScheduler"),
        ({"vae": ["diffusers", "AutoencoderKLFlux2"]}, "vae of class AutoencoderKLFlux2"),
        ({"_class_name": "ZImageOmniPipeline"}, "the family ZImageOmniPipeline"),
        ({"_class_name": "StableDiffusionPipeline"}, "no unet"),
    ],
)
def test_a_folder_of_another_family_or_without_a_part_is_refused(
    folder: Path, tmp_path: Path, change: dict, words: str
) -> None:
    flow_jobs.check_refused(flow_jobs.broken(folder, tmp_path / "m", change), words)


def test_missing_and_cut_off_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    other = flow_jobs.broken(folder, tmp_path / "m", {})
    weights = next((other / "transformer").glob("*.safetensors"))
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    flow_jobs.check_refused(other, "cut off")
    weights.unlink()
    flow_jobs.check_refused(other, "transformer has no safetensors")


def test_a_tokenizer_without_its_chat_template_is_refused(folder: Path, tmp_path: Path) -> None:
    other = flow_jobs.broken(folder, tmp_path / "m", {})
    (other / "tokenizer" / "chat_template.jinja").unlink()
    flow_jobs.check_refused(other, "no chat template")


def test_a_text_encoder_of_another_size_is_refused(tmp_path: Path) -> None:
    other = tiny_flow.build_z_image(tmp_path / "m", text=24)
    flow_jobs.check_refused(other, "text of 24 features, its encoder gives 16")


def test_a_refused_folder_exits_with_3(folder: Path, tmp_path: Path) -> None:
    other = flow_jobs.broken(folder, tmp_path / "m", {"transformer": [None, None]})
    with pytest.raises(ModelNotAvailable) as refused:
        load(models.find(str(other)), CPU, torch.float32)
    assert EXIT_STATUS[refused.value.code] == 3


def test_a_folder_says_whether_it_is_distilled(folder: Path, still_folder: Path, tmp_path: Path) -> None:
    """Turbo with the guidance of other models would burn its pictures; the base model needs it."""
    turbo = models.find(str(still_folder))
    assert (turbo.steps, turbo.guidance) == (8, 1.0)
    other = flow_jobs.broken(still_folder, tmp_path / "base", {})
    config = other / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("3.0", "6.0"))
    assert (models.find(str(other)).steps, models.find(str(other)).guidance) == (50, 5.0)
    config.write_text("no JSON")
    assert models.find(str(other)).steps == 8
    (other / "model_index.json").unlink()
    assert models.find(str(other)).steps == models.STEPS


def test_the_table_pins_turbo() -> None:
    row = models.find("Tongyi-MAI/Z-Image-Turbo")
    assert row == models.TABLE["z-image-turbo"]
    assert row.revision == "f332072aa78be7aecdf3ee76d5c247082da564a6"
    assert (row.steps, row.guidance, row.window) == (8, 1.0, 1024)
