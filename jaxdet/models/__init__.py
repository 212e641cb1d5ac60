"""Defines networks and front-ends. Only here and in `datasets/makers` is Flax imported."""
