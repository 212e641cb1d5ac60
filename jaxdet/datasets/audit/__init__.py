"""Audits a dataset: what besides the pixels tells real from fake, what is broken or doubled.

`command.py` is the way through: places -> scan -> cues, duplicates -> findings -> text and page.
"""
