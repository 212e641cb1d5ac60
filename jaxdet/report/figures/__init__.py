"""What is drawn: functions of runs, in the palette of a page or of files."""
