# SPDX-License-Identifier: GPL-3.0-or-later
"""Preferences of the extension, and what the engine needs to know of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from .engine_setup import blender_python, engine_setup, extension_folder
from .installer.setup import Options
from .installer.uv import Network

ACCELERATOR_ITEMS = (
    ("auto", "Automatic", "What this computer has: an NVIDIA, AMD or Apple GPU, else the processor"),
    ("cpu", "Processor", "The smallest download; runs everywhere, slowly with large models"),
    ("cuda", "NVIDIA GPU", "PyTorch's CUDA build"),
    ("rocm", "AMD GPU", "PyTorch's ROCm build (Linux)"),
    ("mps", "Apple GPU", "PyTorch's build for Apple silicon"),
)
DEVICES = ("auto", "cpu", "cuda", "cuda:0", "cuda:1", "mps")


@dataclass(frozen=True)
class EngineSettings:
    """What an engine client is made of; another value means another client."""

    python: str
    library: Path
    online: bool
    hub: str = ""
    proxy: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the engine is started with."""
        found = {"PYTHONDONTWRITEBYTECODE": "1"}  # nothing is written into the extension
        if not self.online:
            found |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        if self.hub:
            found["HF_ENDPOINT"] = self.hub
        if self.proxy:
            found |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), self.proxy)
        return found


def _set_preview(self, _context) -> None:
    from .engine_link import link

    link.set_preview(self.show_preview)


def _suggest_devices(_self, _context, edit_text: str) -> list[str]:
    return [name for name in DEVICES if edit_text.lower() in name]


class SyncscapePreferences(bpy.types.AddonPreferences):
    """Edit → Preferences → Add-ons → Syncscape."""

    bl_idname = __package__

    accelerator: EnumProperty(
        name="Compute On",
        description="Which build of PyTorch is installed",
        items=ACCELERATOR_ITEMS,
        default="auto",
    )
    wheels: StringProperty(
        name="Folder of Wheels",
        description="Install from this folder and download nothing. It must hold every wheel of the lock "
        "file. Empty: download",
        subtype="DIR_PATH",
    )
    index: StringProperty(
        name="Index Address",
        description="Address of a package index instead of PyPI and PyTorch's, such as a company's mirror; "
        "several are separated by spaces. Empty: PyPI and PyTorch's",
    )
    proxy: StringProperty(
        name="Proxy",
        description="Address of a proxy for the downloads, http://user:password@host:port. "
        "Empty: the system's",
    )
    hub: StringProperty(
        name="Model Hub",
        description="Address of a mirror that models are fetched from, https://host. Empty: the public hub, "
        "or what the variable HF_ENDPOINT says",
    )
    base_python: StringProperty(
        name="Base Python",
        description="The Python that the environment is made from. Empty: Blender's own",
        subtype="FILE_PATH",
    )
    engine_python: StringProperty(
        name="Engine Python",
        description="The Python that runs the engine: one with torch and diffusers, for example the "
        "python of a virtual environment. Blender's own Python stays untouched. Empty: the engine "
        "that Syncscape has set up",
        subtype="FILE_PATH",
    )
    device: StringProperty(
        name="Device",
        description="Where pictures are computed: auto, cpu, cuda, cuda:N for one of several GPUs, or mps",
        default="auto",
        search=_suggest_devices,
        search_options={"SUGGESTION"},
    )
    library: StringProperty(
        name="Library",
        description="Folder for the results. Empty: the folder Syncscape in your home folder",
        subtype="DIR_PATH",
    )
    show_preview: BoolProperty(
        name="Live Preview",
        description="Show the picture while it forms",
        default=True,
        update=_set_preview,
    )

    def draw(self, context) -> None:
        from .panels.engine_status import draw_engine, draw_setup
        from .panels.models import draw_models
        from .panels.parts import draw_text

        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        if not self.engine_python.strip():
            draw_setup(layout.box(), context)
            header, body = layout.panel("syncscape_setup", default_closed=True)
            header.label(text="Set-Up Options")
            if body is not None:
                for name in ("accelerator", "wheels", "index", "proxy", "base_python"):
                    body.prop(self, name)
        header, body = layout.panel("syncscape_own", default_closed=not self.engine_python)
        header.label(text="Use My Own Environment")
        if body is not None:
            body.prop(self, "engine_python")
        header, body = layout.panel("syncscape_models", default_closed=True)
        header.label(text="Models")
        if body is not None:
            body.prop(self, "hub")
            draw_models(body, context)
        layout.prop(self, "device")
        layout.prop(self, "library")
        if not self.library:
            layout.label(text=str(library_folder()), icon="FILE_FOLDER")
        if goes_with_the_extension(library_folder()):
            draw_text(
                layout,
                context,
                "Blender deletes this folder with the extension. Move it and name its new place as Library.",
                "ERROR",
            )
        layout.prop(self, "show_preview")
        draw_engine(layout, context)


def get() -> SyncscapePreferences | None:
    """Return the extension's preferences, or None while it is not enabled as an add-on."""
    addon = bpy.context.preferences.addons.get(__package__)
    return addon.preferences if addon else None


def engine_settings() -> EngineSettings:
    """Return what the engine is to be started with now."""
    preferences = get()
    own = preferences.engine_python.strip() if preferences else ""
    python = bpy.path.abspath(own) if own else engine_setup.python
    hub = preferences.hub.strip() if preferences else ""
    proxy = preferences.proxy.strip() if preferences else ""
    return EngineSettings(python, library_folder(), bool(bpy.app.online_access), hub, proxy)


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
        return Path(bpy.path.abspath(preferences.library.strip())).expanduser().absolute()
    earlier = extension_folder("library")  # the default of the first versions
    return earlier if earlier.is_dir() else Path.home() / "Syncscape"


def goes_with_the_extension(folder: Path) -> bool:
    """Tell whether Blender deletes a folder when the extension is uninstalled."""
    own = extension_folder()
    return own in (folder, *folder.parents)


def register() -> None:
    """Register the preferences."""
    bpy.utils.register_class(SyncscapePreferences)


def unregister() -> None:
    """Remove the preferences; Blender keeps their values."""
    bpy.utils.unregister_class(SyncscapePreferences)
