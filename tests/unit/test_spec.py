# SPDX-License-Identifier: GPL-3.0-or-later
"""The spec: every bad value is refused with its field, its value and a remedy that works."""

from __future__ import annotations

import dataclasses
import json
import math
import re

import pytest

from sync_engine.interface.guides import Region
from sync_engine.interface.limits import KINDS, LIMITS, PRECISIONS, WORLD_WIDTH
from sync_engine.interface.spec import METHODS, EnvironmentSpec, Limit, SpecError

HUGE = 10**400
FULL = EnvironmentSpec(
    prompt="Eine Wiese, 夕暮れ, ещё 🌲\nsecond line",
    negative="people",
    kind="plate",
    width=16384,
    height=4096,
    method="sync-paper",
    model="some/model",
    loras=("C:\\loras\\a.safetensors:0.5", "b.safetensors"),
    steps=50,
    guidance=7.5,
    seed=2**31 - 1,
    sync_strength=20.0,
    sync_steps=3,
    sync_decay=0.95,
    stride=16,
    guides=(
        Region(prompt="a stone church", x=0.25, y=0.5, radius=0.3, feather=0.1),
        Region(prompt="a frozen river", mask="C:\\masks\\river.png", strength=0.5, bootstrap=0.0),
    ),
    device="cuda:1",
    precision="bf16",
)


def limit_of(name: str, kind: str) -> Limit:
    return WORLD_WIDTH if (name, kind) == ("width", "world") else LIMITS[name]


def spec_with(name: str, value: object, kind: str = "plate") -> EnvironmentSpec:
    return dataclasses.replace(EnvironmentSpec("a meadow", kind=kind), **{name: value})


def refusal(spec: EnvironmentSpec) -> SpecError:
    with pytest.raises(SpecError) as raised:
        spec.validated()
    return raised.value


BAD = [
    ("prompt", ""),
    ("prompt", " \n\t"),
    ("prompt", "long " * 2000),
    ("prompt", "bell \x07"),
    ("prompt", "nul \x00"),
    ("prompt", "a bell \a"),
    ("prompt", "escape \x1b[31m"),
    ("prompt", "half a pair \ud83d"),
    ("prompt", None),
    ("prompt", 5),
    ("prompt", ["a"]),
    ("negative", "x" * 2001),
    ("negative", "\x00"),
    ("negative", None),
    ("kind", "cube"),
    ("kind", ""),
    ("kind", None),
    ("kind", ["world"]),
    ("method", "magic"),
    ("method", "SYNC"),
    ("precision", "fp8"),
    ("offload", "disk"),
    ("solver", "heun"),
    ("compile", 1),
    ("tiny_decoder", ""),
    ("model", ""),
    ("loras", "a.safetensors"),
    ("loras", ("",)),
    ("loras", (5,)),
    ("loras", ("a:11",)),
    ("loras", ("a:nan",)),
    ("loras", ("a",) * 9),
    ("model", None),
    ("model", "a\x00b"),
    ("device", "cuda:"),
    ("device", "cuda:-1"),
    ("device", "gpu"),
    ("device", "cpu\n"),
    ("device", None),
    ("width", None),
    ("width", 1000),
    ("width", 0),
    ("width", -1024),
    ("width", 1024.0),
    ("width", "1024"),
    ("width", True),
    ("width", HUGE),
    ("height", 100),
    ("height", -512),
    ("steps", 0),
    ("steps", -1),
    ("steps", 10_000),
    ("steps", 2.5),
    ("steps", math.nan),
    ("guidance", math.inf),
    ("guidance", -0.1),
    ("guidance", "7"),
    ("seed", -1),
    ("seed", 2**31),
    ("sync_strength", math.nan),
    ("sync_strength", -math.inf),
    ("sync_strength", -HUGE),
    ("sync_strength", False),
    ("sync_steps", -1),
    ("sync_decay", 1.01),
    ("stride", 0),
]


@pytest.mark.parametrize(("field", "value"), BAD, ids=lambda value: repr(value)[:24])
def test_bad_value_is_named_with_a_remedy(field, value) -> None:
    error = refusal(spec_with(field, value))
    text = str(error)
    assert error.field == field
    assert text.startswith(f"{field} = ")
    assert repr(value)[:50] in text
    assert error.problem in text
    assert error.remedy in text
    assert error.remedy.endswith(".")
    assert len(text) < 400
    assert text.isprintable()


@pytest.mark.parametrize(("field", "value"), BAD, ids=lambda value: repr(value)[:24])
def test_bad_value_in_json_is_refused_the_same_way(field, value) -> None:
    given = {"prompt": "a meadow", "kind": "plate", field: value}
    with pytest.raises(SpecError) as raised:
        EnvironmentSpec.from_json(json.dumps(given))
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in sorted(LIMITS) for kind in KINDS if (name, kind) != ("height", "world")],
)
def test_limits_hold_at_both_ends(name, kind) -> None:
    limit = limit_of(name, kind)
    for value in (limit.minimum, limit.maximum):
        assert spec_with(name, value, kind).validated() == spec_with(name, value, kind)
    for value in (limit.minimum - limit.step, limit.maximum + limit.step):
        error = refusal(spec_with(name, value, kind))
        assert error.field == name
        assert f"{limit.minimum:.10g} to {limit.maximum:.10g}" in error.remedy
    if isinstance(limit.minimum, int):
        assert "a whole number" in refusal(spec_with(name, limit.minimum + 0.5, kind)).remedy


