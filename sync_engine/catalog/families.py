# SPDX-License-Identifier: GPL-3.0-or-later
"""What a family of models is known by, and which families there are.

A family is one file of ``backbones/`` that has a ``FAMILY``: its facts, and how to build a model of it.
Nothing is listed elsewhere. Torch is not loaded: a download asks here before it fetches gigabytes of a model
that nothing can use.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sync_engine.catalog.small_files import CONFIG_BYTES
from sync_engine.interface.bounded_json import read_json
from sync_engine.interface.wording import Message

if TYPE_CHECKING:
    import torch

    from sync_engine.backbones.model import Model
    from sync_engine.catalog.model_index import Index

HOME = "sync_engine.backbones"
"""The package whose files are looked through."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a family builds its model of.

    Attributes:
        folder: where the small files are.
        index: what the folder says of itself.
        parts: the loaded parts by their names.
        window: side in pixels of the pictures that the network was trained on; 0 where only it knows.
    """

    folder: Path
    index: Index
    parts: dict[str, Any]
    device: torch.device
    dtype: torch.dtype
    window: int


@dataclass(frozen=True, kw_only=True)
class LoraNaming:
    """How the LoRAs of a kind of network are told by the names of their tensors.

    Attributes:
        kind: the kind of network, in words. Families with the same kind are told apart by ``widths``.
        names: pattern that is found in the names.
        unlike: pattern that is found in names of another kind that ``names`` would take too.
        widths: the model, in words, by the features of the text that a network looks at.
    """

    kind: str
    names: str
    unlike: str = ""
    widths: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SingleFile:
    """How a file with a family's weights is known, and which model of the table has what it lacks.

    Attributes:
        marks: beginnings of tensors' names, all of which such a file has.
        text: pattern of the name of a weight whose second side is the features of the text.
        bases: the table's row by these features.
        whole: whether such a file has the autoencoder and the text encoders too, or the denoiser alone.
    """

    marks: tuple[str, ...]
    text: str
    bases: Mapping[int, str]
    whole: bool


@dataclass(frozen=True, kw_only=True)
class Family:
    """The facts of a family.

    Attributes:
        name: in words.
        pipelines: the classes that ``model_index.json`` names for it.
        parts: the classes that each part may have. A part of any other is refused before it is read.
        denoiser: the part that is called at every step.
        predictions: what the denoiser may predict, as the scheduler's ``prediction_type`` calls it.
        build: makes a model of loaded parts (a ``Backbone``).
        window: side in pixels of the pictures that it was trained on; 0 where the network says so itself.
        defaults: steps and guidance by a model's folder; None where the usual ones suit.
        tiny_decoder: name of the tiny decoder for its latents (``models.TINY_DECODERS``); empty for none.
        loras: how its LoRAs are told; None where it takes none.
        single_file: how a single file of it is known; None where there are none.
        pipeline_options: what the pipeline's class wants beside the parts.
        half_precision: whether it computes in float16; bfloat16 is taken otherwise.
        window_bytes: what the denoiser takes beside its weights for each pixel of a window, in half precision
            and with guidance where the family has it (``benchmarks/count_memory.py``).
        decoding_bytes: what decoding takes for each pixel, in half precision.
        comparing_bytes: what ``sync`` takes for each pixel of a window that it decodes, with the gradient;
            much more where the family has no tiny decoder.
    """

    name: str
    pipelines: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]
    denoiser: str
    predictions: tuple[str, ...]
    build: Callable[[Loaded], Model]
    window: int = 0
    defaults: Callable[[Path], tuple[int, float] | None] = lambda folder: None
    tiny_decoder: str = ""
    loras: LoraNaming | None = None
    single_file: SingleFile | None = None
    pipeline_options: Mapping[str, None] = field(default_factory=dict)
    half_precision: bool = True
    window_bytes: float = 1500.0
    decoding_bytes: float = 1500.0
    comparing_bytes: float = 503.0


@functools.cache
def known() -> tuple[Family, ...]:
    """Return the families that the files of ``backbones/`` register, by the files' names."""
    home = importlib.import_module(HOME)
    modules = sorted(found.name for found in pkgutil.iter_modules(home.__path__))
    loaded = [importlib.import_module(f"{HOME}.{name}") for name in modules]
    return tuple(module.FAMILY for module in loaded if hasattr(module, "FAMILY"))


def of_pipeline(pipeline: str) -> Family | None:
    """Return the family whose pipeline has this class; None for an unknown one."""
    return next((family for family in known() if pipeline in family.pipelines), None)


def remedy() -> str:
    """Return what to do with a model that is of none."""
    return Message(
        "Use a model of one of these families: {families}.",
        families=", ".join(family.name for family in known()),
    )


def has_weights(part: str) -> bool:
    """Whether a part is a network; tokenizers and schedulers are small files only."""
    return not part.startswith(("tokenizer", "scheduler"))


def read_object(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one where it cannot, or must not, be read."""
    try:
        data = read_json(file, CONFIG_BYTES)
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def defaults(folder: Path) -> tuple[int, float] | None:
    """Return the steps and the guidance of a model by what its folder says; None where the usual ones suit.

    A folder that cannot be read has none either; loading it says what is wrong.
    """
    family = of_pipeline(str(read_object(folder / "model_index.json").get("_class_name")))
    return None if family is None else family.defaults(folder)
