# SPDX-License-Identifier: GPL-3.0-or-later
"""The control guide: a map, such as the depth of a scene, that the whole picture follows by a ControlNet."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from .validation import Limit, SpecError, check_choice, check_number, check_text
from .wording import Message

CONTROL_KINDS = (
    "depth",
    "canny",
    "lineart",
    "softedge",
    "scribble",
    "normal",
    "segmentation",
    "pose",
    "tile",
)
"""What a map can show. A ControlNet for all of them (SDXL's union) is told which."""
CONTROL_SCALE, CONTROL_SHARE = Limit(0.0, 2.0), Limit(0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Control:
    """A map of the whole picture, in its projection, that a ControlNet makes the picture follow.

    Attributes:
        kind: what the map shows, one of ``CONTROL_KINDS``.
        file: the map. For depth an EXR (or another picture of linear light) holds distances along the ray in
            units of the scene, 0 or infinity where nothing is; any other picture is taken as it is, for depth
            near white and far black.
        model: the ControlNet: a name of the table, a hub id, a folder or a safetensors file; empty: the
            table's for the kind and the model.
        scale: how much of what the ControlNet adds is added; 0 leaves the picture as it is.
        start, end: shares of the steps between which it works.
    """

    type: ClassVar[str] = "control"
    kind: str = "depth"
    file: str
    model: str = ""
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return the guide as plain JSON values, the kind always, the others where they are not the usual."""
        usual = {field.name: field.default for field in dataclasses.fields(self) if field.name != "kind"}
        given = {name: value for name, value in vars(self).items() if value != usual.get(name)}
        return {"type": self.type, **given}

    def check(self, name: str, canvas: str) -> None:
        """Raise SpecError for a field that cannot be used on a canvas; ``name`` is the guide's."""
        check_choice(f"{name}.kind", self.kind, CONTROL_KINDS)
        check_text(f"{name}.file", self.file)
        if self.model != "":
            check_text(f"{name}.model", self.model)
        check_number(f"{name}.scale", self.scale, CONTROL_SCALE, whole=False)
        for field in ("start", "end"):
            check_number(f"{name}.{field}", getattr(self, field), CONTROL_SHARE, whole=False)
        if self.start >= self.end:
            raise SpecError(
                f"{name}.end",
                self.end,
                Message("not after start = {start:g}", start=self.start),
                "Use shares of the steps such as start 0 and end 0.8.",
            )
        if self.kind == "normal" and canvas != "plate":
            raise SpecError(
                f"{name}.kind",
                self.kind,
                "normals are relative to one camera, and a world has many",
                "Use depth for a world.",
            )
