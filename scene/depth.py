# SPDX-License-Identifier: GPL-3.0-or-later
"""Scene Depth: how far away what is visible is, all round from a point or in a camera's frame.

The scene is read on the main thread, a few milliseconds at a time: the arrays of its meshes are copied. The
picture is made of them in a thread. Between two pieces nothing of the scene is held: who edits meanwhile
gets a picture of both states, and nothing else happens.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from . import depth_file
from .depth_picture import DepthPicture, Frame, World
from .mesh_copy import MeshCopy
from .problems import SceneProblem, Trouble

SOLID = {"MESH", "CURVE", "SURFACE", "META", "FONT"}
MOST_INSTANCES = 20_000
MOST_TRIANGLES = 50_000_000


@dataclass(frozen=True)
class DepthOptions:
    """What of the scene counts.

    Attributes:
        only_rendered: leave out what is hidden in renders.
        collection: only what is in it; None: everything.
        furthest: what is further away does not count, in the scene's units; 0: everything counts.
    """

    only_rendered: bool = True
    collection: bpy.types.Collection | None = None
    furthest: float = 0.0


class SceneDepth:
    """One capture: ``advance`` until it says True, then ``finish``.

    Args:
        scene, view_layer: what is seen.
        height: rows; a world has twice as many columns.
        options: what counts.
        place: where a world is seen from.
        frame: instead of a place: width in pixels of the frame of the scene's camera.

    Raises:
        SceneProblem: there is no camera, or it has no perspective.
    """

    def __init__(
        self,
        scene: bpy.types.Scene,
        view_layer: bpy.types.ViewLayer,
        height: int,
        options: DepthOptions,
        place: Vector | None = None,
        frame: int = 0,
    ) -> None:
        self._layer, self._options = view_layer, options
        furthest = options.furthest or np.inf
        if place is None:
            rays, self._to_eye = _camera_frame(scene, frame, height)
        else:
            rays, self._to_eye = World(height), Matrix.Translation(-place)
        self._picture = DepthPicture(rays, furthest)
        self._meshes: list[MeshCopy] = []
        self._placed: list[tuple[int, np.ndarray]] = []
        self._known: dict[tuple[int, int], int] = {}
        self._next = self._triangles = 0
        self._thread: threading.Thread | None = None
        self.problem: str = ""

    def advance(self, seconds: float) -> bool:
        """Read more of the scene for so long, at least one array; return whether all of it is read.

        Raises:
            SceneProblem: there is too much of it, or nothing.
        """
        end = time.perf_counter() + seconds
        for number, instance in enumerate(self._layer.depsgraph.object_instances):
            if number < self._next:
                continue
            if number >= MOST_INSTANCES:
                raise SceneProblem(Trouble.TOO_MANY_OBJECTS, str(MOST_INSTANCES))
            if self._counts(instance):
                while not self._take(instance):
                    if time.perf_counter() >= end:
                        return False
            self._next = number + 1
            if time.perf_counter() >= end:
                return False
        if not self._placed:
            raise SceneProblem(Trouble.NOTHING_TO_SEE)
        return True

    def _counts(self, instance: Any) -> bool:
        item = instance.object
        source = instance.parent if instance.is_instance else item
        original = source.original if source is not None else None
        if item.type not in SOLID or not instance.show_self or original is None:
            return False
        if self._options.only_rendered and (original.hide_render or not original.visible_camera):
            return False
        inside = self._options.collection
        return inside is None or inside.all_objects.get(original.name) == original

    def _take(self, instance: Any) -> bool:
        """Read one array of what an instance shows; return whether it was the last."""
        item = instance.object
        key = (item.data.as_pointer() if item.data else 0, item.original.session_uid)
        number = self._known.setdefault(key, len(self._meshes))
        if number == len(self._meshes):
            self._meshes.append(MeshCopy())
        mesh = self._meshes[number]
        if not mesh.whole and not mesh.read(item):
            return False
        self._triangles += mesh.count
        if self._triangles > MOST_TRIANGLES:
            raise SceneProblem(Trouble.TOO_MANY_TRIANGLES, str(MOST_TRIANGLES))
        if mesh.count:
            self._placed.append((number, np.array(self._to_eye @ instance.matrix_world)))
        return True

    def start(self, path: Path) -> None:
        """Make the picture in a thread and write it; ``working`` says how long that goes on."""
        self._thread = threading.Thread(target=self._make, args=(path,), daemon=True)
        self._thread.start()

    @property
    def working(self) -> bool:
        """Whether the thread goes on."""
        return self._thread is not None and self._thread.is_alive()

    def _make(self, path: Path) -> None:
        try:
            depth_file.write(path, self.picture())
        except OSError as error:
            self.problem = str(error)

    def picture(self) -> np.ndarray:
        """Return the distances ``(H, W)`` float32 of what has been read, infinite where nothing is."""
        for mesh, matrix in self._placed:
            points = self._meshes[mesh].points
            self._picture.add(points @ matrix[:3, :3].T + matrix[:3, 3], self._meshes[mesh].triangles)
        return self._picture.depth


def _camera_frame(scene: bpy.types.Scene, width: int, height: int) -> tuple[Frame, Matrix]:
    camera = scene.camera
    if camera is None:
        raise SceneProblem(Trouble.NO_CAMERA)
    if camera.data.type != "PERSP":
        raise SceneProblem(Trouble.NO_PERSPECTIVE)
    corners = [corner / -corner.z for corner in camera.data.view_frame(scene=scene)]
    across, up = [corner.x for corner in corners], [corner.y for corner in corners]
    turned = Matrix(((1, 0, 0, 0), (0, 0, -1, 0), (0, 1, 0, 0), (0, 0, 0, 1)))  # it looks along -Z
    eye = turned @ camera.matrix_world.normalized().inverted()
    return Frame(width, height, (min(across), max(across), min(up), max(up))), eye
