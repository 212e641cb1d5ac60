"""Makes, fetches, checks and packs datasets; nothing here runs in training or evaluation."""
