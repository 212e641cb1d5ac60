"""Keeps what is known of a detector besides its network and the values of its weights."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxdet.config import (
    Model,
    from_json_dict,
    is_hash_of,
    read_config,
    to_json_dict,
    validate,
)
from jaxdet.errors import UserError
from jaxdet.ranges import show_value
from jaxdet.results import Calibration, Results, read_results
from jaxdet.results.calibration import read_calibration
from jaxdet.results.checks import ends, typed
from jaxdet.results.folder import RunFolder
from jaxdet.scoring.protocol import DEFAULT_PROTOCOL, Protocol
from jaxdet.workdir.drafts import refuse_existing, replacing
from jaxdet.workdir.files import read_json, read_text, sha256, to_json

# Figures of a test set that a card keeps, and which of them are numbers in any case.
_SHARES = ("ap", "accuracy", "sharpness_ap")
_COUNTS = ("n_real", "n_fake")
FIGURES = ("ap", "ap_ci95", "accuracy", "sharpness_ap", "n_real", "n_fake")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Card:
    """Describes where weights come from, how they are to be used, and what was measured of them.

    Attributes:
      source: name of the file or folder that they come from.
      file_sha256: SHA-256 of that file; "" where it is a run.
      choice: why this checkpoint of a run was taken: "best", "best_of_last_phase", "latest" or
        "step"; "" where the source is no run.
      step: updates that the checkpoint had seen; None where the source is no run.
      sha256: SHA-256 over all values of the network; its first 16 digits are the `digest`.
      protocol: what of an image is scored.
      calibration: what validation images taught about these weights under that protocol; None
        where nothing did.
      training: `results.json`'s account of what they were trained on; empty where unknown.
      measured: AP, its interval and further figures of each test set, by name; empty where
        nothing was measured.
      measured_by: the protocol of these figures, in words.
      config: of the run, as in its `config.json`; empty where the source is no run.
      model: options of the network; empty where the weights' keys alone say which it is.
      spelling: whose names the arrays of a tower had in the source; "" where nothing says so.
      adapted: from which weights, by which images and with what gain and loss `jaxdet.adapt` made
        these; empty where it did not.
      licence: of the weights, as whoever gave them said, in the words of Hugging Face
        ("apache-2.0"); "" where nobody did.
    """

    source: str = ""
    file_sha256: str = ""
    choice: str = ""
    step: int | None = None
    sha256: str = ""
    protocol: Protocol = DEFAULT_PROTOCOL
    calibration: Calibration | None = None
    training: dict[str, Any] = dataclasses.field(default_factory=dict)
    measured: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    measured_by: str = ""
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    model: dict[str, Any] = dataclasses.field(default_factory=dict)
    spelling: str = ""
    adapted: dict[str, Any] = dataclasses.field(default_factory=dict)
    licence: str = ""

    @property
    def digest(self) -> str:
        """Returns 16 hex digits over all values, as `results.json` has them."""
        return self.sha256[:16]

    @property
    def origin(self) -> str:
        """Names the source and its checkpoint in a few words."""
        checkpoint = f", checkpoint {self.choice} at step {self.step}" if self.choice else ""
        return f"{self.source}{checkpoint}{', adapted' * bool(self.adapted)}"

    def of_crops(self, side: int) -> "Card":
        """Returns the card of a program that takes centre crops of a side alone.

        What validation images taught of another part of the image is left out.
        """
        crops = dataclasses.replace(self.protocol, parts="crop", crop=side)
        if crops == self.protocol:
            return self
        return dataclasses.replace(self, protocol=crops, calibration=None)

    def of_another_size(self, side: int) -> "Card":
        """Returns the card of a tower for crops of another side, of which nothing was measured."""
        return dataclasses.replace(self.of_crops(side), measured={}, measured_by="")

    def limits(self) -> list[str]:
        """Returns sentences about what the detector must not be trusted with."""
        return list(_limits(self))


def make_run_card(run: RunFolder, *, choice: str, step: int, sha256: str) -> Card:
    """Returns the card of a run's checkpoint.

    Calibration and figures are those of `results.json` where they are of these very weights.

    Args:
      run: its folder.
      choice: why this checkpoint was taken.
      step: of the checkpoint.
      sha256: over all values of its network.

    Raises:
      UserError: where `results.json` or `config.json` is damaged.
    """
    config = read_config(run.config)
    card = Card(
        source=str(run.path),
        choice=choice,
        step=step,
        sha256=sha256,
        protocol=Protocol.of_run(config.resolved_evaluation),
        config=to_json_dict(config),
        model=network_options(config.model),
    )
    results = read_results(run.results) if run.results.exists() else None
    if (
        results is None
        or results.weights.get("digest") != card.digest
        # Of before a change of the config that was accepted.
        or not is_hash_of(results.config_hash, run.config)
    ):
        return card
    return dataclasses.replace(
        card,
        calibration=results.calibration,
        training=results.weights.get("training") or {},
        measured=dict(_measured(results)),
        measured_by=f"{card.protocol}{_equalised(results)}",
    )


def _equalised(results: Results) -> str:
    return "" if results.equalise == "none" else f" of images re-encoded as {results.equalise}"


def network_options(model: Model) -> dict[str, Any]:
    """Returns the options that define the network: not where it starts, nor how it is trained."""
    others = ("init", "tune", "tune_rank", "tune_alpha")
    return {key: value for key, value in dataclasses.asdict(model).items() if key not in others}


def beside(path: Path) -> Path:
    """Returns where `to-torch` writes what is known of a file: `w.pth.json` beside `w.pth`."""
    return path.with_name(path.name + ".json")


def write_beside(path: Path, about: dict[str, Any]) -> None:
    """Writes what is known of weights, before they have their name: a kill may come between.

    Raises:
      UserError: where another file lies there than a start that was killed has written.
    """
    place, content = beside(path), to_json(about)
    try:
        if read_text(place) == content:
            return
    except (OSError, ValueError):
        pass
    refuse_existing(place)
    with replacing(place, new=True) as file:
        file.write(content.encode())


def read_beside(path: Path) -> Card | None:
    """Returns the card that lies beside a file; None where there is none of this very file.

    Raises:
      UserError: where it is damaged.
    """
    try:
        about = read_json(beside(path)) if path.is_file() else None
    except UserError:  # none, or a file of somebody else
        return None
    if not isinstance(about, dict) or "card" not in about or about.get("sha256") != sha256(path):
        return None
    return read_card(about["card"], place=beside(path))


def read_card(raw: Any, *, place: Path) -> Card:
    """Returns the card that `dataclasses.asdict` once made plain.

    Raises:
      UserError: where it is damaged.
    """
    try:
        calibration = read_calibration(raw["calibration"])
        if calibration and calibration.temperature is not None and not calibration.temperature > 0:
            raise ValueError(f"a temperature of {calibration.temperature}")
        checked = {
            "protocol": typed(Protocol(**raw["protocol"])).asked(),
            "calibration": calibration,
            "measured": {
                str(name): {figure: _checked_figure(figure, one[figure]) for figure in FIGURES}
                for name, one in raw["measured"].items()
            },
        }
        card: Card = typed(Card(**{**raw, **checked}))
        _check_training(card.training)
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError, UserError) as error:
        raise UserError(f"{place}: not a card of this jaxdet: {error}") from None
    return card


def _checked_figure(name: str, value: Any) -> Any:
    if name in _SHARES:
        return float(value)
    if name == "ap_ci95" and value is not None:
        ends(value)
    if name in _COUNTS and not isinstance(value, int):
        raise ValueError(f"{name}={show_value(value)}")
    return value


def _check_training(training: dict[str, Any]) -> None:
    for name in _COUNTS:
        if not isinstance(training.get(name, 0), int):
            raise ValueError(f"training {name}={show_value(training[name])}")
    if not isinstance(training.get("classes", []), list | tuple):
        raise ValueError(f"training classes={show_value(training['classes'])}")


def network_name(card: Card | None) -> str | None:
    """Returns the architecture that a card names; None where it names none, or there is none."""
    name = card.model.get("name") if card else None
    return name if isinstance(name, str) else None


def read_model(card: Card) -> Model:
    """Returns the network of a card that names one.

    Raises:
      UserError: where its options are not those of a network.
    """
    config = from_json_dict({"model": card.model})
    validate(config)
    return config.model


def _measured(results: Results) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, one in results.sets.items():
        if one.ap is None:  # images of one label
            continue
        yield name, {figure: getattr(one, figure) for figure in FIGURES}


def _limits(card: Card) -> Iterator[str]:
    if not card.measured:
        yield "Nothing is known here of how well it does: no figures come with these weights."
    else:
        name, worst = min(card.measured.items(), key=lambda item: item[1]["ap"])
        yield (
            f"Generators unlike those measured may be missed; even among these the AP of {name} "
            f"is {worst['ap']:.3f}."
        )
        empty = [name for name, one in card.measured.items() if one["ap"] <= one["sharpness_ap"]]
        if empty:
            yield (
                f"On {', '.join(empty)} it does no better than the sharpness of the images alone: "
                "no evidence that it works there."
            )
    if card.adapted:
        yield "It was adapted to a few images of one new generator; others may have got harder."
    yield f"It was made for this part of an image: {card.protocol}. Other parts score otherwise."
    if card.calibration is None:
        yield "Its probabilities are not calibrated."
    else:
        reals, fakes = card.calibration.n_real, card.calibration.n_fake
        yield (
            f"Its probabilities hold for images like those of {card.calibration.source}, {reals} "
            f"real and {fakes} fake; with another share of fakes, or other generators, they do not."
        )
