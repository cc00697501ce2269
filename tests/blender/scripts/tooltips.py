# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operator, panel, menu and property of the extension has a name and a tooltip that says something."""

import bpy
import harness

harness.install()
BUILT_IN = {"rna_type", "bl_idname", "bl_label", "bl_description"}
lacking, seen = [], 0


def look(owner: str, name: str, description: str) -> None:
    global seen
    seen += 1
    if not name.strip():
        lacking.append(f"{owner} has no name")
    if len(description.split()) < 3:
        lacking.append(f"{owner} has no tooltip: {description!r}")
    elif not description[0].isupper() and not description[0].isdigit():
        lacking.append(f"{owner}: a tooltip begins with a capital: {description!r}")
    elif description.endswith("."):
        lacking.append(f"{owner}: Blender adds the full stop itself: {description!r}")


def walk(cls: type) -> list[type]:
    return [cls, *(found for child in cls.__subclasses__() for found in walk(child))]


bases = (bpy.types.Operator, bpy.types.Panel, bpy.types.Menu, bpy.types.PropertyGroup)
bases += (bpy.types.AddonPreferences, bpy.types.UIList)
classes = {cls for base in bases for cls in walk(base) if cls.__module__.startswith(harness.NAME)}
registered = {cls for cls in classes if hasattr(cls, "bl_rna") and cls.is_registered}
for cls in registered:
    if issubclass(cls, bpy.types.Operator | bpy.types.Panel | bpy.types.Menu):
        look(cls.__name__, cls.bl_label, (cls.__doc__ or "").strip())
    if issubclass(cls, bpy.types.Panel | bpy.types.Menu):
        continue
    rna = cls.bl_rna
    if issubclass(cls, bpy.types.Operator):
        family, verb = cls.bl_idname.split(".")
        rna = getattr(getattr(bpy.ops, family), verb).get_rna_type()
    inherited = {item for base in bases for item in base.bl_rna.properties.keys()}  # noqa: SIM118
    for item in rna.properties:
        if item.identifier in inherited | BUILT_IN:
            continue
        if cls.__name__ == "SYNCSCAPE_OT_add_preset":  # the properties of Blender's own AddPresetBase
            continue
        look(f"{cls.__name__}.{item.identifier}", item.name, item.description)
        if item.type == "ENUM":
            for choice in item.enum_items_static:
                look(f"{cls.__name__}.{item.identifier}={choice.identifier}", choice.name, choice.description)
assert seen > 100, seen
assert not lacking, "\n".join(lacking)
harness.tell(seen=seen)
harness.leave()
