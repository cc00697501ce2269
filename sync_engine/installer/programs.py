# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the programs that build an environment: watched, logged, and ended when someone cancels."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ..interface.wording import Message
from .problems import SETTINGS, SetupFailed, explain

LOOK_S = 0.2
"""How often a running program is looked at: a cancel takes so long."""
NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""On Windows a console program opens a black window otherwise."""


def run(
    step: str,
    command: list[str],
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    look: Callable[[list[str]], None],
    limit_s: float | None = None,
) -> str:
    """Run a program to its end and return what it wrote.

    Args:
        step: what it does, in the words of ``states.STAGES``, for the message of a failure.
        command, environment, folder: of the program; its environment is that and nothing more.
        log: what it writes is added to this file.
        look: called a few times a second with the lines so far; what it raises ends the program.
        limit_s: more seconds than that, and it is ended.

    Raises:
        SetupFailed: it failed or cannot be run; in words.
    """
    started = time.monotonic()
    with open(log, "ab") as file:
        begin = file.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=dict(environment),
            cwd=folder,
            creationflags=NO_WINDOW,
            start_new_session=os.name == "posix",  # Ctrl-C in the terminal is for Blender
        )
        try:
            while process.poll() is None:
                look(_read(log, begin).splitlines())
                if limit_s is not None and time.monotonic() - started > limit_s:
                    raise SetupFailed(
                        Message(
                            "{step} failed: no answer in {seconds:g} s.", step=Message(step), seconds=limit_s
                        ),
                        "Press Resume to try again.",
                    )
                time.sleep(LOOK_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    text = _read(log, begin)
    if process.returncode != 0:
        raise explain(step, process.returncode, text.splitlines()[-30:])
    return text


class UsedSpace:
    """How much a folder's disk has filled since now: one cheap question, whatever the folder holds.

    Args:
        already: what counts as used from the beginning, in bytes.
    """

    def __init__(self, folder: Path, already: int) -> None:
        self._folder = folder
        self._free = shutil.disk_usage(folder).free + already

    def now(self) -> int:
        """Return the bytes used, never negative."""
        return max(0, self._free - shutil.disk_usage(self._folder).free)


def python_version(program: str) -> str:
    """Return the version of a Python, such as ``3.11``. Raises SetupFailed if it is none."""
    if program == sys.executable:
        return "{}.{}".format(*sys.version_info)
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    command = [program, "-I", "-S", "-c", code]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, creationflags=NO_WINDOW)
        version = done.stdout.strip()
    except (OSError, ValueError, subprocess.TimeoutExpired):
        version = ""
    if not version.startswith("3."):
        raise SetupFailed(
            Message("The Python {program} cannot be run.", program=program),
            Message(
                "Leave Base Python empty in {setting} to use Blender's own, or name another.",
                setting=SETTINGS,
            ),
        )
    return version


def _read(log: Path, begin: int) -> str:
    with open(log, "rb") as file:
        file.seek(begin)
        return file.read().decode("utf-8", "replace")
