# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's hold on the engine: its client, its models, its environment, and the timers that listen."""

from ..settings import scene
from . import batch, environment, export, library, link, models

_listeners = (
    environment.engine_setup,
    models.engine_models,
    batch.engine_batch,
    export.engine_export,
    library.results,
    link.link,
)


def register() -> None:
    """Take care of Blender's exit; nothing starts before it is needed."""
    environment.engine_setup.let_go = link.link.let_go
    scene.known_models = link.link.model_names
    for listener in _listeners:
        listener.register()


def unregister() -> None:
    """End the engine and what else goes on, the timers and the exit hooks."""
    for listener in reversed(_listeners):
        listener.unregister()
