"""Lists the ways in which every set is scored: protocols, then disturbances and chains."""

import dataclasses
from collections.abc import Iterator, Sequence

import jax

from jaxdet.config.chains import read_chains
from jaxdet.config.evaluation import Evaluation
from jaxdet.data.disturb import Chain, Disturbance
from jaxdet.data.loaders import EvalLoader, Shard
from jaxdet.data.readers import Reader
from jaxdet.scoring.loader import PieceLoader
from jaxdet.scoring.pieces import MAX_WHOLE_PIXELS, MAX_WHOLE_SIDE, TILE
from jaxdet.scoring.protocol import Protocol
from jaxdet.workdir.identity import identity_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """Describes what of each image is scored, after which disturbance.

    Attributes:
      name: the protocol's, or that of the disturbance with its level ("jpeg-65"); of a chain those
        of its steps ("long-768+jpeg-60").
      protocol: its crop is 0 where whole images are scored.
      disturb: None for images as they are.
    """

    name: str
    protocol: Protocol
    disturb: Disturbance | Chain | None = None

    @property
    def kind(self) -> str:
        """Returns the kind of the disturbance, "chain" for several, or "protocol"."""
        return self.disturb.kind if self.disturb else "protocol"

    @property
    def level(self) -> float | None:
        """Returns the level of the disturbance; None without one, and for a chain of several."""
        return self.disturb.level if self.disturb else None

    @property
    def is_one_crop(self) -> bool:
        """Returns whether the one piece of each image is a crop."""
        return self.protocol.parts == "crop"

    @property
    def identity(self) -> str:
        """Returns 16 hex digits over all of the view that scores follow from."""
        # The sizes up to which whole images are one piece.
        whole = () if self.protocol.in_crops else (MAX_WHOLE_PIXELS, MAX_WHOLE_SIDE, TILE)
        protocol = dataclasses.asdict(self.protocol)
        # Scores of before there was another kernel are still those of this one.
        if protocol["kernel"] == "bilinear":
            del protocol["kernel"]
        return identity_of(protocol=protocol, disturb=self.disturb, whole=whole)


def headline(evaluation: Evaluation) -> View:
    """Returns the view of the first protocol, on images as they are."""
    return _plain(evaluation.protocols[0], evaluation)


def further_views(evaluation: Evaluation, *, seed: int) -> Iterator[View]:
    """Yields the views of the other protocols, of the disturbances, and of each step of a chain.

    What two options ask for is one view.
    """
    first, *others = (_plain(name, evaluation) for name in evaluation.protocols)
    yield from others
    disturbances = [
        (Disturbance(kind=kind, level=float(level), seed=seed if kind == "noise" else 0),)
        for kind, levels in _levels(evaluation).items()
        for level in levels
    ]
    chains = [steps for chain in _chains(evaluation).values() for steps in chain]
    for name, steps in {_name(steps): steps for steps in [*disturbances, *chains]}.items():
        disturb = steps[0] if len(steps) == 1 else Chain(steps)
        yield dataclasses.replace(first, name=name, disturb=disturb)


def chain_names(evaluation: Evaluation) -> dict[str, list[str]]:
    """Returns the names of the views after each step of `evaluation.chains`, by chain."""
    return {name: [_name(steps) for steps in of] for name, of in _chains(evaluation).items()}


def _levels(evaluation: Evaluation) -> dict[str, Sequence[float]]:
    return {
        "blur": evaluation.blur_sigmas,
        "jpeg": evaluation.jpeg_qualities,
        "scale": evaluation.scales,
        "noise": evaluation.noise_sigmas,
    }


def _chains(evaluation: Evaluation) -> dict[str, list[tuple[Disturbance, ...]]]:
    """Returns what was done to an image after each step of a chain, by chain."""
    found = {}
    for name, steps in read_chains(evaluation.chains).items():
        done = tuple(Disturbance(kind=kind, level=level) for kind, level in steps)
        found[name] = [done[: count + 1] for count in range(len(done))]
    return found


def _name(steps: Sequence[Disturbance]) -> str:
    return "+".join(f"{step.kind}-{step.level:g}" for step in steps)


def _plain(name: str, evaluation: Evaluation) -> View:
    protocol = Protocol.named(name, evaluation)
    # The crop of whole images is that whose evidence is shown: no score follows from it.
    scored = protocol if protocol.in_crops else dataclasses.replace(protocol, crop=0)
    return View(name=name, protocol=scored)


def crop_loader(read: Reader, view: View, *, batch_size: int) -> EvalLoader:
    """Returns a loader of the batches of a view with one crop of each image."""
    return EvalLoader(
        read=read,
        crop=view.protocol.crop,
        batch_size=batch_size,
        resize=view.protocol.resize,
        kernel=view.protocol.kernel,
        disturb=view.disturb,
        shard=Shard(host=jax.process_index(), hosts=jax.process_count()),
    )


def piece_loader(read: Reader, view: View, *, smallest: int) -> PieceLoader:
    """Returns a loader of the pieces of each image of a view."""
    return PieceLoader(read=read, protocol=view.protocol, disturb=view.disturb, smallest=smallest)
