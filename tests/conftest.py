# SPDX-License-Identifier: GPL-3.0-or-later
"""One thread for torch in the tests: the models are tiny, and busy machines punish more."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
