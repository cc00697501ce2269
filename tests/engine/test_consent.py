# SPDX-License-Identifier: GPL-3.0-or-later
"""A model that a file names is fetched only after the user agrees; libraries cannot ask on stdin."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sync_engine.__main__ import main, parser
from sync_engine.catalog import models
from sync_engine.cli.doctor import torch_problems
from sync_engine.cli.serve import Service
from sync_engine.cli.spec_options import spec_from
from sync_engine.common.errors import NotAgreed
from sync_engine.downloads import consent
from sync_engine.interface import messages
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.runtime.job import Engine
from tests.small_models.fake_hub import FakeHub
from tests.small_models.hub_fixtures import PINNED

ROOT = Path(__file__).parents[2]


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """The record of somebody else's result, made with a model of the hub."""
    spec = {"prompt": "a calm sea", "kind": "plate", "width": 256, "height": 128, "steps": 1, "device": "cpu"}
    file = tmp_path / "spec.json"
    file.write_text(json.dumps({"spec": spec | {"model": PINNED, "precision": "fp32"}}))
    return file


def generate(spec: Path, out: Path, *options: str) -> int:
    return main(["generate", "--spec", str(spec), "--out", str(out), *options])


@pytest.mark.usefixtures("kept_stdin")
def test_a_foreign_spec_fetches_nothing_unasked(
    online: FakeHub, foreign: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert generate(foreign, tmp_path / "out") == 3
    assert not online.hub_requests
    said = capfd.readouterr().err
    assert "only after you agree" in said
    assert PINNED in said
    assert "--yes" in said


@pytest.fixture
def kept_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command takes this process's stdin, which the tests need no more than libraries do."""
    monkeypatch.setattr(sys, "stdin", sys.stdin)


@pytest.mark.slow
@pytest.mark.usefixtures("kept_stdin")
def test_yes_fetches(online: FakeHub, foreign: Path, tmp_path: Path) -> None:
    assert generate(foreign, tmp_path / "out", "--yes") == 0
    assert online.hub_requests
    online.hub_requests.clear()
    assert generate(foreign, tmp_path / "again") == 0, "what is here needs no question"
    assert not online.hub_requests


@pytest.mark.parametrize(("answer", "agreed"), [("y\n", True), ("ja\n", True), ("\n", False), ("n\n", False)])
def test_a_terminal_is_asked(
    online: FakeHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer, agreed: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    if agreed:
        consent.check_named_by_file(PINNED, agreed=False, can_ask=True)
    else:
        with pytest.raises(NotAgreed, match="only after you agree"):
            consent.check_named_by_file(PINNED, agreed=False, can_ask=True)
    asked = capsys.readouterr().err
    assert "licence" in asked
    assert "owner/tiny" in asked


def test_the_size_and_the_licence_of_a_row_are_told() -> None:
    assert "6.9 GB, licence: CreativeML Open RAIL++-M" in consent.in_words(models.TABLE["sdxl"])


@pytest.mark.slow
def test_a_job_of_blender_fetches_nothing_unless_its_request_says_that_the_user_agreed(
    online: FakeHub, tmp_path: Path
) -> None:
    spec = EnvironmentSpec(
        "a", kind="plate", width=128, height=64, steps=1, model=PINNED, device="cpu", precision="fp32"
    )
    lines, told = [], io.BytesIO()
    for name, agreed in (("no", False), ("yes", True)):
        lines.append(messages.encode(messages.Generate(name, spec.to_dict(), str(tmp_path / name), agreed)))
    service = Service(io.BytesIO(b"".join(lines)), told)
    service._read_requests()
    waiting = [service._inbox.get() for _ in range(2)]
    service._run_job(Engine(), waiting[0])
    assert not online.hub_requests
    assert b'"code": "not_agreed"' in told.getvalue()
    assert b"owner/tiny" in told.getvalue()
    service._run_job(Engine(), waiting[1])
    assert online.hub_requests
    assert (tmp_path / "yes" / "plate.png").exists()


def test_a_library_that_asks_on_stdin_gets_no_answer() -> None:
    code = (
        "import sys; from sync_engine.common.streams import take_stdin; requests = take_stdin()\n"
        "try:\n    input('run the custom code? [y/N]')\nexcept EOFError:\n    print('no answer')\n"
        "print(requests.readline())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, input="y\n", capture_output=True, text=True, check=True
    )
    assert "no answer" in done.stdout
    assert "b'y\\n'" in done.stdout, "the protocol still has its line"


@pytest.mark.parametrize(
    ("version", "holes"),
    [
        ("2.13.0+cpu", []),
        ("2.10.0", []),
        ("2.9.1+cu128", ["CVE-2026-24747"]),
        ("2.5.1", ["CVE-2025-32434", "CVE-2026-24747"]),
    ],
)
def test_the_doctor_knows_torch_with_holes(version: str, holes: list[str]) -> None:
    said = " ".join(torch_problems(version))
    assert all(hole in said for hole in holes)
    assert bool(said) == bool(holes)


def test_a_folder_of_the_command_line_is_kept_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "draft").mkdir()
    monkeypatch.chdir(tmp_path)
    for given, kept in (("./mine", tmp_path / "mine"), ("mine", tmp_path / "mine"), ("draft", "draft")):
        options = parser().parse_args(["generate", "--prompt", "a", "--out", "o", "--model", given])
        assert spec_from(options).model == str(kept)
