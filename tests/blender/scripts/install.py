# SPDX-License-Identifier: GPL-3.0-or-later
"""Install from the zip; measure what enabling costs and what it brings into Blender's process."""

import importlib
import sys
import time

import bpy
import harness

addon_utils = importlib.import_module("addon_utils")  # can be imported once bpy has been
harness.install()

# The harness makes what our files do with a deprecated part of Blender or Python an error.
try:
    exec("import warnings; warnings.warn('old', DeprecationWarning)", {"__name__": f"{harness.NAME}.probe"})
except DeprecationWarning:
    pass
else:
    raise AssertionError("a deprecation goes unnoticed")
loaded = [name for name in sys.modules if name.split(".")[0] in ("torch", "diffusers", "transformers")]
assert not loaded, loaded
assert bpy.types.Operator.bl_rna_get_subclass_py("SYNCSCAPE_OT_generate") is not None
assert not harness.module("engine.link").link.listening, "a timer without a job"

# Enabling as each start of Blender does it: no module is loaded, the bundled wheel is unpacked already
# (ticking the box in the preferences unpacks it: Blender's work, once).
samples, processor = [], []
for _ in range(5):
    addon_utils.disable(harness.NAME, default_set=True, refresh_handled=True)
    for name in [name for name in sys.modules if name.startswith(harness.NAME)]:
        del sys.modules[name]
    start, busy = time.perf_counter(), time.thread_time()
    addon_utils.enable(harness.NAME, default_set=True, refresh_handled=True)
    samples.append((time.perf_counter() - start) * 1000)
    processor.append((time.thread_time() - busy) * 1000)
assert harness.NAME in bpy.context.preferences.addons
harness.tell(enable_ms=sorted(samples), enable_cpu_ms=sorted(processor))
harness.leave()
