"""Puts each line-up of a set into one picture; Wang et al., CVPR 2020, figure A.1."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxdet.report import pictures
from jaxdet.report.load import Run, file_of
from jaxdet.report.rows import set_names
from jaxdet.results import Lineup, read_arrays

COLUMNS = 10
_FRAME = 4  # pixels around a thumbnail, in the colour of its label
_GAP = 2
# Bytes of all pictures of a page.
_MOST_BYTES = 3_000_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sheet:
    """Holds a line-up of a set by a run.

    Attributes:
      set: its name.
      run: number of the run.
      picture: u8 [H, W, 3], `COLUMNS` images a row, from most real to most fake.
      labels: i32 [N], 1 = fake, in that order.
    """

    set: str
    run: int
    picture: np.ndarray
    labels: np.ndarray

    @property
    def sentence(self) -> str:
        """Returns what the picture shows, for who cannot see it."""
        order = ", ".join("fake" if label else "real" for label in self.labels)
        return f"{self.set}, from the most real to the most fake by score: {order}"


def sheets_of(runs: Sequence[Run]) -> list[Sheet]:
    """Returns the line-ups that there are, set by set.

    Raises:
      UserError: where a file is damaged.
    """
    return [
        Sheet(set=name, run=number, picture=_picture(lineup), labels=lineup.label)
        for name in set_names(runs)
        for number, run in enumerate(runs)
        if (path := file_of(run.folder.lineup, name))
        and len((lineup := read_arrays(path, Lineup)).label)
    ]


def addresses(sheets: Sequence[Sheet]) -> list[tuple[Sheet, str]]:
    """Returns sheets with an address that holds the picture, as many as a page can bear."""
    shown, used = [], 0
    for sheet in sheets:
        address = pictures.data_uri(pictures.jpeg(sheet.picture))
        used += len(address)
        if used > _MOST_BYTES:
            break
        shown.append((sheet, address))
    return shown


def _picture(lineup: Lineup) -> np.ndarray:
    side = lineup.image.shape[1] + 2 * _FRAME + _GAP
    rows = -(-len(lineup.label) // COLUMNS)
    picture = np.full((rows * side, COLUMNS * side, 3), 255, np.uint8)
    for place, (image, label) in enumerate(zip(lineup.image, lineup.label, strict=True)):
        top, left = (side * n for n in divmod(place, COLUMNS))
        picture[top : top + side - _GAP, left : left + side - _GAP] = (
            pictures.FAKE if label else pictures.REAL
        )
        inner = slice(_FRAME, side - _GAP - _FRAME)
        picture[top : top + side, left : left + side][inner, inner] = image
    return picture
