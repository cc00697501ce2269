# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared folder of a batch: results by rename, claims that age, attempts that are counted."""

from __future__ import annotations

import os
import time
from pathlib import Path

from sync_engine.batch.shared_folder import ATTEMPTS, SharedFolder
from sync_engine.batch.standing import Standing


def make(folder: SharedFolder, identity: str, content: str = "x") -> bool:
    place = folder.place(identity)
    place.mkdir()
    (place / "spec.json").write_text(content)
    return folder.publish(identity, place)


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_of_two_that_make_the_same_the_first_wins(tmp_path: Path) -> None:
    with SharedFolder(tmp_path) as one, SharedFolder(tmp_path) as two:
        assert make(one, "job", "first")
        assert not make(two, "job", "second")
        assert (tmp_path / "job" / "spec.json").read_text() == "first"
        assert one.results() == {"job"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".batch", "job"]
    assert list((tmp_path / ".batch" / "making").iterdir()) == []


def test_a_claim_keeps_others_off_until_it_is_given_back(tmp_path: Path) -> None:
    with SharedFolder(tmp_path) as one, SharedFolder(tmp_path) as two:
        assert one.claim("job")
        assert not two.claim("job")
        assert two.others_at_work()
        two.give_back("job")  # not his
        assert not two.claim("job")
        one.give_back("job")
        assert two.claim("job")
        two.give_back("job")
        assert make(one, "job")
        assert not two.claim("job"), "it is done"
        assert not two.others_at_work()


def test_a_dead_worker_holds_nothing(tmp_path: Path) -> None:
    with SharedFolder(tmp_path) as dead, SharedFolder(tmp_path) as heir:
        assert dead.claim("job")
        half = dead.place("job")
        half.mkdir()
        age(tmp_path / ".batch" / "claims" / "job", 100)
        assert not heir.claim("job"), "its worker still gives signs"
        age(tmp_path / ".batch" / "workers" / dead.worker, 100)
        assert heir.claim("job")
        assert heir.attempts() == {"job": 1}
        assert dead.worker in heir.error("job")
        dead.give_back("job")  # it was only slow: its claim is another's now
        assert not dead.claim("job")
        with SharedFolder(tmp_path):
            assert not half.exists(), "what it had begun is swept"


def test_a_job_whose_process_always_dies_is_set_aside(tmp_path: Path) -> None:
    with SharedFolder(tmp_path) as heir:
        for attempt in range(ATTEMPTS):
            claim = tmp_path / ".batch" / "claims" / "job"
            claim.write_text("long-gone")
            age(claim, 100)
            assert heir.claim("job") == (attempt < ATTEMPTS - 1)
            heir.give_back("job")
        assert heir.attempts() == {"job": ATTEMPTS}


def test_failed_attempts_are_counted_by_their_logs(tmp_path: Path) -> None:
    with SharedFolder(tmp_path) as folder:
        standing = Standing(["job", "other"], folder)
        for attempt in range(1, ATTEMPTS + 1):
            assert folder.claim("job")
            assert folder.fail("job", f"broken {attempt}\nTraceback") == attempt
            folder.give_back("job")
        assert folder.error("job") == f"broken {ATTEMPTS}"
        assert not folder.claim("job")
        standing.look()
        assert not standing.is_open("job")
        assert standing.is_open("other")
        assert (standing.state().failed, standing.state().done) == (1, 0)
        folder.forget_failures({"job"})
        assert folder.claim("job")


def test_signs_of_life_go_on_while_a_job_runs(tmp_path: Path) -> None:
    with SharedFolder(tmp_path, stale_after_s=1) as busy:
        assert busy.claim("job")
        sign = tmp_path / ".batch" / "workers" / busy.worker
        age(sign, 100)
        end = time.monotonic() + 60
        while time.time() - sign.stat().st_mtime > 50:
            assert time.monotonic() < end, "no sign was given"
            time.sleep(0.05)
