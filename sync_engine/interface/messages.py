# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol: one JSON object a line, requests to the engine's stdin, events from its stdout."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from .bounded_json import load_json
from .wording import Message

PROTOCOL_VERSION = 1
MAX_LINE_BYTES = 1 << 20
"""A longer line is refused: a spec is a few kilobytes, a picture travels as a file."""


class FailureCode(StrEnum):
    """Why a job failed; the command line's exit status follows from it."""

    BAD_SPEC = "bad_spec"
    MODEL_NOT_AVAILABLE = "model_not_available"
    NOT_AGREED = "not_agreed"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT = "output"
    PROTOCOL = "protocol"
    ENGINE_MISSING = "engine_missing"
    ENGINE_DIED = "engine_died"
    INTERNAL = "internal"


class Stage(StrEnum):
    """What a job, or work on a stored model (``VERIFY``, ``REMOVE``), is doing."""

    DOWNLOAD = "download"
    LOAD = "load"
    ENCODE = "encode"
    DENOISE = "denoise"
    DECODE = "decode"
    DETAIL = "detail"
    WRITE = "write"
    VERIFY = "verify"
    REMOVE = "remove"


EXIT_STATUS: dict[FailureCode, int] = {
    FailureCode.BAD_SPEC: 2,
    FailureCode.MODEL_NOT_AVAILABLE: 3,
    FailureCode.NOT_AGREED: 3,
    FailureCode.OUT_OF_MEMORY: 4,
    FailureCode.OUTPUT: 5,
}
"""Exit status of ``python -m sync_engine`` by failure; any other failure exits with 1."""
EXIT_CANCELLED = 130


class ProtocolError(ValueError):
    """A line that is no message: not JSON, too long, of an unknown type, or with a wrong field."""


# --- requests: Blender to engine -----------------------------------------------------------


@dataclass(frozen=True)
class Generate:
    """Make one picture. ``out`` is the folder that the finished result is moved to.

    ``agreed``: the model may be fetched if it is not here; else the job fails as ``NOT_AGREED``.
    """

    type: ClassVar[str] = "generate"
    job: str
    spec: dict[str, Any]
    out: str
    agreed: bool = False


@dataclass(frozen=True)
class Cancel:
    """Stop a running or waiting job; the engine stays warm."""

    type: ClassVar[str] = "cancel"
    job: str


@dataclass(frozen=True)
class Preview:
    """Switch the preview pictures of all jobs on or off (they are on at the start)."""

    type: ClassVar[str] = "preview"
    enabled: bool


@dataclass(frozen=True)
class Release:
    """Drop the loaded model and give its memory back."""

    type: ClassVar[str] = "release"


@dataclass(frozen=True)
class Watch:
    """Tell ``alive`` every so many seconds from now on, whatever else goes on."""

    type: ClassVar[str] = "watch"
    every_s: float


@dataclass(frozen=True)
class Shutdown:
    """Cancel what runs and end the process."""

    type: ClassVar[str] = "shutdown"


# --- events: engine to Blender -------------------------------------------------------------


@dataclass(frozen=True)
class Ready:
    """The engine listens. ``report`` is what ``doctor --json`` prints.

    An engine that understands ``watch`` says so in the report's ``can_be_watched``.
    """

    type: ClassVar[str] = "ready"
    protocol: int
    report: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Accepted:
    """The spec is good and the job waits or runs; ``spec`` has the seed that will be used."""

    type: ClassVar[str] = "accepted"
    job: str
    spec: dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """Where a job is. ``stage`` is a ``Stage``, or one that a later engine adds; the steps of a download are
    megabytes.

    ``step`` of ``steps`` are done, ``eta_s`` seconds are left (None: not known yet), ``preview`` is
    the path of a PNG of the picture as it is now, ``note`` a sentence for the user (a Message where it has
    values).
    """

    type: ClassVar[str] = "progress"
    job: str
    stage: str
    step: int
    steps: int
    eta_s: float | None = None
    preview: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Done:
    """The result is in place. ``files`` maps ``image``, ``preview`` and ``spec`` to paths."""

    type: ClassVar[str] = "done"
    job: str
    files: dict[str, str]
    timings: dict[str, float]


