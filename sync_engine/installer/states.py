# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the set-up is, and which step it is at."""

from __future__ import annotations

from enum import Enum


class SetupState(Enum):
    """Where the engine's environment is."""

    ABSENT = "nothing is set up"
    PARTIAL = "begun and not finished; what was downloaded is kept"
    BUILDING = "being built"
    READY = "works"
    OUTDATED = "works, but this version of Syncscape wants other packages"
    BROKEN = "cannot run any more: its Python is gone"
    FAILED = "the last attempt failed"
    REMOVING = "being deleted"

    @property
    def at_work(self) -> bool:
        """Whether something goes on in the background."""
        return self in (SetupState.BUILDING, SetupState.REMOVING)

    @property
    def resting(self) -> bool:
        """Whether the state follows from what lies on the disk."""
        return not self.at_work and self is not SetupState.FAILED


class Stage(Enum):
    """The steps of building, in their order."""

    CHECK = "check"
    TOOLS = "tools"
    VENV = "venv"
    INSTALL = "install"
    VERIFY = "verify"
    SWITCH = "switch"


STAGES = {
    Stage.CHECK: "Checking",
    Stage.TOOLS: "Getting ready",
    Stage.VENV: "Making the environment",
    Stage.INSTALL: "Installing packages",
    Stage.VERIFY: "Trying the engine out",
    Stage.SWITCH: "Finishing",
}
"""The words for them."""


PARTS: dict[Stage, tuple[float, float]] = {
    Stage.CHECK: (0.0, 0.01),
    Stage.TOOLS: (0.01, 0.02),
    Stage.VENV: (0.02, 0.04),
    Stage.INSTALL: (0.04, 0.88),
    Stage.VERIFY: (0.88, 0.98),
    Stage.SWITCH: (0.98, 1.0),
}
"""Where each step begins and ends in the progress of the whole."""

_S = SetupState
_AT_REST = {_S.ABSENT, _S.PARTIAL, _S.READY, _S.OUTDATED, _S.BROKEN}
ALLOWED: dict[SetupState, set[SetupState]] = {
    **{state: _AT_REST | {_S.BUILDING, _S.REMOVING} for state in _AT_REST | {_S.FAILED}},
    _S.BUILDING: {_S.READY, _S.OUTDATED, _S.BROKEN, _S.PARTIAL, _S.ABSENT, _S.FAILED},
    _S.REMOVING: {_S.ABSENT, _S.FAILED},
}
"""Which state may follow which."""
