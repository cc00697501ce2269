# SPDX-License-Identifier: GPL-3.0-or-later
"""A World written for other programs: the engine's ``export`` command in a child process."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from ..interface.messages import FailureCode
from ..interface.wording import Message
from .diagnosis import EngineMissing, find_python
from .jobs import Failure
from .process import child_environment, child_folder

SUFFIXES = {"exr": ".exr", "hdr": ".hdr", "png": ".png", "jpeg": ".jpg", "cube": "", "ibl": ""}
"""Formats and the suffix of their file; none for a folder of files."""


class Export:
    """One export. Nothing blocks but ``wait``.

    Args:
        python: the Python that runs the engine.
        picture: the World's picture.
        form: a name of ``SUFFIXES``.
        out: the file, or the folder.
        exposure: EV, of PNG and JPEG.
        size: edge of a cube's face in pixels; None: a quarter of the width.
        environment: variables for the child.

    Attributes:
        files: what was written, once it is done.
        problem: why it failed; None otherwise.
    """

    def __init__(
        self,
        python: Path | str,
        picture: Path,
        form: str,
        out: Path,
        exposure: float = 0.0,
        size: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.out = out
        self.files: list[Path] = []
        self.problem: Failure | None = None
        self._python = python
        self._arguments = ["export", str(picture), "--to", form, "--out", str(out), f"--exposure={exposure}"]
        if size is not None:
            self._arguments.append(f"--size={size}")
        self._environment = child_environment(Path(__file__).resolve().parents[2], environment)
        self._thread = threading.Thread(target=self._run, name="export", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; tell whether it is reached."""
        self._thread.join(timeout)
        return not self.running

    def _run(self) -> None:
        try:
            done = subprocess.run(
                [str(find_python(self._python)), "-m", "sync_engine", *self._arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=self._environment,
                cwd=child_folder(Path(__file__).resolve().parents[2]),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                start_new_session=os.name == "posix",
            )
            if done.returncode == 0:
                lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
                self.files = [Path(name) for name in json.loads(lines[-1])["files"]] if lines else []
                if self.files:
                    return
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            reason = said[-1] if said else str(done.returncode)
        except EngineMissing as error:
            self.problem = error.failure
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = str(error)
        message = Message("The picture cannot be exported: {reason}", reason=reason)
        self.problem = Failure(FailureCode.OUTPUT.value, message, "Choose another place or format.")
