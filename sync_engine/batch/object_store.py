# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of a batch in object storage, by fsspec: files first, then the marker that makes them count.

    URL/<identity>/        the files of a result
    URL/done/<identity>    its marker, empty, written last
    URL/failed/<identity>/ the logs of failed attempts
    URL/plan-….jsonl       the checked plan, for workers elsewhere
    URL/batch.json, contact*.html

Such storage has no rename and no locks. Claims, signs of life and counted attempts lie in a folder of this
machine, so workers of different machines may make a job twice, with the same pixels: the first marker stays.
fsspec is imported here only (https://filesystem-spec.readthedocs.io).
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sync_engine.batch.shared_folder import STALE_AFTER_S, SharedFolder
from sync_engine.common.errors import EngineError, OutputError, first_line
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.wording import Message

DONE, FAILED = "done", "failed"
_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_url(out: Path | str) -> bool:
    """Whether ``--out`` names object storage and not a folder."""
    return isinstance(out, str) and _URL.match(out) is not None


def local_folder(url: str) -> Path:
    """Return the folder of this machine for the claims and the logs of a batch in object storage."""
    return Path(tempfile.gettempdir()) / f"syncscape-batch-{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def open_results(out: Path | str, stale_after_s: float = STALE_AFTER_S, worker: str = "") -> SharedFolder:
    """Return one worker's view of a folder, or of object storage."""
    if isinstance(out, str) and is_url(out):
        return StoredResults(out, stale_after_s, worker)
    return SharedFolder(Path(out), stale_after_s, worker)


def file_system(url: str) -> tuple[Any, str]:
    """Return fsspec's file system of a URL and the path in it; EngineError if it cannot be used."""
    try:
        import fsspec.core
    except ImportError as error:
        raise EngineError(
            FailureCode.ENGINE_MISSING,
            Message("The engine's Python has no fsspec, which out = {url} needs.", url=repr(url)),
            "Install sync_engine/requirements/storage.txt into it.",
        ) from error
    options = {"auto_mkdir": True} if url.startswith("file:") else {}
    try:
        return fsspec.core.url_to_fs(url.rstrip("/"), **options)
    except (ImportError, ValueError, OSError) as error:
        raise EngineError(
            FailureCode.OUTPUT,
            Message("out = {url} cannot be used ({reason}).", url=repr(url), reason=first_line(error)),
            "Install what fsspec wants for it (s3fs, gcsfs, adlfs); check the address and the credentials.",
        ) from error


class StoredResults(SharedFolder):
    """A shared folder of this machine whose results are in object storage.

    Args:
        url: of the results, such as ``s3://bucket/worlds``.
        stale_after_s, worker: as the folder's.
    """

    def __init__(self, url: str, stale_after_s: float = STALE_AFTER_S, worker: str = "") -> None:
        self._fs, self._root = file_system(url)
        super().__init__(local_folder(url), stale_after_s, worker)
        self.address = url

    def results(self) -> set[str]:
        """Return the names of all results: one listing of the markers."""
        place = f"{self._root}/{DONE}"
        self._fs.invalidate_cache(place)
        with contextlib.suppress(FileNotFoundError):
            return {str(path).rstrip("/").rpartition("/")[2] for path in self._fs.ls(place, detail=False)}
        return set()

    def has(self, identity: str) -> bool:
        """Whether a job's marker is there."""
        place = f"{self._root}/{DONE}/{identity}"
        self._fs.invalidate_cache(f"{self._root}/{DONE}")
        return bool(self._fs.exists(place))

    def publish(self, identity: str, made: Path) -> bool:
        """Upload a result, its marker last; False (and it is dropped) if another was quicker."""
        first = not self.has(identity)
        if first:
            for file in sorted(made.iterdir()):
                self._upload(file, f"{identity}/{file.name}")
            marker = made / DONE
            marker.touch()
            self._upload(marker, f"{DONE}/{identity}")
        shutil.rmtree(made, ignore_errors=True)
        return first

    def fail(self, identity: str, log: str) -> int:
        """Keep the log of a failed attempt here and there; return how many have failed on this machine."""
        number = super().fail(identity, log)
        newest = self.logs(identity)[-1]
        self._upload(newest, f"{FAILED}/{identity}/{newest.name}")
        return number

    def share(self, files: Iterable[Path]) -> None:
        """Upload the plan or the report."""
        for file in files:
            self._upload(file, file.name)

    def plan(self, path: Path) -> Path:
        """Return the plan of the batch on this machine, fetched if it is not there."""
        if not path.exists():
            path = self.hidden / path.name
            if not path.exists():
                part = path.with_name(f".{path.name}.{self.worker}.part")
                self._fs.get_file(f"{self._root}/{path.name}", str(part))
                part.replace(path)
        return path

    def _upload(self, file: Path, name: str) -> None:
        try:
            self._fs.put_file(str(file), f"{self._root}/{name}")
        except OSError as error:  # the storage's fault, not the job's
            raise OutputError(
                Message(
                    "out = {address} cannot be written ({reason}).",
                    address=repr(self.address),
                    reason=first_line(error),
                ),
                "Check the connection and the credentials, and start the batch again.",
            ) from error
