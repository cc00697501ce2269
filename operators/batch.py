# SPDX-License-Identifier: GPL-3.0-or-later
"""Batch: an operator that makes many prompts with the panel's settings, here, on Ray, or on a farm."""

# The properties of bpy.props are annotations.
# pyright: reportInvalidTypeForm=false

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty

from ..engine import preferences
from ..engine.batch import engine_batch
from ..engine.link import PROBLEMS, explain, link
from ..sync_engine.host.batch import JOB_FILES, prompts_in, read_prompts
from ..sync_engine.interface.limits import LIMITS
from ..sync_engine.interface.spec import EnvironmentSpec
from ..translations import in_words, tr

SOURCE_ITEMS = [
    ("FILE", "File", "A text file with one prompt a line, or a file of jobs: JSON lines, CSV or TOML"),
    ("CLIPBOARD", "Clipboard", "The lines that were copied last, one prompt each, or jobs as JSON lines"),
]

PLACE_ITEMS = [
    ("HERE", "Here", "One after the other in this Blender's engine"),
    ("RAY", "Ray Cluster", "On a cluster of Ray, or on one that is started on this computer"),
    ("BUNDLE", "Farm Bundle", "Nothing is made: a job bundle for a render farm is written"),
]


class SYNCSCAPE_OT_batch(bpy.types.Operator):
    """Make many environments: every prompt of a list with the settings of this scene"""

    bl_idname = "syncscape.batch"
    bl_label = "Batch"

    source: EnumProperty(
        name="Prompts",
        description="Where the prompts are",
        items=SOURCE_ITEMS,
    )
    filepath: StringProperty(
        name="File",
        description="One prompt a line; or jobs with settings of their own in a .jsonl, .csv or .toml file",
        subtype="FILE_PATH",
    )
    widths: StringProperty(
        name="Widths", description="Widths in pixels, with commas between. Empty: the panel's size"
    )
    variations: IntProperty(
        name="Variations",
        description="Pictures of each prompt and size, with seeds that count up",
        default=1,
        min=1,
        max=10000,
    )
    place: EnumProperty(
        name="Where",
        description="What makes the pictures",
        items=PLACE_ITEMS,
    )
    address: StringProperty(
        name="Address",
        description="A Ray cluster: ray starts one here, ray://HOST:PORT uses one that runs",
        default="ray",
    )
    bundle: StringProperty(name="Bundle", description="Folder of the job bundle", subtype="DIR_PATH")

    @classmethod
    def poll(cls, _context) -> bool:
        if not preferences.engine_settings().python:
            cls.poll_message_set("The engine is not set up")
            return False
        if engine_batch.busy:
            cls.poll_message_set("A batch goes on already")
            return False
        return True

    def invoke(self, context, _event) -> set[str]:
        """Ask for prompts, sizes, and where."""
        return context.window_manager.invoke_props_dialog(self, width=400)

    def draw(self, _context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "source")
        if self.source == "FILE":
            layout.prop(self, "filepath")
        if self._job_file() is None:
            layout.prop(self, "widths")
            layout.prop(self, "variations")
        layout.prop(self, "place")
        if self.place == "RAY":
            layout.prop(self, "address")
        elif self.place == "BUNDLE":
            layout.prop(self, "bundle")

    def execute(self, context) -> set[str]:
        """Start; the history fills as results land."""
        jobs = self._job_file()
        pasted = context.window_manager.clipboard if self.source == "CLIPBOARD" else ""
        if pasted.lstrip().startswith("{"):
            jobs = engine_batch.keep_jobs(pasted)
        if jobs is not None:
            return self._start_file(jobs)
        try:
            prompts = self._prompts(context)
        except (OSError, UnicodeDecodeError) as error:
            self.report({"ERROR"}, tr("The file of prompts cannot be read ({reason}).", reason=error))
            return {"CANCELLED"}
        if not prompts:
            self.report({"ERROR"}, tr("There are no prompts. Write one a line."))
            return {"CANCELLED"}
        try:
            specs = [spec.validated() for spec in self._specs(context.scene.syncscape, prompts)]
            if self.place == "HERE":
                for spec in specs:
                    link.generate(spec)
            else:
                engine_batch.start(specs, self._options())
        except PROBLEMS as error:
            self.report({"ERROR"}, in_words(explain(error)))
            return {"CANCELLED"}
        self.report({"INFO"}, tr("A batch of {count} pictures", count=len(specs)))
        return {"FINISHED"}

    def _job_file(self) -> Path | None:
        path = Path(bpy.path.abspath(self.filepath))
        return path if self.source == "FILE" and path.suffix.lower() in JOB_FILES else None

    def _start_file(self, jobs: Path) -> set[str]:
        """Have a process beside Blender make a file of jobs, which have settings of their own."""
        if not jobs.is_file():
            self.report({"ERROR"}, tr("The file of jobs {path} is not there.", path=jobs))
            return {"CANCELLED"}
        try:
            engine_batch.start_file(jobs, self._options())
        except PROBLEMS as error:
            self.report({"ERROR"}, in_words(explain(error)))
            return {"CANCELLED"}
        self.report({"INFO"}, tr("A batch of the jobs in {name}", name=jobs.name))
        return {"FINISHED"}

    def _prompts(self, context) -> list[str]:
        if self.source == "CLIPBOARD":
            return prompts_in(context.window_manager.clipboard)
        return read_prompts(Path(bpy.path.abspath(self.filepath)))

    def _options(self) -> list[str]:
        if self.place == "HERE":
            return []
        if self.place == "RAY":
            return ["--on", self.address.strip() or "ray"]
        return [
            "--write-openjd",
            bpy.path.abspath(self.bundle) or str(preferences.library_folder() / "bundle"),
        ]

    def _specs(self, settings, prompts: list[str]) -> list[EnvironmentSpec]:
        """Return every prompt in every width and variation, with the panel's other settings."""
        base = settings.to_spec(preferences.device())
        widths = [int(text) for text in self.widths.replace(" ", "").split(",") if text.isdigit()]
        first, seeds = base.seed, int(LIMITS["seed"].maximum) + 1
        return [
            replace(
                base,
                prompt=prompt,
                width=width or base.width,
                height=base.height if not width else (None if base.kind == "world" else base.height),
                seed=None if first is None else (first + number) % seeds,
            )
            for prompt in prompts
            for width in widths or [0]
            for number in range(self.variations)
        ]


class SYNCSCAPE_OT_stop_batch(bpy.types.Operator):
    """Have the batch end after the pictures at hand; started again it goes on"""

    bl_idname = "syncscape.stop_batch"
    bl_label = "Stop Batch"

    @classmethod
    def poll(cls, _context) -> bool:
        if not engine_batch.busy:
            cls.poll_message_set("No batch goes on")
            return False
        return True

    def execute(self, _context) -> set[str]:
        engine_batch.close()
        return {"FINISHED"}


_classes = (SYNCSCAPE_OT_batch, SYNCSCAPE_OT_stop_batch)
register, unregister = bpy.utils.register_classes_factory(_classes)
