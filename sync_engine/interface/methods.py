# SPDX-License-Identifier: GPL-3.0-or-later
"""The methods there are to choose from, by name: the files of ``sync/methods``.

They are found by their place, not by an import that is written down: the door depends on no room behind it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from .method_facts import MethodFacts

METHODS: Mapping[str, MethodFacts] = importlib.import_module("...sync.methods", __name__).METHODS
"""In the order in which they are offered."""
