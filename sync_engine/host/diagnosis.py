# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an engine did not start or died, in words: from its exit status and its last log lines."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

from ..interface.messages import FailureCode
from .jobs import Failure

SETTING = "Preferences → Syncscape → Engine Python"
PYTHON_HINT = f"Name a Python 3.11 or newer that has the engine's packages in {SETTING}."
AGAIN_HINT = "Generate again: a new engine starts by itself."
_NO_MODULE = re.compile(r"No module named '?([\w.]+)'?")
_TOO_OLD = re.compile(r"SyntaxError|cannot import name 'StrEnum'|cannot import name 'UTC'")
_CANNOT_LOAD = re.compile(r"^(ImportError|OSError): (.*(?:DLL|shared object|libcu|dlopen).*)")


class EngineFailed(RuntimeError):
    """The engine cannot be used; ``failure`` says why and what to do."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(str(failure))


class EngineMissing(EngineFailed):
    """There is no Python that could run the engine."""


def find_python(given: Path | str) -> Path:
    """Return the Python to run, from a path or a name on PATH; EngineMissing if it cannot be one."""
    text = str(given).strip()
    if not text:
        raise EngineMissing(missing("No Python is named for the engine."))
    on_path = shutil.which(text) if Path(text).name == text else None
    python = Path(on_path or text).expanduser().absolute()  # not resolved: in a venv it is a link
    problem = None
    if not python.exists():
        problem = f"The engine's Python {python} does not exist."
    elif python.is_dir():
        problem = f"The engine's Python {python} is a folder, not a Python program."
    elif not os.access(python, os.X_OK):
        problem = f"The engine's Python {python} cannot be run (no program, or no permission to)."
    elif python.name.lower().startswith("blender"):
        problem = f"The engine's Python {python} is Blender itself, not a Python program."
    if problem is not None:
        raise EngineMissing(missing(problem))
    return python


def missing(message: str) -> Failure:
    """Return the failure of a Python that cannot run the engine."""
    return Failure(FailureCode.ENGINE_MISSING.value, message, PYTHON_HINT)


def explain_start(python: str, root: Path, status: int, lines: list[str]) -> Failure:
    """Return why the engine ended before it was ready.

    Args:
        python: the program that was run.
        root: folder that should hold the package ``sync_engine``.
        status: exit status, negative for a signal.
        lines: the last lines of the log.
    """
    text = "\n".join(lines)
    module = _last(_NO_MODULE, text)
    if module and module[1].split(".")[0] == "sync_engine":
        return Failure(
            FailureCode.ENGINE_MISSING.value,
            f"The engine's own files are not in {root}.",
            "Install the Syncscape extension again.",
        )
    if module:
        return missing(f"The engine's Python {python} has no {module[1].split('.')[0]}.")
    if _TOO_OLD.search(text):
        return missing(f"The engine's Python {python} is too old.")
    for line in reversed(lines):
        if found := _CANNOT_LOAD.match(line):
            return missing(f"The engine's Python {python} cannot load its packages ({found[2][:200]}).")
    return Failure(
        FailureCode.ENGINE_DIED.value,
        f"The engine did not start: {python} ended {_how(status)}.{_last_words(lines)}",
        f"If it is not the right Python, name another in {SETTING}. The log has the details.",
    )


def explain_death(status: int, lines: list[str]) -> Failure:
    """Return why a ready engine ended although nobody asked it to."""
    hint = AGAIN_HINT
    if status == -9:
        hint += " Systems kill programs that use too much memory: choose a smaller size if it comes back."
    message = f"The engine ended unexpectedly, {_how(status)}.{_last_words(lines)}"
    return Failure(FailureCode.ENGINE_DIED.value, message, hint)


def explain_babble(python: str, sample: str) -> Failure:
    """Return the failure of a program that does not speak the protocol."""
    return Failure(
        FailureCode.PROTOCOL.value,
        f"{python} does not behave like the Syncscape engine: it wrote {sample}.",
        f"Name another Python in {SETTING}, or install the extension again.",
    )


def explain_version(theirs: int, ours: int) -> Failure:
    """Return the failure of an engine of another version."""
    return Failure(
        FailureCode.PROTOCOL.value,
        f"The engine speaks version {theirs} of the protocol, this extension version {ours}.",
        "Install the Syncscape extension again and restart Blender.",
    )


def _how(status: int) -> str:
    if status >= 0:
        return f"with exit status {status}"
    try:
        return f"killed by signal {-status} ({signal.Signals(-status).name})"
    except ValueError:
        return f"killed by signal {-status}"


def _last_words(lines: list[str]) -> str:
    for line in reversed(lines):
        if line.strip():
            text = line.strip()
            return f" Its last words: {text[:200]}{'…' if len(text) > 200 else ''}"
    return " It left no words in the log."


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(reversed(list(pattern.finditer(text))), None)
