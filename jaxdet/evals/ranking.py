"""Ranks images of a set by their score: most real, most fake, and most mistaken.

Wang et al., CVPR 2020, figure 6 and A.1.
"""

from collections.abc import Callable

import jax
import numpy as np

from jaxdet.data.readers import Reader
from jaxdet.models.detector import Variables
from jaxdet.results import Predictions, Ranked
from jaxdet.scoring.protocol import Protocol

# In the order in which they take their images, where a set is too small for all.
_PERCENTILES = (0, 100, 50, 25, 75)
_MISTAKES = 5
# Images that a set can have here, both labels together.
_MOST = 2 * (len(_PERCENTILES) + _MISTAKES)

# (variables, u8 [B, S, S, 3]) -> logits [B] and maps [B, h, w], `Detector.evidence` compiled.
EvidenceStep = Callable[[Variables, np.ndarray], tuple[jax.Array, jax.Array]]


def rank(
    read: Reader,
    predictions: Predictions,
    *,
    centre: Protocol,
    step: EvidenceStep,
    variables: Variables,
    fingerprint: str,
) -> Ranked:
    """Returns the picked images of a set, with pixels and activation maps of their centre crops.

    Args:
      read: the set.
      predictions: its scores.
      centre: the crop whose evidence is shown.
      step: the compiled evidence.
      variables: of the detector.
      fingerprint: of all these.

    Raises:
      BadImageError: for an unreadable image under `data.on_bad_image=stop`.
    """
    picked = [
        *pick(predictions.logit, predictions.label, which=0),
        *pick(predictions.logit, predictions.label, which=1),
    ]
    crops = read_crops(read, predictions.id[[row for row, _ in picked]], centre)
    # An image that was readable when it was scored and no longer is has nothing to show.
    shown = [(*one, c) for one, c in zip(picked, crops, strict=True) if c is not None]
    rows = np.array([row for row, _, _ in shown], np.int64)
    # Filled up with black, so that one compilation serves every set.
    pixels = np.zeros((_MOST, centre.crop, centre.crop, 3), np.uint8)
    for place, (_, _, crop) in enumerate(shown):
        pixels[place] = crop
    _, evidence = jax.device_get(step(variables, pixels))
    return Ranked(
        id=predictions.id[rows],
        label=predictions.label[rows],
        logit=predictions.logit[rows],
        role=np.array([role for _, role, _ in shown], str),
        image=pixels[: len(rows)],
        evidence=evidence[: len(rows)].astype(np.float32),
        fingerprint=fingerprint,
    )


def pick(logit: np.ndarray, label: np.ndarray, *, which: int) -> list[tuple[int, str]]:
    """Picks the images of a label that are worth a look; returns their rows, and why.

    First those at the percentiles of the label's logits, from most real to most fake, each image
    under one of them; then the five most mistaken, by falling distance from 0. An image that is
    both stands once, as "percentile 100, mistake 1".

    Args:
      logit: f32 [N].
      label: i32 [N], 1 = fake.
      which: the label.
    """
    rows = np.flatnonzero(label == which)
    ordered = rows[np.argsort(logit[rows], kind="stable")].tolist()
    at: dict[int, int] = {}
    for percentile in _PERCENTILES if ordered else ():
        at.setdefault(ordered[round(percentile / 100 * (len(ordered) - 1))], percentile)
    roles = {row: [f"percentile {p}"] for row, p in sorted(at.items(), key=lambda one: one[1])}
    worst = ordered[:_MISTAKES] if which else ordered[: -_MISTAKES - 1 : -1]
    mistaken = [row for row in worst if (logit[row] < 0 if which else logit[row] > 0)]
    for number, row in enumerate(mistaken, 1):
        roles.setdefault(row, []).append(f"mistake {number}")
    return [(row, ", ".join(names)) for row, names in roles.items()]


def read_crops(read: Reader, ids: np.ndarray, centre: Protocol) -> list[np.ndarray | None]:
    """Reads the centre crop u8 [S, S, 3] in RGB of each image, resized before where that is scored.

    None where an image cannot be read.
    """
    places = {name: place for place, name in enumerate(read.images.ids)}
    pixels = [read(places[name]) for name in ids.tolist()]
    return [None if image is None else centre.reduce(image)[..., ::-1] for image in pixels]
