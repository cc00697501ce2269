# SPDX-License-Identifier: GPL-3.0-or-later
"""Results on disks that are full, written to by two, or without power: before or after, never between."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from sync_engine.common.errors import OutputError
from sync_engine.host.history import ResultError, read_result
from sync_engine.interface.embedded import read_record
from sync_engine.interface.partial_folders import sweep_partials
from sync_engine.interface.picture_files import DamagedPicture, check_picture
from sync_engine.interface.spec import EnvironmentSpec
from tests.dying_jobs import PRELOADED

Trial = Callable[[random.Random, Path], str | None]
IMAGE_MB = 24
PAGE = 4096


def write_result(out: Path, seed: int, kind: str = "plate") -> None:
    """Write a result as a job does, without a model."""
    from sync_engine.runtime import output, results

    height = 128
    noise = np.random.default_rng(seed).random((height, 2 * height, 3)).astype(np.float32)
    spec = EnvironmentSpec("a sea", kind=kind, width=2 * height, height=height, seed=seed, steps=1)
    with output.ResultFolder(out, 1) as folder:
        results.write_pictures(folder.partial, noise, spec)
        output.write_json(folder.partial / "spec.json", {"spec": spec.to_dict(), "id": out.name})
        folder.finish()


def seeds_in(out: Path) -> tuple[int, int]:
    """Return the seed that a result's record tells and the one that its picture tells."""
    result = read_result(out)
    check_picture(result.image)
    return int(result.spec.seed or 0), int(read_record(result.image)["spec"]["seed"])


def is_between(folder: Path, out: Path, allowed: set[int | None]) -> str | None:
    """Return what is wrong with a folder where a result of one of these seeds, or (None) none, may be."""
    stray = [path.name for path in folder.rglob("*") if path.name.startswith(".")]
    if stray:
        return f"left behind: {stray}"
    try:
        told, shown = seeds_in(out)
    except (ResultError, OSError, DamagedPicture) as error:
        return None if None in allowed else f"no result: {error}"
    return None if told == shown and told in allowed else f"record {told} beside picture {shown}"


# --- a full disk ----------------------------------------------------------------------------


def full_at_call(number: int, old: bool, folder: Path) -> str | None:
    """The call of this number, of those that change the disk, finds no space."""
    out = folder / "out"
    if old:
        write_result(out, 1)
    left = number + 1
    calls = {os: ("fsync", "replace", "open", "mkdir"), Path: ("write_text",)}
    originals = {(owner, name): getattr(owner, name) for owner, names in calls.items() for name in names}

    def failing(original: Callable) -> Callable:
        def call(*args: object, **kwargs: object) -> object:
            nonlocal left
            if original is originals[os, "open"] and not int(args[1]) & os.O_CREAT:  # type: ignore[call-overload]
                return original(*args, **kwargs)
            left -= 1
            if left == 0:
                raise OSError(28, "No space left on device")
            return original(*args, **kwargs)

        return call

    failed = False
    try:
        for (owner, name), original in originals.items():
            setattr(owner, name, failing(original))
        write_result(out, 2, "world" if number % 2 else "plate")
    except (OSError, OutputError):  # anything else ends the trials: it is a fault of its own
        failed = True
    finally:
        for (owner, name), original in originals.items():
            setattr(owner, name, original)
    return is_between(folder, out, {2} if not failed else {1, 2, None} if old else {2, None})


CALLS = 40
"""More than a result has; those beyond its last succeed."""


def full_disk(chance: random.Random, folder: Path) -> str | None:
    """Every call in its turn fails for want of space, in an empty folder and over an older result."""
    for number in range(CALLS):
        for old in (False, True):
            place = folder / f"{number}-{old}"
            place.mkdir()
            wrong = full_at_call(number, old, place)
            if wrong is not None:
                return f"call {number}, {old=}: {wrong}"
    return None


