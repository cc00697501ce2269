# SPDX-License-Identifier: GPL-3.0-or-later
"""Guides in the spec: JSON both ways, and words for every bad value."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from sync_engine.__main__ import parser
from sync_engine.cli.spec_options import spec_from
from sync_engine.interface.guides import MAX_GUIDES, Cap, Control, Region, Sun
from sync_engine.interface.spec import EnvironmentSpec, SpecError

CONTRACT = """[
{"type": "region", "prompt": "a stone church", "azimuth": 90, "elevation": 5, "radius": 25, "feather": 6},
{"type": "region", "prompt": "a frozen river", "mask": "river.png"},
{"type": "control", "kind": "depth", "file": "depth.exr", "model": "draft-depth", "end": 0.8},
{"type": "sun", "azimuth": 40, "elevation": 20}
]"""


def spec_of(guides: object, **fields: object) -> EnvironmentSpec:
    return EnvironmentSpec.from_dict({"prompt": "a meadow", "guides": guides, **fields})


def refusal(guides: object, **fields: object) -> SpecError:
    with pytest.raises(SpecError) as raised:
        spec_of(guides, **fields)
    assert raised.value.remedy
    return raised.value


def test_the_contract_is_read_and_written() -> None:
    spec = spec_of(json.loads(CONTRACT))
    church, river, control, sun = spec.guides
    assert control == Control(kind="depth", file="depth.exr", model="draft-depth", scale=1.0, end=0.8)
    assert church == Region(prompt="a stone church", azimuth=90, elevation=5, radius=25, feather=6)
    assert river == Region(prompt="a frozen river", mask="river.png")
    assert sun == Sun(azimuth=40, elevation=20)
    assert EnvironmentSpec.from_json(spec.to_json()) == spec
    assert json.loads(spec.to_json())["guides"] == json.loads(CONTRACT)


def test_what_is_left_out_has_defaults() -> None:
    (region,) = spec_of([{"type": "region", "prompt": "a church", "azimuth": 40}]).guides
    assert isinstance(region, Region)
    assert region.cap("sphere") == Cap((40, 0.0), 20.0, 8.0)
    assert Region(prompt="a", x=0.2).cap("plate") == ((0.2, 0.5), 0.3, pytest.approx(0.12))
    assert spec_of([{"type": "sun"}]).guides == (Sun(),), "no sun"


CAP = {"type": "region", "prompt": "a church", "azimuth": 0}
CONTROL = {"type": "control", "kind": "depth", "file": "depth.exr"}
SUN = {"type": "sun", "azimuth": 0, "elevation": 10}


@pytest.mark.parametrize(
    ("guide", "field"),
    [
        (5, "guides[0]"),
        ({}, "guides[0].type"),
        ({"type": "controls", "kind": "depth"}, "guides[0].type"),
        ({"type": "control", "kind": "depth"}, "guides[0].file"),
        ({**CONTROL, "kind": "dpeth"}, "guides[0].kind"),
        ({**CONTROL, "kind": "normal"}, "guides[0].kind"),
        ({**CONTROL, "file": ""}, "guides[0].file"),
        ({**CONTROL, "model": 5}, "guides[0].model"),
        ({**CONTROL, "scale": 2.5}, "guides[0].scale"),
        ({**CONTROL, "start": -0.1}, "guides[0].start"),
        ({**CONTROL, "start": 0.8, "end": 0.8}, "guides[0].end"),
        ({**CONTROL, "mask": "a.png"}, "guides[0].mask"),
        ({**CAP, "azimut": 5}, "guides[0].azimut"),
        ({"type": "region", "azimuth": 0}, "guides[0].prompt"),
        ({**CAP, "prompt": ""}, "guides[0].prompt"),
        ({"type": "region", "prompt": "a church"}, "guides[0]"),
        ({**CAP, "elevation": 91}, "guides[0].elevation"),
        ({**CAP, "elevation": math.nan}, "guides[0].elevation"),
        ({**CAP, "radius": 0}, "guides[0].radius"),
        ({**CAP, "feather": -1}, "guides[0].feather"),
        ({**CAP, "strength": 1.1}, "guides[0].strength"),
        ({**CAP, "bootstrap": True}, "guides[0].bootstrap"),
        ({**CAP, "x": 0.5}, "guides[0].x"),
        ({**CAP, "mask": "a.png"}, "guides[0].azimuth"),
        ({"type": "region", "prompt": "a", "mask": "a\x00.png"}, "guides[0].mask"),
        ({"type": "sun", "azimuth": 5}, "guides[0].elevation"),
        ({**SUN, "elevation": -5}, "guides[0].elevation"),
        ({**SUN, "strength": "strong"}, "guides[0].strength"),
    ],
)
def test_a_bad_field_is_named(guide: object, field: str) -> None:
    assert refusal([guide]).field == field


def test_bad_lists() -> None:
    assert refusal("a church").field == "guides"
    assert refusal([CAP] * (MAX_GUIDES + 1)).field == "guides"
    assert "one sun" in refusal([SUN, SUN]).problem


def test_each_canvas_has_its_places() -> None:
    plate = {"type": "region", "prompt": "a church", "x": 0.5, "y": 0.5, "radius": 0.2}
    spec_of([plate], kind="plate")
    spec_of([CAP], projection="equirectangular")
    assert refusal([plate]).field == "guides[0].x"
    assert refusal([CAP], kind="plate").field == "guides[0].azimuth"
    assert "x, y" in refusal([CAP], kind="plate").remedy
    assert "sphere" in refusal([SUN], kind="plate").problem


def test_what_paints_window_by_window_takes_none() -> None:
    error = refusal([CAP], method="blended", projection="equirectangular")
    assert "blended takes no guides" in error.problem
    assert "sync" in error.remedy


def test_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "guides.json"
    file.write_text(CONTRACT.replace('{"type": "sun", "azimuth": 40, "elevation": 20}', '{"type": "sun"}'))
    words = ["generate", "--out", "x", "--prompt", "a meadow"]

    def spec(*more: str) -> EnvironmentSpec:
        return spec_from(parser().parse_args([*words, *more]))

    _, river, control, sun = spec("--guides", str(file)).guides
    assert isinstance(river, Region)
    assert river.mask == str(tmp_path / "river.png"), "beside the file"
    assert isinstance(control, Control)
    assert control.file == str(tmp_path / "depth.exr"), "beside the file"
    assert sun == Sun()
    short = spec("--region", "a church", "90,5,25", "--region", "a river", "a.png", "--sun=-40,20").guides
    assert short[0] == Region(prompt="a church", azimuth=90.0, elevation=5.0, radius=25.0)
    assert isinstance(short[1], Region)
    assert short[1].mask == str(Path("a.png").absolute())
    assert short[2] == Sun(azimuth=-40.0, elevation=20.0)
    (control,) = spec("--control", "depth=d.exr", "model=a/b", "scale=0.5", "end=0.8").guides
    assert control == Control(file=str(Path("d.exr").absolute()), model="a/b", scale=0.5, end=0.8)
    plate = spec("--kind", "plate", "--region", "a church", "0.5,0.5").guides
    assert plate == (Region(prompt="a church", x=0.5, y=0.5),)
    for bad in (
        ["--guides", str(tmp_path / "none.json")],
        ["--sun", "up"],
        ["--region", "a", "400,5"],
        ["--control", "depth"],
        ["--control", "depth=a.exr", "weight=1"],
        ["--control", "depth=a.exr", "scale=big"],
    ):
        with pytest.raises(SpecError):
            spec(*bad)
