"""Reads the packed store, a data set in a few large files, by memory map.

A folder with `store.json`, `index.npy`, `names.bin` and `shards/*.bin`. Nothing is lost: pixels of
RGB images in a lossless container are kept raw (u8, BGR), every other file byte for byte.
"""
