"""Writes a folder of data as a packed store, or as ArrayRecord files of tensorflow_datasets."""
