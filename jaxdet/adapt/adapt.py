"""From a detector and a few images to an adapted one, with what it gains and loses."""

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxdet.adapt import fit
from jaxdet.adapt.compare import Row, compare, percent
from jaxdet.adapt.features import Looker, Seen
from jaxdet.adapt.images import MOST, drawn, find_pair, look_at_pair, look_at_set, old_sets
from jaxdet.adapt.rows import to_rows
from jaxdet.adapt.write import adapted_card
from jaxdet.convert.card import FIGURES, Card
from jaxdet.convert.load import LoadedWeights
from jaxdet.data.likeness import Ranges, usual_ranges
from jaxdet.data.readers import Reader
from jaxdet.errors import UserError
from jaxdet.evals.scores import calibrate, score_condition
from jaxdet.models.detector import Variables
from jaxdet.progress import say
from jaxdet.report.tables import aligned
from jaxdet.results import Calibration, Predictions
from jaxdet.train.weights import open_weights

_DRAWS, _SEED = 1000, 0
_NEW = "new generator"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adapted:
    """Holds an adapted detector, and what is said of it.

    Attributes:
      loaded: the detector as it was.
      variables: of the new one.
      card: of the new one.
      tried: a table of what was tried, and a line on what was chosen.
      rows: of the new generator and the old ones, before and after.
      refusal: why it is not to be written; "" where it is.
    """

    loaded: LoadedWeights
    variables: Variables
    card: Card
    tried: str
    rows: list[Row]
    refusal: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Images:
    """Holds what was seen of the images.

    Attributes:
      few: those to adapt to.
      held: further ones of the new generator; None where none are given.
      kept: of old generators, to learn from; None where there are none.
      ranges: of what the kept ones are like.
      tests: the sets of old generators, which are looked at afterwards.
    """

    few: Seen
    held: Seen | None
    kept: Seen | None
    ranges: Ranges
    tests: list[Reader]


def adapt(options: argparse.Namespace) -> Adapted:
    """Does what the options of `get_parser` ask for; writes nothing.

    Raises:
      UserError: for whatever the user can mend.
      RunFailedError: where a logit is not that of the detector's last layer.
    """
    pairs = _find_pairs(options)
    loaded, card = open_weights(
        options.weights, checkpoint=options.checkpoint, arch=options.arch,
        state_dict=options.state_dict, facts={"activation": options.activation},
    )  # fmt: skip
    look = Looker(loaded, card.protocol)
    images = _look(options, look, pairs, old_sets(card, options.check))
    for note in (*loaded.notes, f"{card.origin}, digest {card.digest}; {card.protocol}"):
        say(f"{options.weights}: {note}")
    rows, basis = to_rows(images.few, images.kept)
    name, tried = fit.choose(rows, loss=options.loss)
    crossed = fit.out_of_fold(rows, loss=options.loss)
    weights, bias = basis.in_features(fit.METHODS[name](rows))
    compared, measured = _measure(
        options, look, images, crossed[: len(images.few)],
        after=lambda seen: seen.logit + seen.features @ weights + bias,
    )  # fmt: skip
    variables = look.changed(weights, bias)
    return Adapted(
        loaded=loaded,
        variables=variables,
        card=adapted_card(
            card,
            loaded,
            variables,
            calibration=_calibration(images, crossed),
            measured=measured,
            adapted=_account(options, images, name, compared),
        ),
        tried=_tried(name, tried, images, loss=options.loss),
        rows=compared,
        refusal=_refusal(name, compared, loss=options.loss),
    )


def _find_pairs(options: argparse.Namespace) -> dict[str, Any]:
    pairs = {"few": find_pair(options.real, options.fake, ("--real", "--fake"), most=MOST)}
    if options.test_real is not None:
        pairs["held"] = find_pair(
            options.test_real, options.test_fake, ("--test-real", "--test-fake")
        )
    return pairs


def _look(
    options: argparse.Namespace,
    look: Looker,
    pairs: dict[str, Any],
    old: tuple[list[Reader], Reader | None],
) -> _Images:
    """Looks at all images but those of old test sets."""
    few = look_at_pair(look, pairs["few"], "look at the new generator")
    held = look_at_pair(look, pairs["held"], "look at its test images") if "held" in pairs else None
    if held is not None and (both := np.isin(held.mark, few.mark)).any():
        where = pairs["held"].paths[int(np.argmax(both))]
        raise UserError(f"{where}: is among the images to adapt to; measure on others")
    images = _Images(few=few, held=held, kept=None, ranges={}, tests=old[0])
    if old[1] is None:
        return images
    read = drawn(old[1], options.images)
    given = few.mark if held is None else np.concatenate([few.mark, held.mark])
    kept = look_at_set(look, read, without=given)
    if not len(kept):
        return images
    ranges = usual_ranges(read.images, sharpness=kept.sharpness, max_pixels=read.max_pixels)
    return dataclasses.replace(images, kept=kept, ranges=ranges)


