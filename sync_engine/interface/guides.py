# SPDX-License-Identifier: GPL-3.0-or-later
"""Guides: what a part of the picture shows, beside the prompt of the whole. JSON both ways, with limits.

Angles are degrees: azimuth counter-clockwise from the picture's centre seen from above, elevation up. On a
plate places are shares: ``x`` of its width from the left, ``y`` of its height from the top.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from .control import Control
from .validation import Limit, SpecError, check_number, check_prompt, check_text
from .wording import Message

MAX_GUIDES = 16
AZIMUTH, ELEVATION, SUN_ELEVATION = Limit(-360.0, 360.0), Limit(-90.0, 90.0), Limit(0.0, 90.0)
RADIUS, FEATHER = Limit(1.0, 120.0), Limit(0.0, 60.0)
PLATE_RADIUS, PLATE_FEATHER = Limit(0.01, 2.0), Limit(0.0, 1.0)
SHARE = Limit(0.0, 1.0)
PHOTO_FOV, PHOTO_WIDTH = Limit(5.0, 150.0), Limit(0.02, 1.0)
SUN_STRENGTH = Limit(0.0, 100.0)
USUAL_FEATHER = 0.4
"""Width of a cap's border where none is given, in parts of its radius."""
COPY_NAME = "guide-{number}{suffix}"
"""What a guide's file is called beside the result that was made with it."""
FILE_FIELDS = ("mask", "file")
"""The fields of guides that name files."""


class Cap(NamedTuple):
    """A round region: ``middle`` is azimuth and elevation, or x and y; its border is ``feather`` wide."""

    middle: tuple[float, float]
    radius: float
    feather: float


@dataclass(frozen=True, kw_only=True)
class Region:
    """A part of the picture with a prompt of its own: where a mask is bright, or within a cap.

    Attributes:
        prompt, negative: what the part shows and does not show.
        mask: a picture in the canvas's projection, white where the region is; empty: a cap.
        azimuth, elevation: of a cap's centre on a world, by default 0.
        x, y: of its centre on a plate, by default 0.5.
        radius: of the cap in degrees, by default 20; on a plate in shares of its height, by default 0.3.
        feather: width of its soft border, as the radius, by default two fifths of it.
        strength: how much it counts where it is whole, 1 alone.
        bootstrap: in this share of the steps, from the first, it is made apart from what is around it.
    """

    type: ClassVar[str] = "region"
    prompt: str
    negative: str = ""
    mask: str = ""
    azimuth: float | None = None
    elevation: float | None = None
    x: float | None = None
    y: float | None = None
    radius: float | None = None
    feather: float | None = None
    strength: float = 1.0
    bootstrap: float = 0.5

    def to_dict(self) -> dict[str, Any]:
        """Return the guide as plain JSON values, without what is left open."""
        return _to_dict(self)

    def check(self, name: str, canvas: str) -> None:
        """Raise SpecError for a field that cannot be used on a canvas; ``name`` is the guide's."""
        check_prompt(f"{name}.prompt", self.prompt, required=True)
        check_prompt(f"{name}.negative", self.negative, required=False)
        for field, limit in (("strength", SHARE), ("bootstrap", SHARE)):
            check_number(f"{name}.{field}", getattr(self, field), limit, whole=False)
        flat = canvas == "plate"
        own = {"x": SHARE, "y": SHARE} if flat else {"azimuth": AZIMUTH, "elevation": ELEVATION}
        own |= {"radius": PLATE_RADIUS if flat else RADIUS, "feather": PLATE_FEATHER if flat else FEATHER}
        for field in ("x", "y", "azimuth", "elevation", "radius", "feather"):
            value = getattr(self, field)
            if value is not None and (self.mask or field not in own):
                _refuse_field(name, field, value, self.mask, flat)
            if value is not None:
                check_number(f"{name}.{field}", value, own[field], whole=False)
        if self.mask:
            check_text(f"{name}.mask", self.mask)
        elif all(getattr(self, field) is None for field in own):
            raise SpecError(
                name, self.prompt, "is nowhere", Message("Give a mask, or {fields}.", fields=", ".join(own))
            )

    def cap(self, canvas: str) -> Cap:
        """Return where the region is on a canvas, if it has no mask."""
        flat = canvas == "plate"
        radius = self.radius if self.radius is not None else (0.3 if flat else 20.0)
        feather = self.feather if self.feather is not None else radius * USUAL_FEATHER
        if flat:
            middle = (0.5 if self.x is None else self.x, 0.5 if self.y is None else self.y)
        else:
            middle = (self.azimuth or 0.0, self.elevation or 0.0)
        return Cap(middle, radius, feather)