@dataclass(frozen=True)
class Failed:
    """A job, or (``job`` None) a request, failed. ``hint`` is the remedy; a Message like ``message``."""

    type: ClassVar[str] = "failed"
    job: str | None
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Cancelled:
    """The job was cancelled; there is no result."""

    type: ClassVar[str] = "cancelled"
    job: str


@dataclass(frozen=True)
class Released:
    """The memory of the model has been given back."""

    type: ClassVar[str] = "released"


@dataclass(frozen=True)
class Alive:
    """The process runs; only sent where ``watch`` asked for it."""

    type: ClassVar[str] = "alive"


Request = Generate | Cancel | Preview | Release | Watch | Shutdown
Event = Ready | Accepted | Progress | Done | Failed | Cancelled | Released | Alive
_REQUESTS: dict[str, type] = {cls.type: cls for cls in (Generate, Cancel, Preview, Release, Watch, Shutdown)}
_EVENTS: dict[str, type] = {
    cls.type: cls for cls in (Ready, Accepted, Progress, Done, Failed, Cancelled, Released, Alive)
}
_JSON_TYPES = {"str": str, "int": int, "bool": bool, "float": (int, float), "dict": dict, "None": type(None)}


def encode(message: Request | Event) -> bytes:
    """Return the message as one line of UTF-8 JSON with its line feed.

    A text that is a Message is told in English in its field; its template and values, which a translation
    needs, are added under ``texts``, by the name of the field.
    """
    data = {"type": message.type, **dataclasses.asdict(message)}
    fields = {item.name: getattr(message, item.name) for item in dataclasses.fields(message)}
    texts = {name: value.to_json() for name, value in fields.items() if isinstance(value, Message)}
    if texts:
        data["texts"] = texts
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass") + b"\n"  # a path need not be valid Unicode


def decode_request(line: bytes) -> Request:
    """Read a request; unknown fields are ignored, anything else unknown raises ProtocolError."""
    return _decode(line, _REQUESTS)


def decode_event(line: bytes) -> Event:
    """Read an event; unknown fields are ignored, anything else unknown raises ProtocolError."""
    return _decode(line, _EVENTS)


def _decode(line: bytes, known: dict[str, type]) -> Any:
    if len(line) > MAX_LINE_BYTES:
        raise ProtocolError(f"the line is longer than {MAX_LINE_BYTES} bytes")
    try:
        data = load_json(line)
    except ValueError as error:  # also a number of too many digits, or lists within lists within lists
        raise ProtocolError(f"the line is not JSON ({error})") from error
    if not isinstance(data, dict):
        raise ProtocolError("the line is not a JSON object")
    cls = known.get(str(data.get("type")))
    if cls is None:
        raise ProtocolError(f"unknown message type {data.get('type')!r}; known: {', '.join(known)}")
    values = {}
    for item in dataclasses.fields(cls):
        if item.name in data:
            _check_type(cls.type, item, data[item.name])
            values[item.name] = _with_template(data[item.name], data.get("texts"), item.name)
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise ProtocolError(f"{cls.type}: the field {item.name} is missing")
    return cls(**values)


def _with_template(value: object, texts: object, name: str) -> object:
    """Return a text as the Message that it was sent as; without its template, the English as it is."""
    if isinstance(value, str) and isinstance(texts, dict) and name in texts:
        with contextlib.suppress(ValueError):
            message = Message.from_json(texts[name])
            return message if message == value else value
    return value


def _check_type(message: str, item: dataclasses.Field, value: object) -> None:
    names = [part.split("[")[0].strip() for part in str(item.type).split("|")]
    for name in names:
        accepted = _JSON_TYPES[name]
        if isinstance(value, accepted) and not (isinstance(value, bool) and name in ("int", "float")):
            return
    raise ProtocolError(f"{message}: the field {item.name} is not {' or '.join(names)}")
