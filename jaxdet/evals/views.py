"""The ways in which every set is looked at: protocols, and disturbances under the first of them."""

import dataclasses
from collections.abc import Iterator

import jax

from jaxdet import config as schema
from jaxdet.data.disturb import Disturbance
from jaxdet.data.images import ImageSet
from jaxdet.data.loaders import EvalLoader, Reader, Share, evaluation_reader
from jaxdet.models.architectures import architecture_of
from jaxdet.scoring.loader import PieceLoader
from jaxdet.scoring.pieces import MAX_WHOLE_PIXELS, MAX_WHOLE_SIDE, TILE
from jaxdet.scoring.protocol import Protocol


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """Describes what of each image is scored, after which disturbance.

    Attributes:
      name: the protocol's, or that of the disturbance with its level ("jpeg-65").
      protocol: one of `config.schema.PROTOCOLS`.
      disturb: None for images as they are.
    """

    name: str
    protocol: str
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
        return self.protocol in ("crop", "resize")


def headline(config: schema.Config) -> View:
    """Returns the view of the first protocol, on images as they are."""
    first = config.evaluation.protocols[0]
    return View(name=first, protocol=first)


def further_views(config: schema.Config) -> Iterator[View]:
    """Yields the views of the other protocols, then those of the disturbances."""
    evaluation = config.evaluation
    first, *others = evaluation.protocols
    yield from (View(name=protocol, protocol=protocol) for protocol in others)
    levels = {
        "blur": evaluation.blur_sigmas,
        "jpeg": evaluation.jpeg_qualities,
        "scale": evaluation.scales,
        "noise": evaluation.noise_sigmas,
    }
    for kind, given in levels.items():
        for level in given:
            disturb = Disturbance(kind=kind, level=float(level), seed=config.seed)
            yield View(name=f"{kind}-{level:g}", protocol=first, disturb=disturb)


def make_reader(config: schema.Config, images: ImageSet) -> Reader:
    """Returns a reader of the images with the policy for unreadable ones."""
    return evaluation_reader(config.data, images)


def crop_loader(config: schema.Config, images: ImageSet, view: View) -> EvalLoader:
    """Returns a loader of the batches of a view with one crop of each image."""
    return EvalLoader(
        read=make_reader(config, images),
        crop=config.eval_crop,
        batch_size=config.eval_batch_size,
        resize=config.evaluation.resize if view.protocol == "resize" else 0,
        disturb=view.disturb,
        share=Share(host=jax.process_index(), hosts=jax.process_count()),
    )


def piece_loader(config: schema.Config, images: ImageSet, view: View) -> PieceLoader:
    """Returns a loader of the pieces of each image of a view."""
    return PieceLoader(
        read=make_reader(config, images),
        protocol=Protocol(view.protocol, config.eval_crop),
        disturb=view.disturb,
        smallest=architecture_of(config.model.name).smallest,
    )


def describe(config: schema.Config, view: View) -> str:
    """Returns everything of a view that scores follow from, for their fingerprint."""
    of_protocol = {
        "crop": f"{config.eval_crop}",
        "resize": f"{config.evaluation.resize} {config.eval_crop}",
        "full": f"{MAX_WHOLE_PIXELS} {MAX_WHOLE_SIDE} {TILE}",
        "five_crops": f"{config.eval_crop}",
    }
    facts = f"{view.protocol} {of_protocol[view.protocol]}"
    if view.disturb is None:
        return facts
    seed = f" seed {view.disturb.seed}" if view.kind == "noise" else ""
    return f"{facts} {view.kind} {view.disturb.level!r}{seed}"
