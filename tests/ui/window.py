# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Blender window on a virtual screen: run Python in it, click, type, look."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
ROOTFS = Path(__file__).with_name("rootfs.sh")
ROOT_HOME = Path(os.environ.get("SYNCSCAPE_WINDOW_ROOT", REPO / ".build" / "window-root"))
DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL"]
SOFTWARE_GL = {"LIBGL_ALWAYS_SOFTWARE": "1", "GALLIUM_DRIVER": "llvmpipe"}
KEY_CODES = {"F12": "96"}
"""Keys that xdotool, given their name, would press together with Alt; in Blender 5.2 that is another key."""
PATIENCE = float(os.environ.get("SYNCSCAPE_UI_PATIENCE", "1"))
"""Everything that is waited for may take so many times as long: for a machine that does other work too."""


def missing(suite: str) -> str | None:
    """Return why no window can be opened here, or None."""
    if os.name != "posix" or os.geteuid() != 0:
        return "only root can enter the Debian root that has Blender"
    if not (ROOT_HOME / suite / ".complete").exists():
        return f"the Debian root is not built: run tests/ui/rootfs.sh build {suite}"
    return None


class BlenderWindow:
    """Blender in its window; a context manager that takes everything down again."""

    def __init__(self, suite: str, user_folder: Path, size: tuple[int, int] = (1280, 800)) -> None:
        self.suite, self.user_folder, self.size = suite, user_folder, size
        self.exchange = Path(tempfile.mkdtemp(prefix="syncscape-window-"))
        self._processes: list[subprocess.Popen] = []
        self._environment = {"BLENDER_USER_RESOURCES": str(user_folder), **SOFTWARE_GL}

    def __enter__(self) -> BlenderWindow:
        try:
            self._start_screen()
            self._start_blender()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)
        shutil.rmtree(self.exchange, ignore_errors=True)

    def inside(self, *command: object, timeout: float = 60) -> str:
        """Run a program of the root (xdotool, import, …) and return what it prints."""
        done = subprocess.run(
            self._entered(*command), capture_output=True, text=True, timeout=timeout * PATIENCE, check=True
        )
        return done.stdout

    def run(self, code: str, timeout: float = 60) -> Any:
        """Run Python in Blender's main thread; return the expression's value or what ``answer`` is."""
        reply = self.exchange / "answer.json"
        part = self.exchange / "ask.part"
        part.write_text(code, encoding="utf-8")
        part.rename(self.exchange / "ask.py")
        deadline = time.monotonic() + timeout * PATIENCE
        while not reply.exists():
            if self.blender.poll() is not None:
                raise RuntimeError(f"Blender ended ({self.blender.returncode}):\n{self.log()[-3000:]}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"no answer from Blender in {timeout} s to: {code[:200]}")
            time.sleep(0.01)
        answer = json.loads(reply.read_text(encoding="utf-8"))
        reply.unlink()
        if "error" in answer:
            raise RuntimeError(f"in Blender:\n{answer['error']}")
        return answer["value"]

    def wait_until(self, expression: str, timeout: float, every: float = 0.05) -> float:
        """Wait until an expression in Blender is true; return the seconds it took."""
        started = time.monotonic()
        while not self.run(expression):
            if time.monotonic() - started > timeout * PATIENCE:
                raise TimeoutError(f"not true after {timeout} s: {expression}")
            time.sleep(every)
        return time.monotonic() - started

    def move(self, x: int, y: int) -> None:
        """Put the mouse at a pixel of the screen (from the top left), as a hand would: in two moves."""
        self.inside("xdotool", "mousemove", x + 3, y + 1, "sleep", "0.05", "mousemove", x, y)

    def click(self, x: int, y: int) -> None:
        """Press and release the left button at a pixel of the screen."""
        self.move(x, y)
        time.sleep(0.2)
        self.inside("xdotool", "mousedown", 1, "sleep", "0.05", "mouseup", 1)

    def drag(self, *places: tuple[int, int]) -> None:
        """Press the left button at the first place, move through the others, let go at the last.

        Blender answers between any two moves: a slow one would take many moves for a single jump.
        """
        self.move(*places[0])
        for word in ("mousedown", *places[1:], places[-1], "mouseup"):
            self.run("1")
            time.sleep(0.4)
            self.inside("xdotool", *((word, 1) if isinstance(word, str) else ("mousemove", *word)))

    def key(self, *keys: str) -> None:
        """Press keys one after the other, in xdotool's names."""
        self.inside("xdotool", "key", "--delay", 60, *(KEY_CODES.get(key, key) for key in keys))

    def type(self, text: str) -> None:
        """Type a text."""
        self.inside("xdotool", "type", "--delay", 40, text)

    def screenshot(self, path: Path, box: tuple[int, int, int, int] | None = None) -> Path:
        """Save the screen, or its part (left, top, width, height), as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        crop = ["-crop", "{2}x{3}+{0}+{1}".format(*box), "+repage"] if box else []
        self.inside("import", "-window", "root", *crop, path)
        return path

    def region_box(self, kind: str, region: str) -> tuple[int, int, int, int]:
        """Return a region's left, top, width and height on the screen."""
        x, y, width, height = self.run(
            f"r = view({kind!r}, {region!r})['region']; answer = (r.x, r.y, r.width, r.height)"
        )
        return x, self.size[1] - y - height, width, height

    def find_button(self, command: str, kind: str = "VIEW_3D", region: str = "UI") -> tuple[int, int]:
        """Return where on the screen a button is that runs the operator, e.g. ``syncscape.generate``.

        Blender tells nobody where its buttons are, so the mouse is moved down the region and
        Blender is asked at each place what is under it.
        """
        return self._find("operator", f"bpy.ops.{command}(", kind, region)

    def find_field(self, name: str, kind: str = "VIEW_3D", region: str = "UI") -> tuple[int, int]:
        """Return where on the screen the field of a property is."""
        return self._find("property", name, kind, region)

    def _find(self, what: str, text: str, kind: str, region: str) -> tuple[int, int]:
        left, top, width, height = self.region_box(kind, region)
        seen = []
        for x in (left + width // 2, left + width - 40, left + width // 3):
            for y in range(top + 30, top + height - 4, 8):
                self.move(x, y)
                time.sleep(0.03)
                under = self.run(f"{what}_under_mouse({kind!r}, {region!r})")
                if text in under:
                    return x, y + 4
                if under and under not in seen:
                    seen.append(under)
        raise LookupError(f"no {what} {text!r} in {kind} {region}; seen: {seen}")

    def log(self) -> str:
        """Return what Blender printed so far."""
        return (self.user_folder / "blender.log").read_text(encoding="utf-8", errors="replace")

    def _entered(self, *command: object) -> list[str]:
        settings = [f"{name}={value}" for name, value in self._environment.items()]
        return [str(ROOTFS), "enter", self.suite, "env", *settings, *map(str, command)]

    def _start_screen(self) -> None:
        reading, writing = os.pipe()
        screen = "{}x{}x24".format(*self.size)
        command = self._entered("Xvfb", "-displayfd", writing, "-screen", 0, screen, "-nolisten", "tcp")
        log = (self.exchange / "xvfb.log").open("wb")
        self._processes.append(
            subprocess.Popen(DIES_WITH_US + command, pass_fds=[writing], stdout=log, stderr=log)
        )
        os.close(writing)
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise RuntimeError(f"Xvfb did not start: {(self.exchange / 'xvfb.log').read_text()}")
        self._environment["DISPLAY"] = f":{number}"

    def _start_blender(self) -> None:
        self.user_folder.mkdir(parents=True, exist_ok=True)
        driver = Path(__file__).with_name("in_blender.py")
        command = self._entered(
            *("blender", "--factory-startup", "--window-geometry", 0, 0, *self.size),
            *("--python", driver, "--", self.exchange),
        )
        log = (self.user_folder / "blender.log").open("wb")
        self.blender = subprocess.Popen(
            DIES_WITH_US + command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        self._processes.append(self.blender)
        self.wait_until("bool(window().screen)", timeout=120)
