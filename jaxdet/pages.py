"""Writes pages that open from disk: one file, everything in it, names of others made harmless."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2

from jaxdet.streams import printable


def render(
    template: Path, context: Mapping[str, Any], *, filters: Mapping[str, Callable[..., Any]]
) -> str:
    """Returns the page as text; equal contexts give equal text.

    Whatever the context holds is escaped, and a name that it lacks is an error.

    Args:
      template: file; those that it includes lie beside it.
      context: names in the template to values.
      filters: names in the template to functions; `printable` is always there.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({"printable": printable, **filters})
    return environment.get_template(template.name).render(context).strip() + "\n"


def spreadsheet_safe(text: str) -> str:
    """Returns the printable text for a CSV cell, behind an apostrophe if it could be a formula.

    Spreadsheets run what begins so, whoever wrote it (OWASP, CSV injection).
    """
    text = printable(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
