"""Finds which column of a table holds what: as the user says or by its name, never by its place."""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Self

from jaxdet.data.words import parse_labels, parse_map
from jaxdet.errors import UserError
from jaxdet.streams import printable

# The names by which a column is known, in groups: two names of one group in a table are two
# readings of it. Those behind `image` are of bytes first, then of paths.
NAMES: Mapping[str, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        "image": (
            ("image",),
            ("image_data", "image_bytes", "img"),
            ("path", "file", "filename", "file_name", "filepath", "image_path", "image_name"),
        ),
        "label": (("label",), ("labels", "is_fake", "is_ai", "target")),
        "split": (("split",),),
        "generator": (("generator",), ("generator_name", "model", "model_name")),
        "category": (("category",),),
        "group": (("group",), ("group_id", "source_id")),
    }
)
NEEDED = ("image", "label")
_SHOWN = 300  # letters of the names in a message


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """Holds how the user says that a table or a folder is to be read; nothing: by its names.

    Attributes:
      columns: name of the column for a role; "" for none.
      labels: label of each word, 1 = fake.
      layout: name of a layout of folders, or "auto".
      roles: those that are looked for in a table; the rest of it is left unread.
    """

    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    layout: str = "auto"
    roles: Sequence[str] = tuple(NAMES)

    @classmethod
    def of(cls, *, columns: str, labels: str, layout: str) -> Self:
        """Returns the reading that `data.columns`, `data.labels` and `data.layout` name.

        Raises:
          UserError: naming the option that has another form.
        """
        named = parse_map(columns, "data.columns")
        strange = sorted(set(named) - set(NAMES))
        if strange:
            raise UserError(
                f"data.columns: {strange[0][:40]!r} is not one of {', '.join(NAMES)}; each is "
                'given the name of a column, as in {"image": "img"}'
            )
        return cls(columns=named, labels=parse_labels(labels), layout=layout)


def choose_columns(names: Sequence[str], reading: Reading, *, place: str) -> dict[str, str]:
    """Returns the name of the column of each role that a table has.

    Args:
      names: of all columns, in order.
      reading: what the user named counts before any recognition.
      place: what messages call the table.

    Raises:
      UserError: where one is missing, two have one name, or two may be meant.
    """
    chosen, given = {}, reading.columns
    for role in reading.roles:
        name = given[role] if role in given else _recognised(role, names, given, place)
        if name and name not in names:
            raise UserError(
                f"{place}: data.columns: has no column {name[:60]!r}; there are {_shown(names)}"
            )
        if name and names.count(name) > 1:
            raise UserError(f"{place}: two columns are called {name[:60]!r}; rename one")
        if name:
            chosen[role] = name
    lacking = [role for role in NEEDED if role in reading.roles and role not in chosen]
    if lacking:
        raise UserError(
            f"{place}: no column is known to be the {lacking[0]}; name it with "
            f'--config.data.columns=\'{{"{lacking[0]}": "NAME"}}\'; there are {_shown(names)}'
        )
    return chosen


def columns_sentence(columns: Mapping[str, str]) -> str:
    """Returns which column of a table is taken for what."""
    told = (f"{printable(name)[:60]!r} as {role}" for role, name in columns.items())
    return f"the column{'s' * (len(columns) > 1)} {', '.join(told)}"


def _recognised(role: str, names: Sequence[str], given: Mapping[str, str], place: str) -> str:
    """Returns the column that bears a usual name of a role; "" where none does."""
    free = [name for name in dict.fromkeys(names) if name not in given.values()]
    for group in NAMES[role]:
        found = [name for name in free if name.strip().lower() in group]
        if len(found) > 1:
            one, other = (f'{{"{role}": "{name[:60]}"}}' for name in found[:2])
            raise UserError(
                f"{place}: {found[0][:60]!r} or {found[1][:60]!r} may be the {role}; say which: "
                f"--config.data.columns='{one}' or '{other}'"
            )
        if found:
            return found[0]
    return ""


def _shown(names: Sequence[str]) -> str:
    text = ", ".join(map(repr, names)) or "none"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
