# SPDX-License-Identifier: GPL-3.0-or-later
"""Listener: what goes on beside Blender, heard by a timer, and ended when Blender ends.

Events from threads and processes are taken in on the main thread only, a few milliseconds at a time. The
timer is there while there is something to hear.
"""

from __future__ import annotations

import bpy

from ..scene import compat

LISTENING_REGIONS = {("VIEW_3D", "UI"), ("PROPERTIES", "WINDOW"), ("PREFERENCES", "WINDOW")}
BUDGET_S = 0.003
"""Blender's main thread gives each tick so much."""


class Listener:
    """One for each thing that goes on. ``tick`` and ``close`` say what is heard and how it ends.

    Attributes:
        every_s: seconds from one tick to the next.
    """

    every_s = 0.2

    def __init__(self) -> None:
        # Blender knows a timer by the identity of its function: a bound method is another each time.
        self._timer = self._on_timer

    def tick(self) -> bool:
        """Take in what there is to hear, in a few milliseconds; tell whether more may come."""
        raise NotImplementedError

    def close(self) -> None:
        """End what goes on; Blender is ending, or the extension is disabled."""
        raise NotImplementedError

    @property
    def listening(self) -> bool:
        """Whether the timer is there."""
        return bpy.app.timers.is_registered(self._timer)

    def listen(self) -> None:
        """Begin to hear; does nothing while that is so."""
        if not self.listening:
            bpy.app.timers.register(self._timer, first_interval=self.every_s, persistent=True)

    def register(self) -> None:
        """Take care of Blender's exit."""
        compat.on_exit(self._end)

    def unregister(self) -> None:
        """End what goes on, the timer and the exit hook."""
        compat.forget_on_exit(self._end)
        self._end()

    def _on_timer(self) -> float | None:
        return self.every_s if self.tick() else None

    def _end(self) -> None:
        """Blender 4.x crashes or hangs at exit if a timer is left."""
        if self.listening:
            bpy.app.timers.unregister(self._timer)
        self.close()


def redraw() -> None:
    """Redraw the regions that show the engine, and no 3D view."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) in LISTENING_REGIONS:
                    region.tag_redraw()


def user_is_interacting() -> bool:
    """Tell whether a drag, a stroke or a render is going on: no moment to change the scene.

    Those are Blender's own modal operators; an add-on's may run all day and are not waited for.
    """
    written_in_python = bpy.types.Operator.bl_rna_get_subclass_py
    return any(
        written_in_python(operator.bl_idname) is None
        for window in bpy.context.window_manager.windows
        for operator in window.modal_operators
    )
