"""Writes a state dict into a file that `torch.load(weights_only=True)` reads, without torch.

The archive is torch's own (serialization.py, `_save`): a pickle that describes the tensors,
written here opcode by opcode, and the bytes of each beside it. The same arrays give the same
file.
"""

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

_FOLDER = "archive"
_STORAGES = {
    np.dtype(np.float32): "FloatStorage",
    np.dtype(np.float64): "DoubleStorage",
    np.dtype(np.float16): "HalfStorage",
    np.dtype(np.int64): "LongStorage",
}


def write_torch(path: Path, state_dict: Mapping[str, np.ndarray]) -> None:
    """Writes key to array as an OrderedDict of tensors on the CPU."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "data.pkl", _describe(state_dict))
        _add(archive, "byteorder", b"little")
        for number, value in enumerate(state_dict.values()):
            little = value.astype(value.dtype.newbyteorder("<"), copy=False)
            _add(archive, f"data/{number}", np.ascontiguousarray(little).tobytes())
        _add(archive, "version", b"3\n")


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    # A fixed date keeps the file a function of the arrays.
    archive.writestr(zipfile.ZipInfo(f"{_FOLDER}/{name}", (1980, 1, 1, 0, 0, 0)), content)


def _describe(state_dict: Mapping[str, np.ndarray]) -> bytes:
    """Returns the pickle that describes the tensors, protocol 2."""
    entries = [
        _text(key) + _tensor(number, value)
        for number, (key, value) in enumerate(state_dict.items())
    ]
    return b"\x80\x02" + _EMPTY_DICT + b"(" + b"".join(entries) + b"u."


def _tensor(number: int, value: np.ndarray) -> bytes:
    """Returns the opcodes that call torch._utils._rebuild_tensor_v2.

    Its arguments are (storage, 0, size, stride, False, OrderedDict()).
    """
    strides = [stride // value.itemsize for stride in np.empty(value.shape, value.dtype).strides]
    storage = _tuple(
        _text("storage"),
        _name("torch", _STORAGES[value.dtype]),
        _text(str(number)),
        _text("cpu"),
        _whole(value.size),
    )
    arguments = _tuple(
        storage + b"Q",
        _whole(0),
        _tuple(*map(_whole, value.shape)),
        _tuple(*map(_whole, strides)),
        b"\x89",
        _EMPTY_DICT,
    )
    return _name("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def _name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def _whole(number: int) -> bytes:
    """Returns a number as LONG1, which takes numbers of any size used here."""
    content = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def _tuple(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


_EMPTY_DICT = _name("collections", "OrderedDict") + b")R"
