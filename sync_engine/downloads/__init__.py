# SPDX-License-Identifier: GPL-3.0-or-later
"""Models from the hub: what is fetched, how it is checked, where it lies.

``headers`` decides what a weights file is, ``listing`` which files of a repository are wanted,
``fetch`` gets them, ``store`` keeps them, ``commands`` is ``python -m sync_engine models``.
"""