@dataclass(frozen=True, kw_only=True)
class Sun:
    """Where the sun of a world on the sphere stands; without a place there is none.

    Attributes:
        azimuth, elevation: its place, both or neither.
        strength: how strong it is, in parts of what is usual at its elevation.
    """

    type: ClassVar[str] = "sun"
    azimuth: float | None = None
    elevation: float | None = None
    strength: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return the guide as plain JSON values, without what is left open."""
        return _to_dict(self)

    def check(self, name: str, canvas: str) -> None:
        """Raise SpecError for a field that cannot be used on a canvas; ``name`` is the guide's."""
        if canvas != "sphere":
            raise SpecError(name, "sun", "only a world on the sphere has a sun to place", "Leave it out.")
        check_number(f"{name}.strength", self.strength, SUN_STRENGTH, whole=False)
        for field, limit in (("azimuth", AZIMUTH), ("elevation", SUN_ELEVATION)):
            if getattr(self, field) is not None:
                check_number(f"{name}.{field}", getattr(self, field), limit, whole=False)
        if (self.azimuth is None) != (self.elevation is None):
            field = "azimuth" if self.azimuth is None else "elevation"
            raise SpecError(
                f"{name}.{field}", None, "missing", "Give azimuth and elevation; neither of them is no sun."
            )


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture that is continued, painted over in part, or painted anew from what it shows.

    Attributes:
        file: a photo, or an earlier result; any picture file.
        azimuth, elevation, fov: of a photo in a world: its centre and horizontal field of view, degrees.
        x, y, width: of a photo on a plate: its centre and its width, in shares of the plate's.
            Without a place the picture is the whole canvas.
        mask: of a whole picture: white where it is painted anew.
        radius: of a whole picture of a world: the cap around azimuth and elevation that is painted anew.
        strength: 0 to 1: how far the whole picture is painted anew; None: what is kept is kept exactly.
        feather: over this many degrees (on a plate: shares of its height) the kept part blends into the new
            one, inside its own border; 0 keeps every pixel of it.
    """

    type: ClassVar[str] = "picture"
    file: str
    azimuth: float | None = None
    elevation: float | None = None
    fov: float | None = None
    x: float | None = None
    y: float | None = None
    width: float | None = None
    mask: str = ""
    radius: float | None = None
    strength: float | None = None
    feather: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the guide as plain JSON values, without what is left open."""
        return _to_dict(self)

    @property
    def is_placed(self) -> bool:
        """Whether the picture is a photo somewhere on the canvas, not the whole of it."""
        return self.fov is not None or self.width is not None

    def check(self, name: str, canvas: str) -> None:
        """Raise SpecError for a field that cannot be used on a canvas; ``name`` is the guide's."""
        check_text(f"{name}.file", self.file)
        flat = canvas == "plate"
        places = {"x": SHARE, "y": SHARE, "width": PHOTO_WIDTH}
        if not flat:
            places = {"azimuth": AZIMUTH, "elevation": ELEVATION, "fov": PHOTO_FOV, "radius": RADIUS}
        for field in ("x", "y", "width", "azimuth", "elevation", "fov", "radius"):
            value = getattr(self, field)
            if value is not None and field not in places:
                _refuse_field(name, field, value, "", flat)
            if value is not None:
                check_number(f"{name}.{field}", value, places[field], whole=False)
        check_number(f"{name}.feather", self.feather, PLATE_FEATHER if flat else FEATHER, whole=False)
        if self.strength is not None:
            check_number(f"{name}.strength", self.strength, SHARE, whole=False)
        self._check_sense(name)

    def _check_sense(self, name: str) -> None:
        if self.mask:
            check_text(f"{name}.mask", self.mask)
        for field in ("mask", "radius", "strength"):
            if self.is_placed and getattr(self, field) not in (None, ""):
                raise SpecError(
                    f"{name}.{field}",
                    getattr(self, field),
                    "a photo that is placed somewhere is kept whole",
                    "Leave it out.",
                )
        if self.mask and self.radius is not None:
            raise SpecError(f"{name}.radius", self.radius, "there is a mask already", "Give one of both.")
        if not self.is_placed and not self.mask and self.radius is None and self.strength is None:
            raise SpecError(
                name,
                self.file,
                "nothing would be painted",
                "Give fov (on a plate width) for a photo, a mask or radius to repair, or a strength.",
            )


