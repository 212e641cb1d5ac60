"""Writes files of arrays: npz without pickles, there completely or not at all."""

import dataclasses
import hashlib
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np

from jaxdet.errors import UserError
from jaxdet.workdir.drafts import replacing
from jaxdet.workdir.files import open_regular

Record = TypeVar("Record")
# The kind of each array, as numpy names it, and its axes; a record has them as FORMS.
Forms = Mapping[str, tuple[str, int]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictions:
    """Holds one row for each image, in the order of the set.

    Attributes:
      id: str [N], path below the set's folder with forward slashes,
        `[<category>/]{0_real,1_fake}/<file>`; of a table `<row>-` stands before the file.
      label: i32 [N], 1 = fake.
      logit: f32 [N], above 0 = fake.
      sharpness: f32 [N], variance of the Laplacian of the same crop in grey, grey levels squared;
        of an image scored in pieces their mean, as the logit is.
      skipped: str [M], images left out because they could not be read.
      fingerprint: hex digest of what the scores follow from: weights, images and protocol.
      numbering: what says which images the numbers in `id` count; "" where ids are paths.
      group: i64 [N], a number for the group of each image, such as one picture and its copies,
        below 0 for none; [0] where groups are not known.
    """

    FORMS: ClassVar[Forms] = {
        "id": ("U", 1), "label": ("i", 1), "logit": ("f", 1), "sharpness": ("f", 1),
        "skipped": ("U", 1), "group": ("i", 1),
    }  # fmt: skip

    id: np.ndarray
    label: np.ndarray
    logit: np.ndarray
    sharpness: np.ndarray
    skipped: np.ndarray
    fingerprint: str
    numbering: str = ""
    group: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def groups(self) -> np.ndarray | None:
        """Returns the number of each image's group, i64 [N]; None where none has one."""
        return self.group if (self.group >= 0).any() else None

    def reals_key(self) -> bytes:
        """Returns what tells the real images and their scores from others; b"" without any."""
        chosen = self.label == 0
        if not chosen.any():
            return b""
        facts = hashlib.sha256(self.logit[chosen].tobytes())
        facts.update("\n".join(self.id[chosen].tolist()).encode("utf8", "surrogatepass"))
        return facts.digest()

    @property
    def category(self) -> np.ndarray:
        """Returns the folder, str [N], of each image: between the set and its label, or ''."""
        return np.array([i.rsplit("/", 2)[0] if i.count("/") > 1 else "" for i in self.id])


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
        wanted = [f for f in _fields(kind) if f.name in arrays or not _has_default(f)]
        record: Any = kind(**{f.name: _plain(f.type, arrays[f.name]) for f in wanted})
        _check(record)
    except KeyError as error:
        raise UserError(f"{path}: not a file of {name}: {error} is missing") from None
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: not a file of {name}: {error}") from None
    return record


def _fields(kind: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(kind)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _plain(kind: Any, array: np.ndarray) -> Any:
    """Returns a field's value; numbers and texts come back from a file as arrays without axes."""
    if kind is np.ndarray:
        return array
    if array.ndim or not isinstance(array[()].item(), kind):
        raise TypeError(f"an array {array.dtype} {array.shape} in place of a {kind.__name__}")
    return kind(array[()])


def _check(record: Any) -> None:
    """Sees that arrays have their forms and one length, and labels and logits a meaning."""
    forms: Forms = getattr(record, "FORMS", {})
    for name, (kind, axes) in forms.items():
        array = getattr(record, name)
        odd = array.dtype.kind != kind or array.ndim != axes or (len(array) and not array.size)
        if odd or (name == "image" and (array.itemsize, array.shape[3]) != (1, 3)):
            raise ValueError(f"{name} is {array.dtype} {array.shape}")
        sides = {"image": array.shape[1:3], "real": array.shape, "fake": array.shape}.get(name, ())
        if len(set(sides)) > 1:
            raise ValueError(f"{name} is not square: {array.shape}")
    apart = (*_APART, *(("group",) if not len(getattr(record, "group", ())) else ()))
    if len({len(getattr(record, name)) for name in forms if name not in apart}) > 1:
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
