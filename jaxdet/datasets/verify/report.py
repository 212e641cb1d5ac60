"""Reports what a look at data finds: counts, and what is missing, surplus or damaged."""

import enum
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jaxdet.data.aside import LeftAside
from jaxdet.data.images import LABEL_FOLDERS
from jaxdet.streams import printable

# Lines of each kind on the terminal; the JSON has them all.
_MOST_LINES = 20


class Kind(enum.Enum):
    """Names what can be wrong with a file or folder."""

    MISSING = "missing"
    SURPLUS = "surplus"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Finding:
    """Describes one thing that is wrong: with what, below the root, and how."""

    kind: Kind
    path: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Count:
    """Counts the images of one folder of a split.

    The expected counts are None where nobody knows what should be there.
    """

    path: str
    real: int
    fake: int
    real_expected: int | None = None
    fake_expected: int | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """Holds all that was found.

    Attributes:
      counts: by folder.
      checked: files read to the end.
      hashed: how many of them against a checksum: SHA-256 of what was fetched, CRC-32 of a store.
      findings: empty where all is well.
      left_aside: files that no set holds.
      packed: what was left aside when a store was packed, in one line.
      reading: how a folder of another layout was read, in one line.
    """

    counts: tuple[Count, ...] = ()
    checked: int = 0
    hashed: int = 0
    findings: tuple[Finding, ...] = field(default=())
    left_aside: LeftAside = field(default_factory=LeftAside)
    packed: str = ""
    reading: str = ""


def count_sets(images: Mapping[str, int]) -> tuple[Count, ...]:
    """Returns the counts of each `<split>/<class or set>`.

    Args:
      images: number of images by label folder, such as `test/progan/cat/0_real`.
    """
    labels: Counter[tuple[str, str]] = Counter()
    for folder, count in images.items():
        parts = folder.split("/")
        labels["/".join(parts[:2] if len(parts) > 2 else parts[:1]), parts[-1]] += count
    return tuple(
        Count(path=path, real=labels[path, LABEL_FOLDERS[0]], fake=labels[path, LABEL_FOLDERS[1]])
        for path in dict.fromkeys(path for path, _ in labels)
    )


def losses(left_aside: LeftAside) -> Iterator[Finding]:
    """Yields images of sets that no command takes for theirs, and folders that may hold some."""
    for path, detail in left_aside.losses():
        yield Finding(Kind.SURPLUS, path, detail)
    for path in left_aside.closed:
        yield Finding(Kind.DAMAGED, path, "cannot be read")


def join(reports: Sequence[Report]) -> Report:
    """Merges several reports into one."""
    left_aside = LeftAside()
    for report in reports:
        left_aside.add(report.left_aside)
    return Report(
        left_aside=left_aside,
        packed="; ".join(filter(None, (report.packed for report in reports))),
        reading="; ".join(filter(None, (report.reading for report in reports))),
        counts=tuple(count for report in reports for count in report.counts),
        checked=sum(report.checked for report in reports),
        hashed=sum(report.hashed for report in reports),
        findings=tuple(finding for report in reports for finding in report.findings),
    )


def to_plain(root: str, report: Report) -> dict[str, Any]:
    """Returns the report as plain values for JSON."""
    return {
        "root": root,
        "ok": not report.findings,
        "checked": report.checked,
        "hashed": report.hashed,
        "counts": [vars(count) for count in report.counts],
        "findings": [
            {"kind": one.kind.value, "path": one.path, "detail": one.detail}
            for one in report.findings
        ],
        "left_aside": report.left_aside.to_plain(),
        "left_aside_by_pack": report.packed,
        "reading": report.reading,
    }


def to_lines(report: Report) -> Iterator[str]:
    """Yields the report as lines of text."""
    width = max((len(count.path) for count in report.counts), default=0)
    for count in report.counts:
        real = _of(count.real, count.real_expected)
        fake = _of(count.fake, count.fake_expected)
        yield f"{printable(count.path):{width}}  {real:>15} real  {fake:>15} fake"
    for kind in Kind:
        findings = [one for one in report.findings if one.kind is kind]
        yield from (
            f"{kind.value}: {printable(one.path)}: {one.detail}" for one in findings[:_MOST_LINES]
        )
        if len(findings) > _MOST_LINES:
            yield f"{kind.value}: and {len(findings) - _MOST_LINES:,} more; --json=OUT has them all"
    yield f"{report.checked:,} files read, {report.hashed:,} of them against a checksum"
    yield from filter(None, (report.reading, report.left_aside.sentence(), report.packed))


def summary(report: Report) -> str:
    """Returns how many findings of each kind there are, '2 missing, 1 damaged'; '' for none."""
    counts = {kind: sum(one.kind is kind for one in report.findings) for kind in Kind}
    return ", ".join(f"{count:,} {kind.value}" for kind, count in counts.items() if count)


def _of(count: int, expected: int | None) -> str:
    return f"{count:,}" if expected in (None, count) else f"{count:,} of {expected:,}"
