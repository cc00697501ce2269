# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine without a model: speaks the protocol and paints a gradient, for tests of Blender's half.

Run in place of the engine's Python. Words in the prompt choose what happens: "slow" takes many
steps, "die" kills the process in the middle, "fail" fails, "question" wants a yes, "old" speaks another
protocol.
"""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import signal
import struct
import sys
import threading
import time
import zlib
from pathlib import Path

sys.path.insert(0, os.environ["PYTHONPATH"])

from sync_engine.interface import messages as m
from sync_engine.interface.spec import EnvironmentSpec

STEPS = 4
requests: queue.SimpleQueue = queue.SimpleQueue()
cancelled: set[str] = set()

ENVIRONMENT = ("HF_ENDPOINT", "HF_HUB_OFFLINE", "PYTHONHOME")
"""The variables that the report tells."""


def emit(event: m.Event) -> None:
    """Write one event."""
    sys.stdout.buffer.write(m.encode(event))
    sys.stdout.buffer.flush()


def read() -> None:
    """Read requests in a thread, so that a cancel is seen while a job runs."""
    for line in sys.stdin.buffer:
        request = m.decode_request(line)
        if isinstance(request, m.Cancel):
            cancelled.add(request.job)
        requests.put(request)
    os._exit(0)


def exr(path: Path, width: int, height: int) -> None:
    """Write an uncompressed 32-bit float EXR: red grows with u, green with v, blue is 200."""

    def attribute(name: str, kind: str, value: bytes) -> bytes:
        return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value

    channels = (
        b"".join(name + b"\0" + struct.pack("<iiii", 2, 0, 1, 1) for name in (b"B", b"G", b"R")) + b"\0"
    )
    box = struct.pack("<iiii", 0, 0, width - 1, height - 1)
    header = struct.pack("<ii", 20000630, 2)
    header += attribute("channels", "chlist", channels)
    header += attribute("compression", "compression", b"\0")
    header += attribute("dataWindow", "box2i", box) + attribute("displayWindow", "box2i", box)
    header += attribute("lineOrder", "lineOrder", b"\0")
    header += attribute("pixelAspectRatio", "float", struct.pack("<f", 1))
    header += attribute("screenWindowCenter", "v2f", struct.pack("<ff", 0, 0))
    header += attribute("screenWindowWidth", "float", struct.pack("<f", 1)) + b"\0"
    row_bytes = 8 + 12 * width
    start = len(header) + 8 * height
    offsets = struct.pack(f"<{height}Q", *(start + row_bytes * y for y in range(height)))
    with path.open("wb") as file:
        file.write(header + offsets)
        for y in range(height):
            blue = struct.pack("<f", 200.0) * width
            green = struct.pack("<f", y / height) * width
            red = struct.pack(f"<{width}f", *(x / width for x in range(width)))
            file.write(struct.pack("<ii", y, 12 * width) + blue + green + red)


def png(path: Path, width: int, height: int, shade: int) -> None:
    """Write an 8-bit RGB PNG, whole or not at all."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + bytes(value for x in range(width) for value in (x * 255 // width, shade, 128))
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data += chunk(b"IDAT", zlib.compress(row * height, 1)) + chunk(b"IEND", b"")
    part = path.with_suffix(".part")
    part.write_bytes(data)
    os.replace(part, path)


def run(request: m.Generate) -> None:
    """Make one picture."""
    spec = EnvironmentSpec.from_dict(request.spec)
    spec = dataclasses.replace(spec, seed=4242 if spec.seed is None else spec.seed, height=spec.pixel_height)
    emit(m.Accepted(request.job, spec.to_dict()))
    if "question" in spec.prompt and not request.agreed:
        emit(m.Failed(request.job, "not_agreed", "sdxl is not here: 6.9 GB.", "Agree, or choose another."))
        return
    out = Path(request.out)
    partial = out.with_name(f".{out.name}.partial")
    partial.mkdir(parents=True)
    slow = "slow" in spec.prompt
    steps, trouble = (400, 80) if slow else (STEPS, 2)
    for stage, count in (("load", 1), ("denoise", steps), ("write", 1)):
        for step in range(1, count + 1):
            time.sleep(0.02)
            if request.job in cancelled:
                emit(m.Cancelled(request.job))
                return
            if "die" in spec.prompt and step == trouble:
                os.kill(os.getpid(), signal.SIGKILL)
            if "fail" in spec.prompt and step == trouble:
                emit(
                    m.Failed(
                        request.job, "out_of_memory", "There is not enough memory.", "Choose a smaller size."
                    )
                )
                return
            preview = partial / "live.png"
            png(preview, 512, 256, step * 255 // count)
            emit(m.Progress(request.job, stage, step, count, 0.02 * (count - step), str(preview)))
    files = {"image": "world.exr" if spec.kind == "world" else "plate.png", "preview": "preview.png"}
    if spec.kind == "world":
        exr(partial / files["image"], spec.width, spec.pixel_height)
    else:
        png(partial / files["image"], spec.width, spec.pixel_height, 128)
    png(partial / "preview.png", 512, 256, 128)
    (partial / "live.png").unlink()
    record = {
        "spec": spec.to_dict(),
        "id": request.job,
        "created": "2026-01-01T00:00:00+00:00",
        "timings": {"total": 1.0},
    }
    (partial / "spec.json").write_text(json.dumps(record), encoding="utf-8")
    os.replace(partial, out)
    paths = {name: str(out / file) for name, file in (*files.items(), ("spec", "spec.json"))}
    emit(m.Done(request.job, paths, record["timings"]))


def main() -> None:
    """Serve until shutdown."""
    report = {
        "python": "3.11",
        "packages": {"torch": "fake"},
        "device": "cpu",
        "device_name": "Fake CPU",
        "free_memory_gb": 8.0,
        "models": {"draft": "here"},
        "environment": {
            name: os.environ.get(name) for name in ("HF_ENDPOINT", "HF_HUB_OFFLINE", "PYTHONHOME")
        },
        "problems": [],
    }
    threading.Thread(target=read, daemon=True).start()
    emit(m.Ready(m.PROTOCOL_VERSION, report))
    while True:
        request = requests.get()
        if isinstance(request, m.Shutdown):
            return
        if isinstance(request, m.Release):
            emit(m.Released())
        if isinstance(request, m.Generate):
            run(request)


main()
