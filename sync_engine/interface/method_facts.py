# SPDX-License-Identifier: GPL-3.0-or-later
"""What the spec, the command line and the panel know of a method; ``sync/method.py`` has the rest of it."""

from __future__ import annotations

CANVASES = ("sphere", "equirectangular", "panorama", "plate")
"""What a picture is painted on: a world's projection, or a plate."""


class MethodFacts:
    """A method's words and limits.

    Attributes:
        name: in a spec and on the command line, lower case with hyphens.
        label, help: in the panel; the help is the tooltip, without a full stop at its end.
        rank: place among the choices; equal ranks are sorted by name.
        canvases: those of ``CANVASES`` that it can paint.
        has_sync_settings: whether strength, steps and decay of the spec mean something to it.
        shares_devices: whether several devices can paint one picture with it.
        takes_guides: whether regions and other guides (``guides``) mean something to it.
        usual_strength: the normal ``sync_strength`` in words, for the command line's help.
    """

    name: str
    label: str
    help: str
    rank: int = 100
    canvases: tuple[str, ...] = CANVASES
    has_sync_settings: bool = False
    usual_strength: str = ""
    takes_guides: bool = True
    shares_devices: bool = True
