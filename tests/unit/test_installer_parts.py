# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the environment's builder that need no uv: lock files, platforms, words, the import rule."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from sync_engine.installer import locks, platforms, uv
from sync_engine.installer.problems import SetupFailed, explain
from tools.locks import LockError, replaced

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "sync_engine" / "requirements"
LOCKS = locks.locks_in(REQUIREMENTS)
ROWS = tomllib.loads((REQUIREMENTS / "locks.toml").read_text(encoding="utf-8"))["lock"]
PUBLISHED = [row for row in ROWS if "published" in row]


def pins(text: str) -> dict[str, str]:
    """Return the pinned version of each package of a requirements file."""
    found = re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {name.lower().replace("_", "-"): version for name, version in found}


def test_there_are_locks() -> None:
    known = {(lock.platform, lock.accelerator) for lock in LOCKS}
    assert {
        ("linux-x64", "cpu"),
        ("linux-x64", "cuda"),
        ("linux-x64", "rocm"),
        ("windows-x64", "cpu"),
        ("windows-x64", "cuda"),
        ("macos-arm64", "mps"),
    } <= known


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.path.stem)
def test_a_lock_has_hashes_and_the_versions_of_its_inputs(lock: locks.Lock) -> None:
    text = lock.path.read_text(encoding="utf-8")
    assert lock.path.stem == f"{lock.platform}-{lock.accelerator}"
    requirements = [item for item in re.split(r"\n(?=\S)", text) if "==" in item and not item.startswith("#")]
    assert len(requirements) > 30
    assert all("--hash=sha256:" in item for item in requirements)
    wanted = pins((REQUIREMENTS / "engine.txt").read_text())
    wanted |= {"torch": lock.torch}
    assert wanted.items() <= pins(text).items()
    row = next(r for r in ROWS if f"{r['platform']}-{r['accelerator']}" == lock.path.stem)
    assert lock.torch == row["torch"]
    if lock.accelerator != "rocm":  # a release of its own, see locks.toml
        assert lock.torch.split("+")[0] == pins((REQUIREMENTS / "torch.txt").read_text())["torch"]
    assert 100 < lock.download_mb < lock.disk_mb


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row['platform']}-{row['accelerator']}")
def test_published_builds_are_in_their_locks(row: dict[str, Any]) -> None:
    """One wheel for each Python; all else is what the processor's lock of the platform has."""
    name = f"{row['platform']}-{row['accelerator']}.txt"
    ours = locks.read_lock(REQUIREMENTS / name)
    text = ours.path.read_text(encoding="utf-8")
    base = (REQUIREMENTS / f"{row['platform']}-cpu.txt").read_text(encoding="utf-8")
    assert list(ours.pythons) == row["pythons"]
    for pin, hashes in row["published"].items():
        assert len(hashes) == len(row["pythons"])
        assert " \\\n    ".join([pin, *(f"--hash=sha256:{digest}" for digest in hashes)]) in text
    swapped = {pin.split("==")[0] for pin in row["published"]}
    assert set(row.get("adds", [])) == swapped - pins(base).keys()
    assert {k: v for k, v in pins(text).items() if k not in swapped} == {
        k: v for k, v in pins(base).items() if k not in swapped
    }


def test_published_hashes_replace_those_of_the_lock_only() -> None:
    body = "a==1 \\\n    --hash=sha256:aa\ntorch==2 \\\n    --hash=sha256:bb\n"
    body += "torchvision==3 \\\n    --hash=sha256:cc\n"
    done = replaced(body, {"torch==2+cu": ["dd", "ee"]})
    assert done == body.replace("torch==2 ", "torch==2+cu ").replace(
        "--hash=sha256:bb", "--hash=sha256:dd \\\n    --hash=sha256:ee"
    )
    with pytest.raises(LockError, match="does not have triton"):
        replaced(body, {"triton==1": ["dd"]})
    added = replaced(body, {"triton==1": ["dd"]}, ["triton"])
    assert added == body + "triton==1 \\\n    --hash=sha256:dd\n"


def test_the_lock_of_a_machine(tmp_path: Path) -> None:
    def lock(platform: str, accelerator: str, pythons: str) -> None:
        path = tmp_path / f"{platform}-{accelerator}.txt"
        told = f'{{"platform": "{platform}", "accelerator": "{accelerator}", "torch": "2", "index": "", '
        path.write_text(f'{locks.MARK}{told}"pythons": {pythons}, "download_mb": 1, "disk_mb": 2}}\n')

    lock("linux-x64", "cpu", '["3.11"]')
    lock("linux-x64", "cuda", '["3.11", "3.13"]')

    def chosen(accelerator: str, python: str, detected: str) -> str:
        return locks.choose(tmp_path, "linux-x64", accelerator, python, detected).accelerator

    assert chosen("auto", "3.11", "cuda") == "cuda"
    assert chosen("auto", "3.11", "cpu") == "cpu"
    assert chosen("auto", "3.11", "rocm") == "cpu", "no lock for it: what runs everywhere"
    assert chosen("auto", "3.13", "cpu") == "cuda", "it runs on the processor too"
    assert chosen("cpu", "3.11", "cuda") == "cpu", "what was asked for"
    for asked, python, words in (
        ("rocm", "3.11", "no lock file for AMD GPU"),
        ("cpu", "3.13", "no lock file for the processor"),
        ("auto", "3.9", "no packages for Python 3.9, only for 3.11, 3.13"),
    ):
        with pytest.raises(SetupFailed, match=words):
            chosen(asked, python, "cpu")
    with pytest.raises(SetupFailed, match="no build for this system"):
        locks.choose(tmp_path, "linux-arm64", "auto", "3.11", "cpu")
    with pytest.raises(SetupFailed, match=r"nothing for Intel Macs since version 2\.2.*own environment"):
        locks.choose(tmp_path, "macos-x64", "auto", "3.11", "cpu")


