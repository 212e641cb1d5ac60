"""Draws train, validation and test anew, such that nothing that belongs together is parted."""
