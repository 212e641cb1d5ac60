"""Compares the keys of a file with those of a network: which need no place, and what differs."""

import difflib
import re
from collections.abc import Iterable, Sequence

from jaxdet.convert.state_dicts import is_average_count, shorten
from jaxdet.errors import UserError

# Keys of torch without a place of ours: (pattern over the whole key, why).
_IGNORED = (
    (re.compile(r".*\.num_batches_tracked"), "a counter that nothing reads at a fixed momentum"),
    (
        re.compile(
            r"(text_model|ln_final|transformer\.resblocks)\..*|token_embedding\.weight|"
            r"text_projection(\.weight)?|positional_embedding|logit_(scale|bias)"
        ),
        "the tower of texts, which a detector of images has no use for",
    ),
    (re.compile(r".*\.position_ids"), "0, 1, 2 and so on"),
    (re.compile(r"rope_embed\.periods|.*\.qkv\.bias_mask"), "computed anew: DINOv3's are fixed"),
    (re.compile(r"local_cls_norm\..*"), "DINOv3's for crops in its own training"),
)


def ignored(key: str) -> str | None:
    """Explains why a key of torch has no place in our variables; None where it needs one."""
    if is_average_count(key):
        return "the number of models that were averaged"
    return next((why for pattern, why in _IGNORED if pattern.fullmatch(key)), None)


def match(
    wanted: Iterable[str], given: Sequence[str], *, source: str, network: str = "this architecture"
) -> None:
    """Refuses a state dict with other keys than those wanted, naming both sides.

    Raises:
      UserError: where a key is missing or has no place.
    """
    missing, unknown = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    if not missing and not unknown:
        return
    sides = [
        f"{len(names)} {what}: {', '.join(_with_nearest(name, others) for name in names[:_SHOWN])}"
        + (", ..." if len(names) > _SHOWN else "")
        # A name of the other side that is left over is the likelier counterpart.
        for what, names, others in (
            ("missing", missing, [unknown, list(given)]),
            ("without a place", unknown, [missing, list(wanted)]),
        )
        if names
    ]
    raise UserError(f"{source}: not the weights of {network}: {'; '.join(sides)}")


# More names than this tell a reader nothing new, and no network has as many to compare with.
_SHOWN, _COMPARED = 5, 1000


def _with_nearest(name: str, others: Sequence[list[str]]) -> str:
    """Adds to a name the nearest of the first list that has one near enough."""
    shown = shorten(name)
    matches = (difflib.get_close_matches(shown, names[:_COMPARED], n=1) for names in others)
    nearest = next((names[0] for names in matches if names), None)
    return f"{shown} (nearest: {shorten(nearest)})" if nearest else shown
