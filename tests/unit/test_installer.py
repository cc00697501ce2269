# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment's builder with the real uv and a small engine: build, resume, update, repair, remove."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sync_engine.installer.setup import Setup
from sync_engine.installer.states import SetupState, Stage
from tests.small_engine import SmallEngine
from tools.locks import uv_program
from tools.wheels import WheelError

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300


@pytest.fixture(scope="session")
def uv() -> Path:
    """The bundled uv."""
    try:
        return uv_program()
    except WheelError as error:
        pytest.skip(f"uv is not here ({error}). Not checked: building the engine's environment.")


@pytest.fixture
def small(tmp_path: Path, uv: Path) -> SmallEngine:
    """An engine that is quick to set up."""
    return SmallEngine(tmp_path, uv)


def build(small: SmallEngine, **values: object) -> Setup:
    """Build to the end."""
    setup = small.setup()
    setup.start(small.options(**values))
    assert setup.wait(PATIENCE_S)
    return setup


def version_in(setup: Setup) -> str:
    """Return which version of the package the environment has."""
    assert setup.python is not None
    code = "import syncscape_probe; print(syncscape_probe.VERSION)"
    done = subprocess.run([str(setup.python), "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_build_and_start_again(small: SmallEngine) -> None:
    assert small.setup().state is SetupState.ABSENT
    assert not small.folder.exists(), "looking makes nothing"
    setup = build(small)
    assert setup.state is SetupState.READY, setup.problem
    assert version_in(setup) == "1.0"
    assert setup.current.report["executable"] == str(setup.python)
    again = small.setup()
    assert again.state is SetupState.READY
    assert again.python == setup.python
    assert not (small.folder / "cache").exists(), "the downloads are not kept"


def test_remove_leaves_nothing(small: SmallEngine) -> None:
    setup = build(small)
    setup.remove()
    assert setup.wait(PATIENCE_S)
    assert setup.state is SetupState.ABSENT, setup.problem
    assert not small.folder.exists()
    assert not small.folder.parent.exists(), "an empty folder is left"


@pytest.mark.slow
def test_update_is_built_beside_and_the_old_one_swept(small: SmallEngine) -> None:
    old = build(small).python
    small.set_version("2.0")
    setup = small.setup()
    assert setup.state is SetupState.OUTDATED
    assert setup.python == old, "the old one goes on working"
    setup.start(small.options())
    assert setup.wait(PATIENCE_S)
    assert setup.state is SetupState.READY, setup.problem
    assert version_in(setup) == "2.0"
    assert old.exists(), "an engine may still run from it"
    setup.store.sweep()
    assert not old.exists()
    assert version_in(setup) == "2.0"


@pytest.mark.slow
def test_a_failed_update_keeps_the_old_one(small: SmallEngine) -> None:
    build(small)
    small.write_lock(f"syncscape_probe==1.0 --hash=sha256:{'0' * 64}\n")
    setup = build(small)
    assert setup.state is SetupState.FAILED
    assert "not the one that this version of Syncscape was made with" in setup.problem.message
    assert version_in(setup) == "1.0"
    assert small.setup().state is SetupState.OUTDATED


def test_cancel_then_resume(small: SmallEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = small.setup()
    enter = Setup._enter

    def cancel_at_install(self: Setup, stage: Stage) -> None:
        enter(self, stage)
        if stage is Stage.INSTALL:
            self.cancel()

    monkeypatch.setattr(Setup, "_enter", cancel_at_install)
    setup.start(small.options())
    assert setup.wait(PATIENCE_S)
    assert setup.state is SetupState.PARTIAL
    assert setup.python is None
    monkeypatch.undo()
    assert small.setup().state is SetupState.PARTIAL
    setup = build(small)
    assert setup.state is SetupState.READY, setup.problem


CUT = """
    import os, sys
    sys.path[:0] = {paths!r}
    from pathlib import Path
    from sync_engine.installer.setup import Setup
    from sync_engine.installer import store
    from sync_engine.installer.states import Stage
    from tests.small_engine import SmallEngine

    small = SmallEngine.__new__(SmallEngine)
    small.root, small.wheels, small.folder, small.uv = map(Path, {folders!r})
    enter, replace, unlink = Setup._enter, os.replace, Path.unlink
    def cut_at_stage(self, stage):
        enter(self, stage)
        if stage.name == {where!r}:
            os._exit(9)
    def cut_at_pointer(source, target):
        if str(target).endswith("current.json") and {where!r} == "before pointer":
            os._exit(9)
        replace(source, target)
        if str(target).endswith("current.json") and {where!r} == "after pointer":
            os._exit(9)
    Setup._enter, store.os.replace = cut_at_stage, cut_at_pointer
    setup = small.setup()
    setup.start(small.options())
    setup.wait()
    sys.exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("old", [False, True], ids=["first", "update"])
@pytest.mark.parametrize("where", ["VENV", "INSTALL", "VERIFY", "before pointer", "after pointer"])
def test_a_power_cut_leaves_the_old_one_or_a_resumable_new_one(
    small: SmallEngine, where: str, old: bool
) -> None:
    if old:
        build(small)
        small.set_version("2.0")
    folders = [str(path) for path in (small.root, small.wheels, small.folder, small.uv)]
    paths = [str(ROOT)]
    script = textwrap.dedent(CUT).format(paths=paths, folders=folders, where=where)
    done = subprocess.run([sys.executable, "-c", script], timeout=PATIENCE_S, capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    setup = small.setup()
    if where == "after pointer":
        assert setup.state is SetupState.READY
        assert version_in(setup) == ("2.0" if old else "1.0")
    elif old:
        assert setup.state is SetupState.OUTDATED
        assert version_in(setup) == "1.0"
    else:
        assert setup.python is None
        assert setup.state is (SetupState.ABSENT if where == "VENV" else SetupState.PARTIAL)
    setup = build(small)
    assert setup.state is SetupState.READY, setup.problem
    assert version_in(setup) == ("2.0" if old else "1.0")
    setup.store.sweep()
    left = {path.name for path in small.folder.iterdir()}
    assert left == {setup.current.name, "current.json", "bin", "setup.log", "lock"}


@pytest.mark.slow
def test_an_environment_whose_python_is_gone_is_broken_and_can_be_repaired(small: SmallEngine) -> None:
    python = build(small).python
    python.unlink()
    setup = small.setup()
    assert setup.state is SetupState.BROKEN
    assert setup.python is None
    setup.start(small.options())
    assert setup.wait(PATIENCE_S)
    assert setup.state is SetupState.READY, setup.problem


def test_a_damaged_pointer_is_no_environment(small: SmallEngine) -> None:
    build(small)
    for text in ("", "{", "[]", '{"name": "../../etc"}', "\x00"):
        (small.folder / "current.json").write_text(text)
        assert small.setup().state is SetupState.ABSENT
        assert small.setup().python is None


def test_two_blenders_do_not_build_at_once(small: SmallEngine) -> None:
    first, second = small.setup(), small.setup()
    with first.store.locked():
        second.start(small.options())
        assert second.wait(PATIENCE_S)
    assert second.state is SetupState.FAILED
    assert "Another Blender" in second.problem.message


def test_only_allowed_moves(small: SmallEngine) -> None:
    setup = small.setup()
    setup._move(SetupState.BUILDING)
    with pytest.raises(ValueError, match="from BUILDING to REMOVING"):
        setup._move(SetupState.REMOVING)


def _missing(small: SmallEngine) -> None:
    for wheel in small.wheels.glob("*.whl"):
        wheel.rename(wheel.with_name("other-1.0-py3-none-any.whl"))


def _sick(small: SmallEngine) -> None:
    small.set_version("1.0", package="another_probe")


def _no_lock(small: SmallEngine) -> None:
    small.lock.rename(small.lock.with_name("haiku-x64-cpu.txt"))
    text = small.lock.with_name("haiku-x64-cpu.txt")
    text.write_text(text.read_text().replace(small.lock.stem.removesuffix("-cpu"), "haiku-x64"))


def _wrong_python(small: SmallEngine) -> None:
    small.write_lock("", pythons=["2.7"])


FAULTS = {
    "offline": (None, {"wheels": ""}, "Online access is off", "Allow Online Access"),
    "no wheels": (None, {"wheels": "/nonexistent"}, "has no wheels", "Name another"),
    "missing wheel": (_missing, {}, "missing from the folder of wheels", "pip download"),
    "unreachable": (
        None,
        {"wheels": "", "online": True, "index": "http://127.0.0.1:9/simple"},
        "cannot be reached",
        "index address",
    ),
    "proxy": (
        None,
        {"wheels": "", "online": True, "proxy": "http://127.0.0.1:9", "index": "http://127.0.0.2/simple"},
        "",
        "proxy",
    ),
    "doctor": (_sick, {}, "Missing packages: syncscape_probe", "new downloads"),
    "no lock": (_no_lock, {}, "PyTorch has no build for this system", "own environment"),
    "python": (_wrong_python, {}, "no packages for Python", "Base Python"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_failures_are_words_with_a_remedy(small: SmallEngine, fault: str) -> None:
    prepare, network, message, remedy = FAULTS[fault]
    if prepare:
        prepare(small)
    setup = build(small, **network)
    assert setup.state is SetupState.FAILED
    assert message in setup.problem.message, setup.problem
    assert remedy in setup.problem.remedy, setup.problem
    assert setup.python is None


def test_too_little_space_is_told_before_anything_is_written(small: SmallEngine) -> None:
    small.write_lock("", disk_mb=10**9)
    setup = build(small)
    assert setup.state is SetupState.FAILED
    assert "GB of free space are needed" in setup.problem.message
    assert not small.folder.exists()


def test_a_base_python_that_is_none(small: SmallEngine) -> None:
    setup = small.setup()
    setup.start(type(small.options())("/nowhere/python"))
    assert setup.wait(PATIENCE_S)
    assert "/nowhere/python cannot be run" in setup.problem.message
    assert "Base Python" in setup.problem.remedy
