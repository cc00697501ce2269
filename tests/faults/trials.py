# SPDX-License-Identifier: GPL-3.0-or-later
"""What is tried: each trial makes its own fault from a random generator and says what was wrong, or nothing.

A trial returns None where the fault ended as it must: before or after, never between, and in words.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sync_engine.cli.serve import Service
from sync_engine.host.history import broken_results, list_results
from sync_engine.host.jobs import JobTable
from sync_engine.interface import messages
from sync_engine.interface.embedded import read_record
from sync_engine.interface.picture_files import DamagedPicture, check_picture
from sync_engine.interface.spec import EnvironmentSpec, SpecError
from sync_engine.pictures.picture import UnreadablePicture
from sync_engine.pictures.read import read_picture
from tests.engine.picture_files import colours, layer, png_of, rgbe, write_exr

Trial = Callable[[random.Random, Path], str | None]
BLOCKED_S = 0.010
"""So long may one call keep Blender's main thread, in processor time."""

REQUESTS = [
    messages.Generate("a", EnvironmentSpec("a sea", width=512, seed=1).to_dict(), "/nowhere/out"),
    messages.Cancel("a"),
    messages.Preview(True),
    messages.Release(),
    messages.Watch(5.0),
]
EVENTS = [
    messages.Ready(1, {"device": "cpu"}),
    messages.Accepted("a", EnvironmentSpec("a sea", seed=1).to_dict()),
    messages.Progress("a", "denoise", 1, 4, 2.0, "/tmp/x.png", "a note"),
    messages.Done("a", {"image": "/x"}, {"total": 1.0}),
    messages.Failed("a", "output", "Full.", "Empty it."),
    messages.Cancelled("a"),
    messages.Alive(),
]
PIECES = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"null",
    b"1e999",
    b"NaN",
    b"\\u0000",
    b"\xff",
    b"-",
    b"\0",
    b"\r",
]
NESTED = [b"[" * depth + b"]" * depth for depth in (33, 988, 20_000)]


def harmed(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with some of them changed, left out, doubled, or replaced by what parsers trip over."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(made) + 1)
        kind = chance.randrange(6)
        if kind == 0 and made:
            made[min(place, len(made) - 1)] ^= chance.randrange(1, 256)
        elif kind == 1:
            del made[place : place + chance.randint(1, 20)]
        elif kind == 2:
            made[place:place] = chance.choice(PIECES) * chance.randint(1, 3)
        elif kind == 3:
            made[place:place] = made[: chance.randint(0, 40)]
        elif kind == 4:
            made = made[:place]
        else:
            made[place:place] = chance.choice(NESTED)
    return bytes(made)


def request_lines(chance: random.Random, _: Path) -> str | None:
    """A hundred harmed lines reach a service: each is obeyed or answered, and the next good one is heard."""
    lines = [
        harmed(messages.encode(chance.choice(REQUESTS))[:-1], chance).replace(b"\n", b" ")
        for _ in range(LINES)
    ]
    told = io.BytesIO()
    good = messages.encode(messages.Generate("last", EnvironmentSpec("a sea").to_dict(), "/nowhere"))
    service = Service(io.BytesIO(b"\n".join([*lines, good])), told)  # type: ignore[arg-type]
    service._read_requests()
    events = [messages.decode_event(line) for line in told.getvalue().splitlines() if b'"alive"' not in line]
    heard = any(isinstance(event, messages.Accepted) and event.job == "last" for event in events)
    service._ending.set()
    return None if heard else "the good line at the end was not heard"


def event_lines(chance: random.Random, folder: Path) -> str | None:
    """A hundred harmed lines reach Blender: none is more than ignored, and no job breaks."""
    table = JobTable(folder, lambda text: None)
    job = table.add(None, EnvironmentSpec("a sea"))  # type: ignore[arg-type]
    for _ in range(LINES):
        line = messages.encode(chance.choice(EVENTS)).replace(b'"a"', json.dumps(job.id).encode())
        try:
            table.apply(messages.decode_event(harmed(line, chance)))
        except messages.ProtocolError:
            continue
    return None


def evil_picture(chance: random.Random, folder: Path) -> str | None:
    """A harmed picture is read or refused in words; the door's own looks at it take no time."""
    light = colours(64, 128)
    kind = chance.choice(("exr", "png", "jpg", "tif", "webp", "hdr"))
    path = folder / f"p.{kind}"
    if kind == "exr":
        write_exr(path, layer(light, "{}"), syncscape='{"prompt": "a"}')
    elif kind == "hdr":
        path.write_bytes(rgbe(light, packed=True))
    elif kind == "png":
        path.write_bytes(png_of((light * 255).astype(np.uint8), (b"tEXt", b'syncscape\0{"prompt": "a"}')))
    else:
        from PIL import Image

        Image.fromarray((light * 255).astype(np.uint8)).save(path)
    data = path.read_bytes()
    if chance.random() < 0.3:  # an impossible length somewhere in the header
        place = chance.randrange(min(len(data), 400))
        data = data[:place] + struct.pack("<i", chance.choice((-1, 2**31 - 1, 10**9, 0))) + data[place + 4 :]
    path.write_bytes(harmed(data, chance))
    for look in (check_picture, read_record):
        begun = time.thread_time()
        with contextlib.suppress(DamagedPicture, OSError, SpecError):
            look(path)
        if time.thread_time() - begun > BLOCKED_S:
            return f"{look.__name__} took {time.thread_time() - begun:.3f} s"
    with contextlib.suppress(UnreadablePicture):
        read_picture(path, lambda width, height: None if width <= 4096 >= height else _refuse(path))
    return None


def _refuse(path: Path) -> None:
    raise UnreadablePicture(path, "is large", "")


def evil_record(chance: random.Random, folder: Path) -> str | None:
    """A library with a harmed record shows the others and names the broken one."""
    record = {"spec": EnvironmentSpec("a sea", seed=1).to_dict(), "created": "2026-01-01T00:00:00+00:00"}
    for name in ("good", "evil"):
        (folder / name).mkdir(parents=True)
        (folder / name / "world.exr").write_bytes(b"picture")
        (folder / name / "preview.png").write_bytes(b"picture")
        (folder / name / "spec.json").write_text(json.dumps(record))
    evil = folder / "evil" / "spec.json"
    evil.write_bytes(harmed(evil.read_bytes(), chance) * chance.choice((1, 1, 1, 2000)))
    begun = time.thread_time()
    names = {result.id for result in list_results(folder)}
    spent = time.thread_time() - begun
    broken = {error.folder.name for error in broken_results(folder)}
    if "good" not in names or names | broken != {"good", "evil"}:
        return f"listed {names}, broken {broken}"
    return f"listing took {spent:.3f} s" if spent > 2 * BLOCKED_S else None


TRIALS: dict[str, Trial] = {
    "harmed lines to the engine": request_lines,
    "harmed lines to Blender": event_lines,
    "harmed picture": evil_picture,
    "harmed record in a library": evil_record,
}
LINES = 100
"""So many lines has each trial of lines."""
