# SPDX-License-Identifier: GPL-3.0-or-later
"""The system's trash, where it has one: freedesktop.org, macOS and Windows."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

from ..interface.wording import Message

FINDER_TIMEOUT_S = 30.0
_FO_DELETE = 3
_FOF_SILENT, _FOF_NOCONFIRMATION, _FOF_ALLOWUNDO, _FOF_NOERRORUI = 0x4, 0x10, 0x40, 0x400


class TrashError(OSError):
    """The system has no trash for that disk, or refused; nothing was moved.

    Attributes:
        message: why.
    """

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))


def move_to_trash(path: Path) -> None:
    """Move a file or folder to the trash, from where the system's own tools bring it back.

    Raises:
        TrashError: it is still where it was; the text says why.
    """
    path = Path(os.path.abspath(path))
    try:
        if sys.platform == "win32":
            _windows(path)
        elif sys.platform == "darwin":
            _macos(path)
        else:
            _freedesktop(path)
    except TrashError:
        raise
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TrashError(
            Message("{name} cannot be moved to the trash ({reason})", name=path.name, reason=reason)
        ) from error
    if path.exists():
        raise TrashError(Message("{name} cannot be moved to the trash", name=path.name))


def has_trash(path: Path) -> bool:
    """Tell whether a file or folder could be moved to the trash, as far as can be seen beforehand."""
    if sys.platform in ("win32", "darwin"):
        return True
    try:
        return _trash_for(Path(os.path.abspath(path))) is not None
    except OSError:
        return False


def _freedesktop(path: Path) -> None:
    """The Trash specification 1.0: a file in ``files`` and a note of its origin in ``info``."""
    trash = _trash_for(path)
    if trash is None:
        raise TrashError(Message("there is no trash on the disk of {name}", name=path.name))
    for folder in (trash, trash / "files", trash / "info"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    origin = path if trash == _home_trash() else path.relative_to(trash.parent)
    note = f"[Trash Info]\nPath={quote(str(origin))}\nDeletionDate={time.strftime('%Y-%m-%dT%H:%M:%S')}\n"
    for attempt in range(1000):
        name = f"{path.name}.{attempt}" if attempt else path.name
        info = trash / "info" / f"{name}.trashinfo"
        try:
            with info.open("x", encoding="utf-8") as file:  # made first: it reserves the name
                file.write(note)
        except FileExistsError:
            continue
        try:
            os.rename(path, trash / "files" / name)
        except OSError:
            info.unlink()
            raise
        return
    raise TrashError(Message("{trash} has too many files named {name}", trash=trash, name=path.name))


def _home_trash() -> Path:
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share") / "Trash"


def _trash_for(path: Path) -> Path | None:
    """Return the trash on the path's own disk: the user's, or that of the disk's top folder."""
    device = os.lstat(path).st_dev
    home = _home_trash()
    if _existing(home).stat().st_dev == device:
        return home if os.access(_existing(home), os.W_OK) else None
    top = path.parent
    while top.parent != top and top.parent.stat().st_dev == device:
        top = top.parent
    own = top / f".Trash-{os.getuid()}"
    if own.is_symlink():  # the specification forbids it: anybody could have put it there
        return None
    return own if os.access(own if own.is_dir() else top, os.W_OK) else None


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _macos(path: Path) -> None:
    """Ask the Finder, which remembers where it came from."""
    script = 'on run argv\ntell application "Finder" to delete (POSIX file (item 1 of argv))\nend run'
    done = subprocess.run(
        ["osascript", "-e", script, str(path)], capture_output=True, text=True, timeout=FINDER_TIMEOUT_S
    )
    if done.returncode != 0:
        raise TrashError(
            Message(
                "{name} cannot be moved to the trash ({reason})", name=path.name, reason=done.stderr.strip()
            )
        )


def _windows(path: Path) -> None:
    """The shell's own delete, with undo."""
    import ctypes
    from ctypes import wintypes

    class Operation(ctypes.Structure):
        _fields_ = [
            ("hwnd", wintypes.HWND),
            ("wFunc", wintypes.UINT),
            ("pFrom", wintypes.LPCWSTR),
            ("pTo", wintypes.LPCWSTR),
            ("fFlags", ctypes.c_ushort),
            ("fAnyOperationsAborted", wintypes.BOOL),
            ("hNameMappings", ctypes.c_void_p),
            ("lpszProgressTitle", wintypes.LPCWSTR),
        ]

    flags = _FOF_SILENT | _FOF_NOCONFIRMATION | _FOF_ALLOWUNDO | _FOF_NOERRORUI
    operation = Operation(None, _FO_DELETE, f"{path}\0", None, flags, False, None, None)
    status = ctypes.windll.shell32.SHFileOperationW(ctypes.byref(operation))  # type: ignore[attr-defined]
    if status != 0 or operation.fAnyOperationsAborted:
        raise TrashError(
            Message(
                "{name} cannot be moved to the trash (Windows says {status:#x})",
                name=path.name,
                status=status,
            )
        )
