"""A detector with its weights, ready to score images of any size."""

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

import jax
import numpy as np

from jaxdet import config as schema
from jaxdet.config.evaluation import CHECKPOINTS
from jaxdet.convert.card import Card
from jaxdet.errors import BadArgumentError, UserError
from jaxdet.models.architectures import architecture_of, check_sides
from jaxdet.models.detector import Variables, get_detector
from jaxdet.predict.arguments import check_arguments
from jaxdet.predict.judgement import ERROR_RATE, Judgement, Verdict, make_judgement
from jaxdet.predict.pixels import Images, check_images
from jaxdet.progress import say
from jaxdet.runtime.memory import device_memory
from jaxdet.runtime.mesh import one_device_mesh, put_replicated
from jaxdet.scoring.batches import SHAPES
from jaxdet.scoring.pieces import Piece, cut
from jaxdet.scoring.protocol import Crop, Protocol
from jaxdet.scoring.scorer import Scorer, image_logits
from jaxdet.train.weights import digest, open_weights


class LoadedDetector:
    """Scores images by logits: above 0 the detector holds an image for generated.

    Attributes:
      model: the network.
      card: where its weights come from, how it was measured, and what validation images taught.
    """

    def __init__(self, model: schema.Model, variables: Variables, *, card: Card | None = None):
        """Takes variables {"params", "batch_stats"} of the model, on the host."""
        self.model, self.card = model, card or Card()
        detector, mesh = get_detector(model), one_device_mesh()
        # Maps grow with the width; what a batch takes is known for one of 64.
        limit = device_memory(mesh.devices.flat[0])
        memory = limit and limit * 64 // max(64, model.width)
        placed = put_replicated(mesh, variables)
        self._scorer = Scorer(detector, placed, mesh, lone=True, memory=memory)
        self._evidence = jax.jit(detector.evidence)

    def __repr__(self) -> str:
        """Names the network, its weights, what is scored of an image, and the calibration."""
        known = self.card.calibration
        temperature = known.temperature if known else None
        calibrated = f"calibrated at T={temperature:.3g}" if temperature else "not calibrated"
        return (
            f"<{self.model.title} from {self.card.origin or 'memory'}, "
            f"digest {self.digest}; {self.protocol}; {calibrated}>"
        )

    @property
    def variables(self) -> Variables:
        """Returns the variables {"params", "batch_stats"} on the host."""
        return jax.device_get(self._scorer.variables)

    @functools.cached_property
    def digest(self) -> str:
        """Returns 16 hex digits over all of `variables`, as `results.json` has them."""
        return self.card.digest or digest(self.variables)

    @property
    def protocol(self) -> Protocol:
        """Returns what of an image is scored unless something else is asked for."""
        return self.card.protocol

    @property
    def shows_evidence(self) -> bool:
        """Returns whether `evidence` has a place in the image."""
        return architecture_of(self.model.name).located

    def choose(self, crop: Crop | None = None, resize: int | None = None) -> Protocol:
        """Returns the detector's own protocol, or the one that is asked for.

        Args:
          crop: side of the centre crop, pixels, "none" for whole images, or "tiles".
          resize: shorter side of the image before that, pixels.

        Raises:
          UserError: where the detector cannot score such parts of an image.
        """
        protocol = self.protocol.asked(crop, resize)
        name = self.model.name
        if not protocol.in_crops and not architecture_of(name).any_size:
            raise UserError(
                f"--crop={crop}: {name} scores square crops alone; give --crop={protocol.crop}"
            )
        if protocol.in_crops:
            check_sides(
                self.model,
                trained=self.protocol.crop,
                scored=protocol.crop,
                whole=False,
                options=("augment.crop", "--crop"),
            )
        return protocol

    def judge(
        self,
        *,
        threshold: str | float | None = None,
        raw: bool = False,
        error_rate: int = ERROR_RATE,
        protocol: Protocol | None = None,
    ) -> Judgement:
        """Returns how logits of this detector become probabilities and verdicts.

        Args:
          threshold: probability above which an image is called fake, or "fpr_1" or "fpr_5": the
            logit at which at most 1 or 5 % of the real validation images are called fake. None:
            0.5, and verdicts by the error rate instead.
          raw: leave probabilities uncalibrated.
          error_rate: percent, 1 or 5, of the real and of the fake validation images whose verdict
            may be wrong.
          protocol: by which images are scored; its own where left out. What validation images
            taught holds for that one alone.

        Raises:
          UserError: where such a threshold is not known.
        """
        own = protocol in (None, self.protocol)
        known = self.card.calibration if own else None
        return make_judgement(known, threshold=threshold, raw=raw, error_rate=error_rate)

    def score(
        self, images: Images, *, crop: Crop | None = None, resize: int | None = None
    ) -> np.ndarray:
        """Returns the logits, f32 [B].

        An image's score does not depend on the others or their order, up to rounding.

        Args:
          images: RGB, u8 [B, H, W, 3] or a list of u8 [H, W, 3] of any sizes; Pillow's images too.
            One image alone counts as a list of one.
          crop: side of a centre crop in pixels (smaller images are padded with black), "none"
            for whole images (the largest in tiles), or "tiles": the mean of the tiles' logits,
            each by its area. As the detector was measured where left out.
          resize: shorter side of the image before, pixels.

        Raises:
          BadArgumentError: where an image is not u8 [H, W, 3] with at least one pixel, or is one of
            Pillow's that cannot be read; a ValueError and TypeError, too.
          UserError: where the detector does not take such a crop.
        """
        protocol = self.choose(crop, resize)
        checked = check_images(images)
        pieces = (
            piece
            for owner, image in enumerate(checked)
            for piece in self.cut(image, owner=owner, protocol=protocol)
        )
        logits = image_logits(self.score_pieces(pieces, protocol=protocol))
        return np.array([logits[owner] for owner in range(len(checked))], np.float32)

    def probability(self, images: Images, *, raw: bool = False) -> np.ndarray:
        """Returns P(fake), f64 [B], calibrated where the run has a calibration.

        Args:
          images: as in `score`, and scored as the detector was measured.
          raw: leave them uncalibrated.
        """
        return self.judge(raw=raw).probability(self.score(images))

    def verdict(self, images: Images, *, error_rate: int = ERROR_RATE) -> list[Verdict]:
        """Returns "fake", "real" or "unsure" for each image.

        Without validation images of these weights, every image is unsure.

        Args:
          images: as in `score`, and scored as the detector was measured.
          error_rate: percent, 1 or 5, of the real and of the fake validation images whose verdict
            may be wrong.
        """
        judgement = self.judge(error_rate=error_rate)
        return [judgement.verdict(logit) for logit in self.score(images).tolist()]

    def evidence(self, images: Images) -> np.ndarray:
        """Returns where in the centre crop of each image the logit comes from, f32 [B, h, w].

        A place of the last feature map each, above 0 where it speaks for fake; see
        `jaxdet.models.evidence`. The crop is resized before as in `score`.

        Raises:
          BadArgumentError: as `score`.
          UserError: where the network looks at no image but at its transform.
        """
        centre = self.protocol.centre
        maps = [self.crop_evidence(centre.reduce(image)) for image in check_images(images)]
        return np.stack(maps) if maps else np.zeros((0, 1, 1), np.float32)

    def crop_evidence(self, crop: np.ndarray) -> np.ndarray:
        """Returns the map of `evidence`, f32 [h, w], of a crop u8 [H, W, 3] as it is scored.

        Raises:
          UserError: as `evidence`.
        """
        if not self.shows_evidence:
            raise UserError(f"{self.model.name}: its evidence has no place in the image")
        _, maps = jax.device_get(self._evidence(self._scorer.variables, crop[None]))
        return np.asarray(maps[0], np.float32)

    def warm_up(self, *, crop: Crop | None = None) -> None:
        """Compiles beforehand what `score` needs for any image under a protocol.

        Args:
          crop: as in `score`.
        """
        protocol = self.choose(crop)
        side = (protocol.crop, protocol.crop)
        for height, width in [side] if protocol.in_crops else SHAPES:
            image = np.zeros((height, width, 3), np.uint8)
            for count in (1, 2) if protocol.in_crops else (1,):
                pieces = (Piece(owner, image) for owner in range(count))
                for _ in self.score_pieces(pieces, protocol=protocol):
                    pass

    def warm_up_length(self, length: int) -> None:
        """Compiles batches of so many crops, as the detector was measured, for each device.

        From then on a few images that come together go in as short a batch.
        """
        side = self.protocol.crop
        image = np.zeros((side, side, 3), np.uint8)
        pieces = (Piece(owner, image) for owner in range(length))
        for _ in self._scorer(pieces, in_crops=True, lengths=(length,)):
            pass
        self._scorer.lengths += (length,)

    def cut(self, image: np.ndarray, *, owner: int, protocol: Protocol) -> list[Piece]:
        """Returns the pieces of an image, u8 [H, W, 3]; see `scoring.pieces.cut`."""
        smallest = architecture_of(self.model.name).smallest
        return cut(image, owner=owner, protocol=protocol, smallest=smallest)

    def score_pieces(
        self, pieces: Iterable[Piece], *, protocol: Protocol
    ) -> Iterator[list[tuple[Piece, float]]]:
        """Yields batches of pieces as they fill up, each piece with its logit."""
        return self._scorer(pieces, in_crops=protocol.in_crops)


