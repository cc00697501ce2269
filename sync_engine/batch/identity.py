# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's identity: the hash of everything that decides its pixels, the same on every machine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from sync_engine import VERSION
from sync_engine.catalog import model_index, models
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.interface.guides import Control, Guide, files_of
from sync_engine.interface.limits import LIMITS
from sync_engine.interface.loras import Lora
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.interface.wording import Message

DIGITS = 40
"""An identity is the first 160 bits of a SHA-256 in hexadecimal digits, short enough for a folder's name."""
PLACEMENT = frozenset({"device", "offload", "compile"})
"""Where and how a job runs. The farm decides it, and it changes pixels by rounding only."""
_WORDS = re.compile(r"prompt|negative|trigger")
"""Fields of words, which are never taken for names of files."""
BLOCK_BYTES = 2**22


@dataclasses.dataclass(frozen=True)
class _ModelFacts:
    """What a model's name stands for on this computer."""

    fingerprint: str
    folder: Path | None
    steps: int | None
    guidance: float | None
    source: str


def resolved(spec: EnvironmentSpec, beside: Path | None = None) -> EnvironmentSpec:
    """Return a spec with what its model decides written out, and files by their whole paths.

    A seed that is left out stays so, see ``with_settled_seed``.

    Args:
        spec: a job.
        beside: the folder that relative paths begin at; left out, where the command runs.

    Raises:
        ModelNotAvailable: its model or one of its files is not there, or has no revision.
    """
    base = beside or Path()
    spec = dataclasses.replace(
        spec,
        model=_beside(spec.model, base),
        tiny_decoder=_beside(spec.tiny_decoder, base),
        loras=tuple(str(Lora(_beside(lora.file, base), lora.weight)) for lora in map(Lora.parse, spec.loras)),
        guides=tuple(_with_whole_paths(number, guide, base) for number, guide in enumerate(spec.guides)),
    )
    facts = _facts_of(spec.model)
    loras = [Lora.parse(text) for text in spec.loras]
    return dataclasses.replace(
        spec,
        height=spec.pixel_height,
        model=facts.source,
        loras=tuple(str(Lora(str(_lora_path(lora)), lora.weight)) for lora in loras),
        steps=facts.steps if spec.steps is None else spec.steps,
        guidance=facts.guidance if spec.guidance is None else spec.guidance,
        tiny_decoder=_tiny_decoder(spec.tiny_decoder, facts.folder),
    )


def with_settled_seed(spec: EnvironmentSpec, number: int) -> EnvironmentSpec:
    """Return a spec with a seed; one that had none gets it from its other settings.

    Args:
        spec: resolved.
        number: how many jobs of the same settings and without a seed came before it; each gets another seed.
            So the same file of jobs always means the same pictures.
    """
    if spec.seed is not None:
        return spec
    digest = hashlib.sha256(f"{identity_of(spec)} {number}".encode()).digest()
    seed = int.from_bytes(digest[:8], "big") % (int(LIMITS["seed"].maximum) + 1)
    return dataclasses.replace(spec, seed=seed)


def identity_of(spec: EnvironmentSpec) -> str:
    """Return the identity of a resolved spec: 40 hexadecimal digits.

    It covers every field but those of ``PLACEMENT``, the model by its revision or by its content, LoRAs and
    every other named file by content, and the engine's version.
    """
    facts: dict[str, Any] = {
        name: _by_content(name, value) for name, value in spec.to_dict().items() if name not in PLACEMENT
    }
    facts["model"] = _facts_of(spec.model).fingerprint
    loras = [Lora.parse(text) for text in spec.loras]
    facts["loras"] = [[content_hash(_lora_path(lora)), lora.weight] for lora in loras]
    facts["engine"] = VERSION
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def group_of(spec: EnvironmentSpec) -> str:
    """Return what jobs share that one loaded model can make: model, LoRAs, precision and placement."""
    placement = [str(getattr(spec, name)) for name in sorted(PLACEMENT)]
    return json.dumps([spec.model, list(spec.loras), spec.precision, spec.tiny_decoder, *placement])


