# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a batch: every job of a checked file, resolved, with its identity; one line of a file each."""

from __future__ import annotations

import hashlib
import io
import json
import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sync_engine.batch import identity
from sync_engine.batch.jobs_file import JobsFileError, read
from sync_engine.common.errors import EngineError
from sync_engine.interface.spec import EnvironmentSpec, SpecError
from sync_engine.interface.wording import Message, as_message, joined

MOST_ERRORS = 20
"""So many bad lines are named; more are counted."""


@dataclass(frozen=True)
class Job:
    """One job of a plan: its identity, and its resolved spec with its seed."""

    identity: str
    spec: EnvironmentSpec


class Plan:
    """The jobs of a plan file. Identities and places are held in memory (150 bytes a job), specs on disk.

    Args:
        path: a plan file that ``write_plan`` made.

    Attributes:
        identities: of all jobs, in the order of the file.
        groups: by job, the number of its group; one loaded model makes all jobs of a group.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identities: list[str] = []
        self.groups = array("I")
        self._offsets = array("Q")
        numbers: dict[str, int] = {}
        try:
            self._file = path.open("rb")
            offset = 0
            for line in self._file:
                head = json.loads(line)
                self._offsets.append(offset)
                offset += len(line)
                self.identities.append(head["identity"])
                self.groups.append(numbers.setdefault(head["group"], len(numbers)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JobsFileError(
                Message("plan = {path} cannot be read ({reason}).", path=repr(str(path)), reason=error),
                "Start the batch from its jobs again.",
            ) from error

    def __len__(self) -> int:
        return len(self.identities)

    def __getitem__(self, number: int) -> Job:
        self._file.seek(self._offsets[number])
        data = json.loads(self._file.readline())
        return Job(data["identity"], EnvironmentSpec.from_dict(data["spec"]))

    def by_group(self) -> list[int]:
        """Return the numbers of all jobs, those of one group together, else in their order."""
        return sorted(range(len(self)), key=self.groups.__getitem__)

    def fields(self) -> Iterator[tuple[str, dict]]:
        """Yield every job's identity and the plain fields of its spec, in the order of the file."""
        with self.path.open("rb") as file:
            for line in file:
                data = json.loads(line)
                yield data["identity"], data["spec"]


def write_plan(jobs: Path, folder: Path, note: Callable[[str], None] = lambda text: None) -> Path:
    """Check a whole file of jobs and write its plan; return the plan's path.

    Args:
        jobs: JSON lines, CSV, or a TOML matrix.
        folder: where the plan goes, by the name of its content; nothing is written for a file with an error.
        note: told how many jobs are there twice.

    Raises:
        JobsFileError: names the lines that cannot be used.
    """
    lines = io.BytesIO()
    errors, seen, twice = [], set(), 0
    without_seed: Counter[str] = Counter()
    for row in read(jobs):
        try:
            job = _job(row.fields, without_seed, jobs.parent) if not row.problem else None
        except (SpecError, EngineError) as error:
            remedy = error.remedy if isinstance(error, SpecError) else error.hint
            errors.append((row.line, joined(error.message, remedy)))
            continue
        if job is None:
            errors.append((row.line, row.problem))
        elif job.identity in seen:
            twice += 1
        else:
            seen.add(job.identity)
            data = {"identity": job.identity, "group": _group(job), "spec": job.spec.to_dict()}
            lines.write(json.dumps(data, separators=(",", ":")).encode() + b"\n")
    if errors:
        raise JobsFileError(_in_words(jobs, errors), "Mend these lines; no job has been started.")
    if not seen:
        raise JobsFileError(
            Message("jobs = {jobs} has no jobs.", jobs=repr(str(jobs))), "Write one job a line."
        )
    if twice:
        note(Message("{twice} jobs are in the file more than once; each is made once.", twice=twice))
    return _store(lines.getbuffer(), folder)


def _job(fields: dict, without_seed: Counter[str], beside: Path) -> Job:
    spec = identity.resolved(EnvironmentSpec.from_dict(fields), beside)
    if spec.seed is None:
        key = identity.identity_of(spec)
        spec = identity.with_settled_seed(spec, without_seed[key])
        without_seed[key] += 1
    return Job(identity.identity_of(spec), spec)


def _group(job: Job) -> str:
    return hashlib.sha256(identity.group_of(job.spec).encode()).hexdigest()[:8]


def _in_words(jobs: Path, errors: list[tuple[int, str]]) -> Message:
    one = len(errors) == 1
    shown = [Message("1 job cannot be used:" if one else "{count} jobs cannot be used:", count=len(errors))]
    shown += [
        Message("{file}, line {line}: {problem}", file=jobs.name, line=line, problem=as_message(text))
        for line, text in errors[:MOST_ERRORS]
    ]
    if len(errors) > MOST_ERRORS:
        shown.append(Message("… and {count} more.", count=len(errors) - MOST_ERRORS))
    return joined(*shown, between="\n")


def _store(content: memoryview, folder: Path) -> Path:
    path = folder / f"plan-{hashlib.sha256(content).hexdigest()[:16]}.jsonl"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        part.write_bytes(content)
        os.replace(part, path)
    return path
