# SPDX-License-Identifier: GPL-3.0-or-later
"""A mirror of the model hub that the preferences name reaches the engine, also one that runs already."""

import os

import harness

os.environ.pop("HF_ENDPOINT", None)
harness.install()
link = harness.module("engine.link").link


def seen() -> str | None:
    """Return the hub's address as the engine finds it."""
    return link.client().wait_ready()["environment"]["HF_ENDPOINT"]


assert seen() is None
harness.preferences().hub = " https://mirror.example "
assert seen() == "https://mirror.example"
harness.preferences().hub = ""
assert seen() is None
harness.leave()
