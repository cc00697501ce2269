# SPDX-License-Identifier: GPL-3.0-or-later
"""The training set: which views are cut of a panorama, and the panoramas on disk."""

import json
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from PIL import Image  # noqa: E402

from training.panoramas import DATA_FOLDER, is_held_out, open_pictures, read_index, to_panorama  # noqa: E402
from training.sun_strength import STOPS, strength  # noqa: E402
from training.views import (  # noqa: E402
    PITCH_BANDS,
    WORLD_FOV,
    WORLD_ROWS,
    WORLD_SHARE,
    View,
    Window,
    cut_views,
    direction,
    draw_view,
    sees,
    view_grids,
)


def direction_panorama(width: int = 512) -> "torch.Tensor":
    """A panorama whose three channels are the unit vector of each pixel's direction."""
    u = (torch.arange(width) + 0.5) / width
    v = (torch.arange(width // 2) + 0.5) / (width // 2)
    azimuth, elevation = (0.5 - u) * math.tau, (0.5 - v[:, None]) * math.pi
    return torch.stack(
        [
            elevation.cos() * azimuth.cos(),
            elevation.cos() * azimuth.sin(),
            elevation.sin() * torch.ones_like(azimuth),
        ]
    )


@pytest.mark.parametrize(
    "view",
    [
        View(0, 0, 90),
        View(180, 10, 75),
        View(-179, -30, 100),
        View(70, 60, 80),
        View(12, 90, 80),
        View(5, -90, 60),
    ],
)
def test_view_pixels_look_where_a_pinhole_camera_looks(view):
    size = 32
    seen = cut_views(direction_panorama(), [view], size)[0]
    tangent = math.tan(math.radians(view.fov) / 2)
    a, e = math.radians(view.azimuth), math.radians(view.pitch)
    right = np.array([math.sin(a), -math.cos(a), 0])
    up = np.array([-math.sin(e) * math.cos(a), -math.sin(e) * math.sin(a), math.cos(e)])
    for row, column in ((0, 0), (3, 30), (16, 16), (31, 5)):
        x, y = (2 * (column + 0.5) / size - 1) * tangent, (1 - 2 * (row + 0.5) / size) * tangent
        ray = direction(view.azimuth, view.pitch) + x * right + y * up
        expected = ray / np.linalg.norm(ray)
        assert np.abs(seen[:, row, column].numpy() - expected).max() < 0.01


def test_views_join_across_the_wrap_without_a_seam():
    seen = cut_views(direction_panorama(), [View(180, 0, 90)], 64)[0]
    steps = (seen[:, :, 1:] - seen[:, :, :-1]).abs().amax((0, 1))
    assert steps.max() < 2.5 * steps.median()


def test_flip_mirrors_the_view_and_a_window_is_part_of_it():
    panorama = direction_panorama()
    view = View(25, 20, 80)
    whole, mirrored = cut_views(panorama, [view, view._replace(flip=True)], 64)
    assert torch.allclose(mirrored, whole.flip(-1), atol=1e-5)
    for flip in (False, True):
        part = cut_views(panorama, [view._replace(flip=flip)], 64, [Window(10, 20, 32)])[0]
        assert torch.allclose(part, (mirrored if flip else whole)[:, 20:52, 10:42], atol=1e-5)


def test_grid_is_in_range_and_the_centre_column_looks_along_x():
    grid = view_grids([View(0, 0, 90)], 2)[0]
    assert ((grid >= 0) & (grid < 1)).all()
    assert grid[..., 0].mean().item() == pytest.approx(0.5, abs=1e-6)
    assert view_grids([View(90, 0, 60)], 4)[..., 0].mean().item() == pytest.approx(0.25, abs=1e-6)


def test_half_of_the_drawn_views_are_a_worlds_and_the_others_of_any_pitch():
    rng = np.random.default_rng(0)
    views = [draw_view(rng) for _ in range(6000)]
    for pitch, share in WORLD_ROWS:
        at = [view for view in views if (view.pitch, view.fov) == (pitch, WORLD_FOV)]
        assert len(at) / len(views) == pytest.approx(WORLD_SHARE * share, abs=0.02)
    pitches = {pitch for pitch, _ in WORLD_ROWS}
    others = [view for view in views if view.pitch not in pitches]
    for low, high, share in PITCH_BANDS:
        inside = [view for view in others if low <= abs(view.pitch) < high]
        assert len(inside) / len(others) == pytest.approx(share, abs=0.03)
        assert 0.4 < sum(view.pitch > 0 for view in inside) / len(inside) < 0.6
    assert all(60 <= view.fov <= 100 for view in views)


def test_some_views_are_turned_to_the_sun():
    rng = np.random.default_rng(0)
    toward = [sees(draw_view(rng, 70.0), 70.0, 10.0) for _ in range(2000)]
    by_chance = [sees(draw_view(rng), 70.0, 10.0) for _ in range(2000)]
    assert np.mean(toward) > np.mean(by_chance) + 0.08


def test_a_suns_strength_is_what_was_clipped_over_what_is_shown():
    height, row, column, stops = 64, 20, 30, 15
    picture, gain = np.full((height, 2 * height, 3), 0.5), np.zeros((height // 2, height))
    gain[row // 2, column // 2] = stops / STOPS
    elevation = (0.5 - (row + 1) / height) * np.pi  # the middle of the block of two by two pixels
    azimuth = (0.5 - (column + 1) / (2 * height)) * math.tau
    toward = direction(math.degrees(azimuth), math.degrees(elevation))
    added = (
        (2**stops - 1) * (math.pi / height * 2) ** 2 * math.cos(elevation)
    )  # of a facing surface, in shown light
    assert strength(picture, gain, toward) == pytest.approx(added / math.pi, rel=0.02)


def test_pictures_become_panoramas_in_the_decoders_range():
    picture = np.zeros((4, 8, 3), np.uint8)
    picture[0, 0] = 255
    panorama = to_panorama(picture)
    assert panorama.shape == (3, 4, 8)
    assert panorama[:, 0, 0].tolist() == [1, 1, 1]
    assert panorama[:, 1, 1].tolist() == [-1, -1, -1]


def write_set(folder, numbers):
    """A set of panoramas of one colour each: the number is the level of grey."""
    (folder / "ldr").mkdir(parents=True)
    for number in numbers:
        Image.new("RGB", (1024, 512), (number,) * 3).save(folder / "ldr" / f"{number:04d}.webp")
    rows = (json.dumps({"id": f"{number:04d}"}) for number in numbers)
    (folder / "index.jsonl").write_text("\n".join(rows), encoding="utf-8")


def test_a_set_may_lie_in_two_folders(tmp_path):
    write_set(tmp_path / "first", [2, 3])
    write_set(tmp_path / "later", [120])
    records = read_index(tmp_path / "first", tmp_path / "later")
    assert [record["id"] for record in records] == ["0002", "0003", "0120"]
    assert [is_held_out(record) for record in records] == [False, True, False]
    pictures = open_pictures(records, tmp_path / "runs")
    assert np.abs(pictures.mean((1, 2, 3)) - (2, 3, 120)).max() < 1.5


def test_one_number_in_two_folders_and_a_missing_set_are_told(tmp_path):
    write_set(tmp_path / "first", [2])
    write_set(tmp_path / "again", [2])
    with pytest.raises(ValueError, match="panorama 0002 is in two of"):
        read_index(tmp_path / "first", tmp_path / "again")
    with pytest.raises(FileNotFoundError, match="pass --data"):
        read_index(tmp_path / "nowhere")


@pytest.mark.skipif(
    not (DATA_FOLDER / "index.jsonl").is_file(), reason="the panorama set is not beside the checkout"
)
def test_held_out_split_is_a_tenth_with_every_family_in_it():
    records = read_index(DATA_FOLDER)
    held_out = [record for record in records if is_held_out(record)]
    assert len(held_out) / len(records) == pytest.approx(0.1, abs=0.005)
    assert {record["scene"] for record in held_out} == {record["scene"] for record in records}
