# SPDX-License-Identifier: GPL-3.0-or-later
"""A job tells the light step where the prompt put the sun, and the model what the user wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sync_engine.canvas.sphere import SphereCanvas, yaw_of_seed
from sync_engine.canvas.views import View
from sync_engine.common.progress import Reporter
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.prompting.sun_in_prompt import sky_of, strength_at
from sync_engine.radiance.lights import SkyLight
from sync_engine.runtime import results
from sync_engine.runtime.job import Engine

SEED = 3


@pytest.fixture(scope="module")
def engine() -> Engine:
    """An engine that keeps the draft model."""
    return Engine()


def told(engine: Engine, out: Path, monkeypatch: pytest.MonkeyPatch, prompt: str, **rest: Any) -> Any:
    """Paint a small world in one step; return what the light step was told of the sky."""
    seen: list[Any] = []
    expand = results.expand

    def listening(*given: Any, sky: Any) -> Any:
        seen.append(sky)
        return expand(*given, sky=sky)

    monkeypatch.setattr(results, "expand", listening)
    spec = EnvironmentSpec(prompt, width=512, height=256, model="draft", steps=1, seed=SEED, **rest)
    engine.run(spec, out, Reporter("sun", lambda event: None, False))
    (sky,) = seen
    return sky


@pytest.mark.slow
def test_the_light_step_looks_where_the_model_was_asked_for_a_sun(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sky = told(engine, tmp_path / "noon", monkeypatch, "desert at noon")
    views = SphereCanvas(32, turn=yaw_of_seed(SEED)).views
    luminary = sky_of("desert at noon", SEED, views)
    assert luminary is not None
    place = View(luminary.azimuth, luminary.elevation, 90.0).axes()[0].numpy()
    assert sky.direction == pytest.approx(place)
    assert sky.strength == strength_at(60.0)


@pytest.mark.slow
def test_the_light_step_knows_a_covered_sky_and_where_nothing_is_known(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(engine, tmp_path / "fog", monkeypatch, "foggy ocean") == SkyLight(None)
    assert told(engine, tmp_path / "night", monkeypatch, "city at night") is None
