# SPDX-License-Identifier: GPL-3.0-or-later
"""The words for what a scene can lack: each with its remedy."""

from __future__ import annotations

from ..scene.problems import SceneProblem, Trouble
from ..sync_engine.host.jobs import Failure
from ..sync_engine.interface.messages import FailureCode
from ..sync_engine.interface.wording import Message

TROUBLES = {
    Trouble.NO_CAMERA: Failure(
        FailureCode.OUTPUT.value,
        "The scene has no camera.",
        "Add one (Add → Camera), then apply the plate again.",
    ),
    Trouble.NO_PICTURE: Failure(
        FailureCode.OUTPUT.value, "The scene has no World with a picture.", "Apply one first."
    ),
    Trouble.OTHER_NODES: Failure(
        FailureCode.OUTPUT.value,
        "The nodes of this World do more than turn one picture.",
        "Use an Environment Texture, a Mapping that only rotates, and a Background.",
    ),
    Trouble.NO_SUN: Failure(
        FailureCode.OUTPUT.value,
        "There is no sun in this World: no small light far brighter than its sky.",
        "Overcast and night skies have none. Make the World again with a Sun Strength of its own.",
    ),
    Trouble.NOTHING_PAINTED: Failure(
        FailureCode.OUTPUT.value,
        "Nothing has been painted over.",
        "Paint in any colour where the picture should be made anew, then repair it.",
    ),
    Trouble.NO_PERSPECTIVE: Failure(
        FailureCode.OUTPUT.value,
        "The camera has no perspective.",
        "Set its lens to Perspective, or capture for a World.",
    ),
    Trouble.NOTHING_TO_SEE: Failure(
        FailureCode.OUTPUT.value,
        "There is nothing to see from the viewpoint.",
        "Check what is hidden, the collection and the viewpoint.",
    ),
}


class SceneFailed(RuntimeError):
    """What ``api`` raises where a scene lacks something; ``failure`` says what, and what to do."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(str(failure))


def explain_scene(problem: SceneProblem) -> Failure:
    """Return what is wrong with a scene, and the remedy."""
    if problem.trouble is Trouble.UNREADABLE_PICTURE:
        message = Message("The picture {path} cannot be read.", path=problem.subject)
        return Failure(FailureCode.OUTPUT.value, message, "Apply the World again.")
    if problem.trouble is Trouble.EMPTY_IMAGE:
        message = Message("The image {name} has no pixels.", name=problem.subject)
        return Failure(FailureCode.OUTPUT.value, message, "Open its file again.")
    if problem.trouble in (Trouble.TOO_MANY_OBJECTS, Trouble.TOO_MANY_TRIANGLES):
        message = Message("The scene has more than {most} objects to look at.", most=problem.subject)
        if problem.trouble is Trouble.TOO_MANY_TRIANGLES:
            message = Message("The scene has more than {most} triangles to look at.", most=problem.subject)
        return Failure(FailureCode.OUTPUT.value, message, "Choose a collection of what matters.")
    if problem.trouble is Trouble.DAMAGED_PICTURE:
        message = Message(
            "The picture {path} is damaged ({reason}).", path=problem.subject, reason=problem.reason
        )
        return Failure(FailureCode.OUTPUT.value, message, "Generate the picture again.")
    if problem.trouble is Trouble.LITTLE_MEMORY and problem.short is not None:
        message = Message(
            "The picture {name} needs about {needed:.1f} GiB of memory, {free:.1f} are free.",
            name=problem.subject,
            needed=problem.short[0],
            free=problem.short[1],
        )
        return Failure(
            FailureCode.OUT_OF_MEMORY.value, message, "Close other programs, or use a smaller picture."
        )
    return TROUBLES[problem.trouble]
