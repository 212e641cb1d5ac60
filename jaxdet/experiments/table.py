"""Defines a table of experiments: rows, each one training, most beside published numbers."""

import dataclasses
import re
from collections.abc import Sequence

from jaxdet.config import Config
from jaxdet.errors import UserError
from jaxdet.ranges import parse_whole

# What a row may be called: it names a folder beside the report, and a number would be its place.
_NAME = re.compile(r"(?!\d+$|report$)[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """Describes one training and its evaluation.

    Attributes:
      name: of the run and its folder below the table's.
      config: what is trained.
      published: rows of evals/published.csv that the run stands beside, as "source; table;
        setting; result". The first one is `evaluation.published`; the others print the same run
        again, in another table or by another measure. () for none.
      images: training images of an epoch; None where no source tells.
      unverified: what of the row is recalled, assumed or done otherwise here; "" for nothing.
    """

    name: str
    config: Config
    published: tuple[str, ...]
    images: int | None = None
    unverified: str = ""

    @property
    def training(self) -> Config:
        """Returns what is trained and scored, without the names of the row."""
        evaluation = dataclasses.replace(self.config.evaluation, published="")
        return dataclasses.replace(self.config, name="", evaluation=evaluation)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PaperFigure:
    """Describes a figure of a paper: groups of bars by test set.

    Attributes:
      name: of its files.
      title: what it shows.
      metric: what its bars are, as the paper's tables call it.
      panels: the title of each and the names of its rows.
    """

    name: str
    title: str
    panels: tuple[tuple[str, tuple[str, ...]], ...]
    metric: str = "AP"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """Holds rows that a paper prints together.

    Attributes:
      title: paper, table and what its rows differ in.
      source: where its facts are from.
      rows: in the paper's order.
      figures: what the paper draws of them.
      tiny: whether the rows are scaled down, and their numbers not the paper's to compare with.
    """

    title: str
    source: str
    rows: tuple[Row, ...]
    figures: tuple[PaperFigure, ...] = ()
    tiny: bool = False

    @classmethod
    def of_file(
        cls, about: str | None, *, rows: Sequence[Row], figures: Sequence[PaperFigure] = ()
    ) -> "Table":
        """Returns a table whose title and source stand in the docstring of its file.

        Args:
          about: the docstring: the title is its first line, the source follows "Source:" and goes
            up to "Expected:".
          rows: of the table.
          figures: what the paper draws of them.
        """
        title, _, rest = (about or "").partition("\n")
        source = rest.partition("Source:")[2].partition("Expected:")[0]
        return cls(
            title=title,
            source=" ".join(source.split()),
            rows=tuple(rows),
            figures=tuple(figures),
        )

    def __post_init__(self) -> None:
        """Raises ValueError without rows, and for names that are no folder's, twice or unknown."""
        names = [row.name for row in self.rows]
        if not names:
            raise ValueError(f"{self.title}: a table without rows")
        wrong = [name for name in names if not _NAME.fullmatch(name)]
        if wrong or len(set(names)) < len(names):
            raise ValueError(f"names of rows: {wrong or names}")
        drawn = {name for one in self.figures for _, rows in one.panels for name in rows}
        if drawn - set(names):
            raise ValueError(f"figures of rows that are not there: {sorted(drawn - set(names))}")

    def pick(self, row: str) -> Row:
        """Returns the row of a name, or of a place counted from 1.

        Raises:
          UserError: where there is none.
        """
        names = [one.name for one in self.rows]
        if row in names:
            return self.rows[names.index(row)]
        place = parse_whole(row, f"[1, {len(names)}]")
        if place is not None:
            return self.rows[place - 1]
        raise UserError(
            f"--row={row:.50}: no such row; give 1 to {len(names)}, or {', '.join(names)}"
        )


def make_row(
    name: str,
    config: Config,
    *,
    published: Sequence[str] = (),
    images: int | None = None,
    unverified: str = "",
) -> Row:
    """Returns a row whose config carries its name and the first of its published rows.

    What becomes of training images for want of a `val/` is added to what the row says of itself.
    """
    data = config.data
    if data.train_root and data.validation == "auto":
        held_out = f"where {data.train_root} has no val/, {data.val_fraction:.0%} of its train/"
        unverified += f"{'; ' * bool(unverified)}{held_out} is held out for validation"
    evaluation = dataclasses.replace(
        config.evaluation, published=published[0] if published else "none"
    )
    config = dataclasses.replace(config, name=name, evaluation=evaluation)
    return Row(
        name=name,
        config=config,
        published=tuple(published),
        images=images,
        unverified=" ".join(unverified.split()),
    )
