# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene can lack for what is to be done with it; ``operators/problems.py`` has the words for it."""

from __future__ import annotations

from enum import Enum


class Trouble(Enum):
    """What is wrong with a scene, its World or its picture."""

    NO_CAMERA = "no_camera"
    NO_PICTURE = "no_picture"
    OTHER_NODES = "other_nodes"
    NO_SUN = "no_sun"
    UNREADABLE_PICTURE = "unreadable_picture"
    DAMAGED_PICTURE = "damaged_picture"
    LITTLE_MEMORY = "little_memory"
    EMPTY_IMAGE = "empty_image"
    NOTHING_PAINTED = "nothing_painted"
    NO_PERSPECTIVE = "no_perspective"
    NOTHING_TO_SEE = "nothing_to_see"
    TOO_MANY_OBJECTS = "too_many_objects"
    TOO_MANY_TRIANGLES = "too_many_triangles"


class SceneProblem(RuntimeError):
    """A scene is not as it must be.

    Attributes:
        trouble: what is wrong.
        subject: the name or path of what it is wrong with, or empty.
        reason: how it is damaged, or empty.
        short: GiB of memory that a picture needs, and that are free; None for other troubles.
    """

    def __init__(
        self, trouble: Trouble, subject: str = "", reason: str = "", short: tuple[float, float] | None = None
    ) -> None:
        self.trouble, self.subject, self.reason, self.short = trouble, subject, reason, short
        super().__init__(f"{trouble.value}: {subject}" if subject else trouble.value)
