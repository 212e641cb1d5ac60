"""Reads what a pickle of torch says of tensors: which names make them, and what of.

They are only described here: the elements lie outside the pickle, and `torch_read` fetches them.
"""

import dataclasses
from typing import Any

import ml_dtypes
import numpy as np

from jaxdet.convert.pickles import Maker, Opaque, RefusedError

_DTYPES: dict[str, Any] = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}
# "storage", its dtype, key, device and length, and what it is a view of.
_LONGEST_IDENTITY = 6


@dataclasses.dataclass(frozen=True)
class Storage:
    """Describes a run of elements that lies outside the pickle."""

    dtype: np.dtype
    key: str
    length: int


@dataclasses.dataclass(frozen=True)
class Tensor:
    """Describes a view of a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def read_storage(identity: Any) -> Storage | Opaque:
    """Returns the storage that a persistent id of torch stands for."""
    if not isinstance(identity, tuple) or len(identity) > _LONGEST_IDENTITY:
        raise RefusedError("something outside its pickle that is no storage")
    kind, dtype, key, _, length, *view = identity if len(identity) > 4 else (*identity, None)
    # The stream format keeps classes of modules outside the pickle, with their source text.
    if isinstance(dtype, Opaque):
        return dataclasses.replace(dtype, is_array=kind == "storage")
    if kind != "storage" or not isinstance(dtype, np.dtype) or any(v is not None for v in view):
        raise RefusedError("something outside its pickle that is no storage")
    if not isinstance(key, str) or not _is_count(length):
        raise RefusedError("a storage without a key or a length")
    return Storage(dtype, key, length)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Tensor | Opaque:
    """Stands for torch._utils._rebuild_tensor_v2; the rest says what autograd did with it."""
    if isinstance(storage, Opaque):
        return storage
    size, stride = _size(size), _size(stride)
    if not isinstance(storage, Storage) or not _is_count(offset) or len(size) != len(stride):
        raise RefusedError("a tensor without a storage, offset, size or stride")
    return Tensor(storage, offset, size, stride)


def _parameter(tensor: Any, *rest: Any) -> Tensor | Opaque:
    """Stands for torch._utils._rebuild_parameter, also with attributes that somebody added."""
    if not isinstance(tensor, Tensor | Opaque):
        raise RefusedError("a parameter that is no tensor")
    return tensor


def _size(size: Any) -> tuple[int, ...]:
    """Stands for torch.Size, or checks the plain tuple that older releases wrote."""
    # numpy has at most 64 axes, and no axis can be longer than memory.
    if not isinstance(size, tuple) or len(size) > 32 or not all(_is_count(n) for n in size):
        raise RefusedError("a size that is no tuple of whole numbers")
    return size


def _is_count(number: Any) -> bool:
    return type(number) is int and 0 <= number < 2**48


def _ordered(*pairs: Any) -> dict[str, Any]:
    """Stands for collections.OrderedDict: empty, or from pairs as Python 2 wrote it."""
    entries = [(key, value) for pair in pairs for key, value in pair]
    if not all(isinstance(key, str) for key, _ in entries):
        raise RefusedError("a key that is no text")
    return dict(entries)


def _other_array(name: str) -> Maker:
    """Stands for an array of a kind that is not read: sparse, quantised, of another device."""
    return Maker(lambda *rest: Opaque(name, is_array=True))


def _with_attributes(function: Any, kind: Any, arguments: Any, *rest: Any) -> Tensor | Opaque:
    """Stands for torch._tensor._rebuild_from_type_v2, of a tensor with attributes or a class."""
    if not any(function is maker for maker in (_TENSOR, _PARAMETER)):
        return Opaque("torch._tensor._rebuild_from_type_v2", is_array=True)
    made: Tensor | Opaque = function.make(*arguments)
    return made


_TENSOR, _PARAMETER = Maker(_tensor), Maker(_parameter)
_REFUSED_ARRAYS = (
    "_rebuild_sparse_tensor",
    "_rebuild_qtensor",
    "_rebuild_nested_tensor",
    "_rebuild_wrapper_subclass",
    "_rebuild_meta_tensor_no_storage",
    "_rebuild_tensor_v3",
    "_rebuild_device_tensor_from_numpy",
    "_rebuild_device_tensor_from_cpu_tensor",
)
NAMES: dict[str, Any] = {
    "collections.OrderedDict": Maker(_ordered),
    "collections.defaultdict": Maker(lambda *rest: {}),
    "torch._utils._rebuild_tensor": _TENSOR,
    "torch._utils._rebuild_tensor_v2": _TENSOR,
    "torch._utils._rebuild_parameter": _PARAMETER,
    "torch._utils._rebuild_parameter_with_state": _PARAMETER,
    "torch._tensor._rebuild_from_type_v2": Maker(_with_attributes),
    "torch.Size": Maker(_size),
    **{f"torch._utils.{name}": _other_array(f"torch._utils.{name}") for name in _REFUSED_ARRAYS},
    **{f"torch.{name}": np.dtype(dtype) for name, dtype in _DTYPES.items()},
    # Before 0.4 the kind of storage told the device.
    **{f"torch.cuda.{name}": np.dtype(dtype) for name, dtype in _DTYPES.items()},
}
