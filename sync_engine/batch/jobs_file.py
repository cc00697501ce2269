# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a file of jobs: JSON lines, CSV, or a matrix in TOML; every job knows the line that it is from."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import math
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from sync_engine.common.errors import EngineError
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.interface.wording import Message

MOST_JOBS = 10_000_000
"""A matrix with more combinations is refused."""
_SIZE = re.compile(r"(\d+)\s*[x×]\s*(\d+)")
_TYPES = {field.name: str(field.type) for field in dataclasses.fields(EnvironmentSpec)}


class JobsFileError(EngineError):
    """A file of jobs cannot be used; the message names the lines."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(FailureCode.BAD_SPEC, message, hint)


class BadLine(ValueError):
    """One line of a file of jobs cannot be read.

    Attributes:
        problem: why.
    """

    def __init__(self, problem: Message) -> None:
        self.problem = problem
        super().__init__(problem)


@dataclasses.dataclass(frozen=True)
class Row:
    """One job as it stands in the file.

    Attributes:
        line: number of its line, from 1.
        fields: of an EnvironmentSpec, not checked yet.
        problem: why the line cannot be read; empty where it can.
    """

    line: int
    fields: dict[str, Any]
    problem: str = ""


def read(path: Path) -> Iterator[Row]:
    """Yield the jobs of a ``.jsonl``, ``.csv`` or ``.toml`` file, one by one.

    Raises:
        JobsFileError: the file cannot be read as a whole, or is of another kind. What is wrong with one line
            is told in its row.
    """
    readers = {".jsonl": _json_lines, ".ndjson": _json_lines, ".csv": _csv, ".toml": _matrix}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise JobsFileError(
            Message("jobs = {name} is of no kind that can be read.", name=repr(path.name)),
            "Name a .jsonl, .csv or .toml file.",
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from reader(file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise JobsFileError(
            Message("jobs = {path} cannot be read ({reason}).", path=repr(str(path)), reason=error),
            "Name a readable file in UTF-8.",
        ) from error


def _json_lines(file: TextIO) -> Iterator[Row]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Row(number, {}, Message("not JSON ({reason})", reason=error))
            continue
        if isinstance(fields, dict):
            yield Row(number, fields)
        else:
            yield Row(number, {}, 'not a JSON object such as {"prompt": "…"}')


def _csv(file: TextIO) -> Iterator[Row]:
    rows = csv.reader(file)
    names = [name.strip() for name in next(rows, [])]
    begin = rows.line_num + 1
    for cells in rows:
        line, begin = begin, rows.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(names):
            yield Row(
                line,
                {},
                Message(
                    "{cells} cells, but the first line names {fields} fields",
                    cells=len(cells),
                    fields=len(names),
                ),
            )
            continue
        try:
            pairs = zip(names, cells, strict=False)
            yield Row(line, {name: _value(name, cell) for name, cell in pairs if cell.strip()})
        except BadLine as error:
            yield Row(line, {}, error.problem)


def _value(name: str, text: str) -> Any:
    """Return a cell as its field's type; lists are written as JSON or with semicolons between."""
    kind = _TYPES.get(name, "str")
    if kind.startswith("str"):
        return text
    text = text.strip()
    if kind.startswith("bool") and text.lower() in ("true", "false", "1", "0"):
        return text.lower() in ("true", "1")
    if kind.startswith("tuple[str") and not text.startswith("["):
        return [part.strip() for part in text.split(";") if part.strip()]
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadLine(
            Message(
                "{name} = {value}: not of its kind, {kind}",
                name=name,
                value=repr(text[:60]),
                kind=kind.split(" |")[0],
            )
        ) from error


def _matrix(file: TextIO) -> Iterator[Row]:
    text = file.read()
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:  # its words name the line
        raise JobsFileError(
            Message("jobs = {name} is not TOML ({reason}).", name=repr(file.name), reason=error),
            "Check that line.",
        ) from error
    lines = text.splitlines()
    unknown = sorted(data.keys() - {"fields", "matrix"})
    if unknown:
        line = _line_of(lines, unknown[0])
        yield Row(line, {}, Message("{name} is neither [fields] nor [matrix]", name=unknown[0]))
        return
    matrix = data.get("matrix", {})
    tables = matrix if isinstance(matrix, list) else [matrix]
    heads = [number for number, line in enumerate(lines, 1) if re.match(r"\s*\[\[?\s*matrix\s*\]", line)]
    for table, head in itertools.zip_longest(tables, heads, fillvalue=1):
        yield from _combinations(data.get("fields", {}), table, lines, int(head))


def _combinations(fields: Any, table: Any, lines: list[str], head: int) -> Iterator[Row]:
    if not isinstance(fields, dict) or not isinstance(table, dict):
        yield Row(head, {}, "[fields] and [matrix] are tables of fields")
        return
    axes: list[list[tuple[int, dict[str, Any]]]] = []
    for name, values in table.items():
        line = _line_of(lines, name, head)
        try:
            settings = [_setting(name, value) for value in _values(name, values)]
        except BadLine as error:
            yield Row(line, {}, error.problem)
            return
        axes.append([(line, setting) for setting in settings])
    if math.prod(map(len, axes)) > MOST_JOBS:
        yield Row(head, {}, Message("more than {most} combinations", most=MOST_JOBS))
        return
    for chosen in itertools.product(*axes):
        merged = dict(fields)
        for _line, setting in chosen:
            merged |= setting
        yield Row(min((line for line, _ in chosen), default=head), merged)


def _values(name: str, given: Any) -> list[Any]:
    """Return the values of one axis: a list, or ``{first, count}`` for consecutive whole numbers."""
    if isinstance(given, dict) and given.keys() == {"first", "count"}:
        first, count = given["first"], given["count"]
        if isinstance(first, int) and isinstance(count, int) and 0 < count <= MOST_JOBS:
            return list(range(first, first + count))
    if not isinstance(given, list) or not given:
        raise BadLine(
            Message(
                "{name}: not a list of values, nor {example}", name=name, example="{first = 1, count = 100}"
            )
        )
    return given


def _setting(name: str, value: Any) -> dict[str, Any]:
    """Return the fields that one value of an axis stands for; ``size`` is a width and a height."""
    if name != "size":
        return {name: value}
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise BadLine(Message("size = {value}: not a size such as '1024x512'", value=repr(value)))
    return {"width": int(found[1]), "height": int(found[2])}


def _line_of(lines: list[str], key: str, start: int = 1) -> int:
    """Return the number of the first line from ``start`` on that sets a key or begins its table."""
    wanted = re.compile(rf'\s*(\[\[?\s*)?"?{re.escape(key)}"?\s*[=\].]')
    found = (number for number, line in enumerate(lines, 1) if number >= start and wanted.match(line))
    return next(found, start)
