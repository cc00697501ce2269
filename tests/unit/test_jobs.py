# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs by themselves: their ids and what strange events do to them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from sync_engine.host import jobs as jobs_module
from sync_engine.host.client import Job
from sync_engine.interface.messages import Progress
from sync_engine.interface.spec import EnvironmentSpec


def spec() -> EnvironmentSpec:
    return EnvironmentSpec("a meadow")


@pytest.mark.parametrize("eta", [None, math.nan, math.inf, -1.0, 1e300, 10**400])
def test_estimate_that_is_none_is_not_shown(client_of, eta) -> None:
    job = Job(client_of(), "j", spec())
    job.advance(Progress("j", "denoise", 1, 2, eta_s=5.0))
    assert job.eta_s == 5.0
    job.advance(Progress("j", "denoise", 1, 2, eta_s=eta))
    assert job.eta_s is None


def test_ids_are_unique_and_sort_by_time_even_if_the_clock_goes_back(client_of, monkeypatch) -> None:
    clock = [datetime(2026, 11, 23, 10, 15, 30, tzinfo=UTC)]

    class Clock:
        @staticmethod
        def now(zone: object) -> datetime:
            return clock[0]

    monkeypatch.setattr(jobs_module, "datetime", Clock)
    client = client_of()
    table = jobs_module.JobTable(client.library, lambda text: None)
    taken = table.add(client, spec()).id
    assert taken.startswith("20261123-101530-")
    (client.library / f"{taken[:-4]}{int(taken[-4:], 16) + 1:04x}").mkdir(parents=True)
    ids = [taken]
    for seconds in (0, 0, 0, -3600, -1, 0, 1, 1, 2, -9, 3):
        clock[0] = datetime(2026, 11, 23, 10, 15, 30, tzinfo=UTC) + timedelta(seconds=seconds)
        ids += [table.add(client, spec()).id for _ in range(20)]
    assert ids == sorted(set(ids))
    assert not any((client.library / job_id).exists() for job_id in ids)
