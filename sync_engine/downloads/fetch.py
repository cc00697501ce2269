# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches a model from the hub: resumes, checks each file, and puts the whole in place at once."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sync_engine.catalog import model_index
from sync_engine.catalog.models import Model, tiny_decoder_of
from sync_engine.catalog.safetensors_header import RefusedWeights, check_weights_file
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.common.progress import Reporter
from sync_engine.downloads import hub, store
from sync_engine.downloads.hub import Source
from sync_engine.downloads.store import File
from sync_engine.interface.wording import Message

SPARE_BYTES = 2**28
"""What a disk must have left beside the model."""


def download(
    model: Model,
    *,
    endpoint: str | None = None,
    allow_unpinned: bool = False,
    only_texts: bool = False,
    on_progress: Callable[[int, int, int], None] = lambda done, total, begun: None,
    check: Callable[[], None] = lambda: None,
) -> Path:
    """Return the folder of a model, fetching what is not on this computer.

    What has been fetched survives an interruption, and the next call goes on from there.

    Args:
        model: a row of the table, or ``models.find`` of a hub id.
        endpoint: address of a mirror; see ``endpoint_in_use``.
        allow_unpinned: whether to fetch the newest revision of a model that has no pin.
        only_texts: leave the weights out: a single-file checkpoint brings its own.
        on_progress: called with (bytes done, bytes in all, bytes that were here before).
        check: called often; may raise to stop.

    Raises:
        ModelNotAvailable: it is not to be had, refused, or there is no space; nothing half is installed.
    """
    if not model.on_hub:
        return Path(model.source)
    here = store.texts_of(model) if only_texts else store.installed(model)
    if here is not None:
        return here
    if hub.offline():
        raise ModelNotAvailable(
            Message(
                "model = {model} is not on this computer, and online access is off.", model=repr(model.name)
            ),
            "Allow online access in Blender's preferences (or unset HF_HUB_OFFLINE), name a local folder, "
            "or use the bundled model 'draft'.",
        )
    if not model.revision and not allow_unpinned:
        raise ModelNotAvailable(
            Message(
                "model = {model} is unpinned: what its owner uploads next would be fetched unseen.",
                model=repr(model.name),
            ),
            Message(
                "Name a revision ({source}@ and the 40 digits of a commit), "
                "or download it with --allow-unpinned if you trust its owner.",
                source=model.source,
            ),
        )
    source = Source(model.name, model.source, model.revision, hub.endpoint_in_use(endpoint))
    source, files = hub.ask(source, check, model.part)
    name = store.texts_name(source.revision) if only_texts else source.revision
    files = [file for file in files if not (only_texts and file.is_weights)]
    partial = store.partial_folder(source.repository, name)
    try:
        _check_space(partial, files, source)
        with _alone(partial, source):
            _fetch_all(source, files, partial, on_progress, check)
            whole = not (only_texts or model.part)
            return _put_in_place(source, files, partial, name, whole)
    except RefusedWeights:
        shutil.rmtree(partial, ignore_errors=True)  # this revision will never be good
        raise
    except OSError as error:
        raise ModelNotAvailable(
            Message(
                "The models folder {root} cannot be written ({reason}).", root=store.root(), reason=error
            ),
            Message("Free some space, or name another folder in {variable}.", variable=store.FOLDER_VARIABLE),
        ) from error


def for_job(
    model: Model,
    reporter: Reporter,
    check: Callable[[], None],
    endpoint: str | None = None,
    allow_unpinned: bool = False,
    only_texts: bool = False,
) -> Path:
    """``download`` for a job that has begun a stage: its steps are megabytes.

    The tiny decoder of the model's family comes with it; where it cannot be had, that is told and no more.
    """

    def on_progress(done: int, total: int, begun: int) -> None:
        reporter.megabytes(done / 1e6, total / 1e6, begun / 1e6)

    options: dict[str, Any] = {"endpoint": endpoint, "on_progress": on_progress, "check": check}
    folder = download(model, allow_unpinned=allow_unpinned, only_texts=only_texts, **options)
    tiny = _tiny_decoder_of(model, folder) if model.on_hub and not only_texts else None
    if tiny is not None:
        try:
            download(tiny, **options)
        except ModelNotAvailable as error:
            reporter.note(Message("Previews use the model's own decoder: {reason}", reason=error.message))
    return folder


