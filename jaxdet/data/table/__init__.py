"""Reads tables of images, CSV, TSV, JSONL, Parquet and folders of other layouts, as one `Table`."""
