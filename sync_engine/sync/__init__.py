"""Methods that bring the windows together: none, fast (ours) and paper (SyncDiffusion)."""
