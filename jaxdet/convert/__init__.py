"""Converts weights between PyTorch's names and layouts and ours, by tables of rules."""
