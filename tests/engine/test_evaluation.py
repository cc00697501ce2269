# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics: each tells apart what it is for, and the command says what is wrong."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sync_engine.common.errors import EngineError
from sync_engine.evaluation import features
from sync_engine.evaluation.clip_score import ClipScore
from sync_engine.evaluation.detail import Detail
from sync_engine.evaluation.discontinuity import Discontinuity
from sync_engine.evaluation.fid import fid
from sync_engine.evaluation.giqa import knn_scores
from sync_engine.evaluation.horizon import Horizon
from sync_engine.evaluation.intra_lpips import IntraLpips
from sync_engine.evaluation.intra_style import IntraStyle, gram
from sync_engine.evaluation.kid import kid
from sync_engine.evaluation.picture import BadPicture, Picture, find, read
from sync_engine.evaluation.repetition import Repetition
from sync_engine.evaluation.weave import Weave
from sync_engine.radiance.expand import expand
from sync_engine.radiance.srgb import to_linear
from sync_engine.runtime.output import write_exr
from tests.small_models.pictures import smooth_noise

CPU = torch.device("cpu")


def ground_and_sky(horizon: torch.Tensor, height: int) -> torch.Tensor:
    """A blue sky above brown ground ``(3, H, W)``; ``horizon`` gives the row in each column."""
    ground = (torch.arange(height)[:, None] >= horizon).float()
    sky, brown = torch.tensor([0.5, 0.7, 1.0]), torch.tensor([0.4, 0.3, 0.2])
    return sky[:, None, None] * (1 - ground) + brown[:, None, None] * ground


@pytest.fixture
def random_vgg(monkeypatch: pytest.MonkeyPatch) -> features.LpipsNet:
    """LPIPS with random weights in the place of the real ones: the structure, no download."""
    import sync_engine.common.torchvision_schemas  # noqa: F401

    import lpips  # isort: skip

    torch.manual_seed(0)
    net = features.LpipsNet.__new__(features.LpipsNet)
    net.model = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval().requires_grad_(False)
    for lin in net.model.lins:
        lin.model[-1].weight.data.abs_()
    net.device, net._last = CPU, ([], [])
    for module in ("features", "intra_lpips", "intra_style"):
        monkeypatch.setattr(f"sync_engine.evaluation.{module}.lpips_net", lambda name, device: net)
    return net


# --- pictures ------------------------------------------------------------------------------


def test_crops_of_a_plate_are_its_squares_and_of_a_world_views_of_the_horizon() -> None:
    plate = torch.arange(3 * 64).reshape(1, 1, 192).expand(3, 64, 192) / 192
    crops = Picture("p", plate, "plate").crops
    assert [tuple(crop.shape) for crop in crops] == [(3, 64, 64)] * 3
    assert torch.equal(torch.cat(crops, dim=2), plate)
    row = torch.linspace(90, -90, 256)
    world = Picture("w", ((row[:, None] + 90) / 180).expand(3, 256, 512), "world")
    for crop in world.crops:
        assert crop.shape == (3, 128, 128)
        assert crop[0, 64, 64] == pytest.approx(0.5, abs=0.01)
        assert crop[0, 0, 64] == pytest.approx(0.75, abs=0.01), "45° up at the upper edge"
    assert [tuple(square.shape) for square in world.squares] == [(3, 128, 128)] * 4


def test_large_crops_are_reduced_and_narrow_pictures_have_one() -> None:
    assert [tuple(c.shape) for c in Picture("p", torch.zeros(3, 1024, 2048), "plate").crops] == [
        (3, 512, 512)
    ] * 2
    assert [tuple(c.shape) for c in Picture("p", torch.zeros(3, 96, 64), "plate").crops] == [(3, 64, 64)]


def test_an_exr_is_read_as_the_srgb_that_it_was(tmp_path: Path) -> None:
    picture = smooth_noise(64, 128, 8).permute(1, 2, 0).numpy()
    light = to_linear(picture)
    light[0, 0] = 5000.0
    write_exr(tmp_path / "world.exr", light, {})
    (tmp_path / "spec.json").write_text(json.dumps({"spec": {"kind": "world", "prompt": "a sea"}}))
    seen = read(tmp_path / "world.exr")
    assert (seen.kind, seen.prompt, seen.name) == ("world", "a sea", tmp_path.name)
    assert np.abs(seen.pixels.permute(1, 2, 0).numpy()[1:] - picture[1:]).max() < 1e-4
    assert seen.pixels[:, 0, 0].tolist() == pytest.approx([1, 1, 1])


def test_a_world_that_its_sun_darkened_is_read_as_it_was_painted(tmp_path: Path) -> None:
    picture = smooth_noise(64, 128, 8).permute(1, 2, 0).numpy()
    lit = expand(picture, ldr=True, exposure=-1.75)
    write_exr(tmp_path / "world.exr", lit.radiance, {"syncscape_light": json.dumps(lit.report)})
    seen = read(tmp_path / "world.exr").pixels.permute(1, 2, 0).numpy()
    assert np.abs(seen - picture).mean() < 1e-3


