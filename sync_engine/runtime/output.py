# SPDX-License-Identifier: GPL-3.0-or-later
"""Results on disk: written into a partial folder, moved into place when whole."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from sync_engine.common.errors import JobCancelled, OutputError
from sync_engine.interface.durable import sync_file, sync_folder, written_beside
from sync_engine.interface.partial_folders import (
    LOCK_NAME,
    FolderLock,
    checkpoint_files,
    folder_alone,
    is_abandoned,
    sweep_partials,
)
from sync_engine.interface.picture_files import DamagedPicture, check_picture
from sync_engine.interface.wording import Message

IMAGE_NAMES = {"world": "world.exr", "plate": "plate.png"}
RECORD_NAME = "spec.json"
PREVIEW_WIDTH = 512


class ResultFolder:
    """The folder of one result while it is being made: unique and locked, so that nobody else touches it.

    Use as a context manager: what was written is removed unless ``finish()`` moved it into place. What
    killed jobs have left is removed at the start, but for a checkpoint of one for the same folder. A job
    that was cancelled, or found no room on the disk, leaves its checkpoint too.

    Args:
        out: the folder that the finished result will be in; a mount point is fine.
        needed_bytes: the size of the result, checked against the free space first.
    """

    def __init__(self, out: Path, needed_bytes: int) -> None:
        self.out = out.expanduser().absolute()
        # Inside a folder that exists: it may be a mount point, where nothing can be moved from beside it.
        self._parent = self.out if self.out.is_dir() else self.out.parent
        self.partial = self._parent / f".{self.out.name}.{os.urandom(4).hex()}.partial"
        self._needed = needed_bytes
        self._lock: FolderLock | None = None

    def __enter__(self) -> ResultFolder:
        if self.out.exists() and not self.out.is_dir():
            raise OutputError(Message("out = {out} is a file.", out=self.out), "Name a folder.")
        try:
            self._parent.mkdir(parents=True, exist_ok=True)
            sweep_partials(self._parent)
            if not self._go_on():
                self.partial.mkdir()
                with contextlib.suppress(OSError):  # a file system without locks
                    self._lock = FolderLock(self.partial)
            free = shutil.disk_usage(self.partial).free
        except OSError as error:
            self._remove()
            raise OutputError(
                Message("out = {out} cannot be written ({reason}).", out=self.out, reason=error),
                "Name another folder.",
            ) from error
        if free < self._needed:
            self._remove()
            raise OutputError(
                Message(
                    "out = {out}: {free} MiB are free, the result needs {needed}.",
                    out=self.out,
                    free=free >> 20,
                    needed=self._needed >> 20,
                ),
                "Free some space or name a folder on another disk.",
            )
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        if isinstance(error, JobCancelled | KeyboardInterrupt | OutputError) and checkpoint_files(
            self.partial
        ):
            self._leave_checkpoint()
        else:
            self._remove()

    def _go_on(self) -> bool:
        """Take over the folder of a job for the same place that died; only its checkpoint stays in it."""
        for folder in interrupted(self.out):
            try:
                self._lock = FolderLock(folder)
            except OSError:
                continue
            self.partial = folder
            self._empty()
            return True
        return False

    def _empty(self) -> None:
        kept = {LOCK_NAME, *(path.name for path in checkpoint_files(self.partial))}
        for file in self.partial.iterdir():
            if file.name not in kept:
                file.unlink()

    def _leave_checkpoint(self) -> None:
        """Leave what another run of the job goes on from: a cancel may be regretted, a full disk emptied."""
        with contextlib.suppress(OSError):
            self._empty()
        if self._lock is not None:
            self._lock.release()

    def _remove(self) -> None:
        if self._lock is not None:
            self._lock.release()
        shutil.rmtree(self.partial, ignore_errors=True)

    def finish(self) -> None:
        """Move the files into place, all of them or (for a new folder) none; on the disk when it returns.

        In a folder with an earlier result its record goes first and the new one comes last: at no moment
        does a record stand beside another job's picture.
        """
        checkpoints = checkpoint_files(self.partial)
        files = sorted(self.partial.iterdir(), key=lambda file: (file.name == RECORD_NAME, file.name))
        files = [file for file in files if file.name != LOCK_NAME and file not in checkpoints]
        for file in files:
            sync_file(file)
        for file in checkpoints:  # only now: until here a killed job can go on
            file.unlink()
        sync_folder(self.partial)
        if not self._become_new():
            with folder_alone(self.out):
                (self.out / RECORD_NAME).unlink(missing_ok=True)
                sync_folder(self.out)
                for file in files:
                    os.replace(file, self.out / file.name)
                sync_folder(self.out)
        sync_folder(self._parent)

    def _become_new(self) -> bool:
        """Rename the partial folder to the result's, unless there is one; tell whether there was none."""
        if self.out.exists():
            return False
        if self._lock is not None and os.name == "nt":
            self._lock.release()  # there a folder with an open file has to keep its name
        try:
            os.replace(self.partial, self.out)
        except OSError:
            if self.out.is_dir():  # another job was quicker
                return False
            raise
        (self.out / LOCK_NAME).unlink(
            missing_ok=True
        )  # now: without it nobody would sweep a dead job's folder
        return True


