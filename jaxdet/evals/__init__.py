"""Scoring: each image once, then numbers per set."""
