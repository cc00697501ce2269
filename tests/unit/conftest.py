# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixture of the client's tests: clients of the fake engine, ended after each test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from waiting import FAKE

from sync_engine.host.client import EngineClient


@pytest.fixture
def client_of(tmp_path: Path) -> Iterator[Callable[..., EngineClient]]:
    """Return a maker of clients of the fake engine; ``words`` say how it starts and ends."""
    made: list[EngineClient] = []

    def make(words: str = "", **options: object) -> EngineClient:
        environment = {"FAKE_ENGINE": words, **options.pop("environment", {})}  # type: ignore[dict-item]
        options = {"command": FAKE, **options}
        made.append(EngineClient(sys.executable, tmp_path / "library", environment=environment, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for client in made:
        client.shutdown(timeout=0)
