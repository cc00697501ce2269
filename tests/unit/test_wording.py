# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages: English where they are read as text, template and values where they are translated."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from sync_engine.interface.messages import Failed, FailureCode, Progress, decode_event, encode
from sync_engine.interface.spec import EnvironmentSpec, SpecError
from sync_engine.interface.wording import DEEPEST, Message, as_message, joined

TEMPLATE = "{free:.1f} GB are free in {folder}, {needed} are needed."
FULL = Message(TEMPLATE, free=1.26, folder="a {b} c", needed=3)
GERMAN = {
    TEMPLATE: "In {folder}: {needed} GB nötig, {free:.1f} da.",
    "Give it {rest}.": "{rest} geben.",
    "a rest": "eine Pause",
}


def german(text: str) -> str:
    return GERMAN.get(text, text)


def test_it_is_its_english() -> None:
    assert FULL == "1.3 GB are free in a {b} c, 3 are needed."
    assert f"{FULL}!".endswith("needed.!")
    assert json.loads(json.dumps({"text": FULL})) == {"text": FULL}


def test_it_is_said_in_another_language() -> None:
    assert FULL.said_in(german) == "In a {b} c: 3 GB nötig, 1.3 da."
    assert Message("Give it {rest}.", rest=Message("a rest")).said_in(german) == "eine Pause geben."
    assert Message("Give it {rest}.", rest="a rest").said_in(german) == "a rest geben.", "a value is a value"
    assert joined("Give it.", "", Message("a rest")).said_in(german) == "Give it. eine Pause"


def test_what_is_no_field_stays_as_it_is() -> None:
    assert Message('Give {"prompt": "…"} or {this} or {0}.') == 'Give {"prompt": "…"} or {this} or {0}.'
    assert Message("{a.__class__} {a[0]} {a!r} {a}", a="x") == "{a.__class__} {a[0]} {a!r} x"
    assert Message("{a:d} {b:.1f}", a=1.5, b="text") == "1.5 text", "a format that does not fit"


def test_values_are_plain() -> None:
    values = Message("{a} {b} {c} {d}", a=ValueError("why"), b=float("nan"), c=True, d=None).values
    assert values == {"a": "why", "b": "nan", "c": "True", "d": "None"}


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_copies_keep_the_template(way) -> None:
    again = way(Message("Give it {rest}.", rest=FULL))
    assert again == f"Give it {FULL}."
    assert again.values["rest"].template == FULL.template


def test_it_crosses_the_door() -> None:
    hint = Message("Give it {rest}.", rest=FULL)
    event = decode_event(encode(Failed("j1", FailureCode.OUTPUT, FULL, hint)))
    assert isinstance(event, Failed)
    assert (event.message, event.hint) == (FULL, hint)
    assert isinstance(event.hint, Message)
    assert event.hint.said_in(german) == "In a {b} c: 3 GB nötig, 1.3 da. geben."
    note = decode_event(encode(Progress("j1", "load", 0, 0, note=FULL)))
    assert isinstance(note, Progress)
    assert isinstance(note.note, Message)


def test_an_event_without_templates_is_read() -> None:
    event = decode_event(b'{"type": "failed", "job": null, "code": "output", "message": "Why {x}."}')
    assert isinstance(event, Failed)
    assert event.message == "Why {x}."
    assert as_message(event.message).said_in(german) == "Why {x}."


@pytest.mark.parametrize(
    "texts",
    [
        "nothing",
        {"message": "Why."},
        {"message": {"template": 7}},
        {"message": {"template": "{a}", "values": [1]}},
        {"message": {"template": "{a}", "values": {"a": None}}},
        {"code": {"template": "another code"}},
    ],
    ids=str,
)
def test_damaged_templates_leave_the_english(texts) -> None:
    line = json.dumps({"type": "failed", "job": None, "code": "output", "message": "Why.", "texts": texts})
    event = decode_event(line.encode())
    assert isinstance(event, Failed)
    assert event.message == "Why."


def test_nested_without_end_is_refused() -> None:
    data: dict = {"template": "{a}"}
    for _ in range(DEEPEST + 2):
        data = {"template": "{a}", "values": {"a": data}}
    with pytest.raises(ValueError, match="within"):
        Message.from_json(data)


def test_an_error_of_a_spec_knows_its_template() -> None:
    with pytest.raises(SpecError) as caught:
        EnvironmentSpec("x", width=1000).validated()
    error = caught.value
    assert error.message.template == "{field} = {value}: {problem}."
    assert error.message.values["problem"].template == "not a multiple of {step}"
    assert str(error) == "width = 1000: not a multiple of 128. The nearest is 1024."
