# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line prints reaches who can read it, and never fails a command that has done its work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sync_engine.cli.terminal import TerminalProgress
from sync_engine.interface.messages import Progress
from sync_engine.interface.picture_files import check_picture

ROOT = Path(__file__).parents[2]


def run(arguments: str, **variables: str) -> subprocess.CompletedProcess:
    command = f"'{sys.executable}' -m sync_engine {arguments}"
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    return subprocess.run(command, shell=True, capture_output=True, cwd=ROOT, env=environment, check=False)


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture whose name cp1252 and ASCII lack."""
    path = tmp_path_factory.mktemp("pictures") / "山谷.png"
    Image.fromarray(np.full((64, 128, 3), 90, dtype=np.uint8)).save(path)
    return path


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell; it would check closed and full streams")
@pytest.mark.parametrize(
    ("redirection", "encoding"),
    [
        ("", "cp1252"),
        ("", "ascii"),
        (">&-", "utf-8"),
        (">&- 2>&-", "utf-8"),
        ("> /dev/full", "utf-8"),
        ("| true", "utf-8"),
    ],
)
def test_a_command_that_has_done_its_work_succeeds(
    picture: Path, tmp_path: Path, redirection: str, encoding: str
) -> None:
    if redirection == "> /dev/full" and not Path("/dev/full").exists():
        pytest.skip("no /dev/full; it would check an output that takes no bytes")
    out = tmp_path / "天.exr"
    done = run(f"expand '{picture}' --out '{out}' {redirection}", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    check_picture(out)
    assert b"Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [out]


def test_words_of_a_failure_in_an_encoding_that_lacks_them(tmp_path: Path) -> None:
    done = run(f"expand '{tmp_path}/山.png' --out '{tmp_path}/x.exr'", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert b"\\u5c71.png cannot be read" in done.stderr


def test_brackets_of_a_prompt_are_no_markup(capsys) -> None:
    with TerminalProgress() as bar:
        bar.tell(Progress("j", "[/bold]", 1, 2, note="The model does not know: [/bold] [red]."))
        bar.tell(Progress("j", "[/bold]", 1, 2))
    assert "[/bold] [red]" in capsys.readouterr().err
