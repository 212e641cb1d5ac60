"""Writes the findings as one HTML file that opens from disk and asks for nothing else."""

from pathlib import Path
from typing import Any

from jaxdet import __version__
from jaxdet.data.cues import CUES, MOST_PER_LABEL, SHUFFLES, CueScore
from jaxdet.datasets.audit import text
from jaxdet.datasets.audit.duplicates import MOST_LISTED
from jaxdet.datasets.audit.findings import Findings
from jaxdet.pages import render

_TEMPLATE = "page.html.j2"
_MOST_FILES = 200  # broken or misnamed ones listed; the JSON has all
_MOST_OPEN = 15  # leaks shown without a click


def page_html(findings: Findings) -> str:
    """Returns the page as text; equal findings give equal text."""
    filters = {"percent": text.percent, "chance": chance}
    return render(Path(__file__).with_name(_TEMPLATE), _context(findings), filters=filters)


def chance(score: CueScore) -> str:
    """Returns the interval of chance in percent."""
    if score.chance is None:
        return ""
    low, high = score.chance
    return f"{100 * low:.0f}\N{EN DASH}{100 * high:.0f}"


def _context(findings: Findings) -> dict[str, Any]:
    shown = text.shown_cues(findings)
    return {
        "version": __version__,
        "findings": findings,
        "files": sum(g.real.files + g.fake.files for g in findings.groups if g.category is None),
        "sets": sum(group.category is None for group in findings.groups),
        "shown": shown,
        "cues": [CUES[place] for place in shown],
        "same": [cue.title for place, cue in enumerate(CUES) if place not in shown],
        "kinds": text.duplicate_kinds(findings),
        "shuffles": SHUFFLES,
        "most_per_label": MOST_PER_LABEL,
        "most_listed": MOST_LISTED,
        "most_files": _MOST_FILES,
        "most_open": _MOST_OPEN,
        "signs": {"dash": text.DASH, "same": text.SAME, "mark": text.MARK},
    }
