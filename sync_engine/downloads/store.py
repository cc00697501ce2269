# SPDX-License-Identifier: GPL-3.0-or-later
"""Where fetched models lie: one folder a revision, whole or not there at all.

    <root>/<owner>--<name>/<revision>/         a whole model with its manifest
    <root>/<owner>--<name>/.<revision>.partial what an interrupted download has so far

Copies in the hub's own cache, which other programs share, are used where they are whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sync_engine.catalog.models import Model
from sync_engine.catalog.safetensors_header import check_weights_file
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.interface.wording import Message

FOLDER_VARIABLE = "SYNCSCAPE_MODELS"
MANIFEST = "syncscape.json"
BLOCK_BYTES = 2**22
UNUSED_PARTS = frozenset({"safety_checker", "feature_extractor", "image_encoder"})
"""Parts of a pipeline that Syncscape never loads."""


@dataclass(frozen=True)
class File:
    """A file of a repository: its path, its bytes, and the hash that its content must have.

    ``sha256`` is known of large files, ``blob`` (the SHA-1 of a git blob) of small ones.
    """

    path: str
    size: int
    sha256: str | None = None
    blob: str | None = None

    @property
    def is_weights(self) -> bool:
        """Whether the file has to be a safetensors file."""
        return self.path.endswith(".safetensors")


def root() -> Path:
    """Return the folder of all models: ``SYNCSCAPE_MODELS``, or the system's place for caches."""
    named = os.environ.get(FOLDER_VARIABLE, "").strip()
    if named:
        return Path(named).expanduser().absolute()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "syncscape" / "models"


def model_folder(source: str) -> Path:
    """Return the folder that holds all revisions of a hub id."""
    return root() / source.replace("/", "--")


def partial_folder(source: str, revision: str) -> Path:
    """Return where a download of a revision is put together."""
    return model_folder(source) / f".{revision}.partial"


def revisions(source: str) -> list[Path]:
    """Return the folders of the whole revisions of a hub id, the newest first."""
    found = [manifest.parent for manifest in model_folder(source).glob(f"[0-9a-f]*/{MANIFEST}")]
    return sorted(found, key=lambda folder: folder.stat().st_mtime, reverse=True)


def installed(model: Model) -> Path | None:
    """Return the folder of a hub model that is whole on this computer, or None.

    A pinned model is there only in its pinned revision. What Syncscape fetched itself comes first.
    """
    for folder in revisions(model.source):
        if model.revision in ("", folder.name):
            return folder
    return _in_hub_cache(model)


def texts_of(model: Model) -> Path | None:
    """Return a folder with a hub model's small files (configurations, tokenizers), or None.

    A single-file checkpoint needs no more of its base. Where the base is whole, it is that folder.
    """
    folder = model_folder(model.source) / texts_name(model.revision)
    return installed(model) or (folder if (folder / MANIFEST).is_file() else None)


def texts_name(revision: str) -> str:
    """Return the name of the folder with a revision's small files; no whole model has such a name."""
    return f"texts-{revision}"


def _in_hub_cache(model: Model) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    index = try_to_load_from_cache(model.source, "model_index.json", revision=model.revision or None)
    if not isinstance(index, str):
        return None
    folder = Path(index).parent
    return folder if not missing_parts(folder) else None


def parts_of(index: Any) -> list[str]:
    """Return the parts that a parsed ``model_index.json`` names and Syncscape loads; ValueError if none."""
    if not isinstance(index, dict):
        raise ValueError("not a JSON object")
    parts = [
        name
        for name, value in index.items()
        if isinstance(value, list) and len(value) == 2 and value[1] and name not in UNUSED_PARTS
    ]
    if not parts:
        raise ValueError("it names no parts")
    return parts


def missing_parts(folder: Path) -> list[str]:
    """Return what a diffusers folder lacks: parts without a folder, parts without whole weights.

    Only looks at names and at the shards that an index lists; ``verify`` reads the files.
    """
    try:
        parts = parts_of(json.loads((folder / "model_index.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return ["model_index.json"]
    missing = []
    for part in parts:
        if not (folder / part).is_dir():
            missing.append(part)
        elif (folder / part / "config.json").is_file():  # tokenizers and schedulers have another name
            weights = {file.name for file in (folder / part).glob("*.safetensors")}
            shards = {name for index in (folder / part).glob("*.index*.json") for name in _shards(index)}
            missing += [f"{part}/{name}" for name in sorted(shards - weights)]
            missing += [f"the weights of {part}"] if not weights else []
    return missing


def _shards(index: Path) -> set[str]:
    try:
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return {name for name in names if name.endswith(".safetensors")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {f"what {index.name} lists"}


def write_manifest(folder: Path, source: str, revision: str, files: list[File]) -> None:
    """Write what a folder holds; its presence says that the model is whole."""
    manifest = {"source": source, "revision": revision, "files": [asdict(file) for file in files]}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def read_manifest(folder: Path) -> list[File]:
    """Return the files that a folder must hold; raise ModelNotAvailable."""
    try:
        data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return [File(**entry) for entry in data["files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelNotAvailable(
            Message("{path} cannot be read ({reason}).", path=folder / MANIFEST, reason=error),
            "Remove the model and download it again.",
        ) from error


def verify(folder: Path, check: Callable[[], None] = lambda: None) -> Iterator[tuple[File, str]]:
    """Read a fetched model again; yield each file with what is wrong with it, or an empty text.

    Args:
        folder: a whole model of the store.
        check: called often; may raise to stop.
    """
    for file in read_manifest(folder):
        path = folder / file.path
        try:
            if path.stat().st_size != file.size:
                yield file, f"{path.stat().st_size} bytes instead of {file.size}"
            elif not content_matches(path, file, check):
                yield file, "its content has changed"
            else:
                if file.is_weights:
                    check_weights_file(path)
                yield file, ""
        except ModelNotAvailable as error:
            yield file, error.message
        except OSError as error:
            yield file, f"cannot be read ({error.strerror})"


def content_matches(path: Path, file: File, check: Callable[[], None] = lambda: None) -> bool:
    """Tell whether the content of a path has the hash of a file; true where no hash is known."""
    if file.sha256:
        return _digest(path, hashlib.sha256(), check) == file.sha256
    if file.blob:
        header = f"blob {path.stat().st_size}\0".encode()
        return _digest(path, hashlib.sha1(header, usedforsecurity=False), check) == file.blob
    return True


def _digest(path: Path, digest: Any, check: Callable[[], None]) -> str:
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            check()
            digest.update(block)
    return digest.hexdigest()


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder; 0 where there is none."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def remove(source: str) -> int:
    """Delete all revisions of a hub id and unfinished downloads of it; return the bytes that are free now."""
    folder = model_folder(source)
    freed = size_of(folder)
    if not folder.exists():
        return 0
    # renamed first: a model that is half deleted must not look whole
    doomed = folder.with_name(f".{folder.name}.removed-{os.getpid()}")
    try:
        folder.rename(doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        raise ModelNotAvailable(
            Message("{folder} cannot be removed ({reason}).", folder=folder, reason=error),
            "Close what uses it (the engine may), then try again.",
        ) from error
    return freed
