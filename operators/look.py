# SPDX-License-Identifier: GPL-3.0-or-later
"""Look: a World's picture as a 360° viewer in the 3D view, and stills of it as plates."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path

import bpy
from bpy.props import FloatProperty, StringProperty

from ..engine import preferences
from ..engine.library import results
from ..scene import compat, perspective, viewer
from ..scene.perspective import LEAST_FOV, MOST_FOV, Gaze
from ..scene.problems import SceneProblem
from ..scene.sun import pixels, reduced
from ..scene.whole import ensure_whole
from ..scene.world import LINEAR
from ..sync_engine.host.history import Result
from ..sync_engine.host.stills import PREVIEW_SIZE, STILL_SIZE, keep_still
from ..translations import in_words, tr
from .chosen import ResultOperator
from .problems import explain_scene

ZOOM, STOPS = 1.1, 0.25


class SYNCSCAPE_OT_look(ResultOperator, bpy.types.Operator):
    """Look around in this World: the 3D view shows its picture alone; drag to turn, wheel for the field of view"""  # noqa: E501

    bl_idname = "syncscape.look"
    bl_label = "Look"
    kind = "world"

    @classmethod
    def poll(cls, context) -> bool:
        if bpy.app.background or context.area is None or context.area.type != "VIEW_3D":
            cls.poll_message_set("This works in a 3D view")
            return False
        return super().poll(context)

    def invoke(self, context, _event) -> set[str]:
        """Show the picture until it is left."""
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        try:
            ensure_whole(found.image)
            self._viewer = viewer.Viewer(context.area, found.image, _exposure(found))
        except SceneProblem as error:
            self.report({"ERROR"}, in_words(explain_scene(error)))
            return {"CANCELLED"}
        except RuntimeError as error:
            self.report({"ERROR"}, str(error).strip())
            return {"CANCELLED"}
        self.result, self._from = found.id, None
        context.area.header_text_set(
            tr("Drag: turn. Wheel: field of view. Ctrl Wheel: exposure. Enter: save as plate. Esc: leave.")
        )
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event) -> set[str]:
        """Turn, zoom, save, or end."""
        view = self._viewer
        if not view.is_alive():  # its area was closed or became another editor
            self._end(context)
            return {"CANCELLED"}
        if event.type in {"ESC", "RIGHTMOUSE"}:
            self._end(context)
            return {"FINISHED"}
        if not view.contains(event.mouse_x, event.mouse_y) and self._from is None:
            return {"PASS_THROUGH"}
        gaze = view.gaze
        if event.type == "LEFTMOUSE":
            self._from = (event.mouse_x, event.mouse_y) if event.value == "PRESS" else None
        elif event.type == "MOUSEMOVE" and self._from is not None:
            dx, dy = event.mouse_x - self._from[0], event.mouse_y - self._from[1]
            self._from = (event.mouse_x, event.mouse_y)
            view.gaze = turned(gaze, dx / view.width, dy / view.width)
        elif event.type in {"WHEELUPMOUSE", "WHEELDOWNMOUSE"}:
            up = event.type == "WHEELUPMOUSE"
            if event.ctrl:
                view.gaze = replace(gaze, exposure=gaze.exposure + (STOPS if up else -STOPS))
            else:
                view.gaze = zoomed(gaze, 1 / ZOOM if up else ZOOM)
        elif event.type == "TRACKPADZOOM":
            view.gaze = zoomed(gaze, ZOOM ** ((event.mouse_prev_x - event.mouse_x) / 10))
        elif event.type in {"RET", "NUMPAD_ENTER"} and event.value == "PRESS":
            bpy.ops.syncscape.save_still(result=self.result, **asdict(gaze))
        else:
            return {"PASS_THROUGH"} if event.type in {"TIMER", "WINDOW_DEACTIVATE"} else {"RUNNING_MODAL"}
        view.redraw()
        return {"RUNNING_MODAL"}

    def cancel(self, context) -> None:
        """Blender ends it: another file is loaded."""
        self._end(context)

    def _end(self, _context) -> None:
        self._viewer.close()


class SYNCSCAPE_OT_save_still(ResultOperator, bpy.types.Operator):
    """Save what one sees of this World in a direction as a plate in the history"""

    bl_idname = "syncscape.save_still"
    bl_label = "Save View as Plate"
    kind = "world"

    azimuth: FloatProperty(name="Azimuth", description="Degrees from the picture's middle, to the left")
    elevation: FloatProperty(name="Elevation", description="Degrees above the horizon", min=-90.0, max=90.0)
    fov: FloatProperty(
        name="Field of View",
        description="Degrees over the width",
        default=90.0,
        min=LEAST_FOV,
        max=MOST_FOV,
    )
    exposure: FloatProperty(name="Exposure", description="Brighter or darker, in stops (EV)")
    made: StringProperty(name="Plate", description="What was saved", options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, _context) -> set[str]:
        found = self.chosen()
        if found is None:
            return {"CANCELLED"}
        gaze = Gaze(self.azimuth, self.elevation, self.fov, self.exposure)
        try:
            plate = save_still(found, gaze)
        except SceneProblem as error:
            self.report({"ERROR"}, in_words(explain_scene(error)))
            return {"CANCELLED"}
        except (OSError, RuntimeError) as error:
            self.report({"ERROR"}, tr("The view cannot be saved ({reason}).", reason=str(error).strip()))
            return {"CANCELLED"}
        self.made = plate.id
        self.report({"INFO"}, tr("Made {picture}", picture=plate.image))
        return {"FINISHED"}


def save_still(result: Result, gaze: Gaze) -> Result:
    """Save a view of a World as a plate of the library.

    Raises:
        SceneProblem: the picture is damaged, gone, or too large for the free memory.
        OSError, RuntimeError: the plate cannot be written.
    """
    ensure_whole(result.image)
    image = bpy.data.images.load(str(result.image), check_existing=False)
    try:
        compat.set_colorspace(image, *LINEAR)
        radiance = pixels(image)
    finally:
        bpy.data.images.remove(image)

    def write(picture: Path, preview: Path) -> None:
        light = perspective.still(radiance, gaze, *STILL_SIZE)
        perspective.write_png(picture, perspective.to_srgb(light))
        perspective.write_png(preview, perspective.to_srgb(reduced(light, PREVIEW_SIZE[0])))

    made = keep_still(preferences.library_folder(), result, asdict(gaze), write)
    results.library().forget()
    return made


def turned(gaze: Gaze, across: float, up: float) -> Gaze:
    """Return where one looks after a drag by so much of the width: the picture follows the mouse."""
    span = 2 * math.degrees(math.atan(gaze.reach))
    azimuth = math.remainder(gaze.azimuth + across * span, 360.0)
    return replace(gaze, azimuth=azimuth, elevation=max(-90.0, min(90.0, gaze.elevation - up * span)))


def zoomed(gaze: Gaze, factor: float) -> Gaze:
    """Return where one looks with another field of view."""
    return replace(gaze, fov=max(LEAST_FOV, min(MOST_FOV, gaze.fov * factor)))


def _exposure(result: Result) -> float:
    """Return the EV that shows a World as it was painted."""
    found = result.light.get("exposure")
    return -float(found) if isinstance(found, (int, float)) else 0.0


_classes = (SYNCSCAPE_OT_look, SYNCSCAPE_OT_save_still)
register, unregister = bpy.utils.register_classes_factory(_classes)
