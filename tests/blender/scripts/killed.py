# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine is killed in the middle of a job: told within a second, and the next job works."""

import os
import signal
import time

import harness

harness.install()
api = harness.module("api")
link = harness.module("engine.link").link
job = api.generate(prompt="slow valley", width=512)
harness.tick_until(lambda: job.progress > 0.1)
start = time.perf_counter()
os.kill(job._client._run.process.popen.pid, signal.SIGKILL)
harness.tick_until(lambda: job.state.finished, timeout=5)
noticed = time.perf_counter() - start
assert job.state is api.JobState.FAILED
assert noticed < 1.0, noticed
assert link.error is job.error
assert link.error.code == "engine_died"
again = api.generate(prompt="valley", width=512)
assert link.error is None
assert again.wait(60) is api.JobState.DONE
harness.tell(noticed_ms=noticed * 1000, message=str(job.error))
harness.leave()
