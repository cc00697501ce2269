# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine that is stopped in the middle: told in the panel, ended by a button, and the queue goes on."""

import os
import signal

import bpy
import harness

harness.install()
api = harness.module("api")
link = harness.module("engine.link").link
engine_run = harness.module("sync_engine.host.engine_run")
restart = bpy.ops.syncscape.restart_engine
stuck = api.generate(prompt="slow cliff", width=512)
waiting = api.generate(prompt="valley", width=512)
harness.tick_until(lambda: stuck.progress > 0)
assert not restart.poll(), "it responds"

link._client._run._watched = True
engine_run.SILENT_S = 0.5
os.kill(link._client.pid, signal.SIGSTOP)
harness.tick_until(lambda: link.silent_for > 0.0)
assert link.tick(), "the timer goes on while a job is open"
assert restart() == {"FINISHED"}
assert stuck.error is not None
assert "did not respond" in str(stuck.error), stuck.error
assert link.error is stuck.error, "the panel tells it"
assert not link.silent_for
engine_run.SILENT_S = 20.0
harness.tick_until(lambda: waiting.state.finished)
assert waiting.result is not None, waiting.error
harness.leave()
