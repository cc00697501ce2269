# SPDX-License-Identifier: GPL-3.0-or-later
"""What every script in Blender shares: install the extension, reach its modules, tell the test."""

from __future__ import annotations

import atexit
import importlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy

NAME = "bl_ext.user_default.syncscape"
warnings.filterwarnings("error", category=DeprecationWarning, module=NAME.replace(".", r"\."))
GIVEN: dict[str, Any] = json.loads(os.environ["SYNCSCAPE_TEST"])
HOME = Path(GIVEN["home"])


def install(engine: str | None = None) -> None:
    """Install and enable the extension from the zip; name its engine's Python and a library of the test's."""
    done = bpy.ops.extensions.package_install_files(
        filepath=GIVEN["zip"], repo="user_default", enable_on_install=True
    )
    assert done == {"FINISHED"}, done
    preferences().engine_python = GIVEN["engine"] if engine is None else engine
    preferences().library = str(HOME / "library")


def preferences() -> Any:
    """Return the extension's preferences."""
    return bpy.context.preferences.addons[NAME].preferences


def settings(**values: Any) -> Any:
    """Return the current scene's settings with these values set."""
    found = bpy.context.scene.syncscape
    for name, value in values.items():
        setattr(found, name, value)
    return found


def module(name: str) -> ModuleType:
    """Return one of the extension's modules."""
    return importlib.import_module(f"{NAME}.{name}")


def error_of(work: Callable[[], Any]) -> str:
    """Return the text of the RuntimeError that an operator raises."""
    try:
        work()
    except RuntimeError as error:
        return str(error)
    raise AssertionError("it should have failed")


def tick_until(done: Callable[[], bool], timeout: float = 60.0) -> list[float]:
    """Do what Blender's timer does (it never ticks in the module); return the processor seconds of each.

    Wall time would be that of a machine on which other programs run too.
    """
    link = module("engine.link").link
    ticks = []
    end = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < end, "not in time"
        start = time.thread_time()
        link.tick()
        ticks.append(time.thread_time() - start)
        time.sleep(0.02)
    return ticks


def raised(work: Callable[[], Any]) -> Exception:
    """Return the error that something raises."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 (the test says which it must be)
        return error
    raise AssertionError("it should have failed")


def tell(**values: Any) -> None:
    """Pass values to the test."""
    sys.stdout.write(f"RESULT {json.dumps(values)}\n")
    sys.stdout.flush()


def leave() -> None:
    """End as Python does, but for the bpy 4.2 module's own crash.

    When anything keeps the module alive until the interpreter is gone, its C++ destructors call
    Python after its end. Eight lines with one PropertyGroup and no extension show it. Real Blender
    ends another way.
    """
    sys.stdout.flush()
    if bpy.app.version < (4, 3, 0):
        atexit._run_exitfuncs()
        os._exit(0)
