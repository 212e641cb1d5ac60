"""Holds the findings of an audit: what the text, the JSON and the page are written from."""

import dataclasses
from collections.abc import Callable

import numpy as np

from jaxdet.data.aside import LeftAside
from jaxdet.data.baseline import Baseline, scanned_baseline
from jaxdet.data.cues import CUES, Cue, CueScore, cue_values, score_cue
from jaxdet.datasets.audit.duplicates import Duplicates, find_duplicates
from jaxdet.datasets.audit.places import Listing
from jaxdet.datasets.audit.scan import Fault, Scan

SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Count:
    """Counts the images of one label of a set or category: files, and those that can be decoded."""

    files: int
    read: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """Describes a set, pooled over its categories, or one category of it.

    Attributes:
      set: "train", "val" or "test/<name>".
      category: None for the whole set.
      real: counts of the real images.
      fake: counts of the fake images.
      scores: of every cue, in the order of CUES.
      metadata: what all cues of the files together reach; None for a category, or too few images.
    """

    set: str
    category: str | None
    real: Count
    fake: Count
    scores: tuple[CueScore, ...]
    metadata: Baseline | None

    @property
    def name(self) -> str:
        """Returns set and category as one path."""
        return self.set if self.category is None else f"{self.set}/{self.category}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Findings:
    """Holds all that an audit found.

    Attributes:
      root: as given.
      threshold: of AP, from which a cue counts as a leak.
      groups: sets, each followed by its categories where there are several.
      broken: files that cannot be decoded.
      misnamed: files whose ending promises another container.
      duplicates: images that occur again.
      left_aside: what else lies below the root.
    """

    root: str
    threshold: float
    groups: tuple[Group, ...]
    broken: tuple[Fault, ...]
    misnamed: tuple[Fault, ...]
    duplicates: Duplicates
    left_aside: LeftAside

    @property
    def tests(self) -> int:
        """Returns how many scores of leak cues could have raised an alarm."""
        scores = [score for group in self.groups for score in group.scores]
        return sum(s.cue.leak and s.ap is not None and not s.constant for s in scores)

    def stands_out(self, score: CueScore) -> bool:
        """Returns whether the AP reaches the threshold and is more than chance."""
        if score.ap is None or score.constant:
            return False
        return score.ap >= self.threshold and score.ap > score.bound(self.tests)

    @property
    def leaks(self) -> list[tuple[Group, CueScore]]:
        """Returns what separates real from fake without the pixels, the strongest first."""
        return self._standing_out(leak=True)

    @property
    def hints(self) -> list[tuple[Group, CueScore]]:
        """Returns what separates real from fake, perhaps by the pixels, the strongest first."""
        return self._standing_out(leak=False)

    @property
    def faults(self) -> list[str]:
        """Returns one line for each thing that makes the audit fail; none for a clean dataset."""
        d = self.duplicates
        counted = {
            "leaks": len(self.leaks),
            "broken files": len(self.broken),
            "exact duplicates across splits": d.exact_across_splits.total,
            "exact duplicates across labels": d.exact_across_labels.total,
            "near duplicates across splits": d.near_across_splits.total,
            "folders of images that were not looked into": len(self.left_aside.losses()),
        }
        return [f"{count:,} {what}" for what, count in counted.items() if count]

    def _standing_out(self, *, leak: bool) -> list[tuple[Group, CueScore]]:
        found = [
            (group, score)
            for group in self.groups
            for score in group.scores
            if score.cue.leak == leak and self.stands_out(score)
        ]
        return sorted(found, key=lambda one: -(one[1].ap or 0))


def find(scan: Scan, *, threshold: float, advance: Callable[[], None]) -> Findings:
    """Scores every cue of every group and looks for duplicates.

    Args:
      scan: the files.
      threshold: of AP.
      advance: called after each group.
    """
    groups = []
    for name, category in group_names(scan.listing):
        groups.append(_group(scan, name, category))
        advance()
    return Findings(
        root=str(scan.listing.root),
        threshold=threshold,
        groups=tuple(groups),
        broken=scan.broken,
        misnamed=scan.misnamed,
        duplicates=find_duplicates(scan),
        left_aside=scan.listing.left_aside,
    )


def group_names(listing: Listing) -> list[tuple[str, str | None]]:
    """Returns every set, followed by its categories where it has several."""
    return [
        (name, category) for name in listing.sets for category in [None, *listing.categories(name)]
    ]


def as_json(findings: Findings) -> dict:
    """Returns the findings as plain values, for `workdir.files.write_json`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "root": findings.root,
        "verdict": "faults" if findings.faults else "clean",
        "faults": findings.faults,
        "threshold": findings.threshold,
        "groups": [_group_json(findings, group) for group in findings.groups],
        "broken": [dataclasses.asdict(one) for one in findings.broken],
        "misnamed": [dataclasses.asdict(one) for one in findings.misnamed],
        "duplicates": dataclasses.asdict(findings.duplicates),
        "left_aside": findings.left_aside.to_plain(),
    }


def _group(scan: Scan, name: str, category: str | None) -> Group:
    rows = scan.listing.rows(name, category)
    table, label = scan.table[rows], scan.listing.label[rows]
    real, fake = (
        Count(files=int((label == which).sum()), read=int(table["read"][label == which].sum()))
        for which in (0, 1)
    )
    where = name if category is None else f"{name}/{category}"
    scores = tuple(_score(cue, table, label, where) for cue in CUES)
    metadata = scanned_baseline(table, label, seed=0) if category is None else None
    return Group(
        set=name, category=category, real=real, fake=fake, scores=scores, metadata=metadata
    )


def _score(cue: Cue, table: np.ndarray, label: np.ndarray, name: str) -> CueScore:
    values, there = cue_values(cue, table)
    return score_cue(cue, values=values[there], label=label[there], name=name)


def _group_json(findings: Findings, group: Group) -> dict:
    return {
        "name": group.name,
        "set": group.set,
        "category": group.category,
        "real": dataclasses.asdict(group.real),
        "fake": dataclasses.asdict(group.fake),
        "metadata": group.metadata and dataclasses.asdict(group.metadata),
        "cues": {score.cue.name: _score_json(findings, score) for score in group.scores},
    }


def _score_json(findings: Findings, score: CueScore) -> dict:
    return {
        "kind": "leak" if score.cue.leak else "hint",
        "stands_out": findings.stands_out(score),
        "ap": score.ap,
        "chance": score.chance,
        "bound": None if score.chance is None else score.bound(findings.tests),
        "constant": score.constant,
        "n_real": score.n_real,
        "n_fake": score.n_fake,
        "real": score.typical[0],
        "fake": score.typical[1],
    }
