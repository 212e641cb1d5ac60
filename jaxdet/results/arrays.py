"""Writes files of arrays: npz without pickles, there completely or not at all."""

import dataclasses
import io
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import numpy as np

from jaxdet.errors import UserError
from jaxdet.workdir.drafts import replacing
from jaxdet.workdir.files import open_regular

Record = TypeVar("Record")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictions:
    """Holds one row for each image, in the order of the set.

    Attributes:
      id: str [N], path below the set's folder with forward slashes,
        `[<category>/]{0_real,1_fake}/<file>`.
      label: i32 [N], 1 = fake.
      logit: f32 [N], above 0 = fake.
      sharpness: f32 [N], variance of the Laplacian of the same crop in grey, grey levels squared;
        of an image scored in pieces their mean, as the logit is.
      skipped: str [M], images left out because they could not be read.
      fingerprint: hex digest of what the scores follow from: weights, images and protocol.
    """

    id: np.ndarray
    label: np.ndarray
    logit: np.ndarray
    sharpness: np.ndarray
    skipped: np.ndarray
    fingerprint: str

    @property
    def category(self) -> np.ndarray:
        """Returns the folder, str [N], of each image: between the set and its label, or ''."""
        return np.array([i.rsplit("/", 2)[0] if i.count("/") > 1 else "" for i in self.id])


@dataclasses.dataclass(frozen=True, kw_only=True)
class CropScores:
    """Holds logits of random crops of a few images of a set, to learn a threshold from.

    Attributes:
      id: str [N].
      label: i32 [N], 1 = fake.
      logit: f32 [N, crops].
      fingerprint: hex digest of what the scores follow from.
    """

    id: np.ndarray
    label: np.ndarray
    logit: np.ndarray
    fingerprint: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Holds average spectra of the images of a set after a high pass, frequency 0 in the middle.

    Attributes:
      real: f32 [S, S], mean magnitude over the real images; NaN where there are none.
      fake: f32 [S, S], the same over the fakes.
      n_real: real images in the mean.
      n_fake: fakes in the mean.
      n_small: images left out because they are smaller than S.
      fingerprint: hex digest of what the spectra follow from.
    """

    real: np.ndarray
    fake: np.ndarray
    n_real: int
    n_fake: int
    n_small: int
    fingerprint: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranked:
    """Holds images of a set picked by their score, with their activation maps (CAM).

    Attributes:
      id: str [N].
      label: i32 [N], 1 = fake.
      logit: f32 [N], of the set's predictions.
      role: str [N], why the image is here: "percentile 0", "percentile 25", ... of its label's
        logits from most real to most fake, "mistake 1" for the most mistaken and so on, or both:
        "percentile 100, mistake 1".
      image: u8 [N, S, S, 3], the crop that was scored, RGB.
      evidence: f32 [N, h, w], contribution of each place of the last feature map to the logit,
        above 0 where it speaks for fake.
      fingerprint: hex digest of what they follow from.
    """

    id: np.ndarray
    label: np.ndarray
    logit: np.ndarray
    role: np.ndarray
    image: np.ndarray
    evidence: np.ndarray
    fingerprint: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lineup:
    """Holds images of a set that were drawn at random, from most real to most fake.

    Attributes:
      id: str [N].
      label: i32 [N], 1 = fake.
      logit: f32 [N], rising, of the set's predictions.
      image: u8 [N, S, S, 3], thumbnails of the centre crop, RGB.
      fingerprint: hex digest of what they follow from.
    """

    id: np.ndarray
    label: np.ndarray
    logit: np.ndarray
    image: np.ndarray
    fingerprint: str


# The kind of each array, as numpy names it, and its axes.
_FORMS: Mapping[type, Mapping[str, tuple[str, int]]] = MappingProxyType({
    Predictions: {"id": ("U", 1), "label": ("i", 1), "logit": ("f", 1), "sharpness": ("f", 1),
                  "skipped": ("U", 1)},
    CropScores: {"id": ("U", 1), "label": ("i", 1), "logit": ("f", 2)},
    Spectrum: {"real": ("f", 2), "fake": ("f", 2)},
    Ranked: {"id": ("U", 1), "label": ("i", 1), "logit": ("f", 1), "role": ("U", 1),
             "image": ("u", 4), "evidence": ("f", 3)},
    Lineup: {"id": ("U", 1), "label": ("i", 1), "logit": ("f", 1), "image": ("u", 4)},
})  # fmt: skip
# What a file of arrays by name begins with.
_ZIP = b"PK\x03\x04"
# These have a length of their own; all other arrays of a record have one entry a row.
_APART = ("skipped",)


def write_arrays(path: Path, record: Any) -> None:
    """Writes a dataclass of arrays as a plain npz (no pickles), atomically."""
    arrays = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
    with replacing(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_arrays(path: Path, kind: type[Record]) -> Record:
    """Reads the dataclass of arrays that a file holds.

    Raises:
      UserError: where the file is missing, damaged or of another kind.
    """
    name = kind.__name__.lower()
    arrays = _read_npz(path, name)
    try:
        record: Any = kind(**{f.name: _plain(f.type, arrays[f.name]) for f in _fields(kind)})
        _check(record)
    except KeyError as error:
        raise UserError(f"{path}: not a file of {name}: {error} is missing") from None
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: not a file of {name}: {error}") from None
    return record


def _fields(kind: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(kind)


def _plain(kind: Any, array: np.ndarray) -> Any:
    """Returns a field's value; numbers and texts come back from a file as arrays without axes."""
    if kind is np.ndarray:
        return array
    if array.ndim or not isinstance(array[()].item(), kind):
        raise TypeError(f"an array {array.dtype} {array.shape} in place of a {kind.__name__}")
    return kind(array[()])


