# SPDX-License-Identifier: GPL-3.0-or-later
"""The methods, one file each: every module of this folder that is not private defines a ``METHOD``.

Standard library only at import, so that Blender's process can ask what there is to choose from.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from typing import Any

from ..method import Method


def discover(folders: Iterable[str]) -> dict[str, Method[Any]]:
    """Return the methods of a folder of modules by name, in the order of the choices."""
    names = sorted(module.name for module in pkgutil.iter_modules(folders) if module.name[0] != "_")
    found = [importlib.import_module(f"{__name__}.{name}").METHOD for name in names]
    return {method.name: method for method in sorted(found, key=lambda method: (method.rank, method.name))}


METHODS = discover(__path__)
