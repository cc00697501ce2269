# SPDX-License-Identifier: GPL-3.0-or-later
"""Results and other files are on the disk, whole and read back, before they have their names."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import OpenEXR
import pytest

from sync_engine.__main__ import main
from sync_engine.common.errors import OutputError
from sync_engine.interface.picture_files import check_picture
from sync_engine.runtime.output import ResultFolder, save_png, write_exr
from tests.engine.picture_files import colours, layer
from tests.engine.picture_files import write_exr as write_plain_exr

PICTURE = colours()


def result(folder: ResultFolder, text: str) -> None:
    for name in ("plate.png", "preview.png", "spec.json"):
        (folder.partial / name).write_text(text)


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def all_of(text: str) -> dict[str, str]:
    return dict.fromkeys(("plate.png", "preview.png", "spec.json"), text)


def test_everything_is_synced_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (told.append(_name(number)), sync(number))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (told.append(f"rename {Path(b).name}"), replace(a, b))[1])
    with ResultFolder(tmp_path / "new", 1) as folder:
        result(folder, "1")
        folder.finish()
    partial = folder.partial.name
    files = ["plate.png", "preview.png", "spec.json"]
    assert told == [*files, partial, "rename new", tmp_path.name]
    assert contents(tmp_path / "new") == all_of("1")
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]


def _name(number: int) -> str:
    link = f"/proc/self/fd/{number}"
    if not os.path.exists(link):
        pytest.skip("no /proc; it would check that files and folders are synced in their order")
    return Path(os.readlink(link)).name


def test_an_earlier_record_never_stands_beside_a_new_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ResultFolder(tmp_path / "out", 1) as folder:
        result(folder, "old")
        folder.finish()
    replace = os.replace
    for stop_after in range(3):
        moved = 0

        def failing(a: object, b: object, stop_after: int = stop_after) -> None:
            nonlocal moved
            if moved == stop_after:
                raise OSError(errno.EIO, "power cut")
            moved += 1
            replace(a, b)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "replace", failing)
        with ResultFolder(tmp_path / "out", 1) as folder:
            result(folder, f"new {stop_after}")
            with pytest.raises(OSError, match="power cut"):
                folder.finish()
        monkeypatch.setattr(os, "replace", replace)
        assert "spec.json" not in contents(tmp_path / "out")
    with ResultFolder(tmp_path / "out", 1) as folder:
        result(folder, "last")
        folder.finish()
    assert contents(tmp_path / "out") == all_of("last")


def test_two_jobs_of_one_folder_do_not_meet(tmp_path: Path) -> None:
    with ResultFolder(tmp_path / "out", 1) as first, ResultFolder(tmp_path / "out", 1) as second:
        assert first.partial != second.partial
        result(first, "first")
        result(second, "second")
        assert (first.partial / "plate.png").read_text() == "first"
        first.finish()
        assert contents(tmp_path / "out") == all_of("first")
        second.finish()
    assert contents(tmp_path / "out") == all_of("second")
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_what_a_killed_job_left_is_swept_by_the_next_and_never_used(tmp_path: Path) -> None:
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom sync_engine.runtime.output import ResultFolder\n"
        "folder = ResultFolder(Path(sys.argv[1]), 1).__enter__()\n"
        "(folder.partial / 'half.exr').write_text('half')\nos.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", script, str(tmp_path / "out")]
    subprocess.run(command, check=False, env=os.environ | {"PYTHONPATH": str(root)})
    assert len(list(tmp_path.glob(".out.*.partial/half.exr"))) == 1
    with ResultFolder(tmp_path / "out", 1) as folder:
        result(folder, "1")
        assert [path for path in tmp_path.iterdir() if path != folder.partial] == []
        folder.finish()
    assert contents(tmp_path / "out") == all_of("1")


def test_a_mount_point_takes_a_result(tmp_path: Path) -> None:
    out = tmp_path / "disk"
    out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(out)]
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs root to mount a disk; it would check that a result is moved onto one")
    try:
        with ResultFolder(out, 1) as folder:
            result(folder, "1")
            folder.finish()
        assert contents(out) == all_of("1")
    finally:
        subprocess.run(["umount", str(out)], check=True)


def test_nothing_is_moved_between_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without root: what lies beside a folder that exists counts as another disk."""
    out = tmp_path / "disk"
    out.mkdir()
    replace = os.replace

    def across(a: Path, b: Path) -> None:
        if (out in Path(a).parents) != (out in Path(b).parents):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(a, b)

    monkeypatch.setattr(os, "replace", across)
    with ResultFolder(out, 1) as folder:
        result(folder, "1")
        folder.finish()
    assert contents(out) == all_of("1")


# --- pictures -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["exr", "png"])
@pytest.mark.parametrize("fault", ["cut", "changed"])
def test_a_picture_that_reads_otherwise_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, fault: str
) -> None:
    """A disk that takes writes and keeps other bytes is noticed before the old file is gone."""
    path = tmp_path / f"p.{kind}"
    write = (lambda: write_exr(path, PICTURE, {})) if kind == "exr" else (lambda: save_png(path, PICTURE))
    write()
    check_picture(path)
    before = path.read_bytes()

    from sync_engine.runtime import output

    check = output.check_written

    def harm(part: Path) -> None:
        data = bytearray(part.read_bytes())
        if fault == "cut":
            part.write_bytes(data[:-20])
        elif kind == "exr":
            write_plain_exr(part, layer(PICTURE[::-1], "{}"))
        else:
            output.write_png(part, PICTURE[::-1])
        check(part)

    monkeypatch.setattr(output, "check_written", harm)
    with pytest.raises(OSError, match=r"not written whole|reads otherwise"):
        write()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_expand_onto_a_full_disk_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    picture = write_plain_exr(tmp_path / "in.exr", layer(PICTURE, "{}"))
    out = tmp_path / "out.exr"
    out.write_bytes(b"an earlier picture")

    def full(*_: object) -> None:
        raise RuntimeError("No space left on device")

    monkeypatch.setattr(OpenEXR.File, "write", full)
    assert main(["expand", str(picture), "--out", str(out)]) == 5
    assert "No space left" in capsys.readouterr().err
    assert out.read_bytes() == b"an earlier picture"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.exr", "out.exr"]


def test_expand_writes_nothing_but_exr(tmp_path: Path, capsys) -> None:
    picture = write_plain_exr(tmp_path / "in.exr", layer(PICTURE, "{}"))
    assert main(["expand", str(picture), "--out", str(tmp_path / "out.png")]) == 2
    assert ".exr" in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_no_space_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OutputError, match="are free"), ResultFolder(tmp_path / "out", 10**6):
        pass
    assert list(tmp_path.iterdir()) == []