def test_folders_of_results_are_found(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (128, 64)).save(tmp_path / name / "plate.png")
        Image.new("RGB", (128, 64)).save(tmp_path / name / "preview.png")
    assert find([tmp_path]) == [tmp_path / "a" / "plate.png", tmp_path / "b" / "plate.png"]
    assert find([tmp_path / "b"]) == [tmp_path / "b" / "plate.png"]
    (tmp_path / "empty").mkdir()
    for wrong in ("empty", "none.png"):
        with pytest.raises(BadPicture, match=wrong):
            find([tmp_path / wrong])


@pytest.mark.parametrize("name", ["broken.png", "broken.exr", "text.jpg"])
def test_damaged_files_are_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x76\x2f\x31\x01 no picture")
    with pytest.raises(BadPicture, match=f"{name} cannot be read"):
        read(tmp_path / name)


# --- metrics -------------------------------------------------------------------------------


def test_lpips_of_layers_is_lpips_of_the_package(random_vgg: features.LpipsNet) -> None:
    a, b = smooth_noise(64, 64, 8, 1), smooth_noise(64, 64, 8, 2)
    layers = random_vgg.layers([a, b])
    expected = random_vgg.model(a[None], b[None], normalize=True)
    torch.testing.assert_close(random_vgg.lpips(*layers).reshape(1, 1, 1, 1), expected)


def test_intra_lpips_is_the_mean_over_all_pairs_and_nothing_for_one_crop(random_vgg) -> None:
    a, b = smooth_noise(64, 64, 8, 1), smooth_noise(64, 64, 8, 2)
    figures = IntraLpips(CPU).measure(Picture("p", torch.cat([a, a, b], dim=2), "plate"))
    apart = float(random_vgg.model(a[None], b[None], normalize=True))
    assert figures == {"intra_lpips": pytest.approx(2 * apart / 3, rel=1e-4)}
    assert IntraLpips(CPU).measure(Picture("p", a, "plate")) == {}


def test_intra_style_sums_over_pairs_and_ignores_where_things_are(random_vgg) -> None:
    a, b = smooth_noise(64, 64, 8, 1), smooth_noise(64, 64, 8, 2)
    figures = IntraStyle(CPU).measure(Picture("p", torch.cat([a, a, b], dim=2), "plate"))
    assert figures["intra_style_sum"] == pytest.approx(3 * figures["intra_style_mean"])
    assert figures["intra_style_sum"] > 0
    assert IntraStyle(CPU).measure(Picture("p", torch.cat([a, a], dim=2), "plate")) == {
        "intra_style_sum": 0.0,
        "intra_style_mean": 0.0,
    }
    layer = torch.randn(4, 5, 6)
    torch.testing.assert_close(gram(layer), gram(layer.flip(1, 2)))
    torch.testing.assert_close(gram(layer).trace(), layer.square().sum() / layer.numel())


def test_discontinuity_sees_a_seam_at_the_wrap_only() -> None:
    world = smooth_noise(128, 256, 8)
    figures = Discontinuity().measure(Picture("w", world, "world"))
    assert figures["discontinuity"] < 2 * figures["discontinuity_inside"]
    seam = world.clone()
    seam[..., 128:] = (seam[..., 128:] + 0.3).clamp(max=1)
    inside = Discontinuity().measure(Picture("w", seam.roll(64, 2), "world"))
    at_wrap = Discontinuity().measure(Picture("w", seam, "world"))
    assert at_wrap["discontinuity"] > 4 * figures["discontinuity"]
    assert inside["discontinuity"] < 2 * figures["discontinuity"]
    assert Discontinuity().measure(Picture("p", world, "plate")) == {}


def test_discontinuity_of_a_step_is_what_the_definition_says() -> None:
    black_and_white = torch.zeros(3, 64, 128)
    black_and_white[..., 64:] = 1
    # grey: 1 1 1 | 0 0 0; Scharr: 0, -16, -16, 0; (16 / 0.1 + 16 / 0.1) / 2
    figures = Discontinuity().measure(Picture("w", black_and_white, "world"))
    assert figures["discontinuity"] == pytest.approx(160, rel=1e-4)


@pytest.mark.parametrize("degrees", [0.0, 8.0])
def test_horizon_tilt_of_a_tilted_world(degrees: float) -> None:
    azimuth = (torch.arange(512) + 0.5) / 512 * math.tau
    elevation = torch.atan(math.tan(math.radians(degrees)) * (azimuth - 1).cos())
    world = ground_and_sky(128 - elevation / math.pi * 256, 256)
    figures = Horizon().measure(Picture("w", world, "world"))
    assert figures["horizon_tilt"] == pytest.approx(degrees, abs=0.7)
    assert figures["horizon_wander"] < 1


def test_horizon_of_plates() -> None:
    row = 64 + (torch.arange(512) - 256) * math.tan(math.radians(3))
    figures = Horizon().measure(Picture("p", ground_and_sky(row, 128), "plate"))
    assert figures["horizon_tilt"] == pytest.approx(3, abs=0.3)
    wavy = 64 + 12 * (torch.arange(512) / 25).sin()
    figures = Horizon().measure(Picture("p", ground_and_sky(wavy, 128), "plate"))
    assert figures["horizon_tilt"] < 1
    assert figures["horizon_wander"] > 4
    assert Horizon().measure(Picture("p", torch.full((3, 128, 512), 0.4), "plate")) == {}


