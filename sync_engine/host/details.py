# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bug report needs, and nothing that tells who sends it."""

from __future__ import annotations

import getpass
import os
import platform
import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .secrets_in_text import without_secrets

_HOME = (
    r"(?:^|(?<=[\s'\"=(:,;<\[]))(?:[a-z]:)?(?:[\\/]+(?:mnt|var|export|data|srv|net|usr)(?:[\\/]+[a-z])?)?"
    r"[\\/]+(?:home|users|media|run[\\/]+media|documents and settings)[\\/]+"
)
_NAME = r"(?:[^\\/'\":,;\n]{1,40}(?=[\\/])|[^\\/'\"\s:,;)\]]+)"
HOME_FOLDERS = re.compile(f"(?i)({_HOME}){_NAME}")
"""Anybody's folder on Linux, macOS and Windows, where there may be a drive before and spaces in it."""
SHORTEST_NAME = 3
"""A shorter user or machine name is a part of too many other words."""
LOG_LINES = 40


def without_names(text: str, folders: Mapping[str, str | os.PathLike[str]] | None = None) -> str:
    """Return a text without personal paths, user and machine names, tokens and passwords.

    Args:
        text: anything, a log for example.
        folders: more folders to hide, by the word that stands for them: ``{"library": "/media/me/pics"}``.
    """
    hidden = {str(path): f"<{word}>" for word, path in (folders or {}).items()}
    hidden[str(Path.home())] = "~"
    for path in sorted(hidden, key=len, reverse=True):  # the longest first: it may lie in another
        if len(path) > 1:
            for form in {path, path.replace("\\", "/"), path.replace("\\", "\\\\")}:
                text = text.replace(form, hidden[path])
    text = HOME_FOLDERS.sub(r"\1<user>", text)
    text = without_secrets(text)
    for name, word in ((_user(), "<user>"), (socket.gethostname(), "<machine>")):
        if len(name) >= SHORTEST_NAME:
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", word, text)
    return text


def bug_report(
    versions: Mapping[str, str],
    engine: Mapping[str, Any],
    settings: Mapping[str, Any],
    problem: str,
    log: Iterable[str],
    folders: Mapping[str, str | os.PathLike[str]] | None = None,
) -> str:
    """Return the text that "Copy Details" puts on the clipboard.

    Args:
        versions: of Syncscape, Blender and the like, by name.
        engine: what the engine told about itself; empty if it never ran.
        settings: the fields of the spec that matter; prompts are left out, they are the user's own.
        problem: the last error in words, or empty.
        log: the last lines of the engine's log.
        folders: as for ``without_names``.
    """
    lines = [f"{name} {value}" for name, value in versions.items()]
    lines.append(f"{platform.system()} {platform.release()} {platform.machine()}")
    lines += ["", "Engine"]
    lines += _engine_lines(engine) or ["it did not run"]
    shown = {name: value for name, value in settings.items() if not name.startswith(("prompt", "negative"))}
    lines += [
        "",
        "Settings",
        ", ".join(f"{name} {value}" for name, value in shown.items() if value is not None),
    ]
    lines += ["", "Problem", problem or "none"]
    lines += ["", "Log", *list(log)[-LOG_LINES:]]
    return without_names("\n".join(lines), folders) + "\n"


def _engine_lines(report: Mapping[str, Any]) -> list[str]:
    lines = []
    if report.get("python"):
        lines.append(f"Python {report['python']}")
    packages = report.get("packages") or {}
    if packages:
        lines.append(", ".join(f"{name} {version}" for name, version in packages.items()))
    if report.get("device"):
        memory = report.get("free_memory_gb")
        free = f", {memory} GiB free" if memory is not None else ""
        lines.append(f"{report.get('device_name', '')} ({report['device']}{free})".strip())
    models = report.get("models") or {}
    if models:
        lines.append(", ".join(f"{name}: {state}" for name, state in models.items()))
    return lines + [str(problem) for problem in report.get("problems") or []]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
