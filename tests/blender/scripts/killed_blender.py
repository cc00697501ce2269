# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender is killed while a job runs (a crash, a power cut): the test looks what is left."""

import os
import signal

import harness

harness.install()
job = harness.module("api").generate(prompt="slow valley", width=512)
harness.tick_until(lambda: job.progress > 0.1)
harness.tell(pid=job._client._run.process.popen.pid, library=str(job._client.library))
os.kill(os.getpid(), signal.SIGKILL)
