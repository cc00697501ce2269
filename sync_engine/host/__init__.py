"""The host's half of the door: the engine's process, its jobs and results; standard library only."""
