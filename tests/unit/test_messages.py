# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol: what is sent arrives unchanged, and a bad line is a ProtocolError, nothing else."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random

import pytest

from sync_engine.interface import messages
from sync_engine.interface.messages import (
    EXIT_STATUS,
    MAX_LINE_BYTES,
    FailureCode,
    ProtocolError,
    decode_event,
    decode_request,
    encode,
)

REQUESTS = [
    messages.Generate("j1", {"prompt": "a 🌲\n\u2028 \x85 end", "seed": None}, "/tmp/Möbel/j1"),
    messages.Generate("j1", {}, "/tmp/not \udcff unicode"),
    messages.Cancel("j1"),
    messages.Preview(False),
    messages.Release(),
    messages.Watch(5.0),
    messages.Shutdown(),
]
EVENTS = [
    messages.Ready(1, {"device": "cpu", "models": {"draft": "here"}}),
    messages.Accepted("j1", {"prompt": "x", "seed": 7}),
    messages.Progress("j1", "denoise", 3, 25, 1.5, "/tmp/live.png", "A note."),
    messages.Progress("j1", "load", 0, 0),
    messages.Progress("j1", "load", 0, 0, eta_s=2),
    messages.Done("j1", {"image": "/tmp/world.exr"}, {"total": 3.25}),
    messages.Failed(None, FailureCode.PROTOCOL, "Why.", "Remedy."),
    messages.Failed("j1", "a_code_of_tomorrow", "Why."),
    messages.Cancelled("j1"),
    messages.Released(),
    messages.Alive(),
]


@pytest.mark.parametrize(
    ("message", "decode"),
    [(message, decode_request) for message in REQUESTS] + [(message, decode_event) for message in EVENTS],
    ids=lambda value: getattr(value, "type", ""),
)
def test_round_trip(message, decode) -> None:
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == message
    assert decode(line.rstrip()) == message
    assert decode(line.replace(b"\n", b"\r\n")) == message


@pytest.mark.parametrize(
    ("message", "decode"),
    [(message, decode_request) for message in REQUESTS] + [(message, decode_event) for message in EVENTS],
    ids=lambda value: getattr(value, "type", ""),
)
def test_unknown_fields_are_ignored_and_missing_ones_named(message, decode) -> None:
    data = json.loads(encode(message))
    assert decode(json.dumps({**data, "tomorrow": [1, {}]}).encode()) == message
    for field in dataclasses.fields(message):
        needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        less = {name: value for name, value in data.items() if name != field.name}
        if needed:
            with pytest.raises(ProtocolError, match=field.name):
                decode(json.dumps(less).encode())
        else:
            decode(json.dumps(less).encode())


def test_every_message_is_tested() -> None:
    assert {type(message) for message in REQUESTS} == set(messages._REQUESTS.values())
    assert {type(message) for message in EVENTS} == set(messages._EVENTS.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("job", 5),
        ("job", None),
        ("stage", ["load"]),
        ("step", "1"),
        ("step", 1.5),
        ("step", True),
        ("steps", None),
        ("eta_s", "soon"),
        ("eta_s", True),
        ("preview", 5),
        ("note", {}),
    ],
)
def test_field_of_a_wrong_type_is_named(name, value) -> None:
    data = {"type": "progress", "job": "j", "stage": "load", "step": 0, "steps": 0, name: value}
    with pytest.raises(ProtocolError, match=f"progress: the field {name} is not"):
        decode_event(json.dumps(data).encode())


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"hello",
        b"\xff\xfe\x00",
        b"\x00\x00",
        b"[1, 2]",
        b"5",
        b"null",
        b"{}",
        b'{"type": null}',
        b'{"type": ["cancel"]}',
        b'{"type": {"a": 1}, "job": "x"}',
        b'{"type": "confetti"}',
        b'{"type": "cancel", "job": "x"',
        b'{"type": "progress", "step": ' + b"9" * 5000 + b"}",
        b"[" * 200_000,
    ],
    ids=lambda line: repr(line[:24]),
)
def test_a_line_that_is_no_message(line) -> None:
    for decode in (decode_request, decode_event):
        with pytest.raises(ProtocolError) as raised:
            decode(line)
        assert str(raised.value)
        assert len(str(raised.value)) < 300


def test_requests_are_no_events() -> None:
    with pytest.raises(ProtocolError, match="unknown message type 'cancel'"):
        decode_event(encode(messages.Cancel("x")))
    with pytest.raises(ProtocolError, match="unknown message type 'released'"):
        decode_request(encode(messages.Released()))


def test_length_limit() -> None:
    frame = len(encode(messages.Cancel("")))
    longest = encode(messages.Cancel("x" * (MAX_LINE_BYTES - frame)))
    assert len(longest) == MAX_LINE_BYTES
    assert decode_request(longest).type == "cancel"
    with pytest.raises(ProtocolError, match="longer than"):
        decode_request(b"x" + longest)


def test_mangled_lines_never_raise_anything_else() -> None:
    chance = random.Random(5)
    lines = [encode(message) for message in (*REQUESTS, *EVENTS)]
    for _ in range(3000):
        line = bytearray(chance.choice(lines))
        for _ in range(chance.randint(1, 4)):
            line[chance.randrange(len(line))] = chance.randrange(256)
        for decode in (decode_request, decode_event):
            with contextlib.suppress(ProtocolError):
                decode(bytes(line))


def test_exit_status_by_failure() -> None:
    assert {code.value: status for code, status in EXIT_STATUS.items()} == {
        "bad_spec": 2,
        "model_not_available": 3,
        "not_agreed": 3,
        "out_of_memory": 4,
        "output": 5,
    }
    assert messages.EXIT_CANCELLED == 130
