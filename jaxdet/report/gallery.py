"""Lays out images picked by their score as cards of a page, within a size that a page can bear."""

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from jaxdet.report import pictures
from jaxdet.report.load import Run, file_of
from jaxdet.report.rows import set_names
from jaxdet.results import Ranked, read_arrays
from jaxdet.streams import printable

# Bytes of all pictures in the page; a page should stay below 10 MB.
MOST_BYTES = 5_000_000
_SCALE = 99.0  # percentile of |activation map| of a run at which colours are at their strongest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Card:
    """Describes an image that a run's ranking picked.

    Attributes:
      set: name of the set.
      run: number of the run.
      id: of the image, its path below the set's folder.
      is_fake: its label.
      role: why it was picked; two roles stand beside each other with a comma.
      logit: above 0 = fake.
      picture: name of the thumbnail; equal images of several runs share one.
      overlay: address of the activation map's picture; "" where there is none.
    """

    set: str
    run: int
    id: str
    is_fake: bool
    role: str
    logit: float
    picture: str
    overlay: str

    @property
    def probability(self) -> float:
        """Returns P(fake), 0..1."""
        return float(1 / (1 + np.exp(-np.float64(self.logit))))

    @property
    def groups(self) -> list[str]:
        """Returns the card's roles without the numbers of mistakes, to be filtered by."""
        roles = self.role.split(", ")
        return ["mistakes" if role.startswith("mistake") else role for role in roles]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gallery:
    """Holds cards and the pictures on them.

    Attributes:
      cards: set by set, in each by image and run.
      pictures: name to (address, width, height).
      scales: of each run, the value at which colours are at their strongest; None without maps.
      n_left_out: cards that would have made the page too large.
    """

    cards: tuple[Card, ...]
    pictures: dict[str, tuple[str, int, int]]
    scales: tuple[float | None, ...]
    n_left_out: int

    def of_set(self, name: str) -> list[Card]:
        """Returns the cards of a set."""
        return [card for card in self.cards if card.set == name]

    @property
    def sets(self) -> list[str]:
        """Returns the names of the sets that have cards."""
        return list(dict.fromkeys(card.set for card in self.cards))

    @property
    def roles(self) -> list[str]:
        """Returns the groups of roles, percentiles in their order and mistakes last."""
        return sorted({group for card in self.cards for group in card.groups}, key=_place)


def gallery_of(runs: Sequence[Run], *, most_bytes: int = MOST_BYTES) -> Gallery:
    """Returns images of all runs' rankings, percentiles before mistakes, until the page is full.

    Raises:
      UserError: where a file is damaged.
    """
    names = set_names(runs)
    ranked = {
        (number, name): read_arrays(path, Ranked)
        for name in names
        for number, run in enumerate(runs)
        if (path := file_of(run.folder.ranking, name))
    }
    scales = tuple(_scale([r for (n, _), r in ranked.items() if n == i]) for i in range(len(runs)))
    picks = [pick for key, one in ranked.items() for pick in _picks(*key, one, scales[key[0]])]
    kept, sheet = _within(picks, most_bytes)
    cards = sorted(kept, key=lambda card: (names.index(card.set), *_order(card)))
    return Gallery(
        cards=tuple(cards), pictures=sheet, scales=scales, n_left_out=len(picks) - len(kept)
    )


def _picks(
    run: int, name: str, ranked: Ranked, scale: float | None
) -> Iterator[tuple[Card, np.ndarray]]:
    for i, image in enumerate(ranked.image):
        overlay = ""
        contributions = ranked.evidence[i]
        if scale is not None and np.isfinite(contributions).all():
            overlay = pictures.data_uri(pictures.activation_overlay(contributions, scale=scale))
        digest = hashlib.sha256(f"{name}/{ranked.id[i]}".encode("utf-8", "replace"))
        digest.update(image.tobytes())
        yield Card(
            set=name, run=run, id=str(ranked.id[i]), is_fake=bool(ranked.label[i]),
            role=printable(str(ranked.role[i])), logit=float(ranked.logit[i]),
            picture=f"i{digest.hexdigest()[:12]}", overlay=overlay,
        ), image  # fmt: skip


def _within(
    picks: Sequence[tuple[Card, np.ndarray]], most_bytes: int
) -> tuple[list[Card], dict[str, tuple[str, int, int]]]:
    """Returns the cards that fit and their pictures, the first roles of every set and run first."""
    kept, sheet, used = [], {}, 0
    for card, image in sorted(picks, key=lambda pick: _place(pick[0].role)):
        new = None if card.picture in sheet else _thumbnail(image)
        used += len(card.overlay) + (len(new[0]) if new else 0)
        if used > most_bytes:
            break
        if new:
            sheet[card.picture] = new
        kept.append(card)
    return kept, sheet


def _thumbnail(image: np.ndarray) -> tuple[str, int, int]:
    height, width = image.shape[:2]
    return pictures.data_uri(pictures.thumbnail(image)), width, height


def _scale(ranked: Sequence[Ranked]) -> float | None:
    values = [np.abs(one.evidence[np.isfinite(one.evidence)]) for one in ranked]
    there = np.concatenate(values) if values else np.empty(0)
    return float(np.percentile(there, _SCALE)) if there.size else None


def _order(card: Card) -> tuple[object, ...]:
    """Returns a sort key within a set: real before fake, by role, and runs beside each other."""
    return card.is_fake, _place(card.role), card.run, card.id


def _place(role: str) -> tuple[bool, float]:
    """Returns a sort key: percentiles by number, then mistakes by theirs; the first role counts."""
    kind, _, number = role.partition(",")[0].partition(" ")
    return kind != "percentile", float(number) if number.isdecimal() else 0.0
