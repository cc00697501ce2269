# SPDX-License-Identifier: GPL-3.0-or-later
"""FLUX.2 klein: diffusers' own loop for one window, positions and noise levels per window, every method."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from sync_engine.backbones.flux2_klein import Flux2Klein
from sync_engine.backbones.loading import load
from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.catalog import models
from sync_engine.diffusion.joint_loop import sample
from sync_engine.interface.messages import Progress
from sync_engine.prompting.conditioning import Conditioning
from tests.small_models import flow_jobs, tiny_flow

CPU = torch.device("cpu")
PIXELS = 128
"""Side of the small model's windows: 8 cells."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_flow.build_klein(tmp_path_factory.mktemp("klein"))


@pytest.fixture(scope="module")
def backbone(folder: Path) -> Flux2Klein:
    return load_small(folder)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Flux2Klein:
    return load_small(tiny_flow.build_klein(tmp_path_factory.mktemp("base"), distilled=False))


def load_small(folder: Path) -> Flux2Klein:
    return load(flow_jobs.row(folder, PIXELS), CPU, torch.float32)


def their_pipeline(folder: Path):
    from diffusers import Flux2KleinPipeline

    pipeline = Flux2KleinPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def theirs_and_ours(
    backbone: Flux2Klein, guidance: float = 1.0, height: int = 8, steps: int = 4, negative: str = ""
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the latents of diffusers' pipeline and of our loop as the autoencoder knows them."""
    canvas = PlaneCanvas(height, 8, backbone.window, 4)
    state = canvas.noise(backbone.channels, torch.Generator().manual_seed(5))
    theirs = their_pipeline(backbone.folder)(
        prompt="a calm sea",
        latents=state,
        num_inference_steps=steps,
        guidance_scale=guidance,
        output_type="latent",
        height=16 * height,
        width=128,
    ).images
    conditioning = Conditioning.one_prompt_each(
        backbone.encode(["a calm sea"]), backbone.encode([negative]), [0], guidance
    )
    scheduler = backbone.scheduler("dpm", steps, canvas.window_size)
    ours = sample(backbone, canvas, scheduler, state, conditioning)
    return theirs, backbone.unpack(ours)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_one_window_equals_the_pipeline_of_diffusers(backbone, guidance: float) -> None:
    """A distilled model takes no guidance, whatever the scale."""
    theirs, ours = theirs_and_ours(backbone, guidance)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_one_window_of_the_base_model_equals_the_pipeline_of_diffusers(base, guidance: float) -> None:
    theirs, ours = theirs_and_ours(base, guidance, steps=6)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_a_low_window_has_the_noise_levels_of_its_own_size(backbone) -> None:
    theirs, ours = theirs_and_ours(backbone, height=4)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_the_comparison_would_see_another_prompt_guidance_or_shift(base) -> None:
    plain, guided = theirs_and_ours(base)[1], theirs_and_ours(base, 4.0)[1]
    assert (guided - plain).abs().max() > 1e-3
    assert (theirs_and_ours(base, 4.0, negative="desert")[1] - guided).abs().max() > 1e-3
    canvas = PlaneCanvas(8, 8, 8, 4)
    state = canvas.noise(16, torch.Generator().manual_seed(5))
    nothing = base.encode([""])
    sea, desert = (
        Conditioning.one_prompt_each(base.encode([words]), nothing, [0], 1.0)
        for words in ("a calm sea", "desert")
    )
    other_words = sample(base, canvas, base.scheduler("dpm", 4, (8, 8)), state, desert)
    other_shift = sample(base, canvas, base.scheduler("dpm", 4, (64, 64)), state, sea)
    assert (base.unpack(other_words) - plain).abs().max() > 1e-3
    assert (base.unpack(other_shift) - plain).abs().max() > 1e-3


def test_the_prompt_equals_that_of_diffusers(backbone) -> None:
    prompts = ["a calm sea", "desert"]
    theirs, _ = their_pipeline(backbone.folder).encode_prompt(prompts)
    assert theirs.shape == (2, 512, 24)
    torch.testing.assert_close(torch.stack(backbone.encode(prompts).states), theirs, rtol=0, atol=1e-5)


def test_every_window_of_a_wide_canvas_has_positions_from_0(backbone, monkeypatch) -> None:
    seen: list[dict] = []
    forward = backbone.transformer.forward

    def watch(**inputs):
        seen.append(inputs)
        return forward(**inputs)

    monkeypatch.setattr(backbone.transformer, "forward", watch)
    canvas = PlaneCanvas(8, 32, backbone.window, 4, wrap=True)
    text = backbone.encode(["a calm sea"])
    conditioning = Conditioning.one_prompt_each(text, text, [0] * len(canvas.corners), 1.0)
    state = canvas.noise(backbone.channels, torch.Generator().manual_seed(5))
    sample(backbone, canvas, backbone.scheduler("dpm", 1, canvas.window_size), state, conditioning)
    (inputs,) = seen
    zero = torch.tensor([0])
    grid = torch.cartesian_prod(zero, torch.arange(8), torch.arange(8), zero)
    words = torch.cartesian_prod(zero, zero, zero, torch.arange(512))
    assert inputs["img_ids"].shape == (8, 64, 4)
    for ids in inputs["img_ids"]:
        assert torch.equal(ids, grid)
    assert torch.equal(inputs["txt_ids"], words.expand(8, -1, -1))
    # the tokens lie where their positions say
    windows = canvas.gather(state)
    for token, (_, row, column, _) in zip(inputs["hidden_states"][3], grid.tolist(), strict=True):
        assert torch.equal(token, windows[3, :, row, column])


@pytest.mark.parametrize(("cells", "steps"), [((8, 8), 4), ((64, 64), 4), ((32, 64), 50)])
def test_the_shift_follows_from_the_window_and_the_steps(
    backbone, cells: tuple[int, int], steps: int
) -> None:
    """Noise levels by hand; mu lies on a line through what was found best for 10 and for 200 steps."""
    tokens = cells[0] * cells[1]
    of_10, of_200 = 8.73809524e-05 * tokens + 1.89833333, 0.00016927 * tokens + 0.45666666
    mu = of_10 + (steps - 10) * (of_200 - of_10) / 190
    levels = [1 - i / steps for i in range(steps)]
    expected = [math.exp(mu) / (math.exp(mu) + 1 / level - 1) for level in levels]
    given = backbone.scheduler("dpm", steps, cells).sigmas.tolist()
    assert given == pytest.approx([*expected, 0.0], abs=1e-5)


def test_pictures_are_decoded_and_encoded_as_diffusers_does(backbone) -> None:
    pipeline = their_pipeline(backbone.folder)
    state = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(1))
    picture = pipeline(
        prompt="a calm sea", latents=state, num_inference_steps=1, height=128, width=128, output_type="pt"
    ).images
    latents = sample(
        backbone,
        PlaneCanvas(8, 8, 8, 4),
        backbone.scheduler("dpm", 1, (8, 8)),
        state,
        Conditioning.one_prompt_each(backbone.encode(["a calm sea"]), backbone.encode([""]), [0], 1.0),
    )
    decoded = backbone.decode(latents)
    assert decoded.std() > 0.01
    torch.testing.assert_close(decoded.add(1).div(2).clamp(0, 1), picture, rtol=0, atol=1e-4)
    theirs = pipeline._encode_vae_image(decoded, torch.Generator())
    torch.testing.assert_close(backbone.encode_picture(decoded), theirs, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "method"), flow_jobs.CASES)
