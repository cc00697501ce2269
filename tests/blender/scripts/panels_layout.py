# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for Blender's layout, in which every panel can draw without a window."""

from __future__ import annotations

from types import SimpleNamespace

import bpy


class Layout:
    """Takes every call a layout takes, keeps the texts, checks properties and operators."""

    def __init__(self, seen: list[str] | None = None) -> None:
        self.__dict__["seen"] = [] if seen is None else seen

    def __setattr__(self, _name: str, _value: object) -> None:
        pass

    def _same(self, *_args, **_kwargs) -> Layout:
        return Layout(self.seen)

    row = column = box = split = separator = _same

    def panel(self, _name: str, **_kwargs) -> tuple[Layout, Layout]:
        return Layout(self.seen), Layout(self.seen)

    def label(self, text: str = "", **_kwargs) -> None:
        self.seen.append(text)

    def prop(self, data, name: str, **_kwargs) -> None:
        assert hasattr(data, name), name
        self.seen.append(name)

    def prop_enum(self, data, name: str, value: str, **_kwargs) -> None:
        assert hasattr(data, name), name

    def progress(self, factor: float, text: str) -> None:
        assert 0 <= factor <= 1
        self.seen.append(text)

    def menu(self, name: str, **_kwargs) -> None:
        assert hasattr(bpy.types, name), name

    def template_icon_view(self, data, name: str, **_kwargs) -> None:
        assert data.bl_rna.properties[name].type == "ENUM"
        self.seen.append(getattr(data, name))

    def template_icon(self, icon_value: int, scale: float) -> None:
        self.seen.append("picture")

    def operator(self, name: str, **_kwargs):
        family, verb = name.split(".")
        getattr(getattr(bpy.ops, family), verb).get_rna_type()
        self.seen.append(name)
        return SimpleNamespace()
