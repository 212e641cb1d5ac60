"""The ways in which every set is looked at: protocols, and disturbances under the first of them."""

import dataclasses
from collections.abc import Iterator

import jax

from jaxdet.config import Evaluation
from jaxdet.data.disturb import Disturbance
from jaxdet.data.loaders import EvalLoader, Reader, Share
from jaxdet.scoring.loader import PieceLoader
from jaxdet.scoring.pieces import MAX_WHOLE_PIXELS, MAX_WHOLE_SIDE, TILE
from jaxdet.scoring.protocol import Protocol
from jaxdet.workdir.identity import identity_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """Describes what of each image is scored, after which disturbance.

    Attributes:
      name: the protocol's, or that of the disturbance with its level ("jpeg-65").
      protocol: its crop is 0 where whole images are scored.
      disturb: None for images as they are.
    """

    name: str
    protocol: Protocol
    disturb: Disturbance | None = None

    @property
    def kind(self) -> str:
        """Returns the kind of the disturbance, or "protocol"."""
        return self.disturb.kind if self.disturb else "protocol"

    @property
    def level(self) -> float | None:
        """Returns the level of the disturbance, None without one."""
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
        return identity_of(protocol=self.protocol, disturb=self.disturb, whole=whole)


def headline(evaluation: Evaluation) -> View:
    """Returns the view of the first protocol, on images as they are."""
    return _plain(evaluation.protocols[0], evaluation)


def further_views(evaluation: Evaluation, *, seed: int) -> Iterator[View]:
    """Yields the views of the other protocols, then those of the disturbances."""
    first, *others = (_plain(name, evaluation) for name in evaluation.protocols)
    yield from others
    levels = {
        "blur": evaluation.blur_sigmas,
        "jpeg": evaluation.jpeg_qualities,
        "scale": evaluation.scales,
        "noise": evaluation.noise_sigmas,
    }
    for kind, given in levels.items():
        for level in given:
            disturb = Disturbance(
                kind=kind, level=float(level), seed=seed if kind == "noise" else 0
            )
            yield dataclasses.replace(first, name=f"{kind}-{level:g}", disturb=disturb)


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
        disturb=view.disturb,
        share=Share(host=jax.process_index(), hosts=jax.process_count()),
    )


def piece_loader(read: Reader, view: View, *, smallest: int) -> PieceLoader:
    """Returns a loader of the pieces of each image of a view."""
    return PieceLoader(read=read, protocol=view.protocol, disturb=view.disturb, smallest=smallest)