def test_every_method_makes_a_picture(
    folder: Path, tmp_path: Path, monkeypatch, kind: str, method: str
) -> None:
    flow_jobs.check(folder, PIXELS, tmp_path / "out", monkeypatch, kind, method)


@pytest.mark.slow
def test_a_world_above_the_models_own_size_is_refined(folder: Path, tmp_path: Path, monkeypatch) -> None:
    """Detail passes encode pictures and begin at a noise level between the steps' first and last."""
    flow_jobs.check(folder, 64, tmp_path / "out", monkeypatch, "sphere", "multidiffusion", width=512)


@pytest.mark.parametrize("distilled", [True, False])
def test_a_distilled_model_says_that_guidance_does_not_count(
    tmp_path: Path, monkeypatch, distilled: bool
) -> None:
    folder = tiny_flow.build_klein(tmp_path / "m", distilled=distilled)
    assert models.find(str(folder)).steps == (4 if distilled else 50)
    told = flow_jobs.check(
        folder, PIXELS, tmp_path / "out", monkeypatch, "plate", "multidiffusion", guidance=4.0
    )
    said = [event.note for event in told if isinstance(event, Progress) and event.note]
    assert any("takes neither guidance" in note for note in said) == distilled
    spec = json.loads((tmp_path / "out" / "spec.json").read_text())["spec"]
    assert spec["guidance"] == (1.0 if distilled else 4.0)


