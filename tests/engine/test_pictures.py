# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of other programs: each is read as what it shows, or refused in words before it is decoded."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image, ImageCms

from sync_engine.__main__ import main
from sync_engine.pictures import exr
from sync_engine.pictures.picture import BLACK_AROUND, ReadPicture, UnreadablePicture
from sync_engine.pictures.read import read_picture
from sync_engine.radiance.srgb import from_linear, to_linear
from tests.engine.picture_files import HEIGHT, WIDTH, colours, layer, png, png_of, rgbe, window, write_exr

LIGHT = colours()
BYTES = (LIGHT * 255).round().astype(np.uint8)


def save(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def shows(read: ReadPicture, light: np.ndarray, tolerance: float = 1e-5) -> bool:
    return read.pixels.shape == light.shape and bool(np.abs(read.pixels - light).max() <= tolerance)


# --- EXR ------------------------------------------------------------------------------------


def test_channels_of_unlike_depth(tmp_path: Path) -> None:
    channels = layer(LIGHT, "{}") | {"R": LIGHT[..., 0].astype(np.float16)}
    assert shows(read_picture(write_exr(tmp_path / "p.exr", channels)), LIGHT, 1e-3)


def test_grey_and_luminance_with_chroma(tmp_path: Path) -> None:
    grey = write_exr(tmp_path / "y.exr", {"Y": LIGHT[..., 0].copy()})
    assert shows(read_picture(grey), np.repeat(LIGHT[..., :1], 3, axis=-1))
    light = LIGHT + 0.1
    luminance = light @ np.float32([0.2126, 0.7152, 0.0722])
    chroma = {"RY": light[..., 0] / luminance - 1, "BY": light[..., 2] / luminance - 1}
    path = write_exr(tmp_path / "yc.exr", {"Y": luminance, **chroma})
    assert shows(read_picture(path), light, 2e-3)


def test_a_part_stands_where_the_display_window_has_it(tmp_path: Path) -> None:
    part = LIGHT[16:48, 32:96]
    header = {"dataWindow": window(32, 16, 64, 32), "displayWindow": window(0, 0, WIDTH, HEIGHT)}
    read = read_picture(write_exr(tmp_path / "crop.exr", layer(part, "{}"), **header))
    assert np.array_equal(read.pixels[16:48, 32:96], part)
    assert read.pixels.sum() == pytest.approx(part.sum(), rel=1e-5)
    assert read.notes == [BLACK_AROUND]
    header = {"dataWindow": window(-16, -8, WIDTH, HEIGHT), "displayWindow": window(0, 0, 64, 32)}
    read = read_picture(write_exr(tmp_path / "overscan.exr", layer(LIGHT, "{}"), **header))
    assert np.array_equal(read.pixels, LIGHT[8:40, 16:80])
    assert read.notes == []


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("{}.left", "{}.right"), 0),
        (("right.{}", "left.{}"), 1),
        (("ViewLayer.Normal.{}", "ViewLayer.Combined.{}"), 1),
        (("diffuse.{}", "{}"), 1),
        (("only.{}",), 0),
    ],
    ids=["left suffix", "left prefix", "combined", "plain", "one layer"],
)
def test_the_picture_among_several(tmp_path: Path, names: tuple[str, ...], wanted: int) -> None:
    channels: dict[str, np.ndarray] = {}
    for number, name in enumerate(names):
        channels |= layer(LIGHT if number == wanted else 1 - LIGHT, name)
    read = read_picture(write_exr(tmp_path / "p.exr", channels))
    assert shows(read, LIGHT)
    assert read.notes


def test_layers_that_nobody_can_choose_among_are_named(tmp_path: Path) -> None:
    path = write_exr(tmp_path / "p.exr", layer(LIGHT, "diffuse.{}") | layer(LIGHT, "glossy.{}"))
    with pytest.raises(UnreadablePicture, match=r"diffuse, glossy"):
        read_picture(path)


def test_parts_are_layers(tmp_path: Path) -> None:
    head = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    parts = [
        OpenEXR.Part(head | {"name": "depth"}, {"Z": LIGHT[..., 0].copy()}),
        OpenEXR.Part(head | {"name": "rgba"}, {"RGB": LIGHT}),
    ]
    with OpenEXR.File(parts) as file:
        file.write(str(tmp_path / "p.exr"))
    assert shows(read_picture(tmp_path / "p.exr"), LIGHT)


def test_primaries_become_those_of_rec709(tmp_path: Path) -> None:
    rec2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)
    there = np.linalg.inv(exr.to_rec709(rec2020))
    known = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    assert np.abs(there - known).max() < 1e-3, "ITU-R BT.2087"
    path = write_exr(tmp_path / "p.exr", layer((LIGHT @ there.T), "{}"), chromaticities=rec2020)
    read = read_picture(path)
    assert shows(read, LIGHT, 1e-4)
    assert "Rec.709" in read.notes[0]


