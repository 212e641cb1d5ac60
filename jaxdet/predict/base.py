"""Does what every loaded detector does, whatever computes its logits; nothing here needs JAX."""

import abc
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from jaxdet import config as schema
from jaxdet.convert.card import Card
from jaxdet.predict.judgement import ERROR_RATE, Judgement, Verdict, make_judgement
from jaxdet.predict.pixels import Broken, Images, each_image
from jaxdet.scoring.batches import few_crops
from jaxdet.scoring.pieces import Piece, cut, image_logits
from jaxdet.scoring.protocol import Crop, Protocol

_NO_MAP = np.zeros((1, 1), np.float32)


class AnyDetector(abc.ABC):
    """Scores images by logits: above 0 the detector holds an image for generated.

    Attributes:
      model: the network.
      card: where its weights come from, how it was measured, and what validation images taught.
      platform: what it is scored on: cpu, gpu or tpu.
    """

    model: schema.Model
    card: Card
    platform: str

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
    @abc.abstractmethod
    def variables(self) -> dict[str, Any]:
        """Returns the variables {"params", "batch_stats"} on the host.

        Raises:
          UserError: where the file that it comes from does not show them.
        """

    @property
    @abc.abstractmethod
    def digest(self) -> str:
        """Returns 16 hex digits over all values of the weights, as `results.json` has them."""

    @property
    @abc.abstractmethod
    def smallest(self) -> int:
        """Returns the side that whole images are padded to where they are smaller, pixels."""

    @property
    @abc.abstractmethod
    def shows_evidence(self) -> bool:
        """Returns whether `evidence` has a place in the image."""

    @abc.abstractmethod
    def check(self, protocol: Protocol) -> None:
        """Checks that the detector can score the parts of an image that a protocol names.

        Raises:
          UserError: where it cannot.
        """

    @abc.abstractmethod
    def crop_evidence(self, crop: np.ndarray) -> np.ndarray:
        """Returns the map of `evidence`, f32 [h, w], of a crop u8 [H, W, 3] as it is scored.

        Raises:
          UserError: as `evidence`.
        """

    @abc.abstractmethod
    def warm_up(self, *, crop: Crop | None = None) -> None:
        """Prepares beforehand what `score` needs for any image under a protocol.

        Args:
          crop: as in `score`.
        """

    @abc.abstractmethod
    def warm_up_few(self) -> None:
        """Prepares batches of one crop and of `few`, as the detector was measured.

        From then on one image, and up to `few` that come together, wait for nothing.
        """

    @abc.abstractmethod
    def score_pieces(
        self, pieces: Iterable[Piece], *, protocol: Protocol
    ) -> Iterator[list[tuple[Piece, float]]]:
        """Yields batches of pieces as they fill up, each piece with its logit."""

    @property
    def protocol(self) -> Protocol:
        """Returns what of an image is scored unless something else is asked for."""
        return self.card.protocol

    @property
    def few(self) -> int:
        """Returns the number of crops of a batch that clients wait for."""
        return few_crops(self.platform, self.protocol)

    def choose(self, crop: Crop | None = None, resize: int | None = None) -> Protocol:
        """Returns the detector's own protocol, or the one that is asked for.

        Args:
          crop: side of the centre crop, pixels, "none" for whole images, or "tiles".
          resize: shorter side of the image before that, pixels.

        Raises:
          UserError: where the detector cannot score such parts of an image.
        """
        protocol = self.protocol.asked(crop, resize)
        self.check(protocol)
        return protocol

    def cut(self, image: np.ndarray, *, owner: int, protocol: Protocol) -> list[Piece]:
        """Returns the pieces of an image, u8 [H, W, 3]; see `scoring.pieces.cut`."""
        return cut(image, owner=owner, protocol=protocol, smallest=self.smallest)

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
