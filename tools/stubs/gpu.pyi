# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own modules for pyright: known by name, untyped."""

from typing import Any

def __getattr__(name: str) -> Any: ...
