"""Train, validation and test drawn anew, such that nothing that belongs together is parted."""
