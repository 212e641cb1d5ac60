"""A detector with its weights, ready to score images of any size."""

import functools
import math
from collections.abc import Iterable, Iterator

import jax
import numpy as np

from jaxdet import config as schema
from jaxdet.convert.card import Card
from jaxdet.errors import UserError
from jaxdet.models.architectures import architecture_of, check_sides
from jaxdet.models.detector import Variables, get_detector
from jaxdet.predict.judgement import ERROR_RATE, Judgement, Verdict, make_judgement
from jaxdet.predict.pixels import Broken, Images, each_image
from jaxdet.runtime.memory import device_memory
from jaxdet.runtime.mesh import one_device_mesh, platform, put_replicated
from jaxdet.scoring.batches import SHAPES, few_crops
from jaxdet.scoring.pieces import Piece, cut
from jaxdet.scoring.protocol import Crop, Protocol
from jaxdet.scoring.scorer import Scorer, image_logits
from jaxdet.train.weights import digest

_NO_MAP = np.zeros((1, 1), np.float32)


class LoadedDetector:
    """Scores images by logits: above 0 the detector holds an image for generated.

    Attributes:
      model: the network.
      card: where its weights come from, how it was measured, and what validation images taught.
      platform: what it is scored on: cpu, gpu or tpu.
    """

    def __init__(self, model: schema.Model, variables: Variables, *, card: Card | None = None):
        """Takes variables {"params", "batch_stats"} of the model, on the host."""
        self.model, self.card = model, card or Card()
        detector, mesh = get_detector(model), one_device_mesh()
        # Maps grow with the width; what a batch takes is known for one of 64.
        limit = device_memory(mesh.devices.flat[0])
        memory = limit and limit * 64 // max(64, model.width)
        self.platform = platform(mesh)
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
        self,
        images: Images,
        *,
        crop: Crop | None = None,
        resize: int | None = None,
        broken: Broken = "raise",
    ) -> np.ndarray:
        """Returns the logits, f32 [B].

        An image's score does not depend on the others or their order, up to rounding. Files are
        read ahead within a bound, and images that wait are held within that bound. OpenCV's own
        threads are switched off for the process, by `cv2.setNumThreads(0)`.

        Args:
          images: RGB, u8 [B, H, W, 3] or any iterable of u8 [H, W, 3] of any sizes, Pillow's images
            and paths of files, an array or a pandas column of paths included. A folder stands for
            its images, as `jaxdet.list_images` has them. One image alone counts as a list of one.
          crop: side of a centre crop in pixels (smaller images are padded with black), "none"
            for whole images (the largest in tiles), or "tiles": the mean of the tiles' logits,
            each by its area. As the detector was measured where left out.
          resize: shorter side of the image before, pixels.
          broken: "nan" gives an image that cannot be read the logit NaN, and logs why by the
            name of its file, or by its number from 0.

        Raises:
          BadArgumentError: where an image is not u8 [H, W, 3] with at least one pixel, or is one of
            Pillow's that cannot be read; a ValueError and TypeError, too.
          BadImageError: naming a file that cannot be read.
          UserError: where the detector does not take such a crop, or a path has no images.
        """
        protocol = self.choose(crop, resize)
        count = 0

        def parts_of(owner: int, image: np.ndarray) -> list[Piece]:
            return self.cut(image, owner=owner, protocol=protocol)

        def pieces() -> Iterator[Piece]:
            nonlocal count
            for parts in each_image(images, parts_of, broken=broken):
                count += 1
                yield from parts or ()

        logits = image_logits(self.score_pieces(pieces(), protocol=protocol))
        return np.array([logits.get(owner, math.nan) for owner in range(count)], np.float32)

    def probability(
        self, images: Images, *, raw: bool = False, broken: Broken = "raise"
    ) -> np.ndarray:
        """Returns P(fake), f64 [B], calibrated where the run has a calibration.

        Args:
          images: as in `score`, and scored as the detector was measured.
          raw: leave them uncalibrated.
          broken: as in `score`.
        """
        return self.judge(raw=raw).probability(self.score(images, broken=broken))

    def verdict(
        self, images: Images, *, error_rate: int = ERROR_RATE, broken: Broken = "raise"
    ) -> list[Verdict]:
        """Returns "fake", "real" or "unsure" for each image.

        Without validation images of these weights, every image is unsure.

        Args:
          images: as in `score`, and scored as the detector was measured.
          error_rate: percent, 1 or 5, of the real and of the fake validation images whose verdict
            may be wrong.
          broken: as in `score`; an image that cannot be read is unsure.
        """
        judgement = self.judge(error_rate=error_rate)
        return [judgement.verdict(logit) for logit in self.score(images, broken=broken).tolist()]

    def evidence(self, images: Images, *, broken: Broken = "raise") -> np.ndarray:
        """Returns where in the centre crop of each image the logit comes from, f32 [B, h, w].

        A place of the last feature map each, above 0 where it speaks for fake; see
        `jaxdet.models.evidence`. The crop is resized before as in `score`.

        Args:
          images: as in `score`.
          broken: as in `score`; the map of an image that cannot be read is NaN.

        Raises:
          BadArgumentError: as `score`.
          UserError: where the network looks at no image but at its transform.
        """
        reduce = self.protocol.centre.reduce
        found = each_image(images, lambda _, one: self.crop_evidence(reduce(one)), broken=broken)
        maps = list(found)
        unknown = np.full_like(next((m for m in maps if m is not None), _NO_MAP), math.nan)
        filled = [unknown if m is None else m for m in maps]
        return np.array(filled, np.float32).reshape(-1, *unknown.shape)

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

        Whole images are then scored by these programs alone, however many of one size come.

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
        if not protocol.in_crops and self._scorer.find is not None:
            self._scorer.find.often = math.inf

    @property
    def few(self) -> int:
        """Returns the number of crops of a batch that clients wait for."""
        return few_crops(self.platform, self.protocol)

    def warm_up_few(self) -> None:
        """Compiles batches of one crop and of `few`, as the detector was measured.

        From then on one image, and up to `few` that come together, need no compilation.
        """
        side = self.protocol.crop
        image = np.zeros((side, side, 3), np.uint8)
        self._scorer.lengths = (self.few,)
        for count in (1, self.few):
            pieces = (Piece(owner, image) for owner in range(count))
            for _ in self._scorer(pieces, in_crops=True):
                pass

    def cut(self, image: np.ndarray, *, owner: int, protocol: Protocol) -> list[Piece]:
        """Returns the pieces of an image, u8 [H, W, 3]; see `scoring.pieces.cut`."""
        smallest = architecture_of(self.model.name).smallest
        return cut(image, owner=owner, protocol=protocol, smallest=smallest)

    def score_pieces(
        self, pieces: Iterable[Piece], *, protocol: Protocol
    ) -> Iterator[list[tuple[Piece, float]]]:
        """Yields batches of pieces as they fill up, each piece with its logit."""
        return self._scorer(pieces, in_crops=protocol.in_crops)
