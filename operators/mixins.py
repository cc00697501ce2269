# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators share: when they refuse, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy

from ..engine import preferences
from ..engine.environment import engine_setup
from ..engine.link import NO_PYTHON
from ..engine.models import engine_models
from ..translations import in_words

Mixin = bpy.types.Operator if TYPE_CHECKING else object
"""What a class derives from that is only ever part of an operator."""


def no_engine() -> str:
    """Return why no engine could be started, as far as is known before trying, or an empty text."""
    return "" if preferences.engine_settings().python else in_words(NO_PYTHON)


class NeedsEngine(Mixin):
    """An operator that starts a job; before the class whose own ``poll`` it asks too."""

    @classmethod
    def poll(cls, context) -> bool:
        """Tell whether an engine could be started, and say so if not."""
        reason = no_engine()
        if reason:
            cls.poll_message_set(reason)
            return False
        return super().poll(context)


class OnWorld(Mixin):
    """An operator on the scene's World, whoever made it."""

    @classmethod
    def poll(cls, context) -> bool:
        """Tell whether there is a World, and say so if not."""
        if context.scene.world is None:
            cls.poll_message_set("The scene has no World")
            return False
        return True


class WhenIdle(Mixin):
    """An operator that waits until nothing is done to the engine or its models."""

    @classmethod
    def poll(cls, _context) -> bool:
        """Tell whether the engine is left alone, and say so if not."""
        if engine_setup.state.at_work:
            cls.poll_message_set("The engine is being set up. Wait for it, or cancel it")
            return False
        if engine_models.busy:
            cls.poll_message_set("Something is done to a model already. Wait for it, or cancel it")
            return False
        return True
