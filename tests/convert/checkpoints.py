"""Checkpoints as torch.save writes them, with anything beside the weights; without torch."""

import collections
import io
import pickle
import sys
import types
import zipfile
from unittest import mock

import numpy as np


class Tensor:
    """An array that is pickled as torch pickles a tensor."""

    def __init__(self, array):
        self.array = np.ascontiguousarray(array)


def tensors(state_dict, prefix=""):
    return {prefix + key: Tensor(value) for key, value in state_dict.items()}


def write_checkpoint(path, content, *, protocol=2):
    """Writes plain values, `Tensor`s and objects of any class."""
    arrays, described = [], io.BytesIO()
    with mock.patch.dict(sys.modules, torch=_TORCH, **{"torch._utils": _TORCH}):
        _Pickler(described, arrays, protocol).dump(content)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", described.getvalue())
        for number, array in enumerate(arrays):
            archive.writestr(f"archive/data/{number}", array.tobytes())
    return path


class _Storage:
    def __init__(self, array):
        self.array = array


def _named(module, name):
    return type(name, (), {"__module__": module})


_TORCH = types.ModuleType("torch")
_TORCH.FloatStorage = _named("torch", "FloatStorage")
_TORCH.LongStorage = _named("torch", "LongStorage")
_TORCH._rebuild_tensor_v2 = _named("torch._utils", "_rebuild_tensor_v2")


class _Pickler(pickle.Pickler):
    def __init__(self, file, arrays, protocol):
        super().__init__(file, protocol)
        self.arrays = arrays

    def persistent_id(self, value):
        if not isinstance(value, _Storage):
            return None
        self.arrays.append(value.array)
        kind = _TORCH.LongStorage if value.array.dtype == np.int64 else _TORCH.FloatStorage
        return ("storage", kind, str(len(self.arrays) - 1), "cuda:0", value.array.size)

    def reducer_override(self, value):
        if not isinstance(value, Tensor):
            return NotImplemented
        array = value.array
        strides = tuple(stride // array.itemsize for stride in array.strides)
        arguments = (_Storage(array), 0, array.shape, strides, False, collections.OrderedDict())
        return _TORCH._rebuild_tensor_v2, arguments