def test_lossy_compression_may_go_a_little_over_white(tmp_path: Path, capsys) -> None:
    light = LIGHT.copy()
    light[5, 5] = 1.016
    path = write_exr(tmp_path / "p.exr", layer(light, "{}"))
    assert main(["expand", str(path), "--out", str(tmp_path / "out.exr"), "--ldr"]) == 0
    light[5, 5] = 1.5
    write_exr(path, layer(light, "{}"))
    assert main(["expand", str(path), "--out", str(tmp_path / "other.exr")]) == 2
    assert "HDR already" in capsys.readouterr().err


# --- others ---------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_says_what_is_up(tmp_path: Path, orientation: int) -> None:
    stored = Image.fromarray(BYTES)
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    for step in undo.get(orientation, []):
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "p.png", exif=exif)
    asked = []
    read = read_picture(tmp_path / "p.png", lambda *size: asked.append(size))
    assert shows(read, BYTES / 255)
    assert asked == [(WIDTH, HEIGHT)]


def gpano(left: int, top: int, full: int, size: tuple[int, int] = (WIDTH, HEIGHT), more: str = "") -> bytes:
    tags = {
        "FullPanoWidthPixels": full,
        "FullPanoHeightPixels": full // 2,
        "CroppedAreaImageWidthPixels": size[0],
        "CroppedAreaImageHeightPixels": size[1],
        "CroppedAreaLeftPixels": left,
        "CroppedAreaTopPixels": top,
    }
    return (" ".join(f"GPano:{name}='{value}'" for name, value in tags.items()) + more).encode()


def test_a_part_of_a_panorama_is_put_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "p.webp"
    for scale in (1, 2):  # made smaller since its tags were written
        tags = gpano(40 * scale, 24 * scale, 256 * scale, (WIDTH * scale, HEIGHT * scale))
        Image.fromarray(BYTES).save(path, lossless=True, xmp=tags)
        read = read_picture(path)
        assert read.pixels.shape == (128, 256, 3)
        assert np.allclose(read.pixels[24:88, 40:168], BYTES / 255)
        assert read.notes == [BLACK_AROUND]
    Image.fromarray(BYTES).save(path, lossless=True, xmp=gpano(200, 24, 256))
    read = read_picture(path)
    assert shows(read, BYTES / 255)
    assert "make no sense" in read.notes[0]
    Image.fromarray(BYTES).save(path, xmp=gpano(0, 0, WIDTH, more=" GPano:ProjectionType='cylindrical'"))
    with pytest.raises(UnreadablePicture, match="cylindrical"):
        read_picture(path)


