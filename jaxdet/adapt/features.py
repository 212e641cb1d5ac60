"""Computes what the last layer of a detector takes of images: pieces in, one row an image out."""

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdet.convert.architectures import CONVERTIBLE
from jaxdet.convert.load import LoadedWeights
from jaxdet.errors import RunFailedError, UserError
from jaxdet.models.architectures import architecture_of
from jaxdet.models.detector import Variables, get_detector
from jaxdet.models.last_layer import BeforeLogit, find_last_layer
from jaxdet.runtime.mesh import one_device_mesh, platform, put_replicated
from jaxdet.scoring.batches import Shapes, batch_pixels, batches
from jaxdet.scoring.launch import make_score_step, score_batches
from jaxdet.scoring.pieces import Piece
from jaxdet.scoring.protocol import Protocol

# Between a logit and what its layer's own numbers make of the features, of the logit's size.
_ROUNDING = 1e-2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """Holds a row for each image.

    Attributes:
      label: i32 [N], 1 = fake.
      logit: f64 [N], of the detector as it is.
      features: f64 [N, D], what its last layer makes that logit of.
      sharpness: f32 [N], variance of the Laplacian of what is scored.
      mark: str [N], a digest of the pixels that are scored: equal for equal ones alone.
    """

    label: np.ndarray
    logit: np.ndarray
    features: np.ndarray
    sharpness: np.ndarray
    mark: np.ndarray

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.label)

    def take(self, rows: np.ndarray) -> "Seen":
        """Returns the rows at places, or where a mask is true."""
        return Seen(**{name: value[rows] for name, value in vars(self).items()})


class Looker:
    """Looks at images as a detector does, up to its last layer."""

    def __init__(self, loaded: LoadedWeights, protocol: Protocol):
        """Takes a detector that ends in a layer of its logit.

        Raises:
          UserError: where it ends in something else, or has no form as a folder.
        """
        self._model, self._variables, self.protocol = loaded.model, loaded.variables, protocol
        detector, self._mesh = get_detector(loaded.model), one_device_mesh()
        image = jax.ShapeDtypeStruct((1, protocol.crop, protocol.crop, 3), jnp.uint8)
        self.place = find_last_layer(detector.apply, loaded.variables, image)
        if not self.place or loaded.model.name not in CONVERTIBLE:
            raise UserError(
                f"{loaded.source}: {loaded.model.name} does not end in a linear layer that can be "
                "changed alone; train it on images of the new generator instead"
            )
        architecture = architecture_of(loaded.model.name)
        self.smallest, self._any_size = architecture.smallest, architecture.any_size
        before = dataclasses.replace(detector, network=BeforeLogit(detector.network))
        self._step = make_score_step(before, self._mesh)
        self._placed = put_replicated(self._mesh, loaded.variables)

    @property
    def layer(self) -> tuple[np.ndarray, float]:
        """Returns weights f64 [D] and bias of the logit."""
        kernel, bias = (np.asarray(one, np.float64) for one in self._arrays(self._variables))
        return kernel[:, 0], float(bias[0])

    def changed(self, weights: np.ndarray, bias: float) -> Variables:
        """Returns the variables of a detector whose logit is w . x + b more than this one's."""
        variables: Variables = jax.tree.map(np.array, self._variables)
        kernel, of_bias = self._arrays(variables)
        kernel[:, 0] += weights.astype(np.float32)
        of_bias[0] += np.float32(bias)
        return variables

    def _arrays(self, variables: Variables) -> tuple[Any, Any]:
        layer = variables["params"]
        for name in self.place:
            layer = layer[name]
        return layer["kernel"], layer["bias"]

    def __call__(self, pieces: Iterable[Piece], labels: np.ndarray) -> Seen:
        """Returns the row of each image that has pieces, by their numbers.

        Args:
          pieces: of images, whose owners are places in the labels.
          labels: i32 [N], 1 = fake.

        Raises:
          RunFailedError: where a logit is not that of the last layer, or not finite.
        """
        values: dict[int, Any] = defaultdict(float)
        sharpness: dict[int, float] = defaultdict(float)
        marks: dict[int, Any] = defaultdict(hashlib.sha256)
        for piece, row in self._rows(self._noted(pieces, marks)):
            values[piece.owner] += piece.share * row.astype(np.float64)
            sharpness[piece.owner] += piece.share * piece.sharpness
        owners = sorted(values)
        weights, bias = self.layer
        rows = np.array([values[one] for one in owners]).reshape(len(owners), 1 + len(weights))
        logit, features = rows[:, 0], rows[:, 1:]
        again = features @ weights + bias
        if not np.allclose(logit, again, rtol=_ROUNDING, atol=_ROUNDING):
            raise RunFailedError(f"{self._model.name}: its last layer does not give its logit")
        return Seen(
            label=np.asarray(labels)[owners],
            logit=again,
            features=features,
            sharpness=np.array([sharpness[one] for one in owners], np.float32),
            mark=np.array([marks[one].hexdigest() for one in owners], "U64"),
        )

    def _noted(self, pieces: Iterable[Piece], marks: dict[int, Any]) -> Iterator[Piece]:
        for piece in pieces:
            marks[piece.owner].update(repr(piece.pixels.shape).encode() + piece.pixels.tobytes())
            yield piece

    def _rows(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, np.ndarray]]:
        find = Shapes() if self._any_size and not self.protocol.in_crops else None
        filled = batches(
            pieces,
            pixels=batch_pixels(platform(self._mesh)),
            find=find,
            full=True,
            sizes=self._any_size,
        )
        for owned, scored in score_batches(self._step, self._placed, filled, mesh=self._mesh):
            yield from zip(owned, scored["logit"], strict=False)
