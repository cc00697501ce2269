# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finished job leaves: the picture with its light, a preview, and a record of how it was made."""

from __future__ import annotations

import datetime
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sync_engine import VERSION
from sync_engine.backbones.model import Model
from sync_engine.common.device import device_name, peak_memory_gb
from sync_engine.common.errors import EngineError
from sync_engine.guiding.pictures import Kept
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.spec import SPEC_VERSION, EnvironmentSpec
from sync_engine.interface.wording import Message
from sync_engine.radiance.expand import expand
from sync_engine.radiance.lights import SkyLight
from sync_engine.runtime import output
from sync_engine.runtime.enlargement import Enlargement
from sync_engine.sync.feature_nets import FeatureNet


def write_pictures(
    folder: Path,
    picture: np.ndarray,
    spec: EnvironmentSpec,
    sky: SkyLight | None = None,
    kept: Kept | None = None,
    smaller: Enlargement | None = None,
) -> dict[str, Any] | None:
    """Write a picture ``(H, W, 3)`` in [0, 1] of a complete spec, and its preview.

    A world gets its light back, from the ``sky`` where that is known, and is written as EXR, a plate as PNG.
    What is ``kept`` of an HDR picture keeps its light, and what is new gets the same exposure. What was made
    larger has the light of the ``smaller`` picture.
    Both keep the spec without the paths of this computer; ``spec.json`` beside them has them.
    Returns the report on its light, None for a plate. Raises EngineError for numbers that are not finite.
    """
    if not np.isfinite(picture).all():
        raise EngineError(
            FailureCode.INTERNAL,
            Message(
                "The model produced NaN or infinite values (precision {precision}).",
                precision=spec.precision,
            ),
            "Use the precision bf16 or fp32.",
        )
    (folder / "live.png").unlink(missing_ok=True)
    shown = spec.without_paths()
    image, light = folder / output.IMAGE_NAMES[spec.kind], None
    if spec.kind == "world":
        if smaller is not None:
            expanded = smaller.lit(picture, spec)
        else:
            exposure = spec.exposure if spec.exposure is not None or kept is None else kept.exposure
            expanded = expand(picture, spec.sun_stops, spec.ldr, exposure, sky=sky)
        light = expanded.report
        attributes = {"syncscape": shown.to_json(), "syncscape_light": json.dumps(light)}
        radiance = expanded.radiance if kept is None else kept.paste_light(expanded.radiance)
        output.write_exr(image, radiance, attributes)
    else:
        output.save_png(image, picture, {"syncscape": json.dumps(shown.to_dict())})
    output.save_png(folder / "preview.png", output.thumbnail(picture))
    return light


def write_record(
    folder: Path,
    spec: EnvironmentSpec,
    backbone: Model,
    job_id: str,
    timings: dict[str, float],
    light: dict[str, Any] | None,
    net: FeatureNet | None,
    guide_files: list[dict[str, Any]] | None = None,
) -> None:
    """Write ``spec.json``: the complete spec, what made the picture, and the seconds of each stage.

    ``net`` is what the windows were compared through, none where they were not; ``guide_files`` is what the
    record says of the guides' files.
    """
    record = {
        "spec_version": SPEC_VERSION,
        "id": job_id,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "spec": spec.to_dict(),
        "engine": _versions(backbone) | ({"sync_net": net.value} if net else {}),
        "timings": timings,
    }
    if guide_files:
        record["guide_files"] = guide_files
    if light is not None:
        record["light"] = light
    output.write_json(folder / "spec.json", record)


def _versions(backbone: Model) -> dict[str, Any]:
    import diffusers

    return {
        "syncscape": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "device": device_name(backbone.device),
        "precision": str(backbone.dtype).removeprefix("torch."),
        "peak_memory_gb": round(peak_memory_gb(backbone.device), 3),
        "memory_plan": backbone.memory.to_dict(),
    }
