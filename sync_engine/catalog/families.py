# SPDX-License-Identifier: GPL-3.0-or-later
"""The families of models that the engine knows, and what a ``model_index.json`` says of one.

Standard library only: a download asks here before it fetches gigabytes of a model that nothing can use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sync_engine.common.errors import ModelNotAvailable

STABLE_DIFFUSION, XL = "StableDiffusionPipeline", "StableDiffusionXLPipeline"
LCM = "LatentConsistencyModelPipeline"
Z_IMAGE, KLEIN = "ZImagePipeline", "Flux2KleinPipeline"
_U_NET = {
    "vae": (),
    "text_encoder": (),
    "tokenizer": (),
    "unet": ("UNet2DConditionModel",),
    "scheduler": (),
}
_FLOW = {
    "text_encoder": ("Qwen3Model", "Qwen3ForCausalLM"),
    "tokenizer": (),
    "scheduler": ("FlowMatchEulerDiscreteScheduler",),
}
FAMILIES: dict[str, dict[str, tuple[str, ...]]] = {
    STABLE_DIFFUSION: _U_NET,
    LCM: _U_NET,
    XL: {**_U_NET, "text_encoder_2": ("CLIPTextModelWithProjection",), "tokenizer_2": ()},
    Z_IMAGE: {
        **_FLOW,
        "vae": ("AutoencoderKL", "AutoencoderTiny"),
        "transformer": ("ZImageTransformer2DModel",),
    },
    KLEIN: {**_FLOW, "vae": ("AutoencoderKLFlux2",), "transformer": ("Flux2Transformer2DModel",)},
}
"""The parts of each family that is supported, by the pipeline's class in ``model_index.json``; and the
classes that a part must have, where only some will do."""
REMEDY = "Use a model of one of these families: Stable Diffusion 1.x, 2.x, XL, Z-Image, FLUX.2 klein."


@dataclass(frozen=True)
class Index:
    """What ``model_index.json`` says.

    Attributes:
        family: a key of ``FAMILIES``.
        classes: the class of each part.
        zeros_when_empty: whether an empty prompt is zeros (of Stable Diffusion XL only).
        distilled: whether the model is distilled and takes no guidance (of FLUX.2 klein only).
    """

    family: str
    classes: dict[str, str]
    zeros_when_empty: bool
    distilled: bool


def read(data: Any, name: str) -> Index:
    """Return what a parsed ``model_index.json`` says.

    Args:
        data: the parsed file.
        name: what to call the model in an error.

    Raises:
        ModelNotAvailable: another family, a part is missing or of a class that the family does not have.
    """
    try:
        family = data["_class_name"]
        if family not in FAMILIES:
            raise ModelNotAvailable(
                f"{name}: this engine does not know models of the family {family}.", REMEDY
            )
        lacking = [part for part in FAMILIES[family] if not isinstance(data.get(part, [None] * 2)[1], str)]
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise ModelNotAvailable(
            f"{name}: its model_index.json does not describe a model ({error!r}).", "Fetch the model again."
        ) from error
    if lacking:
        raise ModelNotAvailable(
            f"{name}: its model_index.json names no {' and no '.join(lacking)}, which a {family} has.",
            "Fetch the model again; a pipeline saved without some of its parts cannot be used.",
        )
    classes = {part: data[part][1] for part in FAMILIES[family]}
    for part, allowed in FAMILIES[family].items():
        if allowed and classes[part] not in allowed:
            raise wrong_class(name, family, part, classes[part])
    zeros, distilled = data.get("force_zeros_for_empty_prompt", True), data.get("is_distilled", False)
    return Index(family, classes, bool(zeros), bool(distilled))


def wrong_class(name: str, family: str, part: str, given: str) -> ModelNotAvailable:
    """Return the error for a part of a class that cannot be loaded."""
    return ModelNotAvailable(
        f"{name}: this engine cannot load {part} of class {given} in a {family}.", REMEDY
    )


TURBO_SHIFT = 3.0
"""Z-Image Turbo shifts its noise levels by this, the model that it was distilled from by 6."""


FEW_STEPS, FEW_STEPS_GUIDANCE = 4, 1.0
"""Defaults of a distilled U-Net; guidance is off."""
EMBEDDED_GUIDANCE = 8.0
"""Guidance of a distilled U-Net that gets it as an input (LCM, Luo et al. 2023)."""


def is_few_step(solver: str, config: Mapping[str, Any]) -> bool:
    """Whether the scheduler that a model's folder names is one of a distilled U-Net.

    LCM's is; so is Euler's, ancestral or not, with trailing timesteps: Turbo and Lightning models name it.
    Models that were tuned to begin in pure noise (Lin et al. 2023) name it too and are not distilled.
    """
    euler = solver in ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler")
    trailing = config.get("timestep_spacing") == "trailing" and not config.get("rescale_betas_zero_snr")
    return solver == "LCMScheduler" or (euler and trailing)


def defaults(folder: Path) -> tuple[int, float] | None:
    """Return the steps and the guidance of a model by what its folder says; None where the usual ones suit.

    A folder that cannot be read has none either; loading it says what is wrong.
    """
    index = _object(folder / "model_index.json")
    scheduler = _object(folder / "scheduler" / "scheduler_config.json")
    family = index.get("_class_name")
    if family == Z_IMAGE:
        shift = scheduler.get("shift", TURBO_SHIFT)
        return (50, 5.0) if isinstance(shift, (int, float)) and shift > TURBO_SHIFT else (8, 1.0)
    if family == KLEIN:
        return (4, 1.0) if index.get("is_distilled") else (50, 4.0)
    if not is_few_step(str(scheduler.get("_class_name")), scheduler):
        return None
    embedded = _object(folder / "unet" / "config.json").get("time_cond_proj_dim") is not None
    return FEW_STEPS, EMBEDDED_GUIDANCE if embedded else FEW_STEPS_GUIDANCE


def _object(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
