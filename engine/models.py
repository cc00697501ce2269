# SPDX-License-Identifier: GPL-3.0-or-later
"""The models of the engine in this Blender: one store of them, and the timer that listens to it."""

from __future__ import annotations

import bpy

from ..sync_engine.host.model_store import LOG_NAME, ModelAction, ModelStore
from . import preferences
from .listener import Listener, redraw


class EngineModels(Listener):
    """The store for the engine that the preferences name."""

    def __init__(self) -> None:
        super().__init__()
        self._store: ModelStore | None = None
        self._settings: preferences.EngineSettings | None = None
        self._seen: tuple[object, ...] = ()

    @property
    def busy(self) -> bool:
        """Whether something goes on that a user has asked for."""
        return self._store is not None and self._store.action not in (None, ModelAction.LIST)

    @property
    def can_cancel(self) -> bool:
        """Whether something goes on that can be stopped without leaving half a thing."""
        return self.busy and self._store is not None and self._store.action is not ModelAction.REMOVE

    def store(self) -> ModelStore | None:
        """Return the store, made anew if the preferences changed and it is idle; None without an engine."""
        wanted = preferences.engine_settings()
        if self._store is not None and (wanted == self._settings or self._store.action is not None):
            return self._store
        self.close()
        if wanted.python:
            log = wanted.library / LOG_NAME
            self._store, self._settings = ModelStore(wanted.python, log, wanted.environment), wanted
        return self._store

    def show(self) -> ModelStore | None:
        """Return the store, and let it list the models once; panels ask for it while they draw."""
        store = self.store()
        if store is not None and store.rows is None and store.problem is None and not bpy.app.background:
            self.start(ModelAction.LIST)
        return store

    def start(self, action: ModelAction, name: str = "") -> None:
        """Begin a piece of work in the background."""
        store = self.store()
        if store is None:
            return
        store.start(action, name)
        self.listen()

    def cancel(self) -> None:
        """Stop what goes on."""
        if self._store is not None:
            self._store.cancel()

    def tick(self) -> bool:
        """Show what has changed; tell whether more may come."""
        store = self._store
        if store is None:
            return False
        shown = (store.action, store.step, store.rows, store.problem)
        if shown != self._seen:
            self._seen = shown
            redraw()
        return store.action is not None

    def close(self) -> None:
        """Stop what goes on; a download can be gone on with."""
        if self._store is not None:
            self._store.stop()
        self._store = self._settings = None


engine_models = EngineModels()
