"""Seeded mutations of every kind of file that jaxdet reads, through every reader of it."""
