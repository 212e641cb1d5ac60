"""Adapts a detector to a new generator by a few of its images, and measures what that costs."""
