# SPDX-License-Identifier: GPL-3.0-or-later
"""Every panel draws in every state: a stand-in layout notes what is shown."""

from types import SimpleNamespace

import bpy
import harness
from panels_layout import Layout


def draw(name: str) -> list[str]:
    """Draw one panel and return what it shows."""
    cls = getattr(bpy.types, name)
    region = SimpleNamespace(width=300)
    context = SimpleNamespace(
        scene=bpy.context.scene,
        region=region,
        preferences=bpy.context.preferences,
        window_manager=bpy.context.window_manager,
        world=bpy.context.scene.world,
    )
    panel = SimpleNamespace(layout=Layout())
    if getattr(cls, "poll", None) is None or cls.poll(context):
        cls.draw(panel, context)
    return panel.layout.seen


PANELS = (
    "VIEW3D_PT_syncscape",
    "VIEW3D_PT_syncscape_advanced",
    "VIEW3D_PT_syncscape_light",
    "VIEW3D_PT_syncscape_history",
    "WORLD_PT_syncscape",
)

harness.install(engine="")
link = harness.module("engine.link").link
api = harness.module("api")
for name in PANELS:
    draw(name)
shown = draw("VIEW3D_PT_syncscape")
assert "syncscape.set_up_engine" in shown, "without an engine there is the button that brings one"
assert any(text.startswith("Downloads ") for text in shown), shown
assert "syncscape.generate" not in shown, "and no dead Generate"
# Automatic says what it does where there is nothing for this computer's GPU.
status = harness.module("panels.engine_status")
for has, gets, words in (
    ("cuda", "cpu", ("NVIDIA GPU", "processor", "of your own")),
    ("rocm", "cuda", ("AMD GPU", "processor", "of your own")),
    ("cpu", "cuda", ("does not fit this Python", "runs there too")),
):
    told = status.fallback(SimpleNamespace(accelerator=gets), has)
    assert all(word in told for word in words), told
assert status.fallback(SimpleNamespace(accelerator="cuda"), "cuda") == ""

harness.preferences().engine_python = harness.GIVEN["engine"]
shown = draw("VIEW3D_PT_syncscape")
assert "syncscape.generate" in shown
assert "syncscape.set_up_engine" not in shown
for kind in ("world", "plate"):
    for size in (f"{kind}_size",):
        harness.settings(kind=kind, custom_sync=True, **{size: "CUSTOM"})
        for name in PANELS:
            draw(name)
    light = draw("VIEW3D_PT_syncscape_light")
    assert {"ldr", "sun_stops", "exposure"} <= set(light) if kind == "world" else not light, (kind, light)
assert harness.settings(world_width=1000).world_width == 1024, "sizes snap to what is possible"
harness.settings(kind="world", world_size="512", prompt="valley")

job = api.generate(prompt="slow valley", width=512)
assert "Starting the engine" in draw("VIEW3D_PT_syncscape")
harness.tick_until(lambda: job.progress > 0.15)
shown = draw("VIEW3D_PT_syncscape")
assert "syncscape.cancel" in shown
assert "syncscape.generate" in shown, "more may be asked for"
assert "syncscape.clear_queue" not in shown
waiting = [api.generate(prompt=f"pond {number}", width=512) for number in range(9)]
shown = draw("VIEW3D_PT_syncscape")
assert "Waiting: 9" in shown, shown
assert "pond 0" in shown
assert "pond 8" not in shown
assert "and 3 more" in shown
assert shown.count("syncscape.cancel") == 7
assert bpy.ops.syncscape.clear_queue() == {"FINISHED"}
assert all(item.state is api.JobState.CANCELLED for item in waiting)
assert any(text.startswith("Denoising ") and text.endswith(" left") for text in shown), shown
job.cancel()
harness.tick_until(lambda: link.state.name == "READY")
engine = Layout()
harness.module("panels.engine_status").draw_engine(
    engine, SimpleNamespace(region=None, preferences=bpy.context.preferences)
)
assert any("ready" in text for text in engine.seen), engine.seen

job = api.generate(prompt="die", width=512)
harness.tick_until(lambda: job.state.finished)
shown = " ".join(draw("VIEW3D_PT_syncscape"))
assert "The engine ended" in shown, shown
assert "Generate again" in shown, shown

job = api.generate(prompt="valley", width=512)
harness.tick_until(lambda: job.state.finished)
api.apply_world(job)
shown = draw("VIEW3D_PT_syncscape_history")
assert job.id in shown, "the newest picture is chosen"
assert "syncscape.apply_world" in shown
assert "syncscape.apply_plate" not in shown
assert draw("WORLD_PT_syncscape").count("default_value") == 2, "strength and rotation"
harness.tell(shown=draw("VIEW3D_PT_syncscape_history"))
harness.leave()
