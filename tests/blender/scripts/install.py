"""Install from the zip; measure what enabling costs and what it brings into Blender's process."""

import sys
import time

import bpy
import harness

harness.install()
loaded = [name for name in sys.modules if name.split(".")[0] in ("torch", "diffusers", "transformers")]
assert not loaded, loaded
assert bpy.types.Operator.bl_rna_get_subclass_py("SYNCSCAPE_OT_generate") is not None
assert not bpy.app.timers.is_registered(harness.module("engine_link")._timer), "a timer without a job"

# Enabling in a Blender that has not seen the extension before: no module of it is loaded.
samples = []
for _ in range(5):
    bpy.ops.preferences.addon_disable(module=harness.NAME)
    for name in [name for name in sys.modules if name.startswith(harness.NAME)]:
        del sys.modules[name]
    start = time.perf_counter()
    bpy.ops.preferences.addon_enable(module=harness.NAME)
    samples.append((time.perf_counter() - start) * 1000)
assert harness.NAME in bpy.context.preferences.addons
harness.tell(enable_ms=sorted(samples), first_ms=samples[0])
harness.leave()