def test_half_precision_is_bfloat16(folder: Path) -> None:
    half = load(flow_jobs.row(folder, PIXELS), CPU, torch.float16)
    assert half.dtype == half.transformer.dtype == half.text_encoder.dtype == torch.bfloat16
    text = half.encode(["a calm sea"])
    windows, words = torch.randn(2, 16, 8, 8), Conditioning.one_prompt_each(text, text, [0, 0], 4.0)
    prediction = half.predict(windows, torch.tensor(500.0), words, words.entries)
    assert prediction.dtype == torch.float32
    assert half.decode(windows).isfinite().all()


# --- bad folders ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text_encoder": [None, None]}, "no text_encoder"),
        ({"vae": [None, None]}, "no vae"),
        ({"vae": ["diffusers", "AutoencoderKL"]}, "vae of class AutoencoderKL in"),
        (
            {"transformer": ["diffusers", "ZImageTransformer2DModel"]},
            "transformer of class ZImageTransformer",
        ),
        ({"_class_name": "Flux2Pipeline"}, "the family Flux2Pipeline"),
        ({"_class_name": "ZImagePipeline"}, "of class AutoencoderKLFlux2 in a ZImagePipeline"),
    ],
)
def test_a_folder_of_another_family_or_without_a_part_is_refused(
    folder: Path, tmp_path: Path, change: dict, words: str
) -> None:
    flow_jobs.check_refused(flow_jobs.broken(folder, tmp_path / "m", change), words)


@pytest.mark.parametrize("part", ["transformer", "text_encoder", "vae"])
def test_missing_weights_are_refused(folder: Path, tmp_path: Path, part: str) -> None:
    other = flow_jobs.broken(folder, tmp_path / "m", {})
    next((other / part).glob("*.safetensors")).unlink()
    flow_jobs.check_refused(other, f"{part} has no safetensors")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layers": 20}, "20 layers, fewer than 27"),
        ({"text": 32}, "text of 32 features, its encoder gives 24"),
        ({"channels": 32}, "32 channels, its autoencoder gives 16"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path, change: dict, words: str) -> None:
    flow_jobs.check_refused(tiny_flow.build_klein(tmp_path / "m", **change), words)


def test_it_is_fetched_from_a_hub_with_all_that_it_needs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its index holds ``is_distilled`` beside the parts, its tokenizer needs its chat template."""
    from sync_engine.common.progress import Reporter
    from sync_engine.downloads import store
    from sync_engine.downloads.fetch import for_job
    from tests.small_models.fake_hub import REVISION, FakeHub

    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "models"))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    model = models.find(f"owner/tiny@{REVISION}")
    with FakeHub(folder) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        for_job(model, Reporter("job", lambda event: None), lambda: None)
    fetched = load(model, CPU, torch.float32)
    assert isinstance(fetched, Flux2Klein)
    assert fetched.folder.is_relative_to(tmp_path / "models")
    assert not fetched.guided
    assert fetched.window * fetched.scale == 1024


def test_the_table_pins_the_model() -> None:
    row = models.find("black-forest-labs/FLUX.2-klein-4B")
    assert row == models.TABLE["flux2-klein"]
    assert row.revision == "e7b7dc27f91deacad38e78976d1f2b499d76a294"
    assert (row.steps, row.guidance, row.window) == (4, 1.0, 1024)
