# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the engine: speaks the protocol with the standard library only, and misbehaves on request.

``FAKE_ENGINE`` (words) changes how it starts and ends, words of a prompt change what a job does:

start: ``no_torch missing_packages old_python dies other_version babbles silent deaf stubborn watched``
job:   ``slow crash exit garbage refuse flood strange fail broken mute grandchild late_done hang stop``

``FAKE_ENGINE_GATE`` names a file that must exist before a request is read, ``FAKE_ENGINE_BYE`` one
that is written when stdin ends. What it receives goes to stderr as ``got TYPE``.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

WORDS = set(os.environ.get("FAKE_ENGINE", "").split())
TRACEBACK = """Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
  File "/somewhere/sync_engine/runtime/job.py", line 12, in <module>
    {}
{}
"""
inbox: queue.Queue[dict | None] = queue.Queue()
waiting: list[dict | None] = []


def emit(kind: str, **fields: object) -> None:
    write(json.dumps({"type": kind, "a_field_of_tomorrow": 1, **fields}).encode() + b"\n")


def write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def log(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def read_requests() -> None:
    gate = os.environ.get("FAKE_ENGINE_GATE")
    while gate and not os.path.exists(gate):
        time.sleep(0.005)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        log(f"got {request['type']} {request.get('job', request.get('enabled', ''))}".strip())
        if request["type"] == "watch":
            threading.Thread(target=tell_alive, args=(request["every_s"],), daemon=True).start()
            continue
        inbox.put(request)
    if "FAKE_ENGINE_BYE" in os.environ:
        Path(os.environ["FAKE_ENGINE_BYE"]).write_text("bye")
    inbox.put(None)


def tell_alive(every_s: float) -> None:
    while True:
        time.sleep(every_s)
        emit("alive")


def start() -> None:
    if "no_torch" in WORDS:
        log(TRACEBACK.format("import torch", "ModuleNotFoundError: No module named 'torch'"))
        sys.exit(1)
    if "old_python" in WORDS:
        log(
            TRACEBACK.format(
                "from enum import StrEnum", "ImportError: cannot import name 'StrEnum' from 'enum'"
            )
        )
        sys.exit(1)
    if "missing_packages" in WORDS:
        emit("failed", job=None, code="engine_missing", message="It has no diffusers.", hint="Install it.")
        sys.exit(1)
    if "dies" in WORDS:
        log(TRACEBACK.format("boom()", "RuntimeError: the flux capacitor is empty"))
        sys.exit(7)
    while "babbles" in WORDS:
        write(b"Welcome to something else!\n")
    if "stubborn" in WORDS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "deaf" not in WORDS:
        threading.Thread(target=read_requests, daemon=True).start()
    while "silent" in WORDS:
        time.sleep(60)
    report = {
        "pid": os.getpid(),
        "path": sys.path,
        "environment": {name: value for name, value in os.environ.items() if name.startswith(("PY", "FAKE"))},
    }
    if "watched" in WORDS:
        report["can_be_watched"] = True
    emit("ready", protocol=999 if "other_version" in WORDS else 1, report=report)
    while "deaf" in WORDS:
        time.sleep(60)


def next_request() -> dict | None:
    return waiting.pop(0) if waiting else inbox.get()


def end() -> None:
    while "stubborn" in WORDS:
        time.sleep(60)
    sys.exit(0)


def hold(job: str) -> None:
    """Wait, as a long job would, until it is cancelled; or end with the engine."""
    earlier = waiting[:]
    waiting.clear()
    while True:
        request = earlier.pop(0) if earlier else inbox.get()
        if request is None or request["type"] == "shutdown":
            end()
        elif request == {"type": "cancel", "job": job}:
            waiting.extend(earlier)
            return
        else:
            waiting.append(request)


def finish(job: str, spec: dict, out: str) -> None:
    folder = Path(out)
    files = {"image": folder / ("world.exr" if spec["kind"] == "world" else "plate.png")}
    files |= {"preview": folder / "preview.png", "spec": folder / "spec.json"}
    folder.mkdir(parents=True)
    record = {"id": job, "spec": spec, "created": "2026-01-01T00:00:00+00:00", "timings": {"total": 1.5}}
    files["spec"].write_text(json.dumps(record), encoding="utf-8")
    files["image"].write_bytes(b"picture")
    files["preview"].write_bytes(b"small picture")
    emit("done", job=job, files={name: str(path) for name, path in files.items()}, timings={"total": 1.5})


def run(request: dict) -> None:
    job, spec = request["job"], dict(request["spec"])
    words = spec["prompt"].split()
    if any(other == {"type": "cancel", "job": job} for other in waiting):
        emit("cancelled", job=job)
        return
    if "fail" in words:
        emit("failed", job=job, code="out_of_memory", message="Too large.", hint="Choose a smaller size.")
        return
    spec["seed"] = 4711 if spec["seed"] is None else spec["seed"]
    emit("accepted", job=job, spec=spec)
    emit("progress", job=job, stage="load", step=0, steps=0, note="Loading takes a while.")
    emit("progress", job=job, stage="denoise", step=1, steps=4, eta_s=3.0, preview="/tmp/live.png")
    log("denoise step 1 of 4")
    if "slow" in words:
        hold(job)
        if "late_done" in words:
            finish(job, spec, request["out"])
        else:
            emit("cancelled", job=job)
        return
    while "hang" in words:
        time.sleep(60)
    if "stop" in words:
        os.kill(os.getpid(), signal.SIGSTOP)
    if "grandchild" in words:  # it inherits the pipes and holds them open
        pid = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"]).pid
        log(f"grandchild {pid}")
        os.kill(os.getpid(), signal.SIGKILL)
    if "crash" in words:
        os.kill(os.getpid(), signal.SIGKILL)
    if "exit" in words:
        log("MemoryError: no more room for tensors")
        os._exit(3)
    if "mute" in words:
        os.close(1)
        threading.Event().wait()
    if "garbage" in words:
        write(b"Downloading: 45%\r\n\xff\xfe\x00 \n[1, 2]\n\n{}\n")
        write(b'{"type": "confetti"}\n{"type": "progress", "job": 5}\n')
        write(b'{"type": "done", "job": "' + b"x" * (3 << 20) + b'"}\n')
        write(b'{"type": "progress", "step": ' + b"9" * 5000 + b"}\n")
        write(b"[" * 100_000 + b"\n")
    if "refuse" in words:
        emit("failed", job=None, code="protocol", message="No such request.", hint="")
    if "flood" in words:
        line = json.dumps(
            {"type": "progress", "job": job, "stage": "denoise", "step": 2, "steps": 4, "note": "n"}
        )
        write((line + "\n").encode() * 5000)
    if "strange" in words:
        huge = "1" + "0" * 400
        for stage in ("denoise", "a stage of tomorrow"):
            for eta, step, steps in (("NaN", -3, 4), ("Infinity", 9, 4), (huge, huge, 1), ("-5", 1, -7)):
                numbers = f'"eta_s": {eta}, "step": {step}, "steps": {steps}'
                line = f'{{"type": "progress", "job": "{job}", "stage": "{stage}", {numbers}}}'
                write(line.encode() + b"\n")
        emit("accepted", job=job, spec={"prompt": 5})
        emit("progress", job="nobody", stage="denoise", step=1, steps=1)
    if "broken" in words:
        emit("done", job=job, files={"image": 5}, timings={})
        return
    for step in (2, 3, 4):
        emit("progress", job=job, stage="denoise", step=step, steps=4, eta_s=4.0 - step)
    for stage in ("decode", "write"):
        emit("progress", job=job, stage=stage, step=1, steps=1)
    finish(job, spec, request["out"])


def main() -> None:
    start()
    while True:
        request = next_request()
        if request is None or request["type"] == "shutdown":
            end()
        elif request["type"] == "generate":
            while not inbox.empty():  # a cancel may have come behind it
                waiting.append(inbox.get())
            run(request)
        elif request["type"] == "release":
            emit("released")


if __name__ == "__main__":
    main()
