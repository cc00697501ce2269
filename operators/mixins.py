# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators share: when they refuse, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy

from ..engine.environment import engine_setup
from ..engine.models import engine_models

Mixin = bpy.types.Operator if TYPE_CHECKING else object
"""What a class derives from that is only ever part of an operator."""


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
