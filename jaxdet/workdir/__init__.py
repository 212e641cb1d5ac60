"""Works in a folder: claimed by one process, written beside its place, read without trust."""
