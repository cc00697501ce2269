# SPDX-License-Identifier: GPL-3.0-or-later
"""The door between Blender and the engine: standard library only, on both sides."""