def full_file_system(chance: random.Random, folder: Path) -> str | None:
    """A file system with room for so many pages more: every place where a real write can end."""
    kind, old = chance.choice(("world", "plate")), chance.random() < 0.5
    with mounted("tmpfs", "none", folder, "size=4m"):
        out = folder / "out"
        if old:
            write_result(out, 1, kind)
        for pages in range(1, 400):
            used = PAGE * (shutil.disk_usage(folder).used // PAGE + pages)
            _run("mount", "-o", f"remount,size={used}", str(folder))
            try:
                write_result(out, 2, kind)
            except (OSError, OutputError):
                wrong = is_between(folder, out, {1, None} if old else {None})
                if wrong is not None:
                    return f"{pages} pages free: {wrong}"
                continue
            return is_between(folder, out, {2})
    return "it never had enough space"


# --- two writers ----------------------------------------------------------------------------


def two_writers(chance: random.Random, folder: Path) -> str | None:
    """Two processes write one folder: what is there in the end is one of the two, whole."""
    out = folder / "out"
    if chance.random() < 0.5:
        write_result(out, 9)
    children = []
    for seed in (1, 2):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                write_result(out, seed)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return f"ended with {ends}" if any(ends) else is_between(folder, out, {1, 2})


# --- power cuts -----------------------------------------------------------------------------


def power_cut(chance: random.Random, folder: Path, synced: bool = True) -> str | None:
    """The power goes while results are written to a disk of its own: what was told as done is there.

    The disk is a file behind a loop device; its copy at a moment is what a disk has after a cut. Without
    ``synced`` nothing is ever synced, which must show.
    """
    image, mount, after = folder / "disk", folder / "mount", folder / "after"
    for place in (mount, after):
        place.mkdir()
    with image.open("wb") as file:
        file.truncate(IMAGE_MB << 20)
    _run("mkfs.ext4", "-q", "-F", str(image))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    here, there = context.Pipe(duplex=False)
    done: list[tuple[str, int]] = []
    with mounted("ext4", str(image), mount, "loop"):
        writer = context.Process(target=_write_on_and_on, args=(mount, there, synced))
        writer.start()
        there.close()
        try:
            done.append(here.recv())  # it has begun
            end = time.monotonic() + chance.random() * chance.choice((0.1, 0.5, 2.0))
            with contextlib.suppress(EOFError):  # it has written everything
                while here.poll(max(0.0, end - time.monotonic())):
                    done.append(here.recv())
            copied = _copy_at_once(image, folder / "copy")
        finally:
            writer.kill()
            writer.join()
            here.close()
    if not copied:
        return "the disk never held still"
    with mounted("ext4", str(folder / "copy"), after, "loop"):
        return _look_after(after, done)


def _look_after(disk: Path, done: list[tuple[str, int]]) -> str | None:
    last = dict(done)
    for name, seed in last.items():
        try:
            told, shown = seeds_in(disk / name)
        except (ResultError, OSError, DamagedPicture) as error:
            return f"{name}, seed {seed}, was done and is lost: {error}"
        if told != shown or told < seed:
            return f"{name} was done with seed {seed}: record {told}, picture {shown}"
    for lock in disk.glob(".*.partial/lock"):
        os.utime(lock, (1.0, 1.0))  # some minutes later
    sweep_partials(disk, older_than_s=-1.0)
    for path in sorted(disk.iterdir()):
        if path.name.startswith("."):
            return f"{path.name} is left"
        if path.name in last or path.name == "lost+found":
            continue
        told, shown = seeds_in(path)  # not told, but there: whole
        if told != shown:
            return f"{path.name}: record {told}, picture {shown}"
    return None


def _write_on_and_on(disk: Path, told: Connection, synced: bool) -> None:
    if not synced:
        os.fsync = lambda descriptor: None  # type: ignore[assignment]
    for seed in range(1, 60):
        name = f"r{seed}" if seed % 3 else "again"
        write_result(disk / name, seed)
        told.send((name, seed))
    told.close()
    time.sleep(60)


def _copy_at_once(image: Path, copy: Path) -> bool:
    """Copy a disk while nothing is written to it; tell whether there was such a moment."""
    for _ in range(200):
        before = image.stat().st_mtime_ns
        data = image.read_bytes()
        if image.stat().st_mtime_ns == before:
            copy.write_bytes(data)
            return True
    return False


# --- mounting -------------------------------------------------------------------------------


def can_mount(folder: Path) -> str:
    """Return why nothing can be mounted here, or an empty text."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "only root mounts"
    for tool in ("mount", "umount", "mkfs.ext4", "losetup"):
        if shutil.which(tool) is None:
            return f"there is no {tool}"
    try:
        with mounted("tmpfs", "none", folder, "size=64k"):
            pass
        return (
            "" if subprocess.run(["losetup", "-f"], capture_output=True).returncode == 0 else "no loop device"
        )
    except OSError as error:
        return str(error)


@contextlib.contextmanager
def mounted(kind: str, device: str, place: Path, options: str) -> Iterator[None]:
    """Mount a file system for a while; OSError where that is not possible."""
    _run("mount", "-t", kind, "-o", options, device, str(place))
    try:
        yield
    finally:
        _run("umount", "-l", str(place))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