def _measure(
    options: argparse.Namespace,
    look: Looker,
    images: _Images,
    crossed: np.ndarray,
    *,
    after: Callable[[Seen], np.ndarray],
) -> tuple[list[Row], dict[str, dict[str, Any]]]:
    """Returns a row for each set, and the figures of a card for those that were not learned from.

    Args:
      options: of the command.
      look: what looks at the old test sets.
      images: all others.
      crossed: logits of the few images out of fold.
      after: what gives the new logits of images.
    """
    few, held = images.few, images.held
    rows = [compare(_NEW, "out of fold", few.label, few.logit, crossed)]
    measured = {}
    if held is not None:
        rows.insert(0, compare(_NEW, "test images", held.label, held.logit, after(held)))
        measured[_NEW] = _figures(held, after(held))
    for read in images.tests:
        seen = look_at_set(look, drawn(read, options.images), without=few.mark)
        if not len(seen):
            continue
        rows.append(compare(read.images.name, "old", seen.label, seen.logit, after(seen)))
        measured[read.images.name] = _figures(seen, after(seen))
    return rows, {name: one for name, one in measured.items() if one["ap"] is not None}


def _figures(seen: Seen, logit: np.ndarray) -> dict[str, Any]:
    scores = score_condition(_predictions([seen], logit), draws=_DRAWS, seed=_SEED)
    return {figure: getattr(scores, figure) for figure in FIGURES}


def _predictions(parts: list[Seen], logit: np.ndarray) -> Predictions:
    columns = {
        name: np.concatenate([getattr(one, name) for one in parts])
        for name in ("mark", "label", "sharpness")
    }
    return Predictions(
        id=columns["mark"], label=columns["label"], logit=logit.astype(np.float32),
        sharpness=columns["sharpness"], skipped=np.array([], "U1"), fingerprint="",
    )  # fmt: skip


def _calibration(images: _Images, crossed: np.ndarray) -> Calibration | None:
    """Returns what kept and new images teach of the new logits, each by what it took no part in."""
    if images.kept is None:
        return None
    scored = _predictions([images.few, images.kept], crossed)
    return calibrate(
        scored, source="val and the images adapted to, out of fold", ranges=images.ranges
    )


def _account(
    options: argparse.Namespace, images: _Images, name: str, rows: list[Row]
) -> dict[str, Any]:
    """Returns how the detector was adapted, as values of JSON."""
    few = images.few
    return {
        "method": name,
        "images": {
            label: few.mark[few.label == number].tolist()
            for number, label in enumerate(("real", "fake"))
        },
        "kept": 0 if images.kept is None else len(images.kept),
        "options": {
            "real": str(options.real), "fake": str(options.fake), "check": options.check,
            "images": options.images, "loss": options.loss,
        },
        "rows": [dataclasses.asdict(row) for row in rows],
    }  # fmt: skip


def _tried(name: str, tried: list[fit.Candidate], images: _Images, *, loss: float) -> str:
    head = ["learned", "new generator out of fold", "kept images out of fold"]
    body = [
        [one.name, percent(one.accuracy), "-" if one.kept is None else percent(one.kept)]
        for one in tried
    ]
    among = "; there are no kept images"
    if images.kept is not None:
        among = f", of those that lose at most {loss:g} on the {len(images.kept)} kept images"
    why = "the gentlest within a standard error of the best on the new generator"
    return f"{aligned([head, *body])}chosen: {name}, {why}{among}\n"


def _refusal(name: str, rows: list[Row], *, loss: float) -> str:
    """Returns why the detector is not to be written; "" where nothing stands against it."""
    if name == "unchanged":
        return "nothing that was tried does surely better out of fold than the detector as it is"
    if rows[0].figures["balanced_accuracy"].gain <= 0:
        return f"the {_NEW} gains nothing ({rows[0].how})"
    lost = [text for row in rows if row.how == "old" for text in row.losses(loss)]
    return f"{'; '.join(lost)}: more than --loss={loss:g}" if lost else ""