def test_accelerators_are_seen_by_their_drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.name != "posix":
        pytest.skip("the files that are looked for are Linux's")
    monkeypatch.setattr(platforms, "this_platform", lambda: "linux-x64")
    assert platforms.detect(tmp_path) == "cpu"
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "kfd").touch()
    assert platforms.detect(tmp_path) == "cpu", "a driver without a GPU"
    nodes = tmp_path / "sys" / "class" / "kfd" / "kfd" / "topology" / "nodes"
    for number, target in enumerate(("0", "100306", "90010")):  # a processor, a built-in GPU, an Instinct
        (nodes / str(number)).mkdir(parents=True)
        (nodes / str(number) / "properties").write_text(f"simd_count 4\ngfx_target_version {target}\n")
        expected = "rocm" if target == "90010" else "cpu"
        assert platforms.detect(tmp_path) == expected, f"gfx_target_version {target}"
    assert platforms.amd_targets(tmp_path) == {"gfx1036", "gfx90a"}

    def refuse(file: Path, **options: str) -> str:
        raise PermissionError(1, "Operation not permitted", str(file))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", refuse)
        assert platforms.detect(tmp_path) == "cpu", "a GPU that may not be used"
    (tmp_path / "proc" / "driver" / "nvidia").mkdir(parents=True)
    (tmp_path / "proc" / "driver" / "nvidia" / "version").touch()
    assert platforms.detect(tmp_path) == "cuda"
    monkeypatch.setattr(platforms, "this_platform", lambda: "macos-arm64")
    assert platforms.detect(tmp_path) == "mps"


def test_the_bundled_uv_is_found_where_blender_unpacks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "uv"
    scripts = tmp_path / "uv-0.0.1.data" / "scripts"
    package.mkdir()
    scripts.mkdir(parents=True)
    (package / "__init__.py").touch()
    (scripts / uv.PROGRAM).write_bytes(b"#!/bin/sh\nexit 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = uv.find_bundled()
    assert found == scripts / uv.PROGRAM
    assert not os.access(found, os.X_OK)
    copied = uv.copy_program(found, tmp_path / "bin")
    assert os.access(copied, os.X_OK)
    assert subprocess.run([str(copied)]).returncode == 0


def test_uv_sees_no_settings_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONHOME", "UV_INDEX_URL", "VIRTUAL_ENV", "https_proxy"):
        monkeypatch.setenv(name, "http://elsewhere")
    seen = uv.environment(tmp_path, uv.Network(proxy="http://proxy:3128"))
    assert not {"PYTHONHOME", "UV_INDEX_URL", "VIRTUAL_ENV", "https_proxy"} & set(seen)
    assert seen["HTTPS_PROXY"] == "http://proxy:3128"
    assert uv.environment(tmp_path, uv.Network())["https_proxy"] == "http://elsewhere"


def test_indexes() -> None:
    def words(**network: str) -> str:
        command = uv.install_command(Path("uv"), Path("python"), Path("lock"), "T", uv.Network(**network))
        return " ".join(command)

    assert "--default-index" not in words()
    assert "--index T" in words()
    assert "--default-index A --index B" in words(index="A B")
    assert "T" not in words(index="A")
    assert "--offline --no-index --find-links file:///a/b%2C%20c%23d" in words(wheels="/a/b, c#d")
    assert all("--require-hashes --only-binary :all:" in words(index=index) for index in ("", "A"))


WORDS = {
    "error: No space left on device (os error 28)": "disk is full",
    "error: failed to write: There is not enough space on the disk. (os error 112)": "disk is full",
    "× Failed to fetch: `https://x/` ├─▶ dns error ╰─▶ failed to lookup": "cannot be reached",
    "error: client error (Connect): invalid peer certificate: UnknownIssuer": "not trusted",
    "HTTP status client error (407 Proxy Authentication Required)": "proxy does not let",
    "HTTP status client error (401 Unauthorized) for url (https://x/simple)": "refuses access",
    "error: Hash mismatch for `numpy==1`": "not the one",
    "hint: torch==2 has no wheels with a matching Python ABI tag": "no build of a package",
    "error: failed to create: Permission denied (os error 13)": "cannot be written or run",
    "something else altogether": "ended with status 2",
}


@pytest.mark.parametrize("said", WORDS)
def test_what_uv_says_becomes_words(said: str) -> None:
    error = explain("Installing packages", 2, [said])
    assert WORDS[said] in error.message
    assert error.remedy


def test_the_builder_uses_the_standard_library_only() -> None:
    code = "import sys; before = set(sys.modules); import sync_engine.installer.setup; "
    code += "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {name for name in done.stdout.split() if name not in sys.stdlib_module_names} == {"sync_engine"}
