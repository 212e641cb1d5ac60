"""Measures whether one fact about files separates real from fake: an AP, its chance interval.

A cue is scored as a detector would be that saw nothing else. Its values fall into groups: the
value itself, or for numbers up to 16 quantiles. The images are dealt into five parts; an image's
score is the share of fakes among the images of its group in the *other* parts, with each label
weighted to the same total. So a value that every image has for itself teaches nothing, and the
cue may rise, fall or jump. AP asks how well fakes, and then how well real images, are ranked
first; the larger counts. The images of the rarer label are repeated until both are equally many,
so a cue without information has an AP near 0.5 whatever the balance of the set.

Near 0.5 is wide for few images. The same labels, shuffled 200 times, give the AP of chance: its
mean, its spread, its largest, and the bound `mean + t * spread`. A cue leaks where its AP reaches
the threshold and exceeds that bound and every shuffle. t is a Student quantile, shared out over
all scores of an audit (Bonferroni). The AP of few images has a longer tail than Student's, so the
rate asked for is lower than the one per cent aimed at. Measured on made-up cues without
information: with 12 to 50 images a label, none of 5,400 scores passed the bound of an audit of 50
scores, and five that of an audit of 5; with 8 images a label, 5 of 1,800 passed the former.

Which cues count. Container, sides, quality, colour mode and metadata do not depend on what the
image shows: where they tell the label, a detector can be right without looking, and for another
reason than the generator. They are leaks and decide the exit status. Bytes per pixel follow from
the content, and traces of earlier JPEG may be the work of a generator; a difference there may be
the very signal that a detector is after. They are hints: shown, never counted.
"""

import dataclasses
import zlib

import numpy as np
from scipy import special

from jaxdet.metrics import average_precision

FOLDS = 5
SHUFFLES = 200
# Images of each label that score a cue: an AP is then within 0.02, and 720,000 images take
# no longer than 4,000.
MOST_PER_LABEL = 2000
FALSE_ALARMS = 0.002  # an audit of clean data; see above
_MOST_GROUPS = 16
_IMAGES_PER_GROUP = 8
_PRIOR = 0.02  # pulls groups of few images toward one half


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cue:
    """Describes one fact that every file has.

    Attributes:
      name: in JSON.
      title: for people.
      leak: whether it counts for the exit status; otherwise a hint.
      ordered: whether values are numbers.
    """

    name: str
    title: str
    leak: bool
    ordered: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class CueScore:
    """Holds how well one cue separates real from fake in one set.

    Attributes:
      cue: which.
      n_real: real images that have the cue.
      n_fake: fake images that have it.
      constant: whether all have the same value, so that it can tell nothing.
      ap: 0..1, chance 0.5; None where a label has fewer than two images with the cue.
      chance: 2.5 and 97.5 % quantile of the AP of shuffled labels; None where constant or there
        is no AP.
      chance_mean: mean of the same.
      chance_spread: standard deviation of the same.
      chance_most: largest of the same.
      typical: value of the real and of the fake images, for people.
    """

    cue: Cue
    n_real: int
    n_fake: int
    constant: bool
    ap: float | None
    chance: tuple[float, float] | None = None
    chance_mean: float = 0.5
    chance_spread: float = 0.0
    chance_most: float = 0.5
    typical: tuple[str, str] = ("", "")

    def bound(self, tests: int) -> float:
        """Returns what the AP must exceed to be more than chance among `tests` scores."""
        freedom = 2 * (min(self.n_real, self.n_fake) - 1)
        t = -float(special.stdtrit(freedom, FALSE_ALARMS / max(tests, 1)))
        return max(self.chance_most, self.chance_mean + t * self.chance_spread)


CUES = (
    Cue(name="container", title="container", leak=True, ordered=False),
    Cue(name="width", title="width", leak=True, ordered=True),
    Cue(name="height", title="height", leak=True, ordered=True),
    Cue(name="aspect", title="aspect", leak=True, ordered=True),
    Cue(name="quality", title="JPEG quality", leak=True, ordered=True),
    Cue(name="sampling", title="chroma", leak=True, ordered=False),
    Cue(name="scan", title="scan order", leak=True, ordered=False),
    Cue(name="mode", title="colour mode", leak=True, ordered=False),
    Cue(name="depth", title="bit depth", leak=True, ordered=True),
    Cue(name="exif", title="EXIF", leak=True, ordered=False),
    Cue(name="icc", title="ICC profile", leak=True, ordered=False),
    Cue(name="metadata", title="other metadata", leak=True, ordered=False),
    Cue(name="bytes_per_pixel", title="bytes per pixel", leak=False, ordered=True),
    Cue(name="blocking", title="earlier JPEG", leak=False, ordered=True),
)