def test_a_colour_profile_is_converted(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(BYTES).save(tmp_path / "srgb.png", icc_profile=lab)
    assert read_picture(tmp_path / "srgb.png").notes == []
    Image.fromarray(BYTES).save(tmp_path / "bad.png", icc_profile=b"no profile" * 30)
    read = read_picture(tmp_path / "bad.png")
    assert shows(read, BYTES / 255)
    assert "cannot be used" in read.notes[0]
    # sRGB with the columns of red and green changed over: what it calls red is green
    swapped = lab.replace(b"rXYZ", b"TEMP").replace(b"gXYZ", b"rXYZ").replace(b"TEMP", b"gXYZ")
    swapped = swapped.replace(b"s\0R\0G\0B", b"o\0t\0h\0r").replace(b"sRGB", b"othr")
    Image.fromarray(BYTES).save(tmp_path / "swapped.png", icc_profile=swapped)
    read = read_picture(tmp_path / "swapped.png")
    assert shows(read, BYTES[..., [1, 0, 2]] / 255, 0.02)
    assert "converted from the profile" in read.notes[0]


def test_a_float_tiff_is_light(tmp_path: Path) -> None:
    Image.fromarray(LIGHT[..., 0]).save(tmp_path / "p.tif")
    read = read_picture(tmp_path / "p.tif")
    assert read.linear
    assert shows(read, np.repeat(LIGHT[..., :1], 3, axis=-1))


@pytest.mark.parametrize("packed", [False, True], ids=["flat", "packed"])
def test_a_radiance_picture(tmp_path: Path, packed: bool, capsys) -> None:
    light = to_linear(LIGHT) * 0.9 + 0.01
    light[:8] = 0.25  # runs
    data = rgbe(light, packed)
    read = read_picture(save(tmp_path / "p.hdr", data))
    assert read.linear
    assert shows(read, light, 0.005)
    assert main(["expand", str(tmp_path / "p.hdr"), "--out", str(tmp_path / "p.exr"), "--ldr"]) == 0
    for cut in (len(data) - 1, len(data) // 2, 60):
        with pytest.raises(UnreadablePicture):
            read_picture(save(tmp_path / "cut.hdr", data[:cut]))


def test_one_rule_for_transparency(tmp_path: Path) -> None:
    alpha = np.full((HEIGHT, WIDTH), 1.0, dtype=np.float32)
    opaque = write_exr(tmp_path / "opaque.exr", layer(LIGHT, "{}") | {"A": alpha})
    assert shows(read_picture(opaque), LIGHT)
    alpha[3, 4] = 0.5
    write_exr(tmp_path / "p.exr", layer(LIGHT * alpha[..., None], "{}") | {"A": alpha})
    Image.fromarray(np.dstack([BYTES, (alpha * 255).astype(np.uint8)])).save(tmp_path / "p.png")
    for name in ("p.exr", "p.png"):
        with pytest.raises(UnreadablePicture, match="has transparent pixels"):
            read_picture(tmp_path / name)


# --- hostile --------------------------------------------------------------------------------

BOMB = zlib.compress(bytes(2**25), 9)


@pytest.mark.parametrize(
    "chunk",
    [
        (b"zTXt", b"Comment\0\0" + BOMB),
        (b"iTXt", b"Comment\0\1\0\0\0" + BOMB),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB),
        (b"iCCP", b"profile\0\0" + BOMB),
        (b"tEXt", b"Comment\0" + b"x" * 2**22),
    ],
    ids=["zTXt", "iTXt", "packed XMP", "iCCP", "long tEXt"],
)
def test_texts_that_unpack_without_end_are_not_unpacked(tmp_path: Path, chunk: tuple[bytes, bytes]) -> None:
    path = save(tmp_path / "p.png", png_of(BYTES, chunk))
    assert shows(read_picture(path), BYTES / 255)


def header_png(width: int, height: int) -> bytes:
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return png((b"IHDR", body), (b"IDAT", zlib.compress(b"")))


def huge_exr(tmp_path: Path) -> bytes:
    path = write_exr(tmp_path / "small.exr", layer(LIGHT, "{}"))
    last = struct.pack("<2i", WIDTH - 1, HEIGHT - 1)
    return path.read_bytes().replace(last, struct.pack("<2i", 10**9, 10**9))


def test_a_bomb_is_refused_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(Image.Image, "load", decode)
    for name, data in (
        ("square.png", header_png(13000, 13000)),
        ("wide.png", header_png(100_000, 50_000)),
        ("most.png", header_png(2**31, 2**31)),
        ("huge.exr", huge_exr(tmp_path)),
        ("huge.hdr", b"#?RADIANCE\n\n-Y 50000 +X 100000\n" + bytes(100)),
    ):
        with pytest.raises(UnreadablePicture, match=r"pixels"):
            read_picture(save(tmp_path / name, data))
    buffer = io.BytesIO(header_png(8, 8)[:40])
    for name, data in (
        ("short.png", png((b"IHDR", b"\0" * 5))),
        ("cut.png", buffer.getvalue()),
        ("page.exr", b"<html>no such picture</html>"),
        ("empty.exr", b""),
    ):
        with pytest.raises(UnreadablePicture):
            read_picture(save(tmp_path / name, data))


def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no named pipes here; it would check that none is waited for")
    os.mkfifo(tmp_path / "p.exr")
    with pytest.raises(UnreadablePicture, match="not a regular file"):
        read_picture(tmp_path / "p.exr")


def test_a_file_cut_anywhere_is_refused_or_read_whole(tmp_path: Path) -> None:
    """The decoder of each kind notices a cut too, but an EXR or PNG never gets as far as its decoder."""
    write_exr(tmp_path / "p.exr", layer(LIGHT, "{}"))
    for name, save_as in (("p.png", {}), ("p.jpg", {"quality": 95}), ("p.tif", {}), ("p.webp", {})):
        Image.fromarray(BYTES).save(tmp_path / name, **save_as)
    seed = np.random.default_rng(3)
    for name in ("p.exr", "p.png", "p.jpg", "p.tif", "p.webp"):
        whole = (tmp_path / name).read_bytes()
        for cut in seed.integers(0, len(whole) - 40, size=12):
            with pytest.raises(UnreadablePicture):
                read_picture(save(tmp_path / f"cut-{name}", whole[:cut]))


def test_bytes_changed_anywhere_end_in_a_picture_or_in_words(tmp_path: Path) -> None:
    write_exr(tmp_path / "p.exr", layer(LIGHT, "{}"))
    Image.fromarray(BYTES).save(tmp_path / "p.tif", compression="tiff_lzw")
    Image.fromarray(BYTES).save(tmp_path / "p.jpg")
    (tmp_path / "p.hdr").write_bytes(rgbe(to_linear(LIGHT), True))
    seed, refused = np.random.default_rng(4), 0
    for name in ("p.exr", "p.tif", "p.jpg", "p.hdr"):
        whole = bytearray((tmp_path / name).read_bytes())
        for place in seed.integers(0, min(len(whole), 600), size=40):
            data = whole.copy()
            data[place] ^= int(seed.integers(1, 256))
            try:
                read_picture(save(tmp_path / f"x-{name}", bytes(data)), lambda w, h: None)
            except UnreadablePicture:
                refused += 1
    assert refused, "some of them are damaged"


def test_what_is_shown_is_what_linear_light_looks_like(tmp_path: Path) -> None:
    from sync_engine.cli.radiance import read_shown

    shown, _ = read_shown(write_exr(tmp_path / "p.exr", layer(LIGHT, "{}")))
    assert np.allclose(shown, from_linear(LIGHT), atol=1e-6)
