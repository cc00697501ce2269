# SPDX-License-Identifier: GPL-3.0-or-later
"""The serve loop, spoken to as Blender does: a real process, lines in, lines out."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sync_engine.interface import messages
from sync_engine.interface.messages import encode

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120


class Conversation:
    """A serving engine and what it said."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "sync_engine", "serve"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
        )
        self._events: queue.Queue[dict] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._events.put(json.loads(line))

    def say(self, line: bytes | messages.Request) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line if isinstance(line, bytes) else encode(line))
        self.process.stdin.flush()

    def hear(self, *types: str, job: str | None = None) -> dict:
        """Return the next event of one of the types (and of the job)."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            event = self._events.get(timeout=max(0.1, deadline - time.monotonic()))
            if event["type"] in types and (job is None or event.get("job") == job):
                return event


@pytest.fixture(scope="module")
def engine():
    conversation = Conversation()
    assert conversation.hear("ready")["protocol"] == messages.PROTOCOL_VERSION
    yield conversation
    conversation.process.kill()


def spec(folder: Path, **fields) -> dict:
    base = {
        "prompt": "a calm sea",
        "model": str(folder),
        "steps": 2,
        "method": "multidiffusion",
        "width": 256,
    }
    return base | fields


@pytest.mark.slow
def test_a_job_goes_from_accepted_to_done(engine: Conversation, tiny_folder: Path, tmp_path: Path) -> None:
    engine.say(messages.Generate("one", spec(tiny_folder), str(tmp_path / "one")))
    assert engine.hear("accepted", job="one")["spec"]["seed"] >= 0
    stages = set()
    while (event := engine.hear("progress", "done", job="one"))["type"] == "progress":
        stages.add(event["stage"])
    assert stages == {"load", "encode", "denoise", "decode", "write"}
    assert Path(event["files"]["image"]).is_file()
    assert Path(event["files"]["preview"]).is_file()


@pytest.mark.slow
def test_cancel_stops_the_running_job_and_the_waiting_one(
    engine: Conversation, tiny_folder: Path, tmp_path: Path
) -> None:
    long = spec(tiny_folder, steps=200, width=2048)
    engine.say(messages.Generate("long", long, str(tmp_path / "long")))
    engine.say(messages.Generate("next", long, str(tmp_path / "next")))
    engine.say(messages.Generate("last", spec(tiny_folder), str(tmp_path / "last")))
    while engine.hear("progress", job="long")["step"] < 1:
        pass
    engine.say(messages.Cancel("next"))
    engine.say(messages.Cancel("long"))
    assert engine.hear("cancelled")["job"] == "long"
    assert engine.hear("cancelled")["job"] == "next"
    assert engine.hear("done", "failed")["job"] == "last"
    assert [p.name for p in tmp_path.iterdir()] == ["last"]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"hello\n", "not JSON"),
        (b"[1]\n", "object"),
        (b'{"type": "dance"}\n', "dance"),
        (b'{"type": "generate", "job": "x"}\n', "spec"),
        (b'{"type": "cancel", "job": 3}\n', "job"),
        (b"\xff\xfe\n", "not JSON"),
        (b'{"type": "cancel", "job": "' + b"x" * 10_000_000 + b'"}\n', "longer"),
        (b"[" * 100_000 + b"\n", "JSON"),
    ],
)
def test_a_bad_line_is_answered_and_the_engine_lives_on(engine: Conversation, line: bytes, word: str) -> None:
    engine.say(line)
    event = engine.hear("failed")
    assert event["job"] is None
    assert event["code"] == "protocol"
    assert word in event["message"]
    assert len(event["message"]) < 2000
    engine.say(messages.Release())
    engine.hear("released")


def test_a_bad_spec_fails_its_job_only(engine: Conversation, tmp_path: Path) -> None:
    engine.say(messages.Generate("bad", {"prompt": "a", "width": 1000}, str(tmp_path / "bad")))
    event = engine.hear("failed")
    assert event["job"] == "bad"
    assert event["code"] == "bad_spec"
    assert "width = 1000" in event["message"]
    assert "1024" in event["hint"]


@pytest.mark.slow
def test_previews_come_unless_switched_off(engine: Conversation, tiny_folder: Path, tmp_path: Path) -> None:
    job = spec(tiny_folder, steps=60, width=512)
    for number, wanted in enumerate([False, True]):
        engine.say(messages.Preview(wanted))
        engine.say(messages.Generate(f"p{number}", job, str(tmp_path / str(number))))
        seen = []
        while (event := engine.hear("progress", "done", job=f"p{number}"))["type"] == "progress":
            seen.append(event["preview"])
        assert any(seen) == wanted
    assert [p.name for p in sorted(tmp_path.rglob("*.png"))] == ["preview.png", "preview.png"]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["shutdown", "stdin closed"])
def test_the_engine_ends_with_its_parent(tiny_folder: Path, tmp_path: Path, end: str) -> None:
    conversation = Conversation()
    conversation.hear("ready")
    conversation.say(messages.Generate("j", spec(tiny_folder, steps=200, width=2048), str(tmp_path / "j")))
    while conversation.hear("progress", job="j")["step"] < 1:
        pass
    if end == "shutdown":
        conversation.say(messages.Shutdown())
    else:
        assert conversation.process.stdin is not None
        conversation.process.stdin.close()
    assert conversation.process.wait(PATIENCE_S) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_watched_engine_tells_that_it_lives(engine: Conversation) -> None:
    engine.say(messages.Watch(0.05))
    for _ in range(3):
        engine.hear("alive")
    engine.say(messages.Watch(3600.0))


@pytest.mark.slow
@pytest.mark.parametrize("level", [b'{"a":', b"["], ids=["mappings", "lists"])
def test_a_line_nested_deep_is_refused_and_the_engine_ends_with_its_parent(level: bytes) -> None:
    conversation = Conversation()
    conversation.hear("ready")
    closing = b"}" if level.startswith(b"{") else b"]"
    for depth in (40, 988, 5000):
        nested = level * depth + b"1" + closing * depth
        conversation.say(b'{"type": "generate", "job": "x", "out": "/tmp/x", "spec": ' + nested + b"}\n")
        assert "not JSON" in conversation.hear("failed")["message"]
    conversation.say(messages.Release())
    conversation.hear("released")
    assert conversation.process.stdin is not None
    conversation.process.stdin.close()
    assert conversation.process.wait(PATIENCE_S) == 0
