# SPDX-License-Identifier: GPL-3.0-or-later
"""The guides of the settings, as the panel shows them: what each says, and the object that places it."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

import math

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, PointerProperty, StringProperty

from ..sync_engine.interface import guides
from ..sync_engine.interface.control import CONTROL_SCALE, Control

REGION, SUN, PICTURE = guides.Region.type, guides.Sun.type, guides.Picture.type
DEPTH = Control.type
GUIDE_ITEMS = (
    (
        REGION,
        "Region",
        "A part of the picture shows something else: within an Empty's sphere",
        "MESH_CIRCLE",
        0,
    ),
    (SUN, "Sun", "The World's sun stands where a Sun lamp or an Empty says", "LIGHT_SUN", 1),
    (PICTURE, "Picture", "A photo is continued, or a picture painted anew or repaired", "IMAGE_DATA", 2),
    (DEPTH, "Scene Depth", "The picture follows how far away the scene's objects are", "MOD_THICKNESS", 3),
)
EXTEND, REPAINT, REPAIR = "EXTEND", "REPAINT", "REPAIR"
PICTURE_ITEMS = (
    (EXTEND, "Extend", "The photo is kept as it is, where its Empty stands, and continued all round"),
    (REPAINT, "Repaint", "The whole picture is painted anew from what it shows"),
    (REPAIR, "Repair", "A part is painted anew: where a mask is white, or within an Empty's sphere"),
)


def _may_place(guide: SyncscapeGuide, item: bpy.types.Object) -> bool:
    return item.type == "EMPTY" or (guide.kind == SUN and item.type == "LIGHT" and item.data.type == "SUN")


class SyncscapeGuide(bpy.types.PropertyGroup):
    """One guide of the settings."""

    kind: EnumProperty(name="Guide", description="What the guide says", items=GUIDE_ITEMS)
    use: BoolProperty(name="Use", description="Whether the guide counts", default=True)
    prompt: StringProperty(name="Prompt", description="What this part of the picture shows")
    negative: StringProperty(name="Avoid", description="What this part of the picture should not show")
    target: PointerProperty(
        name="Object",
        description="Where it is: an Empty, whose size is the region's; for the sun also a Sun lamp, which "
        "says where its light comes from",
        type=bpy.types.Object,
        poll=_may_place,
    )
    strength: FloatProperty(
        name="Strength",
        description="Of a region: 1 shows it alone, less mixes it with what is around it. Of the sun: in "
        "parts of what is usual at its height",
        default=1.0,
        min=0.0,
        soft_max=1.0,
        max=guides.SUN_STRENGTH.maximum,
    )
    softness: FloatProperty(
        name="Softness",
        description="Width of a region's border in parts of its radius",
        default=guides.USUAL_FEATHER,
        min=0.0,
        max=1.0,
    )
    mask: StringProperty(
        name="Mask",
        description="A picture of the whole, white where this part is. Empty: within the Empty's sphere",
        subtype="FILE_PATH",
    )
    file: StringProperty(
        name="Picture", description="A photo, or a picture made earlier", subtype="FILE_PATH"
    )
    task: EnumProperty(name="Task", description="What is made of the picture", items=PICTURE_ITEMS)
    fov: FloatProperty(
        name="Field of View",
        description="How wide the photo is seen in a World",
        default=math.radians(60.0),
        min=math.radians(guides.PHOTO_FOV.minimum),
        max=math.radians(guides.PHOTO_FOV.maximum),
        subtype="ANGLE",
    )
    width: FloatProperty(
        name="Width",
        description="Width of the photo in parts of the plate's",
        default=0.5,
        min=guides.PHOTO_WIDTH.minimum,
        max=guides.PHOTO_WIDTH.maximum,
        subtype="FACTOR",
    )
    repaint: FloatProperty(
        name="Change",
        description="How far the picture is painted anew: 0.3 keeps what is where, 1 keeps nothing",
        default=0.6,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    blend: FloatProperty(
        name="Blend",
        description="Over this many degrees (on a plate hundredths of its height) what is kept blends into "
        "what is new, within its own border. 0 keeps every pixel",
        default=0.0,
        min=0.0,
        max=30.0,
    )
    control_net: StringProperty(
        name="ControlNet",
        description="What makes the model follow the depth: a name of the table, a folder or a file. Empty: "
        "the table's for the model",
    )
    scale: FloatProperty(
        name="Scale",
        description="How closely the depth is followed. 0 changes nothing",
        default=1.0,
        min=CONTROL_SCALE.minimum,
        max=CONTROL_SCALE.maximum,
    )
    start: FloatProperty(
        name="Start",
        description="From this share of the steps on",
        default=0.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    end: FloatProperty(
        name="End",
        description="Up to this share of the steps: less leaves the details to the prompt",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    only_rendered: BoolProperty(
        name="Only What Is Rendered",
        description="Leave out what is hidden in renders. What the viewport hides never counts",
        default=True,
    )
    collection: PointerProperty(
        name="Collection",
        description="Only what is in this collection counts. None: everything",
        type=bpy.types.Collection,
    )
    furthest: FloatProperty(
        name="Maximum Distance",
        description="What is further away does not count. 0: everything counts",
        default=0.0,
        min=0.0,
        subtype="DISTANCE",
    )


register, unregister = bpy.utils.register_classes_factory((SyncscapeGuide,))
