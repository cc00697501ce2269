# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine needs to know of the extension's preferences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from ..sync_engine.installer.setup import Options
from ..sync_engine.installer.uv import Network
from .environment import EXTENSION, blender_python, engine_setup, extension_folder


@dataclass(frozen=True)
class EngineSettings:
    """What an engine client is made of; another value means another client."""

    python: str
    library: Path
    online: bool
    hub: str = ""
    proxy: str = ""
    nice: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the engine is started with."""
        found = {"PYTHONDONTWRITEBYTECODE": "1"}  # nothing is written into the extension
        if not self.online:
            found |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        if self.nice:
            found["SYNCSCAPE_NICE"] = self.nice
        if self.hub:
            found["HF_ENDPOINT"] = self.hub
        if self.proxy:
            found |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), self.proxy)
        return found


def get() -> Any:
    """Return the extension's preferences, or None while it is not enabled as an add-on."""
    addon = bpy.context.preferences.addons.get(EXTENSION)
    return addon.preferences if addon else None


def engine_settings() -> EngineSettings:
    """Return what the engine is to be started with now."""
    preferences = get()
    own = preferences.engine_python.strip() if preferences else ""
    python = bpy.path.abspath(own) if own else engine_setup.python
    hub = preferences.hub.strip() if preferences else ""
    proxy = preferences.proxy.strip() if preferences else ""
    nice = preferences.nice if preferences else ""
    return EngineSettings(python, library_folder(), bool(bpy.app.online_access), hub, proxy, nice)


def setup_options() -> Options:
    """Return what the engine's own environment is to be built from."""
    preferences = get()
    if preferences is None:
        return Options(blender_python())
    wheels = preferences.wheels.strip()
    network = Network(
        online=bool(bpy.app.online_access),
        proxy=preferences.proxy.strip(),
        index=preferences.index.strip(),
        wheels=bpy.path.abspath(wheels) if wheels else "",
    )
    base = preferences.base_python.strip()
    python = bpy.path.abspath(base) if base else blender_python()
    return Options(python, preferences.accelerator, network)


def device() -> str:
    """Return the device that jobs run on."""
    preferences = get()
    return preferences.device.strip() if preferences else "auto"


def library_folder() -> Path:
    """Return the folder of the results; it may not exist yet.

    By default it is the same for every Blender, and none that Blender deletes with the extension. The
    folder of documents would not do: many copy it to a cloud, and macOS asks before a program may read it.
    """
    preferences = get()
    if preferences and preferences.library.strip():
        named = preferences.library  # a blank may be part of the name
        given = Path(bpy.path.abspath(named)).expanduser()
        return (given if given.is_dir() else Path(bpy.path.abspath(named.strip())).expanduser()).absolute()
    earlier = extension_folder("library")  # the default of the first versions
    return earlier if earlier.is_dir() else Path.home() / "Syncscape"


def goes_with_the_extension(folder: Path) -> bool:
    """Tell whether Blender deletes a folder when the extension is uninstalled."""
    own = extension_folder()
    return own in (folder, *folder.parents)
