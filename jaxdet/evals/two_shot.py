"""Thresholds from pairs of images of a test set; Wang et al., CVPR 2020, A.6."""

import itertools

import numpy as np

from jaxdet import config as schema
from jaxdet import metrics
from jaxdet.data import order
from jaxdet.data.images import ImageSet
from jaxdet.errors import RunFailedError
from jaxdet.evals.views import make_reader
from jaxdet.results import CropScores, Predictions, TwoShot
from jaxdet.scoring.loader import PieceLoader
from jaxdet.scoring.protocol import Protocol


def draw_shots(predictions: Predictions, *, count: int, seed: int) -> np.ndarray:
    """Samples images of each label, reals first; returns their rows, i64 [at most 2 * count]."""
    drawn = []
    for label in (0, 1):
        rng = order.random_generator(seed, stream=order.TWO_SHOT, index=label)
        drawn.append(rng.permutation(np.flatnonzero(predictions.label == label))[:count])
    return np.concatenate(drawn)


def shot_loader(config: schema.Config, images: ImageSet) -> PieceLoader:
    """Returns a loader of the random crops of an image, undisturbed."""
    return PieceLoader(
        read=make_reader(config, images),
        protocol=Protocol(crop=config.eval_crop),
        random_crops=config.evaluation.two_shot_crops,
        seed=config.seed,
    )


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
    found = []
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
        found.append((accuracy, threshold))
    accuracies, thresholds = np.array(found).T
    return TwoShot(
        accuracy=float(accuracies.mean()),
        accuracy_sd=float(accuracies.std()),
        threshold=float(thresholds.mean()),
        threshold_sd=float(thresholds.std()),
        pairs=len(found),
        crops=shots.logit.shape[1],
    )
