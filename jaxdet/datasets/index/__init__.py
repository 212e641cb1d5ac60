"""Writes a table or folder of images as one Parquet file that opens at once."""
