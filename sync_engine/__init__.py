# SPDX-License-Identifier: GPL-3.0-or-later
"""Syncscape's engine: the process that turns an EnvironmentSpec into a picture; never imports bpy."""

VERSION = "0.1.0"
