"""Writes the findings for a terminal or a log."""

import io
import sys
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxdet.data.cues import CUES, CueScore
from jaxdet.datasets.audit.duplicates import Repeats
from jaxdet.datasets.audit.findings import Findings, Group
from jaxdet.streams import printable, show

DASH, SAME, MARK = "-", "=", "*"
_CELL = 4  # columns of the widest cell
_MOST_LINES = 10
_PLAIN_WIDTH = 400  # columns that a table may take in a file


def print_findings(findings: Findings, file: TextIO | None = None) -> None:
    """Prints counts, cues, faults and the verdict.

    Args:
      findings: of the audit.
      file: where to; None: standard output.
    """
    file = sys.stdout if file is None else file
    # Not the file itself, which it would write to without a word of which file is full.
    drawn, is_terminal = io.StringIO(), file.isatty()
    console = Console(
        file=drawn,
        force_terminal=is_terminal,
        width=None if is_terminal else _PLAIN_WIDTH,
        highlight=False,
    )
    table = _table(findings)
    # What is narrower would cut numbers off.
    console.width = max(console.width, sum(1 + (column.min_width or 0) for column in table.columns))
    console.print(table)
    lines = [*_legend(), "", *_details(findings), verdict(findings)]
    show(drawn.getvalue() + "\n".join(map(printable, lines)), file)


def verdict(findings: Findings) -> str:
    """Returns the verdict of an audit in one line."""
    return "FAULTS: " + ", ".join(findings.faults) if findings.faults else "clean"


def percent(score: CueScore) -> str:
    """Returns the AP in percent; a sign where it means nothing."""
    if score.ap is None:
        return DASH
    return SAME if score.constant else f"{100 * score.ap:.0f}"


def told(group: Group, score: CueScore) -> str:
    """Returns one line about what a cue reveals."""
    low, high = (f"{100 * end:.1f}" for end in score.chance or (0.5, 0.5))
    real, fake = map(printable, score.typical)
    return (
        f"{printable(group.name)}: {score.cue.title}: AP {100 * (score.ap or 0):.1f}, "
        f"chance {low} to {high}; real {real}, fake {fake}"
    )


def duplicate_kinds(findings: Findings) -> list[tuple[str, Repeats, bool]]:
    """Returns each kind of duplicates: its title, what was found, whether it is a fault."""
    d = findings.duplicates
    return [
        ("exact duplicates across splits", d.exact_across_splits, True),
        ("exact duplicates across labels", d.exact_across_labels, True),
        ("near duplicates across splits", d.near_across_splits, True),
        ("near duplicates across labels in one split", d.near_across_labels, False),
    ]


def shown_cues(findings: Findings) -> list[int]:
    """Returns the places in CUES of those that differ between images of some group."""
    return [
        place
        for place in range(len(CUES))
        if any(
            g.scores[place].ap is not None and not g.scores[place].constant for g in findings.groups
        )
    ]


def _table(findings: Findings) -> Table:
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    shown = shown_cues(findings)
    table.add_column("set", overflow="fold", min_width=12)
    titles = ["real", "fake", "broken", *map(_column_title, shown)]
    for title in titles:
        table.add_column(Text(title), justify="right", overflow="fold", min_width=_CELL)
    for group in findings.groups:
        cells = [_cell(findings, group.scores[place]) for place in shown]
        name = printable(group.name) if group.category is None else f"  {printable(group.category)}"
        counts = [group.real.files, group.fake.files, _broken(group)]
        style = "dim" if group.category is not None else None
        table.add_row(*map(Text, [name, *map(str, counts), *cells]), style=style)
    return table


def _column_title(place: int) -> str:
    cue = CUES[place]
    return cue.title if cue.leak else f"({cue.title})"


def _cell(findings: Findings, score: CueScore) -> str:
    return percent(score) + (MARK if findings.stands_out(score) else "")


def _broken(group: Group) -> int:
    return sum(count.files - count.read for count in (group.real, group.fake))


def _legend() -> Sequence[str]:
    return (
        f"cues: AP in percent, chance 50; {SAME} all the same, {DASH} too few images, "
        f"{MARK} above threshold and chance; in brackets: hints, which never fail an audit.",
        "Cues without a difference to measure in any set are left out.",
    )


def _details(findings: Findings) -> list[str]:
    known = [(group.name, group.metadata) for group in findings.groups if group.metadata]
    lines = _capped([
        f"metadata alone: {printable(name)}: AP {100 * one.ap:.1f} "
        f"({100 * one.ci95[0]:.1f} to {100 * one.ci95[1]:.1f}), chance {100 * one.chance:.1f}"
        for name, one in known
    ])  # fmt: skip
    lines += _capped([f"leak: {told(group, score)}" for group, score in findings.leaks])
    lines += _capped([f"hint: {told(group, score)}" for group, score in findings.hints])
    lines += _capped(
        [f"{f.kind}: {printable(f.path)}: {printable(f.text)}" for f in findings.broken]
    )
    lines += _capped(
        [f"misnamed (no fault): {printable(f.path)}: {f.text}" for f in findings.misnamed]
    )
    for title, found, fault in duplicate_kinds(findings):
        if found.total:
            lines.append(f"{found.total:,} {title}{'' if fault else ' (no fault)'}, such as")
            lines += [f"  {'  =  '.join(map(printable, one[:3]))}" for one in found.listed[:3]]
    if findings.duplicates.repeats:
        lines.append(
            f"{findings.duplicates.repeats:,} repeats within one split and label (no fault)"
        )
    aside = findings.left_aside.sentence()
    lines += [aside] if aside else []
    return [*lines, ""] if lines else lines


def _capped(lines: list[str]) -> list[str]:
    left = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], f"  and {left:,} more"] if left > 0 else lines
