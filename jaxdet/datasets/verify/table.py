"""Reads each image of a table, or of a folder in another layout, to its end."""

from jaxdet.config.data import Data
from jaxdet.data.regular import reason
from jaxdet.data.table.find import Found
from jaxdet.data.table.root import TableRoot
from jaxdet.data.table.sets import PlacedTable
from jaxdet.datasets.verify.inspect import examine_image, inspect_all
from jaxdet.datasets.verify.report import Finding, Kind, Report, count_sets, losses


def verify_table(found: Found) -> Report:
    """Reports which rows have no image that can be read, and which sets lack a label."""
    root = TableRoot(found.table, note=found.reading)
    table = root.table
    missing = [Finding(Kind.MISSING, path, "holds no images") for path in root.lacking()]

    def look(row: int) -> tuple[list[Finding], int]:
        return _look(table, row), 1

    # In the order of the table: each row group is read once.
    rows = inspect_all(look, len(table.rows), total=len(table.rows), unit="images")
    return Report(
        counts=count_sets(root.counts),
        checked=len(table.rows),
        findings=(*missing, *losses(found.aside), *rows),
        left_aside=found.aside,
        reading=root.left_aside(()),
    )


def _look(table: PlacedTable, row: int) -> list[Finding]:
    path = table.rows.reference(row)
    try:
        fault = examine_image(table.content(row, max_pixels=Data.max_pixels))
    except FileNotFoundError:
        return [Finding(Kind.MISSING, path, "no such file")]
    except (OSError, ValueError) as error:
        fault = f"cannot be read: {reason(error)}"
    return [Finding(Kind.DAMAGED, path, fault)] if fault else []
