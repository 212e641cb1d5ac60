"""Draws figures: functions of runs, in the palette of a page or of files."""