@pytest.mark.parametrize("kind", KINDS)
def test_the_nearest_size_that_is_offered_can_be_used(kind) -> None:
    limit = limit_of("width", kind)
    for width in range(int(limit.minimum), int(limit.maximum), 37):
        if width % limit.step == 0:
            spec_with("width", width, kind).validated()
            continue
        offered = re.fullmatch(r"The nearest is (\d+)\.", refusal(spec_with("width", width, kind)).remedy)
        assert offered
        spec_with("width", int(offered[1]), kind).validated()
        assert abs(int(offered[1]) - width) <= limit.step / 2


def test_world_is_twice_as_wide_as_high() -> None:
    for width in range(int(WORLD_WIDTH.minimum), int(WORLD_WIDTH.maximum) + 1, WORLD_WIDTH.step):
        spec = EnvironmentSpec("x", width=width).validated()
        assert spec.pixel_height * 2 == width
        assert spec.pixel_height % 64 == 0
        assert dataclasses.replace(spec, height=width // 2).validated().pixel_height == width // 2
    error = refusal(EnvironmentSpec("x", width=1024, height=576))
    assert error.field == "height"
    assert "Use 512" in error.remedy


def test_plate_has_its_own_height() -> None:
    assert EnvironmentSpec("x", kind="plate", width=2048).pixel_height == 512
    assert EnvironmentSpec("x", kind="plate", width=2048, height=64).validated().pixel_height == 64


def test_every_choice_is_taken() -> None:
    for field, choices in (("kind", KINDS), ("method", METHODS), ("precision", PRECISIONS)):
        for choice in choices:
            assert getattr(spec_with(field, choice).validated(), field) == choice
    for device in ("auto", "cpu", "mps", "cuda", "cuda:0", "cuda:15"):
        spec_with("device", device).validated()
    assert ", ".join(METHODS) in refusal(spec_with("method", "magic")).remedy


def test_optional_fields_may_be_left_to_the_engine() -> None:
    for name in (
        "height",
        "steps",
        "guidance",
        "seed",
        "sync_strength",
        "sync_steps",
        "sync_decay",
        "stride",
    ):
        assert getattr(EnvironmentSpec.from_dict({"prompt": "x", name: None}), name) is None


def test_prompt_may_be_as_long_as_promised() -> None:
    EnvironmentSpec("é" * 2000).validated()
    assert "2001 characters" in str(refusal(EnvironmentSpec("é" * 2001)))


@pytest.mark.parametrize("spec", [EnvironmentSpec("x"), FULL], ids=["defaults", "all fields"])
def test_json_round_trip(spec) -> None:
    line = spec.to_json()
    assert "\n" not in line
    assert EnvironmentSpec.from_json(line) == spec
    assert EnvironmentSpec.from_dict(spec.to_dict()) == spec
    assert set(json.loads(line)) == {field.name for field in dataclasses.fields(EnvironmentSpec)}


def test_spec_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        FULL.seed = 1  # type: ignore[misc]


def test_unknown_field_offers_the_near_one() -> None:
    with pytest.raises(SpecError, match="Did you mean guidance") as raised:
        EnvironmentSpec.from_dict({"prompt": "x", "guidence": 3})
    assert raised.value.field == "guidence"
    with pytest.raises(SpecError, match=r"Known fields: .*stride"):
        EnvironmentSpec.from_dict({"prompt": "x", "qqqq": 3})


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "null", '"x"', "{}", "[" * 100_000, '{"width": 1' + "0" * 5000 + "}"]
)
def test_text_that_is_no_spec(text) -> None:
    with pytest.raises(SpecError) as raised:
        EnvironmentSpec.from_json(text)
    assert raised.value.remedy
    assert len(str(raised.value)) < 400


def test_files(tmp_path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(FULL.to_json(), encoding="utf-8")
    assert EnvironmentSpec.from_file(path) == FULL
    path.write_text(json.dumps({"spec": FULL.to_dict(), "timings": {}}), encoding="utf-8-sig")  # Notepad's
    assert EnvironmentSpec.from_file(path) == FULL
    for content in (b"\xff\xfe\x00", b"{", b"[1]", b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(SpecError) as raised:
            EnvironmentSpec.from_file(path)
        assert raised.value.field == "spec"
    for missing in (tmp_path, tmp_path / "nothing.json", tmp_path / "nul\0.json"):
        with pytest.raises(SpecError, match="cannot be read"):
            EnvironmentSpec.from_file(missing)


def test_line_ends_of_windows_are_blanks() -> None:
    assert EnvironmentSpec("a\r\nb").validated().prompt == "a\r\nb"


def test_a_picture_keeps_names_and_no_folders(tmp_path) -> None:
    spec = EnvironmentSpec(
        "a",
        model="/home/alice/models/mine.safetensors",
        tiny_decoder=r"C:\Users\alice\taesd",
        loras=("/home/alice/loras/x.safetensors:0.8", "here/y.safetensors:1"),
    )
    kept = spec.without_paths()
    assert (kept.model, kept.tiny_decoder) == ("mine.safetensors", "taesd")
    assert kept.loras == ("x.safetensors:0.8", "here/y.safetensors:1")
    for name in ("draft", "owner/name", "owner/name@main", "./folder"):
        assert EnvironmentSpec("a", model=name).without_paths().model == name