def interrupted(out: Path) -> list[Path]:
    """Return the partial folders with a checkpoint of dead jobs for a destination, the newest first."""
    out = out.expanduser().absolute()
    parent = out if out.is_dir() else out.parent
    found = parent.glob(f".{glob.escape(out.name)}.*.partial")
    newest = {folder: checkpoint_files(folder)[:1] for folder in found if is_abandoned(folder)}
    left = {folder: files[0].stat().st_mtime for folder, files in newest.items() if files}
    return sorted(left, key=left.__getitem__, reverse=True)


def write_png(path: Path, picture: np.ndarray, texts: dict[str, str] | None = None) -> None:
    """Write sRGB ``(H, W, 3)`` in [0, 1] as an 8-bit PNG with ASCII texts, whole or not at all."""
    pixels = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    part = path.with_name(f".{path.name}.part")
    info = PngImagePlugin.PngInfo()
    for name, text in (texts or {}).items():
        info.add_text(name, text)
    try:
        Image.fromarray(pixels).save(part, format="PNG", compress_level=4, pnginfo=info)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def save_png(path: Path, picture: np.ndarray, texts: dict[str, str] | None = None) -> None:
    """Do what ``write_png`` does, and read the picture back before it takes its name."""
    with written_beside(path) as part:
        write_png(part, picture, texts)
        check_written(part)
        with Image.open(part, formats=["PNG"]) as image:
            _compare(np.asarray(image), np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8))


def check_written(path: Path) -> None:
    """Raise OSError for a picture that is not whole on the disk."""
    try:
        check_picture(path)
    except DamagedPicture as error:
        raise OSError(f"{path.name} was not written whole: {error}") from error


def _compare(read: np.ndarray, written: np.ndarray) -> None:
    if read.shape != written.shape or read.tobytes() != written.tobytes():  # bytes: NaN is not NaN
        raise OSError("what was written reads otherwise: the disk may be failing")


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """Return sRGB ``(H, W, 3)`` reduced to at most 512 pixels of width."""
    height, width = picture.shape[:2]
    if width <= PREVIEW_WIDTH:
        return picture
    size = (PREVIEW_WIDTH, max(1, round(height * PREVIEW_WIDTH / width)))
    image = Image.fromarray(np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS), dtype=np.float32) / 255


def write_exr(path: Path, radiance: np.ndarray, attributes: dict[str, str]) -> None:
    """Write linear Rec.709 ``(H, W, 3)`` as a 32-bit float EXR (ZIP) with text attributes.

    It is written beside, read back and renamed: whole or not at all, an earlier file stays until then.
    32-bit because a sun at noon exceeds the largest half float, 65,504.
    """
    import OpenEXR

    header: dict[str, Any] = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    # Chromaticities of Rec.709 with D65 white, so that other programs know the colour space.
    header["chromaticities"] = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
    header.update(attributes)
    pixels = np.ascontiguousarray(radiance, dtype=np.float32)
    with written_beside(path) as part:
        try:
            with OpenEXR.File(header, {"RGB": pixels}) as file:
                file.write(str(part))
            check_written(part)
            with OpenEXR.File(str(part)) as file:
                _compare(file.channels()["RGB"].pixels, pixels)
        except RuntimeError as error:  # what OpenEXR raises when the disk is full
            raise OSError(str(error)) from error


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write readable JSON."""
    path.write_text(json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n", encoding="utf-8")
