# SPDX-License-Identifier: GPL-3.0-or-later
"""The points and triangles of an object's mesh, copied one array at a time: each takes a few milliseconds."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from .depth_picture import fans

BLENDERS_OWN = 30_000
"""A mesh of so many triangles has those that Blender makes, which take 0.25 µs each to read; of a larger one
each face is a fan, which is right for all but concave faces."""


class MeshCopy:
    """The mesh of an evaluated object, read by ``read``; then nothing of it belongs to Blender.

    Attributes:
        count: how many triangles it has.
        whole: whether all of it has been read.
    """

    def __init__(self) -> None:
        self.count, self.whole = 0, False
        self._arrays: dict[str, np.ndarray] = {}
        self._sizes: tuple[int, ...] = ()
        self._triangles: np.ndarray | None = None

    def read(self, item: Any) -> bool:
        """Copy one more array of an evaluated object's mesh; return whether all are there.

        One whose numbers have changed since the last call is read anew.
        """
        mesh = item.to_mesh()
        if mesh is None:
            self.whole = True
            return True
        try:
            sizes = len(mesh.vertices), len(mesh.edges), len(mesh.loops), len(mesh.polygons)
            if sizes != self._sizes:
                self._sizes, self._arrays, self._triangles = sizes, {}, None
                self.count = sizes[2] - 2 * sizes[3]
            self.whole = self._read(mesh)
            return self.whole
        finally:
            item.to_mesh_clear()

    def _read(self, mesh: bpy.types.Mesh) -> bool:
        # Attributes are copied at once: 0.7 ms for half a million points. Other properties are read one by
        # one, which takes 33 ms, and 250 ms for a million of the triangles that Blender makes.
        points, edges, loops, faces = self._sizes
        if not self.count:
            return True
        wanted: list[tuple[str, str, type, int]] = [("position", "vector", np.float32, 3 * points)]
        if self.count > BLENDERS_OWN:
            wanted.append((".corner_vert", "value", np.int32, loops))
            if loops != 3 * faces:
                wanted.append((".corner_edge", "value", np.int32, loops))
                wanted.append((".edge_verts", "value", np.int32, 2 * edges))
        for name, field, kind, size in wanted:
            if name not in self._arrays:
                self._arrays[name] = np.empty(size, dtype=kind)
                mesh.attributes[name].data.foreach_get(field, self._arrays[name])
                return False
        if self.count <= BLENDERS_OWN:
            self._triangles = np.empty((self.count, 3), dtype=np.int32)
            mesh.loop_triangles.foreach_get("vertices", self._triangles.reshape(-1))
        return True

    @property
    def points(self) -> np.ndarray:
        """The points ``(P, 3)``, in the object's axes."""
        return self._arrays["position"].reshape(-1, 3)

    @property
    def triangles(self) -> np.ndarray:
        """The points of each triangle ``(N, 3)``; takes a while the first time, in any thread."""
        if self._triangles is None:
            corners = self._arrays[".corner_vert"]
            if ".corner_edge" in self._arrays:
                ends = self._arrays[".edge_verts"].reshape(-1, 2)
                self._triangles = fans(corners, self._arrays[".corner_edge"], ends)
            else:
                self._triangles = corners.reshape(-1, 3)
        return self._triangles
