"""Finds what is missing, surplus or damaged in data that is already there."""
