# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the engine's tests: a tiny random model and the backbone that loads it."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the engine's tests need torch; they check the sampling loop")

from sync_engine.backbones.loading import load  # noqa: E402
from sync_engine.catalog.models import find  # noqa: E402
from tests.small_models import tiny  # noqa: E402
from tests.small_models.hub_fixtures import events, online, repository  # noqa: E402, F401  # fixtures


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ε-predicting model with a tiny autoencoder."""
    return tiny.build(tmp_path_factory.mktemp("epsilon"))


@pytest.fixture(scope="session")
def tiny_v_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A v-predicting model with a full KL autoencoder."""
    return tiny.build(tmp_path_factory.mktemp("v"), prediction="v_prediction", tiny_vae=False)


@pytest.fixture(scope="session", params=["tiny_folder", "tiny_v_folder"])
def backbone(request: pytest.FixtureRequest):
    """Each of the two models, loaded in float32 by the engine's own code."""
    folder = request.getfixturevalue(request.param)
    return load(find(str(folder)), torch.device("cpu"), torch.float32)