def test_detail_and_variety_fall_when_a_picture_is_flattened() -> None:
    plate = smooth_noise(64, 256, 16)
    sharp = Detail().measure(Picture("p", plate, "plate"))
    blurred = torch.nn.functional.avg_pool2d(plate[None], 9, 1, 4)[0]
    assert Detail().measure(Picture("p", blurred, "plate"))["detail"] < 0.5 * sharp["detail"]
    same = plate[..., :64].repeat(1, 1, 4)
    assert Detail().measure(Picture("p", same, "plate"))["variety"] == pytest.approx(0, abs=1e-5)
    assert sharp["variety"] > 1


@pytest.mark.parametrize("kind", ["plate", "world"])
def test_repetition_finds_a_repeated_part(kind: str) -> None:
    height = 64 if kind == "plate" else 128
    fresh = smooth_noise(height, 256, 16)
    part = smooth_noise(height, 64, 16, 3)
    level = ground_and_sky(torch.full((256,), height / 2), height)
    figure = Repetition()
    assert figure.measure(Picture("p", part.repeat(1, 1, 4), kind))["repetition"] > 0.98
    assert figure.measure(Picture("p", fresh, kind))["repetition"] < 0.4
    assert figure.measure(Picture("p", level, kind))["repetition"] < 0.01, "a level horizon is no repetition"


@pytest.mark.parametrize("period", [8, 4, 8 / 3])
def test_weave_finds_the_grid_of_a_decoder(period: float) -> None:
    clean = 0.4 + 0.2 * torch.rand(3, 256, 512, generator=torch.manual_seed(0))
    lines = 0.02 * torch.cos(2 * math.pi * torch.arange(512) / period)
    before, woven = (Weave().measure(Picture("p", pixels, "plate")) for pixels in (clean, clean + lines))
    assert before["weave_across"] < 1.5
    assert before["weave_down"] < 1.5
    assert woven["weave_across"] > 3
    assert woven["weave_down"] == pytest.approx(before["weave_down"], rel=0.05)
    assert Weave().measure(Picture("p", clean, "world")) == {}, "the views of a world are resampled"
    assert Weave().measure(Picture("p", clean[:, :64], "plate")) == {}


@pytest.mark.slow
def test_distances_of_sets() -> None:
    """Nothing for two draws of one distribution, more the further it moves; FID of a shift is its square."""
    pytest.importorskip("torchmetrics", reason="KID and FID are computed by torchmetrics")
    generator = torch.Generator().manual_seed(0)
    draw = torch.randn(3, 400, 8, generator=generator)
    same, spread = kid(draw[0], draw[1])
    assert abs(same) < 3 * spread
    near, far = kid(draw[0], draw[2] + 0.5)[0], kid(draw[0], draw[2] + 1)[0]
    assert 3 * spread < near < far
    assert kid(draw[0], draw[1]) == (same, spread), "the subsets are fixed"
    assert fid(draw[0], draw[0] + 2) == pytest.approx(8 * 4, rel=0.02)
    with pytest.raises(EngineError, match="too few"):
        kid(draw[0], draw[1][:2])


def test_giqa_is_the_mean_inverse_square_distance() -> None:
    reference = torch.tensor([[0.0, 0.0]] * 8 + [[100.0, 0.0]] * 3)
    assert knn_scores(torch.tensor([[0.0, 2.0], [0.0, 4.0]]), reference) == pytest.approx([1 / 4, 1 / 16])


def tiny_clip(folder: Path) -> Path:
    """A CLIP model with random weights, as transformers saves it."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    letters = [chr(code) for code in range(97, 123)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    end = words.index("<|endoftext|>")
    text = {**small, "vocab_size": len(words), "max_position_embeddings": 16, "eos_token_id": end}
    vision = {**small, "image_size": 32, "patch_size": 16}
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(folder)
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(processor, tokenizer).save_pretrained(folder)
    return folder


def test_clip_score_is_a_hundred_cosines_and_needs_a_prompt(tmp_path: Path) -> None:
    from transformers import CLIPModel, CLIPProcessor

    folder = tiny_clip(tmp_path)
    crop = smooth_noise(64, 64, 8)
    figures = ClipScore(CPU, str(folder)).measure(Picture("p", crop, "plate", "a sea"))
    model, processor = CLIPModel.from_pretrained(folder), CLIPProcessor.from_pretrained(folder)
    inputs = processor(text=["a sea"], images=[(crop * 255).byte()], return_tensors="pt")
    with torch.no_grad():
        output = model(**inputs)
    cosine = torch.cosine_similarity(output.image_embeds, output.text_embeds)
    assert figures["clip_score"] == pytest.approx(max(0.0, 100 * float(cosine)), abs=0.5)
    with pytest.raises(EngineError, match="--prompts"):
        ClipScore(CPU, str(folder)).measure(Picture("p", crop, "plate"))