def _check(record: Any) -> None:
    """Sees that arrays have their forms and one length, and labels and logits a meaning."""
    forms = _FORMS.get(type(record), {})
    for name, (kind, axes) in forms.items():
        array = getattr(record, name)
        odd = array.dtype.kind != kind or array.ndim != axes or (len(array) and not array.size)
        if odd or (name == "image" and (array.itemsize, array.shape[3]) != (1, 3)):
            raise ValueError(f"{name} is {array.dtype} {array.shape}")
        sides = {"image": array.shape[1:3], "real": array.shape, "fake": array.shape}.get(name, ())
        if len(set(sides)) > 1:
            raise ValueError(f"{name} is not square: {array.shape}")
    if len({len(getattr(record, name)) for name in forms if name not in _APART}) > 1:
        raise ValueError("its arrays are not of one length")
    if not np.isin(getattr(record, "label", 0), (0, 1)).all():
        raise ValueError("a label is neither 0 nor 1")
    if not np.isfinite(getattr(record, "logit", 0)).all():
        raise ValueError("a logit is not finite")


def _read_npz(path: Path, name: str) -> dict[str, np.ndarray]:
    """Returns the arrays of a file that `write_arrays` wrote: nothing compressed, no objects."""
    try:
        with open_regular(path) as file:
            if file.read(len(_ZIP)) != _ZIP:
                raise ValueError("no npz")
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                members = arrays.zip.infolist()
                if (
                    any(m.compress_type for m in members)
                    or sum(m.file_size for m in members) > size
                ):
                    raise ValueError("compressed, or larger inside than outside")
                return {
                    m.filename.removesuffix(".npy"): _array(arrays.zip.read(m)) for m in members
                }
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:  # zipfile, zlib and numpy each raise their own kinds
        raise UserError(f"{path}: cannot be read as {name}: {error}") from None


def _array(content: bytes) -> np.ndarray:
    """Returns the array of a file of numpy's; numpy itself would take memory for what it claims."""
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("a header of another version than numpy writes for plain arrays")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject:
        raise ValueError("holds Python objects, which are code")
    if math.prod(shape) > len(content):
        raise ValueError("claims more values than it has bytes")
    order: Literal["F", "C"] = "F" if fortran else "C"
    return np.ndarray(shape, dtype, bytearray(content), offset=file.tell(), order=order)