def _tiny_decoder_of(model: Model, folder: Path) -> Model | None:
    if model.part:
        return None
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    return tiny_decoder_of(model_index.read(index, model.name))


@contextlib.contextmanager
def _alone(partial: Path, source: Source) -> Iterator[None]:
    """Make the partial folder and keep other processes out of it."""
    from filelock import FileLock, Timeout

    partial.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(store.root() / f".{partial.parent.name}{partial.name}.lock", timeout=0):
            yield
    except Timeout as error:
        raise ModelNotAvailable(
            Message("model = {model} is being downloaded by another process.", model=repr(source.model)),
            "Wait until it has finished.",
        ) from error


def _check_space(partial: Path, files: list[File], source: Source) -> None:
    total = sum(file.size for file in files)
    needed = total - sum(_fetched(partial, file) for file in files)
    there = next(folder for folder in partial.parents if folder.exists())
    free = shutil.disk_usage(there).free
    if needed and needed + SPARE_BYTES > free:
        raise ModelNotAvailable(
            Message(
                "model = {model} needs {needed:.1f} GB in {root}, where {free:.1f} GB are free.",
                model=repr(source.model),
                needed=(needed + SPARE_BYTES) / 1e9,
                root=store.root(),
                free=free / 1e9,
            ),
            Message("Free some space, or name another folder in {variable}.", variable=store.FOLDER_VARIABLE),
        )


def _fetched(partial: Path, file: File) -> int:
    """Return how many bytes of a file are here."""
    for path in (partial / file.path, _part(partial, file)):
        if path.is_file():
            return min(path.stat().st_size, file.size)
    return 0


def _part(partial: Path, file: File) -> Path:
    return partial / f"{file.path}.part"


def _fetch_all(
    source: Source,
    files: list[File],
    partial: Path,
    on_progress: Callable[[int, int, int], None],
    check: Callable[[], None],
) -> None:
    total = sum(file.size for file in files)
    begun = sum(_fetched(partial, file) for file in files)
    on_progress(begun, total, begun)
    for file in files:
        others = sum(_fetched(partial, other) for other in files if other is not file)

        def on_bytes(done: int, others: int = others) -> None:
            check()
            on_progress(others + done, total, begun)

        _fetch(source, file, partial, on_bytes, check)


def _fetch(
    source: Source, file: File, partial: Path, on_bytes: Callable[[int], None], check: Callable[[], None]
) -> None:
    """Fetch one file, check it, and give it its name."""
    target, part = partial / file.path, _part(partial, file)
    if target.is_file() and target.stat().st_size == file.size:
        return
    part.parent.mkdir(parents=True, exist_ok=True)
    hub.with_patience(
        lambda: hub.stream(source, file, part, on_bytes), source, check, lambda: _fetched(partial, file)
    )
    if not store.content_matches(part, file, check):
        part.unlink()
        raise ModelNotAvailable(
            Message(
                "{file} of {repository} arrived with other content than announced.",
                file=file.path,
                repository=source.repository,
            ),
            "Try again; if it comes back, use another endpoint.",
        )
    if file.is_weights:
        check_weights_file(part)
    os.replace(part, target)


def _put_in_place(source: Source, files: list[File], partial: Path, name: str, whole: bool) -> Path:
    missing = store.missing_parts(partial) if whole else []
    if missing:
        raise ModelNotAvailable(
            Message(
                "{repository} is not whole: {missing} are not in the repository.",
                repository=source.repository,
                missing=", ".join(missing),
            ),
            "Use another model.",
        )
    folder = partial.with_name(name)
    store.write_manifest(partial, source.repository, source.revision, files)
    shutil.rmtree(folder, ignore_errors=True)  # without a manifest it would not have been found
    os.replace(partial, folder)
    return folder
