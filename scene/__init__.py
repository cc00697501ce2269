# SPDX-License-Identifier: GPL-3.0-or-later
"""What Syncscape does to a scene, without any user interface: worlds, plates, lamps and assets."""

from .live import register, unregister

__all__ = ["register", "unregister"]
