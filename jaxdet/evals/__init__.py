"""Evaluates detectors: sets under every protocol and disturbance, then their numbers."""
