# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: every bundled one is whole and valid; one's own is kept, used and removed. Styles."""

from pathlib import Path

import bpy
import harness

harness.install()
presets = harness.module("operators.presets")
folders = [Path(folder) for folder in bpy.utils.preset_paths(presets.FOLDER)]
bundled = next(folder for folder in folders if "extensions" in str(folder))
files = sorted(bundled.glob("*.py"))
assert len(files) >= 12, files
kept = presets.kept_settings()
assert {"prompt", "kind", "model", "steps", "world_size", "method"} <= set(kept), kept
assert not {"seed", "world_before", "apply_when_done"} & set(kept)
told = {}
for file in files:
    # From two different beginnings to the same settings: nothing is left open.
    seen = []
    for start in ({}, {"prompt": "x", "kind": "plate", "method": "multidiffusion", "model": "other"}):
        bpy.ops.wm.read_homefile(use_empty=True)
        harness.settings(
            steps=99, guidance=9.0, ldr=True, custom_sun=True, custom_sync=True, sync_steps=7, **start
        )
        bpy.context.scene.syncscape.loras.add().file = "left over"
        done = bpy.ops.script.execute_preset(filepath=str(file), menu_idname="SYNCSCAPE_PT_presets")
        assert done == {"FINISHED"}, file
        values = bpy.context.scene.syncscape
        assert not values.loras, file
        seen.append({name: getattr(values, name) for name in kept if name != "loras"})
    assert seen[0] == seen[1], file
    spec = values.to_spec().validated()
    told[file.stem] = spec.to_dict()

# One's own, in the user's folder.
harness.settings(prompt="my place", steps=12, seed=5)
for name, weight in (("a", 0.8), ("b", 1.0)):
    assert bpy.ops.syncscape.add_lora(filepath=f"/loras/{name}.safetensors") == {"FINISHED"}
    bpy.context.scene.syncscape.loras[-1].weight = weight
assert bpy.ops.syncscape.add_preset(name="My Place") == {"FINISHED"}
folder = Path(bpy.utils.user_resource("SCRIPTS")) / "presets" / presets.FOLDER
(own,) = folder.glob("*.py")
assert own.stem.lower() == "my_place", own
harness.settings(prompt="other", steps=1, seed=6)
assert bpy.ops.syncscape.remove_lora(index=0) == {"FINISHED"}
assert bpy.context.scene.syncscape.to_spec().loras == ("/loras/b.safetensors:1",)
bpy.ops.script.execute_preset(filepath=str(own), menu_idname="SYNCSCAPE_PT_presets")
values = bpy.context.scene.syncscape
assert (values.prompt, values.steps, values.seed) == ("my place", 12, 6)
assert values.to_spec().loras == ("/loras/a.safetensors:0.8", "/loras/b.safetensors:1")
assert bpy.ops.syncscape.add_preset(name="My Place", remove_active=True) == {"FINISHED"}
assert not own.exists()
assert len(sorted(bundled.glob("*.py"))) == len(files)

# Styles: words that one sees and may edit.
values.prompt = "a lake"
mist = "thick mist, hazy, muted colours"
assert bpy.ops.syncscape.toggle_style(style=mist) == {"FINISHED"}
assert values.prompt == f"a lake, {mist}"
assert presets.has_style(values.prompt, mist)
values.prompt = f"a lake, {mist}, boats"
bpy.ops.syncscape.toggle_style(style=mist)
assert values.prompt == "a lake, boats"
values.prompt = "a lake, hazy"
bpy.ops.syncscape.toggle_style(style=mist)
assert values.prompt == "a lake, hazy, thick mist, muted colours"

bpy.ops.preferences.addon_disable(module=harness.NAME)
assert not [folder for folder in bpy.utils.preset_paths(presets.FOLDER) if "extensions" in folder]
harness.tell(**told)
harness.leave()
