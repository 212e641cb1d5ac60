"""Carries a run: the device mesh, checkpoints, and its log."""