Guide = Region | Sun | Picture | Control
KINDS: dict[str, type[Region] | type[Sun] | type[Picture] | type[Control]] = {
    "region": Region,
    "sun": Sun,
    "picture": Picture,
    "control": Control,
}
"""By the ``type`` of their JSON."""


def check_guides(guides: object, canvas: str) -> None:
    """Raise SpecError for guides that cannot be used on a canvas, one of ``method_facts.CANVASES``."""
    if not isinstance(guides, tuple) or not all(isinstance(guide, Guide) for guide in guides):
        raise SpecError("guides", guides, "not a list of guides", 'Give a list such as [{"type": "sun", …}].')
    if guides and canvas == "panorama":
        raise SpecError(
            "guides",
            len(guides),
            "a panorama is painted in one window, which takes no guides",
            "Use the projection sphere, or no guides.",
        )
    if len(guides) > MAX_GUIDES:
        raise SpecError("guides", len(guides), Message("more than {most}", most=MAX_GUIDES), "Use fewer.")
    for number, guide in enumerate(guides):
        guide.check(f"guides[{number}]", canvas)
    if sum(isinstance(guide, Sun) for guide in guides) > 1:
        raise SpecError("guides", len(guides), "a world has one sun", "Leave the other sun guides out.")


def guide_from_dict(number: int, data: object) -> Guide:
    """Return a guide of plain JSON values; SpecError names ``guides[number]`` and the bad field."""
    name = f"guides[{number}]"
    if isinstance(data, Guide):
        return data
    if not isinstance(data, Mapping):
        raise SpecError(name, data, "not a JSON object", 'Give an object such as {"type": "sun", …}.')
    kind = data.get("type")
    if kind not in KINDS:
        choices = Message("Use one of {choices}.", choices=", ".join(KINDS))
        raise SpecError(f"{name}.type", kind, "not one of the choices", choices)
    cls = KINDS[kind]
    names = [field.name for field in dataclasses.fields(cls)]
    for field in data:
        if field != "type" and field not in names:
            near = difflib.get_close_matches(str(field), names, n=1)
            hint = (
                Message("Did you mean {near}?", near=near[0])
                if near
                else Message("Known fields: {names}.", names=", ".join(names))
            )
            raise SpecError(f"{name}.{field}", data[field], "no such field", hint)
    if cls is Region and "prompt" not in data:
        raise SpecError(f"{name}.prompt", None, "missing", "Say what the region shows.")
    if cls in (Picture, Control) and "file" not in data:
        raise SpecError(f"{name}.file", None, "missing", "Name a picture file.")
    return cls(**{field: value for field, value in data.items() if field != "type"})


def with_copies(guides: tuple[Guide, ...], folder: Path) -> tuple[Guide, ...]:
    """Return guides whose files are not there any more with the copies that lie in a result's folder."""

    def found(number: int, guide: Guide) -> Guide:
        for field, path in files_of(guide).items():
            copy = folder / copy_name(number, field, path)
            if not path.is_file() and copy.is_file():
                guide = dataclasses.replace(guide, **{field: str(copy.absolute())})
        return guide

    return tuple(found(number, guide) for number, guide in enumerate(guides))


def files_of(guide: Guide) -> dict[str, Path]:
    """Return the files that a guide names, by its field."""
    named = {field: getattr(guide, field, "") for field in FILE_FIELDS}
    return {field: Path(text) for field, text in named.items() if text}


def control_nets_of(guides: tuple[Guide, ...]) -> list[str]:
    """Return the ControlNets that guides name."""
    return [guide.model for guide in guides if isinstance(guide, Control) and guide.model]


def copy_name(number: int, field: str, path: Path) -> str:
    """Return what a file of a guide is called beside the result."""
    return COPY_NAME.format(number=f"{number}-{field}" if field == "file" else number, suffix=path.suffix)


def _to_dict(guide: Guide) -> dict[str, Any]:
    fields = dataclasses.asdict(guide)
    defaults = {field.name: field.default for field in dataclasses.fields(guide)}
    given = {name: value for name, value in fields.items() if value != defaults[name]}
    return {"type": guide.type, **given}


def _refuse_field(name: str, field: str, value: object, mask: str, flat: bool) -> None:
    if mask:
        raise SpecError(
            f"{name}.{field}", value, "the region has a mask, which says where it is", "Leave it out."
        )
    places = "x, y" if flat else "azimuth, elevation"
    raise SpecError(
        f"{name}.{field}",
        value,
        "not a place on this kind of picture",
        Message("Use {fields}.", fields=places),
    )
