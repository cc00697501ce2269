# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder that many processes fill: results by rename, claims that age, failed attempts with their logs.

    DIR/<identity>/                    a result, whole or not there at all
    DIR/.batch/claims/<identity>       who makes a job just now; a hint that keeps others off it
    DIR/.batch/failed/<identity>/*.log what went wrong, one file an attempt
    DIR/.batch/workers/<worker>        touched by a living worker again and again
    DIR/.batch/making/<worker>/        results that are not whole yet

That a result is there once rests on the rename alone: the first wins, whoever comes later drops his own. No
claim has to be given back by whoever took it; one whose worker has not been heard of for a while is void.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from sync_engine.interface.wording import Message

STALE_AFTER_S = 60.0
"""A worker that has not touched its file for so long counts as dead."""
ATTEMPTS = 3
"""A job is retried twice, then set aside."""
HIDDEN = ".batch"
_THERE = (errno.EEXIST, errno.ENOTEMPTY)


class SharedFolder:
    """One worker's view of the folder. Use as a context manager: a worker is alive inside it.

    ``address`` is what another worker opens it by (``object_store.open_results``).

    Args:
        out: the folder of the results, which others may fill too.
        stale_after_s: after how many seconds without a sign a worker counts as dead, the same for all.
            Clocks are not compared between machines: every time is one that the shared disk has written.
    """

    def __init__(self, out: Path, stale_after_s: float = STALE_AFTER_S, worker: str = "") -> None:
        self.out = out.expanduser().absolute()
        self.address: Path | str = self.out
        self.hidden = self.out / HIDDEN
        self.worker = worker or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self._stale_after_s = stale_after_s
        self._claims, self._failed = self.hidden / "claims", self.hidden / "failed"
        self._workers, self._making = self.hidden / "workers", self.hidden / "making"
        self._sign = self._workers / self.worker
        self._ended = threading.Event()
        self._now, self._now_read = 0.0, -1e9

    def __enter__(self) -> SharedFolder:
        for folder in (self._claims, self._failed, self._workers, self._making / self.worker):
            folder.mkdir(parents=True, exist_ok=True)
        self._sign.touch()
        threading.Thread(target=self._give_signs, name="signs of life", daemon=True).start()
        self._sweep()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        shutil.rmtree(self._making / self.worker, ignore_errors=True)
        self._sign.unlink(missing_ok=True)

    # --- what is there -----------------------------------------------------------------------

    def results(self) -> set[str]:
        """Return the names of all results: one listing of the folder, no look into any."""
        with os.scandir(self.out) as entries:
            return {entry.name for entry in entries if not entry.name.startswith(".")}

    def has(self, identity: str) -> bool:
        """Whether a job's result is there."""
        return (self.out / identity).exists()

    def attempts(self) -> dict[str, int]:
        """Return how many attempts have failed, of the jobs that had a failed one."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self._failed) as entries:
            return {entry.name: len(self.logs(entry.name)) for entry in entries}
        return {}

    def logs(self, identity: str) -> list[Path]:
        """Return the logs of a job's failed attempts, the first first."""
        folder = self._failed / identity
        with contextlib.suppress(FileNotFoundError):
            return sorted(folder / name for name in os.listdir(folder) if name.endswith(".log"))
        return []

    def error(self, identity: str) -> str:
        """Return what the last failed attempt says in its first line."""
        logs = self.logs(identity)
        return logs[-1].read_text(encoding="utf-8").partition("\n")[0] if logs else ""

    def others_at_work(self) -> bool:
        """Whether any job is claimed."""
        return any(True for _ in os.scandir(self._claims))

    # --- what a worker does --------------------------------------------------------------------

    def claim(self, identity: str) -> bool:
        """Take a job; False if somebody else has it, it is done, or it is set aside."""
        path = self._claims / identity
        if not self._take(path) and not (self._void(path, identity) and self._take(path)):
            return False
        if self.has(identity) or len(self.logs(identity)) >= ATTEMPTS:
            path.unlink(missing_ok=True)
            return False
        return True

    def give_back(self, identity: str) -> None:
        """End a claim, whatever came of it; one that others have taken over stays."""
        path = self._claims / identity
        with contextlib.suppress(FileNotFoundError):
            if path.read_text(encoding="utf-8") == self.worker:
                path.unlink()

    def place(self, identity: str) -> Path:
        """Return where this worker puts a result together; the folder is not there yet."""
        place = self._making / self.worker / identity
        shutil.rmtree(place, ignore_errors=True)
        return place

    def publish(self, identity: str, made: Path) -> bool:
        """Move a whole result, which the engine has synced, into the folder; False if another was quicker."""
        try:
            os.rename(made, self.out / identity)
        except OSError as error:
            if error.errno not in _THERE:
                raise
            shutil.rmtree(made, ignore_errors=True)
            return False
        return True

    def fail(self, identity: str, log: str) -> int:
        """Keep the log of a failed attempt, its first line the error; return how many have failed so far."""
        folder = self._failed / identity
        folder.mkdir(exist_ok=True)
        number = len(self.logs(identity)) + 1
        part = folder / f".{self.worker}.part"
        part.write_text(log, encoding="utf-8")
        os.replace(part, folder / f"{number}-{self.worker}.log")
        return number

    def declare_dead(self, worker: str) -> None:
        """Say of another worker that it is dead, so that nobody waits for a sign of it."""
        (self._workers / worker).unlink(missing_ok=True)

    def forget_failures(self, identities: set[str]) -> None:
        """Drop the logs of jobs, so that they are tried again."""
        for identity in self.attempts().keys() & identities:
            shutil.rmtree(self._failed / identity, ignore_errors=True)

    def share(self, files: Iterable[Path]) -> None:
        """Give the plan or the report to who looks from elsewhere: in a folder they are there already."""

    def plan(self, path: Path) -> Path:
        """Return where the plan of the batch is for this worker."""
        return path

    # --- who is alive ----------------------------------------------------------------------------

    def _take(self, path: Path) -> bool:
        try:
            with open(path, "x", encoding="utf-8") as file:
                file.write(self.worker)
        except FileExistsError:
            return False
        return True

    def _void(self, path: Path, identity: str) -> bool:
        """Remove a claim whose worker is dead; its attempt counts as failed. False if it lives."""
        try:
            owner = path.read_text(encoding="utf-8")
            # Without a name it is just being written, by a worker that the file does not tell yet.
            last_sign = self._last_sign(owner) if owner else path.stat().st_mtime
        except FileNotFoundError:
            return True  # given back meanwhile
        silent_s = self._disk_time() - last_sign
        if silent_s <= self._stale_after_s:
            return False
        doomed = self._making / self.worker / f"void-{identity}"
        try:
            os.rename(path, doomed)  # of many who find it dead, one gets it
        except FileNotFoundError:
            return True
        if not self.has(identity):
            words = Message(
                "The process that made this job ended, or lost the shared folder ({owner}).",
                owner=owner or "unknown",
            )
            sign = f"No sign of it for {silent_s:.0f} s." if last_sign else "It has signed off."
            self.fail(identity, f"{words}\n{sign}\n")
        doomed.unlink(missing_ok=True)
        return True

    def _last_sign(self, worker: str) -> float:
        """Return when a worker gave its last sign; 0 if it is known to be gone."""
        try:
            return (self._workers / worker).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def _disk_time(self) -> float:
        """Return the time as the shared disk's clock has it, not older than a second."""
        if time.monotonic() - self._now_read > 1:
            self._give_sign()
            self._now, self._now_read = self._last_sign(self.worker), time.monotonic()
        return self._now

    def _give_sign(self) -> None:
        with contextlib.suppress(OSError):  # a disk that is away for a moment; the next sign may arrive
            os.utime(self._sign)

    def _give_signs(self) -> None:
        while not self._ended.wait(self._stale_after_s / 5):
            self._give_sign()

    def _sweep(self) -> None:
        """Remove what dead workers have left half made."""
        for folder in self._making.iterdir():
            if self._disk_time() - self._last_sign(folder.name) > self._stale_after_s:
                shutil.rmtree(folder, ignore_errors=True)
                (self._workers / folder.name).unlink(missing_ok=True)
