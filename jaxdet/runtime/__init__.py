"""What a run stands on: the device mesh, checkpoints, and its log."""
