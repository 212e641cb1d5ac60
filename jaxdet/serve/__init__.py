"""Serves a detector: a page for people and an API for programs, over one model."""
