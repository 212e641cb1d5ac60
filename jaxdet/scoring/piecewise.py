"""Scores the images of a set by their pieces, every one exactly once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import jax
import numpy as np

from jaxdet.config.runtime import Runtime
from jaxdet.data.failures import named_failures
from jaxdet.progress import ProgressLine
from jaxdet.scoring.ahead import AHEAD_PIXELS, in_order
from jaxdet.scoring.loader import PieceLoader
from jaxdet.scoring.pieces import Piece
from jaxdet.scoring.rows import ROW, RowKeeper, finished_images, gather
from jaxdet.scoring.scorer import Scorer
from jaxdet.workdir.signals import requested
from jaxdet.workdir.watchdog import waited


def score_pieces(
    load: PieceLoader,
    places: Sequence[int],
    scorer: Scorer,
    keeper: RowKeeper,
    *,
    runtime: Runtime,
    title: str,
) -> np.ndarray:
    """Returns rows, ROW [n], of the pieces of the images at the given places of the set.

    Several hosts score an image each in turn, and each gets all rows. Pieces whose rows the keeper
    has are not scored again, nor are images read of which it has all. A signal ends the work after
    a batch, on the host that received it.

    Raises:
      BadImageError: for an unreadable image under the policy "stop".
      Stopped: where a signal asked for the end; the keeper has saved its rows.
    """
    mine = places[jax.process_index() :: jax.process_count()]
    done = set(finished_images(keeper.rows))
    left = [place for place in mine if place not in done]
    with ProgressLine(title, total=len(mine), done=len(mine) - len(left), unit="images") as line:
        ahead = named_failures(
            in_order(load, left, cost=load.cost, budget=AHEAD_PIXELS, workers=runtime.workers)
        )
        read = waited(ahead, f"waiting for images to {title}")
        pieces = _unscored(read, keeper.rows, line)
        for scored in scorer(pieces, in_crops=load.protocol.in_crops):
            rows = [(p.owner, p.number, p.of, p.share, x, p.sharpness) for p, x in scored]
            keeper.add(np.array(rows, ROW))
            if signum := requested():
                keeper.stop(signum, together=False)
    # Rows that an earlier start on fewer hosts kept are scored by the host whose turn it is now.
    return gather(keeper.rows[np.isin(keeper.rows["image"], np.asarray(mine))])


def _unscored(
    images: Iterable[list[Piece]], rows: np.ndarray, line: ProgressLine
) -> Iterator[Piece]:
    scored: dict[int, set[int]] = defaultdict(set)
    for place, number in zip(rows["image"].tolist(), rows["piece"].tolist(), strict=True):
        scored[place].add(number)
    for pieces in images:
        yield from (p for p in pieces if p.number not in scored[p.owner])
        line.advance()
