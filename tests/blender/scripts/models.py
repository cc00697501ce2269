# SPDX-License-Identifier: GPL-3.0-or-later
"""The models in the preferences: shown with size and licence, fetched, verified and removed by operators."""

from types import SimpleNamespace
from typing import Any

import bpy
import harness
from panels_layout import Layout

harness.install()
PINNED = harness.GIVEN["pinned"]
module = harness.module("engine.models")
engine_models, operators = module.engine_models, bpy.ops.syncscape
context = SimpleNamespace(region=None, preferences=bpy.context.preferences)


def drawn() -> list[str]:
    """Return what the preferences show of the models."""
    layout: Any = Layout()
    harness.module("panels.models").draw_models(layout, context)
    return layout.seen


def tiny() -> Any:
    """Return what is known of the fetched model."""
    return next((row for row in engine_models.store().rows if row.source == "owner/tiny"), None)


# Without an engine nothing can be done, and it is said.
harness.preferences().engine_python = ""
assert drawn() == ["The engine is not set up."], drawn()
assert not operators.list_models.poll()
harness.preferences().engine_python = harness.GIVEN["engine"]
harness.preferences().hub = harness.GIVEN["hub"]

# Size and licence are shown before anything is fetched.
assert operators.list_models() == {"FINISHED"}
shown = " | ".join(drawn())
for words in ("Stable Diffusion XL", "Download: 6.9 GB", "Wants 4 GB of GPU memory", "RAIL++-M", "Bundled"):
    assert words in shown, shown
layout: Any = Layout()
rows = engine_models.store().rows
stand_in = SimpleNamespace(row=lambda: next(row for row in rows if row.name == "sdxl"), layout=layout)
harness.module("operators.models").SYNCSCAPE_OT_download_model.draw(stand_in, context)
asked = " | ".join(layout.seen)
for words in ("Stable Diffusion XL", "6.9 GB", "4 GB of GPU memory", "RAIL++-M", harness.GIVEN["hub"]):
    assert words in asked, asked

# Online access comes first.
bpy.context.preferences.system.use_online_access = False
assert not bpy.app.online_access
assert not operators.download_model.poll()
bpy.context.preferences.system.use_online_access = True
assert bpy.app.online_access
assert operators.download_model.poll()

assert operators.download_model(model=PINNED) == {"FINISHED"}
assert tiny().state == "here"
assert "syncscape.verify_model" in drawn()
assert operators.verify_model(model=PINNED) == {"FINISHED"}
assert operators.remove_model(model=PINNED) == {"FINISHED"}
assert tiny() is None

# An error is told with its remedy, and shown.
text = harness.error_of(lambda: operators.remove_model(model=PINNED))
assert "is not on this computer" in text, text
assert "is not on this computer" in " ".join(drawn()), drawn()

# In the background, cancelled; nothing else may begin meanwhile, and Blender's end ends it.
engine_models.start(harness.module("sync_engine.host.model_store").ModelAction.DOWNLOAD, PINNED)
assert module.engine_models.listening
assert not operators.verify_model.poll()
assert not operators.set_up_engine.poll()
assert "syncscape.cancel_model" in drawn()
assert operators.cancel_model() == {"FINISHED"}
assert engine_models.store().wait(120)
assert not engine_models.tick()
assert not operators.cancel_model.poll()
engine_models.start(harness.module("sync_engine.host.model_store").ModelAction.DOWNLOAD, PINNED)
store = engine_models.store()
bpy.ops.preferences.addon_disable(module=harness.NAME)
assert store.action is None
assert not module.engine_models.listening
harness.leave()