def load_detector(
    path: str | Path,
    *,
    checkpoint: str | None = None,
    arch: str | None = None,
    state_dict: str | None = None,
    activation: str | None = None,
) -> LoadedDetector:
    """Returns the detector of a run folder, a converted folder, or a .pth or .safetensors file.

    Args:
      path: where it lies; a folder of a run's `checkpoints`, too.
      checkpoint: which checkpoint of a run: "best", "best_of_last_phase" or "latest"; the one that
        the run was measured with where left out.
      arch: architecture of a file whose keys fit several; `package.module:Name` of a run that was
        trained with a network of one's own.
      state_dict: name of the state dict in a file that holds several.
      activation: of a vision tower whose file does not say it, "quick_gelu" or "gelu".

    Raises:
      UserError: where it cannot be read as a detector.
    """
    detector, notes = open_detector(path, checkpoint, arch, state_dict, activation)
    for note in notes:
        say(note)
    return detector


def open_detector(
    path: str | Path,
    checkpoint: str | None,
    arch: str | None,
    state_dict: str | None,
    activation: str | None = None,
) -> tuple[LoadedDetector, list[str]]:
    """Returns the detector of `load_detector`, and what there is to log of its weights."""
    check_arguments("load_detector", path, arch=arch, state_dict=state_dict, activation=activation)
    if checkpoint not in (None, *CHECKPOINTS):
        names = ", ".join(CHECKPOINTS)
        raise BadArgumentError(f"checkpoint={checkpoint!r:.40}: not one of {names}")
    loaded, card = open_weights(
        Path(path), checkpoint=checkpoint, arch=arch, state_dict=state_dict,
        facts={"activation": activation},
    )  # fmt: skip
    notes = [f"{path}: {note}" for note in loaded.notes]
    return LoadedDetector(loaded.model, loaded.variables, card=card), notes
