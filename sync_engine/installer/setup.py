# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds, checks, replaces and removes the engine's environment, in a thread of its own."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..interface.wording import Message, joined
from . import locks, programs, uv
from .platforms import detect, this_platform
from .problems import SETTINGS, SetupCancelled, SetupFailed, explain
from .programs import UsedSpace, python_version
from .states import ALLOWED, PARTS, STAGES, SetupState, Stage
from .store import Current, Store

SPARE_MB = 300
"""Kept free beside what the packages need."""
DOCTOR_S = 600
"""A first start on a slow disk reads some gigabytes of libraries."""


@dataclass(frozen=True)
class Options:
    """What the environment is built from.

    Attributes:
        base_python: the Python that it is made from: Blender's own.
        accelerator: ``auto`` or one of ``platforms.ACCELERATORS``.
        network: where the packages come from.
    """

    base_python: str
    accelerator: str = "auto"
    network: uv.Network = field(default_factory=uv.Network)


class Setup:
    """The engine's environment in one folder. Nothing here blocks, except ``wait`` and ``stop``.

    Args:
        folder: everything lies in it, and ``remove`` deletes it.
        engine_root: folder that contains ``sync_engine``, with the lock files.
        doctor_environment: variables that the engine is started with.
        find_uv: returns the uv to use.

    Attributes:
        stage, progress, detail: of the work that goes on; the progress is 0 to 1.
        problem: why the last attempt failed, until the next.
    """

    def __init__(
        self,
        folder: Path,
        engine_root: Path,
        doctor_environment: Mapping[str, str],
        find_uv: Callable[[], Path] = uv.find_bundled,
    ) -> None:
        self.store = Store(folder)
        self.stage, self.progress, self.detail = Stage.CHECK, 0.0, ""
        self.problem: SetupFailed | None = None
        self._root, self._doctor_environment, self._find_uv = engine_root, doctor_environment, find_uv
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None
        self._state = SetupState.ABSENT
        self.refresh()

    # --- what is shown ----------------------------------------------------------------------

    @property
    def state(self) -> SetupState:
        """Where the environment is."""
        return self._state

    @property
    def python(self) -> Path | None:
        """The Python of an environment that works, or None; an update goes on beside it."""
        found = self._python
        return found if found is not None and found.exists() else None

    @property
    def current(self) -> Current | None:
        """What is known of the environment in use."""
        return self._current

    def plan(self, options: Options) -> locks.Lock:
        """Return what would be installed. Raises SetupFailed if nothing fits this machine."""
        version = python_version(options.base_python)
        folder = self._root / "sync_engine" / "requirements"
        return locks.choose(folder, this_platform(), options.accelerator, version, detect())

    def refresh(self) -> None:
        """Look at the disk again, unless something goes on."""
        if not self._state.at_work:
            self._move(self._on_disk())

    # --- what is done -----------------------------------------------------------------------

    def start(self, options: Options) -> None:
        """Build an environment beside the one in use, and put it in its place when it works.

        What an earlier attempt has downloaded is used again. Does nothing while something goes on.
        """
        if not self._state.at_work:
            self._begin(SetupState.BUILDING, lambda: self._build(options))

    def remove(self) -> None:
        """Delete the environment and everything that building it has left."""
        if not self._state.at_work:
            self._begin(SetupState.REMOVING, self._remove)

    def cancel(self) -> None:
        """Stop building; it can be resumed."""
        self._cancelled.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing goes on any more; tell whether that is so."""
        if self._thread is not None:
            self._thread.join(timeout)
        return not self._state.at_work

    def stop(self, timeout: float = 5.0) -> None:
        """Cancel and wait (Blender is ending)."""
        self.cancel()
        self.wait(timeout)

    def sweep(self) -> None:
        """Delete older environments; call it when no engine runs from one."""
        if not self._state.at_work:
            threading.Thread(target=self.store.sweep, name="setup-sweep", daemon=True).start()

    # --- the one way from state to state ----------------------------------------------------

    def _move(self, state: SetupState, problem: SetupFailed | None = None) -> None:
        if state is not self._state and state not in ALLOWED[self._state]:
            raise ValueError(f"the set-up cannot go from {self._state.name} to {state.name}")
        self.problem = problem
        self._current, self._python = self.store.current(), self.store.python()
        self._state = state

    def _on_disk(self) -> SetupState:
        current, python = self.store.current(), self.store.python()
        if current is None or python is None:
            return SetupState.PARTIAL if self.store.is_partial() else SetupState.ABSENT
        if not python.exists():
            return SetupState.BROKEN
        known = locks.locks_in(self._root / "sync_engine" / "requirements")
        same = any(lock.digest == current.lock for lock in known)
        return SetupState.READY if same else SetupState.OUTDATED

    def _begin(self, state: SetupState, work: Callable[[], None]) -> None:
        self._cancelled.clear()
        self.stage, self.progress, self.detail = Stage.CHECK, 0.0, ""
        self._move(state)
        self._thread = threading.Thread(target=self._run, args=(work,), name="setup", daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except SetupCancelled:
            self._move(self._on_disk())
        except SetupFailed as error:
            self._move(SetupState.FAILED, error)
        except OSError as error:
            self._move(SetupState.FAILED, explain(STAGES[self.stage], error.errno or 1, [str(error)]))
        else:
            self._move(self._on_disk())

    # --- in the thread ----------------------------------------------------------------------

    def _remove(self) -> None:
        with self.store.locked():
            self.store.sweep()
        self.store.remove()

    def _build(self, options: Options) -> None:
        self._enter(Stage.CHECK)
        lock = self.plan(options)
        self._check(lock, options.network)
        with self.store.locked():
            self._enter(Stage.TOOLS)
            program = uv.copy_program(self._find_uv(), self.store.programs)
            environment = uv.environment(self.store.cache, options.network)
            self.store.log.write_bytes(b"")
            self._enter(Stage.VENV)
            folder = self.store.begin()
            self._call(uv.venv_command(program, options.base_python, folder), environment)
            self._enter(Stage.INSTALL)
            python = uv.program_of(folder)
            command = uv.install_command(program, python, lock.path, lock.index, options.network)
            self._call(command, environment, lock.disk_mb * 10**6)
            self._enter(Stage.VERIFY)
            report = self._doctor(python)
            self._enter(Stage.SWITCH)
            version = python_version(options.base_python)
            names = (folder.name, lock.digest, lock.platform, lock.accelerator, version)
            self.store.switch(Current(*names, report=report))
            shutil.rmtree(self.store.cache, ignore_errors=True)

    def _check(self, lock: locks.Lock, network: uv.Network) -> None:
        """Refuse what cannot go well before anything is written. Raises SetupFailed."""
        if network.wheels:
            if not any(Path(network.wheels).glob("*.whl")):
                raise SetupFailed(
                    Message("The folder of wheels {folder} has no wheels in it.", folder=network.wheels),
                    Message("Name another in {setting}, or leave it empty to download.", setting=SETTINGS),
                )
        elif not network.online:
            raise SetupFailed(
                Message(
                    "Online access is off, and {megabytes} MB of packages are needed.",
                    megabytes=lock.download_mb,
                ),
                "Switch on Preferences → System → Network → Allow Online Access, or name a folder of wheels.",
            )
        folder = self.store.folder
        while not folder.exists():
            folder = folder.parent
        needed = (lock.disk_mb + SPARE_MB) * 10**6 - self.store.weight()
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise SetupFailed(
                Message(
                    "{needed:.1f} GB of free space are needed in {folder}, {free:.1f} GB are there.",
                    needed=needed / 1e9,
                    folder=folder,
                    free=free / 1e9,
                ),
                "Free some space, then try again.",
            )

    def _doctor(self, python: Path) -> dict[str, Any]:
        """Ask the new environment's engine what works. Raises SetupFailed if it does not."""
        command = [str(python), "-m", "sync_engine", "doctor", "--json"]
        text = self._call(command, self._doctor_environment)
        begin = re.search(r"^\{", text, re.MULTILINE)  # libraries may have written warnings around it
        if begin is None:
            raise explain(STAGES[self.stage], 0, text.splitlines()[-5:])
        report, _ = json.JSONDecoder().raw_decode(text, begin.start())
        if report.get("problems"):
            shutil.rmtree(self.store.cache, ignore_errors=True)  # what it was made from may be damaged
            raise SetupFailed(
                joined(*map(str, report["problems"])), "Press Resume: it begins with new downloads."
            )
        return report

    def _call(self, command: list[str], environment: Mapping[str, str], size: int = 0) -> str:
        """Run a program to its end; ``size``: what it will write, in bytes. Raises as ``programs.run``."""
        used = UsedSpace(self.store.folder, already=self.store.weight())

        def look(lines: list[str]) -> None:
            self._stop_if_cancelled()
            if size:  # how far an installation is shows in what it has taken of the disk
                first, last = PARTS[self.stage]
                self.progress = max(self.progress, first + (last - first) * min(1.0, used.now() / size))
                self.detail = lines[-1][:80] if lines else ""

        limit = None if size else DOCTOR_S
        step = STAGES[self.stage]
        # PYTHONPATH may say "here": of a folder that it cannot name (host/process.py)
        folder = self._root if environment.get("PYTHONPATH") == "." else self.store.folder
        return programs.run(step, command, environment, folder, self.store.log, look, limit)

    def _stop_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise SetupCancelled

    def _enter(self, stage: Stage) -> None:
        self._stop_if_cancelled()
        self.stage, self.progress, self.detail = stage, PARTS[stage][0], ""
