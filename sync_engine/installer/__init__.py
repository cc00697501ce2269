# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the engine's Python environment; standard library only, and nothing of Blender."""
