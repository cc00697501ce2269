# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of ControlNets: names, ids, licences, what maps they take and which models they belong to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sync_engine.catalog.models import Model, find_on_hub, is_hub_id
from sync_engine.catalog.models import find as find_model
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.interface.wording import Message

CLASS, UNION_CLASS = "ControlNetModel", "ControlNetUnionModel"
CLASSES = {
    "UNet2DConditionModel": (CLASS, UNION_CLASS),
    "ZImageTransformer2DModel": ("ZImageControlNetModel",),
    "QwenImageTransformer2DModel": ("QwenImageControlNetModel",),
}
"""The classes of ControlNets by that of a model's network."""


@dataclass(frozen=True, kw_only=True)
class ControlNetRow:
    """A ControlNet.

    Attributes:
        model: where it is: a row as the models have, with the class as its ``part``; a folder or a file, or a
            hub id.
        kinds: maps that it takes (``interface.control.CONTROL_KINDS``); empty: nobody knows.
        text_features: of the text that the networks of its models look at, which tells them apart.
    """

    model: Model
    kinds: tuple[str, ...] = ()
    text_features: int = 0


def _row(
    *,
    name: str,
    source: str,
    title: str,
    licence: str,
    kinds: tuple[str, ...],
    text_features: int,
    download_gb: float = 0.0,
    part: str = CLASS,
) -> ControlNetRow:
    model = Model(
        name=name,
        source=source,
        title=title,
        licence=licence,
        download_gb=download_gb,
        steps=0,
        guidance=0.0,
        part=part,
    )
    return ControlNetRow(model=model, kinds=kinds, text_features=text_features)


CONTROL_NETS: dict[str, ControlNetRow] = {
    row.model.name: row
    for row in (
        _row(
            name="sd-1.5-depth",
            source="lllyasviel/control_v11f1p_sd15_depth",
            title="Depth for Stable Diffusion 1.5",
            licence="CreativeML OpenRAIL-M",
            kinds=("depth",),
            text_features=768,
            download_gb=0.7,
        ),
        _row(
            name="sd-2-depth",
            source="thibaud/controlnet-sd21-depth-diffusers",
            title="Depth for Stable Diffusion 2",
            licence="see its hub page",
            kinds=("depth",),
            text_features=1024,
            download_gb=1.5,
        ),
        _row(
            name="sdxl-union",
            source="xinsir/controlnet-union-sdxl-1.0",
            title="Union of controls for Stable Diffusion XL",
            licence="Apache-2.0",
            kinds=("pose", "depth", "softedge", "scribble", "canny", "lineart", "normal", "segmentation"),
            text_features=2048,
            download_gb=2.5,
            part=UNION_CLASS,
        ),
    )
}
UNION_MODES = {
    "pose": 0,
    "depth": 1,
    "softedge": 2,
    "scribble": 2,
    "canny": 3,
    "lineart": 3,
    "normal": 4,
    "segmentation": 5,
    "tile": 6,
}
"""The number by which a union is told a kind (xinsir, ControlNet++)."""


def find(name: str) -> ControlNetRow:
    """Return the ControlNet of a name of the table, a folder, a safetensors file or a hub id.

    Raises:
        ModelNotAvailable: it is none of them.
    """
    if name in CONTROL_NETS:
        return CONTROL_NETS[name]
    path = Path(name).expanduser()
    if path.exists():
        row = Model(name=path.stem, source=str(path.absolute()), title=path.name, licence="see its folder")
        return ControlNetRow(model=replace(row, part=CLASS))
    if is_hub_id(name.partition("@")[0]):
        row = find_on_hub(name)
        same = (known for known in CONTROL_NETS.values() if known.model.source == row.source)
        return next(same, ControlNetRow(model=replace(row, part=CLASS)))
    raise ModelNotAvailable(
        Message("control = {name} is no ControlNet that is known or here.", name=repr(name)),
        Message(
            "Use one of {names}, a folder or a file that exists, or OWNER/NAME.",
            names=", ".join(CONTROL_NETS),
        ),
    )


def model_or_net(name: str) -> Model:
    """Return the row of a ControlNet of the table, or that of a model (``models.find``)."""
    return CONTROL_NETS[name].model if name in CONTROL_NETS else find_model(name)


def default_for(kind: str, text_features: int) -> ControlNetRow | None:
    """Return the table's ControlNet for a kind of map and models that look at such text; None without one."""
    rows = CONTROL_NETS.values()
    return next((row for row in rows if row.text_features == text_features and kind in row.kinds), None)
