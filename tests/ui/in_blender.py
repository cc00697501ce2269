# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender's window: carries out the Python that window.py sends, and times the main thread.

Blender starts this file with ``--python``; the folder for the exchange is the last argument. Each
``ask.py`` found there is run, and its value (or its traceback) is written to ``answer.json``.
"""

import json
import sys
import time
import traceback
from pathlib import Path

import bpy

EXCHANGE = Path(sys.argv[-1])
POLL_S = 0.02
MAX_POLLS = 500_000

polls: list[float] = []
"""When this script's timer ran: its gaps are what a user feels as a stuttering window."""
ticks: dict[str, list[tuple[float, float]]] = {}
"""For each timer that anyone else registered, function or class: wall and processor seconds of each call."""
draws: list[tuple[float, float]] = []
"""The same for each drawing of the panels given to time_draws."""
_wrapped: dict = {}
_register, _unregister, _is_registered = (
    bpy.app.timers.register,
    bpy.app.timers.unregister,
    bpy.app.timers.is_registered,
)


def _timed(function, calls):
    def timed(*arguments):
        started, busy = time.perf_counter(), time.thread_time()
        try:
            return function(*arguments)
        finally:
            calls.append((time.perf_counter() - started, time.thread_time() - busy))

    return timed


def _timed_timer(function):
    named = type(function.__self__) if hasattr(function, "__self__") else function
    name = f"{named.__module__}.{named.__qualname__}"
    timed = _timed(function, ticks.setdefault(name, []))

    def run():
        again = timed()
        if again is None:
            _wrapped.pop(function, None)
        return again

    return run


def _timed_draw(function):
    timed = _timed(function, draws)

    def draw(self, context):  # Blender looks at the number of arguments: no more, no less
        timed(self, context)

    return draw


def time_draws(*panels):
    """Put a clock around the drawing of panels."""
    for panel in panels:
        panel.draw = _timed_draw(panel.draw)


def register(function, **options):
    """Stand in for bpy.app.timers.register: the same, with a clock around the function."""
    _wrapped[function] = _timed_timer(function)
    _register(_wrapped[function], **options)


def unregister(function):
    """Stand in for bpy.app.timers.unregister."""
    _unregister(_wrapped.pop(function, function))


def is_registered(function):
    """Stand in for bpy.app.timers.is_registered."""
    return _is_registered(_wrapped.get(function, function))


def clear_times():
    """Forget what was measured."""
    polls.clear()
    draws.clear()
    for calls in ticks.values():
        calls.clear()


def window():
    """Return the first window."""
    return bpy.context.window_manager.windows[0]


def view(kind="VIEW_3D", region="WINDOW"):
    """Return the override that makes the biggest area of a kind the current one."""
    areas = [area for area in window().screen.areas if area.type == kind]
    area = max(areas, key=lambda area: area.width * area.height)
    found = next(item for item in area.regions if item.type == region)
    return {"window": window(), "screen": window().screen, "area": area, "region": found}


def operator_under_mouse(kind="VIEW_3D", region="UI"):
    """Return the Python command of the button under the mouse, or an empty text."""
    manager = bpy.context.window_manager
    manager.clipboard = ""
    with bpy.context.temp_override(**view(kind, region)):
        if bpy.ops.ui.copy_python_command_button.poll():
            bpy.ops.ui.copy_python_command_button()
    return manager.clipboard


def property_under_mouse(kind="VIEW_3D", region="UI"):
    """Return the data path of the property under the mouse, or an empty text."""
    with bpy.context.temp_override(**view(kind, region)):
        found = bpy.context.property
    return found[1] if found else ""


def _carry_out(code):
    try:
        compiled = compile(code, "ask.py", "eval")
    except SyntaxError:
        scope = globals()
        scope.pop("answer", None)
        exec(compile(code, "ask.py", "exec"), scope)
        return scope.get("answer")
    return eval(compiled, globals())


def _poll():
    if len(polls) < MAX_POLLS:
        polls.append(time.perf_counter())
    ask = EXCHANGE / "ask.py"
    if ask.exists():
        code = ask.read_text(encoding="utf-8")
        ask.unlink()
        try:
            answer = {"value": _carry_out(code)}
        except BaseException:  # noqa: BLE001 - goes back to the test, with its traceback
            answer = {"error": traceback.format_exc()}
        part = EXCHANGE / "answer.part"
        part.write_text(json.dumps(answer, default=str), encoding="utf-8")
        part.rename(EXCHANGE / "answer.json")
    return POLL_S


bpy.app.timers.register, bpy.app.timers.unregister = register, unregister
bpy.app.timers.is_registered = is_registered
bpy.context.preferences.view.show_splash = False
_register(_poll, first_interval=POLL_S, persistent=True)
