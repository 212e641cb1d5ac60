"""Weights between PyTorch's names and layouts and ours, as tables of rules."""
