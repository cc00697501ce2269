# SPDX-License-Identifier: GPL-3.0-or-later
"""Leave Blender while a job runs: the test looks whether the engine has gone too."""

import harness

harness.install()
job = harness.module("api").generate(prompt="slow valley", width=512)
harness.tick_until(lambda: job.progress > 0.1)
harness.tell(pid=job._client._run.process.popen.pid)
harness.leave()