@lru_cache(maxsize=4096)
def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's files with their names; hidden ones do not count."""
    digest = hashlib.sha256()
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            name = file.relative_to(path)
            if file.is_file() and not any(part.startswith(".") for part in name.parts):
                digest.update(f"{name.as_posix()}\0{content_hash(file)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _by_content(name: str, value: Any) -> Any:
    """Return a value of a spec with the files that it names by their content, and numbers in one form."""
    if isinstance(value, dict):
        return {key: _by_content(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_by_content(name, item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and not _WORDS.search(name) and re.search(r"[./\\]", value):
        return _text_by_content(value)
    return value


@lru_cache(maxsize=4096)
def _text_by_content(text: str) -> str:
    path = Path(text).expanduser()
    return f"sha256:{content_hash(path)}" if path.exists() else text


def _beside(text: str, base: Path) -> str:
    """Return a file or a folder that is meant from ``base`` by its whole path; other words as they are."""
    path = (base / Path(text).expanduser()).absolute()
    return str(path) if path.exists() and text not in models.TABLE else text


def _with_whole_paths(number: int, guide: Guide, base: Path) -> Guide:
    found = {}
    for field, path in files_of(guide).items():
        whole = (base / path.expanduser()).absolute()
        if not whole.is_file():
            raise ModelNotAvailable(
                Message(
                    "guides[{number}].{field} = {whole} is no file.",
                    number=number,
                    field=field,
                    whole=repr(str(whole)),
                ),
                "Name a picture that is on this computer; relative paths begin at the file of jobs.",
            )
        found[field] = str(whole)
    if isinstance(guide, Control) and guide.model:
        found["model"] = _beside(guide.model, base)
    return dataclasses.replace(guide, **found)


def _lora_path(lora: Lora) -> Path:
    path = Path(lora.file).expanduser().absolute()
    if not path.is_file():
        raise ModelNotAvailable(
            Message("lora = {path} is no file.", path=repr(str(path))),
            "Name a safetensors file that is on this computer.",
        )
    return path


@lru_cache(maxsize=256)
def _facts_of(name: str) -> _ModelFacts:
    from sync_engine.downloads import store

    model = models.find(name)
    if model.base:  # a single file, completed by a row of the table
        revision = models.TABLE[model.base].revision
        fingerprint = f"{content_hash(Path(model.source))} {revision}"
        return _ModelFacts(fingerprint, None, model.steps, model.guidance, model.source)
    if not model.on_hub:
        folder = Path(model.source)
        known = models.with_defaults(model, folder)
        source = name if name in models.TABLE else model.source
        return _ModelFacts(content_hash(folder), folder, known.steps, known.guidance, source)
    folder = store.installed(model)
    revision = model.revision or (folder.name if folder is not None else "")
    if not revision:
        raise ModelNotAvailable(
            Message(
                "model = {name} has no revision, so nobody can tell which of its pictures are done.",
                name=repr(name),
            ),
            "Name it as OWNER/NAME@REVISION, or fetch it first.",
        )
    fingerprint = f"{model.source}@{revision}"
    if models.TABLE.get(name) == model:
        return _ModelFacts(fingerprint, folder, model.steps, model.guidance, name)
    # What its folder says is not asked: the revision decides it, and the folder need not be here.
    return _ModelFacts(fingerprint, folder, None, None, fingerprint)


@lru_cache(maxsize=256)
def _tiny_decoder(wanted: str, folder: Path | None) -> str:
    """Return the tiny decoder that ``auto`` means here, by name; a farm's nodes then use the same."""
    if wanted == "auto" and folder is not None:
        from sync_engine.downloads import store

        try:
            index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelNotAvailable(
                Message(
                    "model folder {folder} has no model_index.json that can be read ({reason}).",
                    folder=folder,
                    reason=error,
                ),
                "Name a folder in diffusers' format, as save_pretrained writes it.",
            ) from error
        row = models.tiny_decoder_of(model_index.read(index, str(folder)))
        return row.name if row is not None and store.installed(row) is not None else "none"
    path = Path(wanted).expanduser()
    return str(path.absolute()) if path.is_dir() else wanted
