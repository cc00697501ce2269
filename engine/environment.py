# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's own environment in this Blender: where it lies, what it is built from, and who watches it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import bpy

from ..sync_engine.host.process import child_environment
from ..sync_engine.installer.locks import Lock
from ..sync_engine.installer.problems import SetupFailed
from ..sync_engine.installer.setup import Options, Setup
from ..sync_engine.installer.states import SetupState
from .listener import Listener, redraw

EXTENSION = (__package__ or "").rpartition(".")[0]
"""The extension's name among Blender's add-ons."""
ROOT = Path(__file__).resolve().parents[1]
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}


class EngineSetup(Listener):
    """The one set-up of this Blender; made when a panel or an operator first asks for it.

    Attributes:
        let_go: ends an engine that has nothing to do; tells whether none is left that runs from the old
            environment.
    """

    def __init__(self) -> None:
        super().__init__()
        self.let_go: Callable[[], bool] = lambda: True
        self._setup: Setup | None = None
        self._plan: tuple[Options, Lock | SetupFailed] | None = None
        self._seen: tuple[object, ...] = ()
        self._sweep_due = False

    @property
    def setup(self) -> Setup:
        """The set-up in the extension's user folder."""
        if self._setup is None:
            self._setup = Setup(extension_folder("engine"), ROOT, child_environment(ROOT, _OFFLINE))
        return self._setup

    @property
    def state(self) -> SetupState:
        """Where the environment is."""
        return self.setup.state

    @property
    def python(self) -> str:
        """The Python of the environment, or an empty text while there is none that works."""
        found = self.setup.python
        return str(found) if found else ""

    def plan(self, options: Options) -> Lock | SetupFailed:
        """Return what would be installed, or why nothing can be; panels ask for it while they draw."""
        if self._plan is None or self._plan[0] != options:
            try:
                self._plan = options, self.setup.plan(options)
            except SetupFailed as error:
                self._plan = options, error
        return self._plan[1]

    def start(self, options: Options) -> None:
        """Build or replace the environment in the background."""
        self.setup.start(options)
        self.listen()

    def remove(self) -> None:
        """Delete the environment in the background. No engine may run from it."""
        self.setup.remove()
        self.listen()

    def tick(self) -> bool:
        """Show what has changed; tell whether more may come."""
        setup = self.setup
        shown = (setup.state, setup.stage, round(setup.progress, 3), setup.detail)
        if shown != self._seen:
            self._seen = shown
            redraw()
        if setup.state.at_work:
            self._sweep_due = True
            return True
        if self._sweep_due and self.let_go():  # a job that runs still needs the old environment
            self._sweep_due = False
            if setup.state is SetupState.READY:
                setup.sweep()
        return self._sweep_due

    def close(self) -> None:
        """Stop building; it can be resumed."""
        if self._setup is not None:
            self._setup.stop(timeout=2.0)
        self._setup = self._plan = None


engine_setup = EngineSetup()


def blender_python() -> str:
    """Return Blender's own Python."""
    return sys.executable


def extension_folder(name: str = "") -> Path:
    """Return a folder of the extension's own files, which Blender deletes with it."""
    try:
        return Path(bpy.utils.extension_path_user(EXTENSION, path=name))
    except ValueError:  # this code runs from somewhere else than Blender's extensions
        return Path(bpy.utils.user_resource("DATAFILES", path=f"syncscape/{name}"))
