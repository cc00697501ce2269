# SPDX-License-Identifier: GPL-3.0-or-later
"""Backbones: one file a family of models behind the verbs encode, predict, decode and preview.

Importing a file of this package loads no torch: ``catalog.families`` looks through them all.
"""
