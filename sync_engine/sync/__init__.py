# SPDX-License-Identifier: GPL-3.0-or-later
"""Methods that bring the windows together: none, fast (ours) and paper (SyncDiffusion)."""
