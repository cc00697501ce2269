# SPDX-License-Identifier: GPL-3.0-or-later
"""What a script imports: ``from bl_ext.user_default.syncscape import api``.

    job = api.generate(prompt="desert at sunset", kind="world", width=1024, seed=7)
    job.wait()                # or go on: job.state, job.progress, job.cancel()
    api.apply_world(job)

Everything here is for Blender's main thread. Problems are exceptions whose text names the remedy:
SpecError for a field, EngineFailed for the engine, ResultError for a file, SceneFailed for the scene.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import bpy

from .engine import preferences
from .engine.batch import engine_batch
from .engine.export import engine_export
from .engine.library import results
from .engine.link import link
from .operators.apply import install_world, world_name
from .operators.assets import asset_folder, words
from .operators.look import save_still
from .operators.problems import SceneFailed, explain_scene
from .scene import assets, plate
from .scene.perspective import Gaze
from .scene.problems import SceneProblem
from .sync_engine.host.batch import BatchRun
from .sync_engine.host.client import EngineFailed, EngineMissing
from .sync_engine.host.history import Result, ResultError, read_result
from .sync_engine.host.jobs import Failure, Job, JobState
from .sync_engine.interface.embedded import read_spec
from .sync_engine.interface.enlarging import enlarging
from .sync_engine.interface.guides import Region, Sun, guide_from_dict
from .sync_engine.interface.spec import EnvironmentSpec, SpecError
from .sync_engine.interface.validation import plain
from .sync_engine.interface.wording import Message

__all__ = [
    "BatchRun",
    "EngineFailed",
    "EngineMissing",
    "EnvironmentSpec",
    "Failure",
    "Job",
    "JobState",
    "Region",
    "Result",
    "ResultError",
    "SceneFailed",
    "SpecError",
    "Sun",
    "apply_plate",
    "apply_world",
    "batch",
    "enlarge",
    "export",
    "generate",
    "history",
    "read_spec",
    "save_asset",
    "still",
]


def generate(prompt: str | EnvironmentSpec, **fields: Any) -> Job:
    """Start a picture and return its job at once.

    Args:
        prompt: what the picture shows, or a whole spec. A spec may be a stranger's: its model is not
            downloaded unless ``model`` is given here too.
        fields: any other field of EnvironmentSpec: kind, width, height, seed, method, steps, …; numbers of
            NumPy and paths are taken too;
            ``guides`` are a list of ``Region`` and ``Sun``, or of their JSON objects.

    Returns:
        The job: ``state``, ``progress``, ``wait(timeout)``, ``cancel()``, ``result``, ``error``.

    Raises:
        SpecError: a field cannot be used.
        EngineFailed: the engine cannot be started, or the library not be written.
    """
    fields = plain(fields)
    if isinstance(prompt, EnvironmentSpec):
        if isinstance(fields.get("guides"), (list, tuple)):
            fields["guides"] = tuple(guide_from_dict(n, data) for n, data in enumerate(fields["guides"]))
        spec = dataclasses.replace(prompt, **fields)
    else:
        spec = EnvironmentSpec.from_dict({"device": preferences.device(), "prompt": prompt, **fields})
    typed = "model" in fields or not isinstance(prompt, EnvironmentSpec)
    return link.generate(spec, agreed=typed)


def batch(
    specs: Iterable[EnvironmentSpec | Mapping[str, Any]], on: str | Path | None = None
) -> list[Job] | BatchRun:
    """Start many pictures and return at once. Every spec is checked before the first job starts.

    Args:
        specs: what to make.
        on: where. None: one after the other in this Blender's engine. ``"ray"`` or ``"ray://HOST:PORT"``: a
            Ray started here, or a cluster. A folder (a Path): nothing is made, a job bundle for a farm
            is written there.

    Returns:
        The jobs; with ``on`` the run: ``wait(timeout)``, ``progress``, ``stop()``, ``problem``. Its results
        land in the library.

    Raises:
        SpecError: a field cannot be used.
        EngineFailed: the engine cannot be started, or another batch goes on.
    """
    device = {"device": preferences.device()}
    specs = list(specs)
    ready = [
        spec.validated()
        if isinstance(spec, EnvironmentSpec)
        else EnvironmentSpec.from_dict({**device, **plain(dict(spec))})
        for spec in specs
    ]
    if on is None:
        typed = [not isinstance(spec, EnvironmentSpec) for spec in specs]
        return [link.generate(spec, agreed=agreed) for spec, agreed in zip(ready, typed, strict=True)]
    options = ["--write-openjd", str(on)] if isinstance(on, Path) else ["--on", on]
    return engine_batch.start(ready, options)


def apply_world(result: Job | Result | Path | str, scene: bpy.types.Scene | None = None) -> bpy.types.World:
    """Light a scene with a result and return its new World; the old one stays in the file.

    Args:
        result: a job (waited for if it is not finished), a result, or a result's folder.
        scene: the scene; by default the current one.
    """
    return install_world(scene or bpy.context.scene, _finished(result, "world"))


def apply_plate(
    result: Job | Result | Path | str, scene: bpy.types.Scene | None = None, render: bool = False
) -> bpy.types.Image:
    """Show a result behind a scene's camera, with ``render`` in renders too; return its image.

    Raises SceneFailed if the scene has no camera.
    """
    found = _finished(result, "plate")
    try:
        return plate.apply_plate(scene or bpy.context.scene, found.image, found.id, render=render)
    except SceneProblem as problem:
        raise SceneFailed(explain_scene(problem)) from problem


def enlarge(picture: Job | Result | Path | str, width: int, prompt: str = "", **fields: Any) -> Job:
    """Start making a World, or any 360° picture, larger, and return the job at once.

    Args:
        picture: a World as for ``apply_world``, or the path of a picture, EXR or 8-bit, 2:1.
        width: pixels, up to 8192.
        prompt: what a picture of another program shows; by default what the picture says of itself.
        fields: other fields of EnvironmentSpec: seed, steps, model, …

    Raises:
        SpecError: a field cannot be used, or nothing tells what the picture shows.
        EngineFailed: the engine cannot be started.
    """
    if isinstance(picture, (Path, str)) and Path(picture).is_file():
        file = Path(picture).absolute()
        try:
            made = read_spec(file)
        except SpecError:
            made = EnvironmentSpec(prompt)
    else:
        found = _finished(picture, "world")
        file, made = found.image, found.spec
    given = {"device": preferences.device(), **({"prompt": prompt} if prompt else {}), **fields}
    return link.generate(dataclasses.replace(enlarging(made, file, width), **given))


def export(
    result: Job | Result | Path | str,
    form: str,
    out: Path | str,
    exposure: float = 0.0,
    size: int | None = None,
) -> list[Path]:
    """Write a World for other programs; blocks until it is done, and returns the files.

    Args:
        result: as for ``apply_world``.
        form: ``exr``, ``hdr``, ``png``, ``jpeg``, ``cube`` or ``ibl``.
        out: the file, of ``cube`` and ``ibl`` the folder.
        exposure: EV, of ``png`` and ``jpeg``.
        size: edge of a cube's face in pixels; None: a quarter of the width.

    Raises:
        EngineFailed: there is no engine, or the export failed; the text says why.
    """
    done = engine_export.start(_finished(result, "world").image, form, Path(out), exposure, size)
    done.wait()
    if done.problem is not None:
        raise EngineFailed(done.problem)
    return done.files


def still(
    result: Job | Result | Path | str, azimuth: float = 0.0, elevation: float = 0.0, fov: float = 90.0
) -> Result:
    """Save a view of a World as a plate of the history, and return it.

    Args:
        result: as for ``apply_world``.
        azimuth: degrees from the picture's middle, to the left.
        elevation: degrees.
        fov: field of view over the width in degrees, 10 to 130.

    Raises SceneFailed for a picture that cannot be read, OSError if the library cannot be written.
    """
    found = _finished(result, "world")
    exposure = found.light.get("exposure", 0.0)
    try:
        return save_still(found, Gaze(azimuth, elevation, fov, -float(exposure)))
    except SceneProblem as problem:
        raise SceneFailed(explain_scene(problem)) from problem


def history(kind: str | None = None, text: str = "") -> list[Result]:
    """Return what was made so far, newest first.

    Args:
        kind: only ``world`` or only ``plate``.
        text: only results whose prompt or name has every word of it, in any case.
    """
    library = results.library()
    library.refresh()
    return library.find(kind, text)


def save_asset(
    result: Job | Result | Path | str,
    name: str = "",
    author: str = "",
    licence: str = "",
    tags: Iterable[str] = (),
    packed: bool = True,
) -> Path:
    """Write a World into the Syncscape asset library and return the .blend file.

    Args:
        result: as for ``apply_world``.
        name, tags: by default from the prompt.
        author, licence: as the asset browser shows them.
        packed: the picture inside the file; otherwise a copy beside it.

    Raises:
        OSError: the folder cannot be written.
    """
    found = _finished(result, "world")
    facts = assets.AssetFacts(
        name or world_name(found), author, licence, tuple(tags) or tuple(words(found)), found.spec.prompt
    )
    return assets.save_world(found, asset_folder(), facts, packed)


def _finished(given: Job | Result | Path | str, kind: str) -> Result:
    if isinstance(given, Job):
        given.wait()
        link.run_callbacks()
        if given.error is not None:
            raise EngineFailed(given.error)
        if given.result is None:
            raise EngineFailed(
                Failure(
                    "cancelled", Message("The job {job} was cancelled.", job=given.id), "Generate it again."
                )
            )
        given = given.result
    elif not isinstance(given, Result):
        given = read_result(preferences.library_folder() / given)
    if given.kind != kind:
        raise ResultError(given.folder, Message("is a {kind}, not a {wanted}", kind=given.kind, wanted=kind))
    return given
