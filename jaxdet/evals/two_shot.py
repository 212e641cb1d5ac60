"""Computes thresholds from pairs of images of a test set; Wang et al., CVPR 2020, A.6."""

import dataclasses
import itertools

import numpy as np

from jaxdet import metrics
from jaxdet.data import order
from jaxdet.data.images import ImageSet
from jaxdet.data.readers import Reader
from jaxdet.errors import RunFailedError
from jaxdet.results import CropScores, Predictions, TwoShot
from jaxdet.scoring.loader import PieceLoader
from jaxdet.scoring.protocol import Protocol


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shots:
    """Describes the random crops of a few images of a set, undisturbed.

    Attributes:
      images: of each label, at most.
      crops: of each image.
      side: of a crop, pixels.
      seed: of the choice of images and of the crops.
    """

    images: int
    crops: int
    side: int
    seed: int

    def draw(self, predictions: Predictions) -> np.ndarray:
        """Samples images of each label, reals first; returns their rows, i64 [<= 2 * images]."""
        drawn = []
        for label in (0, 1):
            rng = order.random_generator(self.seed, stream=order.TWO_SHOT, index=label)
            rows = np.flatnonzero(predictions.label == label)
            drawn.append(rng.permutation(rows)[: self.images])
        return np.concatenate(drawn)

    def loader(self, read: Reader) -> PieceLoader:
        """Returns a loader of the crops of an image."""
        protocol = Protocol(crop=self.side)
        return PieceLoader(read=read, protocol=protocol, random_crops=self.crops, seed=self.seed)


def to_crop_scores(
    images: ImageSet, places: np.ndarray, rows: np.ndarray, *, fingerprint: str
) -> CropScores:
    """Returns the logits of the crops of the images at the given places, from rows ROW [n].

    Raises:
      RunFailedError: where a logit is not finite, or a crop was scored twice or never.
    """
    ids = np.array(images.ids)
    logits = []
    for place in places:
        crops = np.sort(rows[rows["image"] == place], order="piece")
        if not len(crops) or crops["piece"].tolist() != list(range(crops["of"][0])):
            raise RunFailedError(f"{images.name}: the crops of {ids[place]} were not scored once")
        if not np.isfinite(crops["logit"]).all():
            raise RunFailedError(
                f"{images.name}: the score of a crop of {ids[place]} is not finite"
            )
        logits.append(crops["logit"])
    return CropScores(
        id=ids[places],
        label=images.labels[places],
        logit=np.stack(logits),
        fingerprint=fingerprint,
    )


def summarise(predictions: Predictions, shots: CropScores) -> TwoShot | None:
    """Measures the threshold learned from every pair of a real and a fake on the other images.

    None where a pair leaves no image to measure on.
    """
    summaries = []
    for real, fake in itertools.product(*(np.flatnonzero(shots.label == i) for i in (0, 1))):
        threshold = -metrics.fit_bias(shots.logit[real], shots.logit[fake])
        accuracy = metrics.two_shot_accuracy(
            predictions.label,
            predictions.logit,
            threshold=threshold,
            without=np.isin(predictions.id, shots.id[[real, fake]]),
        )
        if accuracy is None:
            return None
        summaries.append((accuracy, threshold))
    accuracies, thresholds = np.array(summaries).T
    return TwoShot(
        accuracy=float(accuracies.mean()),
        accuracy_sd=float(accuracies.std()),
        threshold=float(thresholds.mean()),
        threshold_sd=float(thresholds.std()),
        pairs=len(summaries),
        crops=shots.logit.shape[1],
    )
