"""Turns a detector and a few images into an adapted one, and says what it gains and loses."""

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxdet.adapt import fit
from jaxdet.adapt.compare import ComparedRow, compare, percent
from jaxdet.adapt.features import Looker, Seen
from jaxdet.adapt.images import find_pair, look_at_files, look_at_set, old_sets
from jaxdet.adapt.write import Made, figures_of, make_card, to_predictions
from jaxdet.data.likeness import Ranges
from jaxdet.data.readers import Reader
from jaxdet.data.usual import usual_ranges
from jaxdet.errors import UserError
from jaxdet.evals.scores import calibrate
from jaxdet.hub.find import find_weights
from jaxdet.progress import say
from jaxdet.report.tables import aligned
from jaxdet.results import Calibration
from jaxdet.train.weights import open_weights

_NEW = "new generator"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """Holds an adapted detector, and what is said of it.

    Attributes:
      made: what is to be written.
      tried: a table of what was tried, and a line on what was chosen.
      rows: of the new generator and the old ones, before and after.
      refusal: why it is not to be written; "" where it is.
    """

    made: Made
    tried: str
    rows: list[ComparedRow]
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


def adapt(options: argparse.Namespace) -> Outcome:
    """Does what the options of `get_parser` ask for; writes nothing.

    Raises:
      UserError: for whatever the user can mend.
      RunFailedError: where a logit is not that of the detector's last layer.
    """
    files = {
        label: find_pair(label, folder)
        for label in ("real", "fake", "test-real", "test-fake")
        if (folder := vars(options)[label.replace("-", "_")])
    }
    loaded, card = open_weights(
        find_weights(options.weights, accept_licence=options.accept_licence),
        checkpoint=options.checkpoint, arch=options.arch, state_dict=options.state_dict,
        facts={"activation": options.activation},
    )  # fmt: skip
    look = Looker(loaded, card.protocol)
    images = _look(look, files, *old_sets(card, options.check))
    for note in (*loaded.notes, f"{card.origin}, digest {card.digest}; {card.protocol}"):
        say(f"{options.weights}: {note}")
    rows = fit.Rows.of(images.few, images.kept)
    every, logits = np.ones(len(rows.logit), bool), fit.out_of_fold(rows)
    loss: float = options.loss
    chosen = fit.choose(rows, logits, every, loss=loss)
    crossed = fit.crossed(rows, logits, loss=loss)
    weights, bias = rows.in_features(fit.learn(rows, every)[chosen])
    made = Made(loaded=loaded, card=card, variables=look.changed(weights, bias))
    compared, measured = _measure(
        look, images, crossed, after=lambda seen: seen.logit + seen.features @ weights + bias
    )
    card = make_card(
        made, options, images.few, kept=images.kept, method=fit.METHODS[chosen], rows=compared,
        calibration=_calibration(images, crossed), measured=measured,
    )  # fmt: skip
    return Outcome(
        made=dataclasses.replace(made, card=card),
        tried=_tried(chosen, rows, logits, loss=loss),
        rows=compared,
        refusal=find_refusal(chosen, compared, loss=loss),
    )


def _look(
    look: Looker, files: dict[str, list[Path]], tests: list[Reader], kept: Reader | None
) -> _Images:
    """Looks at all images but those of old test sets."""
    few = look_at_files(look, files["real"], files["fake"], title="look at the new generator")
    images, given = _Images(few=few, held=None, kept=None, ranges={}, tests=tests), few.mark
    if "test-real" in files:
        tested = [files["test-real"], files["test-fake"]]
        held = look_at_files(look, *tested, title="look at its test images")
        if (both := np.isin(held.mark, few.mark)).any():
            where = [*tested[0], *tested[1]][int(np.argmax(both))]
            raise UserError(f"{where}: is among the images to adapt to; measure on others")
        images = dataclasses.replace(images, held=held)
        given = np.concatenate([given, held.mark])
    if kept is None:
        return images
    seen, read = look_at_set(look, kept, without=given)
    if not len(seen):
        return images
    ranges = usual_ranges(read.images, sharpness=seen.sharpness, max_pixels=read.max_pixels)
    return dataclasses.replace(images, kept=seen, ranges=ranges)


def _measure(
    look: Looker,
    images: _Images,
    crossed: np.ndarray,
    *,
    after: Callable[[Seen], np.ndarray],
) -> tuple[list[ComparedRow], dict[str, dict[str, object]]]:
    """Returns a row for each set, and the figures of a card for those that were not learned from.

    Args:
      look: what looks at the old test sets.
      images: all others.
      crossed: logits out of fold, of the few images first.
      after: what gives the new logits of images.
    """
    few = images.few
    learned = np.concatenate([one.mark for one in (few, images.kept) if one is not None])
    rows = [compare(_NEW, "out of fold", few.label, few.logit, crossed[: len(few)])]
    further = [(_NEW, images.held)] if images.held is not None else []
    for read in images.tests:
        further.append((read.images.name, look_at_set(look, read, without=learned)[0]))
    measured = {}
    for name, seen in further:
        if not len(seen):
            continue
        how = "test images" if seen is images.held else "old"
        rows.append(compare(name, how, seen.label, seen.logit, after(seen)))
        if not rows[-1].figures:
            say(f"{name}: images of one label; not compared")
        else:
            measured[name] = figures_of(seen, after(seen))
    return rows, measured


def _calibration(images: _Images, crossed: np.ndarray) -> Calibration | None:
    """Returns what kept and new images teach of the new logits, each by what it took no part in."""
    if images.kept is None:
        return None
    return calibrate(
        to_predictions([images.few, images.kept], crossed),
        source="validation and the adaptation images",
        ranges=images.ranges,
    )


def _tried(chosen: int, rows: fit.Rows, logits: np.ndarray, *, loss: float) -> str:
    new = fit.accuracies(rows, logits, rows.is_new)
    kept = fit.accuracies(rows, logits, ~rows.is_new)
    has_kept = not rows.is_new.all()
    body = [
        [name, percent(ours), percent(theirs) if has_kept else "-"]
        for name, ours, theirs in zip(fit.METHODS, new, kept, strict=True)
    ]
    head = ["balanced accuracy out of fold", "new generator", "kept images"]
    among = f"of those that lose at most {loss:g} on the kept images" if has_kept else "of all"
    why = "the gentlest within a standard error of the best on the new generator"
    return f"{aligned([head, *body])}chosen: {fit.METHODS[chosen]}, {why}, {among}\n"


def find_refusal(chosen: int, rows: list[ComparedRow], *, loss: float) -> str:
    """Returns why the detector is not to be written; "" where nothing stands against it."""
    if not chosen:
        return "nothing that was tried does better out of fold than the detector as it is"
    new = [row for row in rows if row.how != "old"][-1]
    low, high = new.figures["balanced_accuracy"].gain_ci95
    if low <= 0:
        return (
            f"it is not sure that the {_NEW} gains: the change of its balanced accuracy "
            f"({new.how}) has the 95 % interval {percent(low, sign='+')} to "
            f"{percent(high, sign='+')}; give more images"
        )
    lost = [text for row in rows if row.how == "old" for text in row.losses(loss)]
    return f"{'; '.join(lost)}: more than --loss={loss:g}" if lost else ""
