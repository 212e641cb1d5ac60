"""Writes pages and tables from run folders alone: no model, no accelerator, no network."""

from typing import Any

__all__ = ["print_table", "read_run", "write_report"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: the command answers Ctrl-C while it still loads matplotlib.
    if name == "print_table":
        from jaxdet.report.tables import print_table

        return print_table
    if name == "read_run":
        from jaxdet.report.frames import read_run

        return read_run
    if name == "write_report":
        from jaxdet.report.write import write_report

        return write_report
    raise AttributeError(f"module 'jaxdet.report' has no attribute {name!r}")
