# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the command line that are fields of a spec, and the spec made of them."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from sync_engine.catalog.models import TABLE
from sync_engine.cli import guides
from sync_engine.interface.embedded import read_spec
from sync_engine.interface.limits import KINDS, PRECISIONS, PROJECTIONS, SOLVERS
from sync_engine.interface.memory_plan import OFFLOADS, WEIGHTS
from sync_engine.interface.methods import METHODS
from sync_engine.interface.spec import EnvironmentSpec

SPEC_OPTIONS: dict[str, dict[str, Any]] = {
    "prompt": {"help": "what the environment shows"},
    "negative": {"help": "what it should not show"},
    "kind": {"choices": KINDS, "help": "a 360° world or a flat plate"},
    "width": {"type": int, "help": "pixels"},
    "height": {"type": int, "help": "pixels (a world: half the width)"},
    "projection": {"choices": PROJECTIONS, "help": "how a world is painted"},
    "trigger": {"metavar": "WORDS", "help": "words that a panorama's model or LoRA was trained with"},
    "prompt_zenith": {"help": "what the view straight up shows"},
    "prompt_nadir": {"help": "what the view straight down shows"},
    "method": {
        "choices": tuple(METHODS),
        "help": " ".join(f"{method.name}: {method.help}." for method in METHODS.values()),
    },
    "model": {"metavar": "draft|ID|DIR|FILE", "help": "a name of the table, a hub id, a folder or a file"},
    "loras": {
        "flags": ("--lora",),
        "action": "append",
        "metavar": "FILE[:WEIGHT]",
        "help": "a LoRA for the model, a safetensors file; may be given several times",
    },
    "tiny_decoder": {"metavar": "auto|none|DIR", "help": "what previews and sync decode with"},
    "solver": {"choices": SOLVERS, "help": "how steps are made; auto is the model's own"},
    "steps": {"type": int, "help": "denoising steps"},
    "guidance": {"type": float, "help": "classifier-free guidance scale"},
    "seed": {"type": int},
    "sync_strength": {
        "type": float,
        "help": "weight of the sync gradient; usual: "
        + ", ".join(
            f"{method.usual_strength} for {method.name}"
            for method in METHODS.values()
            if method.usual_strength
        ),
    },
    "sync_steps": {
        "type": int,
        "help": "number of initial steps with sync (every second of them where windows are decoded)",
    },
    "sync_decay": {"type": float, "help": "factor on the strength from step to step"},
    "stride": {"type": int, "help": "distance of neighbouring windows in latent cells"},
    "sun_stops": {"type": float, "help": "the lights' strength in stops over the rest of a world"},
    "ldr": {"action": "store_true", "help": "keep the picture's range: no light is added"},
    "exposure": {"type": float, "metavar": "EV", "help": "of a world; left out: as bright as suits a scene"},
    "device": {
        "flags": ("--device", "--devices"),
        "metavar": "auto|cpu|cuda|cuda:N|mps",
        "help": "where it computes; with commas (cuda:0,cuda:1) several GPUs paint one picture together",
    },
    "precision": {"choices": PRECISIONS},
    "weights": {"choices": WEIGHTS, "help": "how the weights are kept; fp8: in 8 bits, half the memory"},
    "offload": {
        "choices": OFFLOADS,
        "help": "let text encoder and denoiser take turns on the GPU (model), or layer by layer (group)",
    },
    "compile": {"action": "store_true", "help": "compile the denoiser (CUDA; for many pictures)"},
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each field of a spec, ``--spec``, and those of the guides."""
    for name, options in SPEC_OPTIONS.items():
        settings = dict(options)
        flags = settings.pop("flags", (f"--{name.replace('_', '-')}",))
        parser.add_argument(*flags, dest=name, default=None, **settings)
    parser.add_argument(
        "--spec", type=Path, help="a JSON spec, or a result (EXR, PNG, spec.json); options win"
    )
    guides.add_options(parser)


def spec_from(options: argparse.Namespace) -> EnvironmentSpec:
    """Return the validated spec of ``generate``'s options; SpecError names what is wrong."""
    given = {name: getattr(options, name) for name in SPEC_OPTIONS if getattr(options, name) is not None}
    if "loras" in given:
        given["loras"] = tuple(given["loras"])
    if "model" in given:
        given["model"] = from_anywhere(given["model"])
    base = None if options.spec is None else read_spec(options.spec)
    kind = given.get("kind") or (base.kind if base else "world")
    given_guides = guides.guides_of(options, kind)
    if given_guides is not None:
        given["guides"] = tuple(given_guides)
    if base is None:
        return EnvironmentSpec.from_dict(given)
    if "width" in given and "height" not in given:
        given["height"] = None
    return dataclasses.replace(base, **given).validated()


def from_anywhere(model: str) -> str:
    """Return a folder or a file that is meant from where the command runs as an absolute path."""
    path = Path(model).expanduser()
    return str(path.absolute()) if path.exists() and model not in TABLE else model