def cue_values(cue: Cue, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the values of a cue [N] and which rows have it [N], from rows of the scan's table."""
    if cue.name == "aspect":
        values = table["width"] / np.maximum(table["height"], 1)
    elif cue.name == "bytes_per_pixel":
        values = table["bytes"] / np.maximum(table["width"].astype(np.int64) * table["height"], 1)
    else:
        values = table[cue.name]
    if not cue.ordered:
        # Chroma is a fact of JPEG alone: who is JPEG and who not, the container tells.
        return values, table["read"] & (values != "")
    values = values.astype(np.float64)
    return values, table["read"] & ~np.isnan(values)


def score_cue(
    cue: Cue, *, values: np.ndarray, label: np.ndarray, name: str, shuffles: int = SHUFFLES
) -> CueScore:
    """Returns the AP of a cue by itself, and what chance gives.

    Args:
      cue: which.
      values: [N].
      label: [N], 1 = fake.
      name: of the set; with the cue's name the seed of folds and shuffles.
      shuffles: of the labels.
    """
    n_fake = int(label.sum())
    n_real = len(label) - n_fake
    if min(n_real, n_fake) < 2:
        return CueScore(cue=cue, n_real=n_real, n_fake=n_fake, constant=False, ap=None)
    typical = (typical_value(values[label == 0]), typical_value(values[label == 1]))
    rng = np.random.default_rng(zlib.crc32(f"{name}/{cue.name}".encode("utf8", "replace")))
    drawn = _draw(label, rng)
    group, label = grouped(values[drawn], ordered=cue.ordered), label[drawn]
    score = CueScore(
        cue=cue, n_real=n_real, n_fake=n_fake, constant=not group.any(), ap=0.5, typical=typical
    )
    return score if score.constant else _against_chance(score, group, label, rng, shuffles)


def _against_chance(
    score: CueScore, group: np.ndarray, label: np.ndarray, rng: np.random.Generator, shuffles: int
) -> CueScore:
    """Returns the score with its AP and with what shuffled labels give."""
    fold = rng.permutation(len(label)) % FOLDS
    shuffled = (rng.permutation(label) for _ in range(shuffles))
    ap, *by_chance = (
        balanced_ap(one, held_out_scores(group, one, fold)) for one in (label, *shuffled)
    )
    chance = np.array(by_chance)
    low, high = np.quantile(chance, [0.025, 0.975])
    return dataclasses.replace(
        score,
        ap=ap,
        chance=(float(low), float(high)),
        chance_mean=float(chance.mean()),
        chance_spread=float(chance.std(ddof=1)),
        chance_most=float(chance.max()),
    )


def held_out_scores(group: np.ndarray, label: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Returns for each image the share of fakes in its group, over the other folds, f64 [N].

    Each label counts as one in total, so that one half means "no difference".

    Args:
      group: [N], 0 and up.
      label: [N], 1 = fake.
      fold: [N], 0 to FOLDS - 1.
    """
    share = []
    for which in (0, 1):
        chosen = label == which
        cells = fold[chosen] * (group.max() + 1) + group[chosen]
        counts = np.bincount(cells, minlength=FOLDS * (group.max() + 1)).reshape(FOLDS, -1)
        others = counts.sum(axis=0) - counts
        share.append(others / np.maximum(others.sum(axis=1, keepdims=True), 1))
    real, fake = share
    return ((fake + _PRIOR) / (real + fake + 2 * _PRIOR))[fold, group]


def balanced_ap(label: np.ndarray, score: np.ndarray) -> float:
    """Returns the AP of the better ranked label, the rarer one repeated until both are as many."""
    places = [np.flatnonzero(label == which) for which in (0, 1)]
    most = max(map(len, places))
    even = np.concatenate([np.resize(one, most) for one in places])
    label, score = label[even], score[even]
    return max(average_precision(label, score), average_precision(1 - label, -score))


def typical_value(values: np.ndarray) -> str:
    """Returns the median of numbers, or the commonest word with its share."""
    distinct, count = np.unique(values, return_counts=True)
    top = distinct[count.argmax()]
    if not isinstance(top, str):
        return f"{np.median(values):.5g}" + ("" if len(distinct) == 1 else " (median)")
    return top + ("" if len(distinct) == 1 else f" ({100 * count.max() / count.sum():.0f} %)")


def _draw(label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Samples up to MOST_PER_LABEL images of each label and returns their places in random order.

    The order matters where images of the rarer label are repeated: not the same ones more often.
    """
    places = [rng.permutation(np.flatnonzero(label == which)) for which in (0, 1)]
    return np.concatenate([one[:MOST_PER_LABEL] for one in places])


def grouped(values: np.ndarray, *, ordered: bool) -> np.ndarray:
    """Returns the group of each value, int [N]; made without a look at the labels.

    Args:
      values: [N], words or numbers.
      ordered: whether they are numbers, of which neighbours share a group.
    """
    distinct, place = np.unique(values, return_inverse=True)
    most = int(np.clip(len(values) // _IMAGES_PER_GROUP, 2, _MOST_GROUPS))
    if not ordered or len(distinct) <= most:
        return place
    # Edges are values that occur, so that a frequent one begins a group of its own.
    shares = np.arange(1, most) / most
    edges = np.unique(np.quantile(values, shares, method="lower"))
    return np.unique(np.searchsorted(edges, values, side="right"), return_inverse=True)[1]
