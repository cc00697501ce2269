# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's preferences: what they are and how they are drawn; ``engine/preferences.py`` reads them."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from .engine.link import link
from .engine.preferences import goes_with_the_extension, library_folder
from .panels.engine_status import draw_engine, draw_setup
from .panels.models import draw_models
from .panels.parts import draw_text

ACCELERATOR_ITEMS = (
    ("auto", "Automatic", "What this computer has: an NVIDIA, AMD or Apple GPU, else the processor"),
    ("cpu", "Processor", "The smallest download; runs everywhere, slowly with large models"),
    ("cuda", "NVIDIA GPU", "PyTorch's CUDA build"),
    ("rocm", "AMD GPU", "PyTorch's ROCm build (Linux)"),
    ("mps", "Apple GPU", "PyTorch's build for Apple silicon"),
)
PRIORITY_ITEMS = (
    ("0", "As Blender", "Pictures come sooner while Blender renders, which then takes longer"),
    ("5", "Below Blender", "Blender comes first where both want the processor"),
    ("19", "Last", "Only what no other program wants"),
)
DEVICES = ("auto", "cpu", "cuda", "cuda:0", "cuda:1", "cuda:0,cuda:1", "mps")


def _set_preview(self, _context) -> None:
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
    nice: EnumProperty(
        name="Priority",
        description="How much of a busy processor the engine leaves to other programs; from its next start",
        items=PRIORITY_ITEMS,
        default="5",
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
        layout.prop(self, "nice")
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


def register() -> None:
    """Register the preferences."""
    bpy.utils.register_class(SyncscapePreferences)


def unregister() -> None:
    """Remove the preferences; Blender keeps their values."""
    bpy.utils.unregister_class(SyncscapePreferences)
