# SPDX-License-Identifier: GPL-3.0-or-later
"""What came out of a batch: ``batch.json`` for programs, contact sheets for people."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sync_engine.batch import contact_sheet
from sync_engine.batch.plan import Plan
from sync_engine.batch.shared_folder import ATTEMPTS, SharedFolder

NAME = "batch.json"
WRITE_SHARE = 0.02
"""Writing the report may take this share of the time."""
SHORTEST_S = 5.0


@dataclass(frozen=True)
class Entry:
    """One job in the report.

    Attributes:
        identity: of the job.
        state: ``done``, ``failed`` (set aside after its last attempt) or ``waiting`` (also while it runs).
        folder: of the result, relative to the report; None if there is none.
        error: what the last attempt said, also of a job that will be tried again; None without one.
        spec: the plain fields of the job's spec.
        log: of the last failed attempt, relative to the report; None without one.
    """

    identity: str
    state: str
    folder: str | None
    error: str | None
    spec: dict[str, Any]
    log: str | None


class Report:
    """Writes the report of a plan's jobs, as the folder says they are."""

    def __init__(self, plan: Plan, folder: SharedFolder) -> None:
        self._plan, self._folder = plan, folder
        self._errors: dict[tuple[str, int], tuple[str, str]] = {}
        self._written_at, self._cost_s = time.monotonic(), 0.0

    def write_now_and_then(self) -> None:
        """Write, if the last time is long enough ago by what it took."""
        if time.monotonic() - self._written_at >= max(SHORTEST_S, self._cost_s / WRITE_SHARE):
            self.write()

    def write(self) -> None:
        """Write ``batch.json`` and the contact sheets, each whole or not at all."""
        begin = time.monotonic()
        done, attempts = self._folder.results(), self._folder.attempts()
        write_json_list(self._folder.out / NAME, (_plain(entry) for entry in self.entries(done, attempts)))
        counts = self._counts(done, attempts)
        entries = self.entries(done, attempts)
        pages = max(1, -(-len(self._plan) // contact_sheet.PER_PAGE))
        for page in range(1, pages + 1):
            text = contact_sheet.page(islice(entries, contact_sheet.PER_PAGE), page, pages, counts)
            _replace(self._folder.out / contact_sheet.name(page), text)
        self._folder.share(
            self._folder.out / name for name in [NAME, *map(contact_sheet.name, range(1, pages + 1))]
        )
        self._written_at = time.monotonic()
        self._cost_s = self._written_at - begin

    def entries(self, done: set[str], attempts: dict[str, int]) -> Iterator[Entry]:
        """Yield the jobs in the order of the plan."""
        for identity, spec in self._plan.fields():
            tries = attempts.get(identity, 0)
            if identity in done:
                yield Entry(identity, "done", identity, None, spec, None)
            else:
                error, log = self._error(identity, tries) if tries else (None, None)
                yield Entry(identity, "failed" if tries >= ATTEMPTS else "waiting", None, error, spec, log)

    def _error(self, identity: str, tries: int) -> tuple[str, str]:
        key = (identity, tries)
        if key not in self._errors:
            log = self._folder.logs(identity)[-1]
            self._errors[key] = (self._folder.error(identity), log.relative_to(self._folder.out).as_posix())
        return self._errors[key]

    def _counts(self, done: set[str], attempts: dict[str, int]) -> dict[str, int]:
        made = sum(1 for identity in self._plan.identities if identity in done)
        failed = sum(
            1 for key in self._plan.identities if key not in done and attempts.get(key, 0) >= ATTEMPTS
        )
        return {"done": made, "failed": failed, "waiting": len(self._plan) - made - failed}


def _plain(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in ("identity", "state", "folder", "error")}


def write_json_list(path: Path, items: Iterator[dict[str, Any]]) -> None:
    """Write a JSON list, one item a line, whole or not at all; it is never in memory as a whole."""
    part = _part(path)
    with part.open("w", encoding="utf-8") as file:
        separator = "["
        for item in items:
            file.write(f"{separator}\n{json.dumps(item, ensure_ascii=False)}")
            separator = ","
        file.write("\n]\n" if separator == "," else "[]\n")
    os.replace(part, path)


def _replace(path: Path, text: str) -> None:
    part = _part(path)
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")
