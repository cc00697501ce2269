# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an engine did not start or died, in words: from its exit status and its last log lines."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

from ..interface.messages import FailureCode
from ..interface.wording import Message, joined
from .jobs import Failure

SETTING = Message("Preferences → Syncscape → Engine Python")
PYTHON_HINT = Message(
    "Name a Python 3.11 or newer that has the engine's packages in {setting}.", setting=SETTING
)
AGAIN_HINT = "Generate again: a new engine starts by itself."
MEMORY_HINT = "Systems kill programs that use too much memory: choose a smaller size if it comes back."
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
        problem = Message("The engine's Python {python} does not exist.", python=python)
    elif python.is_dir():
        problem = Message("The engine's Python {python} is a folder, not a Python program.", python=python)
    elif not os.access(python, os.X_OK):
        problem = Message(
            "The engine's Python {python} cannot be run (no program, or no permission to).", python=python
        )
    elif python.name.lower().startswith("blender"):
        problem = Message(
            "The engine's Python {python} is Blender itself, not a Python program.", python=python
        )
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
            Message("The engine's own files are not in {root}.", root=root),
            "Install the Syncscape extension again.",
        )
    if module:
        return missing(
            Message(
                "The engine's Python {python} has no {package}.",
                python=python,
                package=module[1].split(".")[0],
            )
        )
    if _TOO_OLD.search(text):
        return missing(Message("The engine's Python {python} is too old.", python=python))
    for line in reversed(lines):
        if found := _CANNOT_LOAD.match(line):
            return missing(
                Message(
                    "The engine's Python {python} cannot load its packages ({reason}).",
                    python=python,
                    reason=found[2][:200],
                )
            )
    return Failure(
        FailureCode.ENGINE_DIED.value,
        Message(
            "The engine did not start: {python} ended {how}. {words}",
            python=python,
            how=_how(status),
            words=_last_words(lines),
        ),
        Message(
            "If it is not the right Python, name another in {setting}. The log has the details.",
            setting=SETTING,
        ),
    )


def explain_death(status: int, lines: list[str]) -> Failure:
    """Return why a ready engine ended although nobody asked it to."""
    hint = AGAIN_HINT if status != -9 else joined(AGAIN_HINT, MEMORY_HINT)
    message = Message(
        "The engine ended unexpectedly, {how}. {words}", how=_how(status), words=_last_words(lines)
    )
    return Failure(FailureCode.ENGINE_DIED.value, message, hint)


def explain_silence(seconds: float) -> Failure:
    """Return the failure of a job whose engine did not respond and was ended for it."""
    message = Message("The engine did not respond for {seconds:.0f} s and was ended.", seconds=seconds)
    return Failure(FailureCode.ENGINE_DIED.value, message, AGAIN_HINT)


def explain_disobedience(seconds: float) -> Failure:
    """Return why an engine was ended that went on with a cancelled job."""
    message = Message(
        "The engine did not let go of a cancelled job within {seconds:.0f} s and was ended.", seconds=seconds
    )
    return Failure(FailureCode.ENGINE_DIED.value, message, AGAIN_HINT)


def explain_babble(python: str, sample: str) -> Failure:
    """Return the failure of a program that does not speak the protocol."""
    return Failure(
        FailureCode.PROTOCOL.value,
        Message(
            "{python} does not behave like the Syncscape engine: it wrote {sample}.",
            python=python,
            sample=sample,
        ),
        Message("Name another Python in {setting}, or install the extension again.", setting=SETTING),
    )


def explain_version(theirs: int, ours: int) -> Failure:
    """Return the failure of an engine of another version."""
    return Failure(
        FailureCode.PROTOCOL.value,
        Message(
            "The engine speaks version {theirs} of the protocol, this extension version {ours}.",
            theirs=theirs,
            ours=ours,
        ),
        "Install the Syncscape extension again and restart Blender.",
    )


def _how(status: int) -> Message:
    if status >= 0:
        return Message("with exit status {status}", status=status)
    try:
        name = signal.Signals(-status).name
    except ValueError:
        return Message("killed by signal {number}", number=-status)
    return Message("killed by signal {number} ({name})", number=-status, name=name)


def _last_words(lines: list[str]) -> Message:
    for line in reversed(lines):
        text = line.strip()
        if text:
            shown = f"{text[:200]}…" if len(text) > 200 else text
            return Message("Its last words: {words}", words=shown)
    return Message("It left no words in the log.")


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(reversed(list(pattern.finditer(text))), None)
