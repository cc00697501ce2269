# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half of the door: the engine's process, its jobs and results; standard library only."""
