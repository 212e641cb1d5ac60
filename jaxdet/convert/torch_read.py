"""Reads state dicts out of torch's own files, without torch and without trust.

`torch.save` writes a pickle that describes tensors and, beside it, their raw bytes: since
1.6 in an uncompressed zip archive, before in one stream. Both are read here. What else a
training script saved beside the weights is passed over. The old tar format (before 0.1.10),
TorchScript archives and pickled modules are refused.
"""

import io
import math
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.convert import pickles
from jaxdet.convert.pickles import Opaque, RefusedError
from jaxdet.convert.state_dicts import (
    Choose,
    StateDict,
    beside,
    dictionaries,
    first_of_largest,
    shorten,
)
from jaxdet.convert.tensors import NAMES, Storage, Tensor, read_storage
from jaxdet.errors import UserError
from jaxdet.workdir.files import open_regular

# torch/serialization.py: MAGIC_NUMBER and PROTOCOL_VERSION of the stream format.
_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
# The pickle of a state dict takes a few hundred bytes a tensor.
_LARGEST_PICKLE = 16 * 2**20
# Each has an entry in the directory at the end of the archive, which begins so.
_MOST_MEMBERS, _ENTRY = 100_000, b"PK\x01\x02"

# Gives the elements of a storage, [length].
_Fetch = Callable[[Storage], np.ndarray]


def read_torch(path: Path, choose: Choose = first_of_largest) -> StateDict:
    """Reads a state dict out of a file of torch.save; its arrays are views of read-only memory.

    Args:
      path: of the file.
      choose: which of the state dicts in it, where it holds several.

    Raises:
      UserError: where the file is damaged or foreign, or holds no state dict.
    """
    try:
        with open_regular(path) as file:
            content = file.read()
        read = _read_zip if content[:2] == b"PK" else _read_stream
        return read(content, choose)
    except UserError:
        raise
    except RefusedError as error:
        raise UserError(f"{path}: not read: {error}") from None
    except Exception as error:  # damaged bytes raise a dozen kinds in zipfile, struct and numpy
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: damaged, or no file of torch.save: {type(error).__name__}: {reason}"
        ) from None


def _read_zip(content: bytes, choose: Choose) -> StateDict:
    if content.count(_ENTRY) > _MOST_MEMBERS:
        raise RefusedError(f"an archive of more than {_MOST_MEMBERS} members")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        folder, members = _members(archive, len(content))
        description = archive.read(members[f"{folder}/data.pkl"])
        root, _ = pickles.load(description, 0, names=NAMES, persistent=read_storage)
        order = members.get(f"{folder}/byteorder")
        big = order is not None and archive.read(order) == b"big"

        def fetch(storage: Storage) -> np.ndarray:
            raw = archive.read(members[f"{folder}/data/{storage.key}"])
            return _elements(raw, storage, big_endian=big)

        return _chosen(root, choose, fetch)


def _members(archive: zipfile.ZipFile, size: int) -> tuple[str, dict[str, zipfile.ZipInfo]]:
    """Returns the folder of torch.save in an archive, and the members by name.

    None unpacks to more than the file is large.
    """
    members = {member.filename: member for member in archive.infolist()}
    folders = [name.removesuffix("/data.pkl") for name in members if name.endswith("/data.pkl")]
    if len(folders) != 1:
        raise RefusedError("a zip archive, but not one of torch.save")
    if f"{folders[0]}/constants.pkl" in members:
        raise RefusedError(
            "a TorchScript archive, which is code; of OpenAI's CLIP take model.safetensors of "
            "openai/clip-vit-large-patch14 (or -base-patch32, -base-patch16, -large-patch14-336) "
            "at Hugging Face, of other networks save model.state_dict()"
        )
    if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
        raise RefusedError("a compressed member in its archive; torch.save compresses nothing")
    if sum(member.file_size for member in archive.infolist()) > size:
        raise RefusedError("members in its archive that are larger than the file")
    if members[f"{folders[0]}/data.pkl"].file_size > _LARGEST_PICKLE:
        raise RefusedError("a pickle of absurd length")
    return folders[0], members


def _read_stream(content: bytes, choose: Choose) -> StateDict:
    if content[257:262] == b"ustar":
        raise RefusedError("torch's tar format from before 0.1.10; load and save it with torch")
    storages: dict[str, Storage] = {}

    def meet(identity: Any) -> Storage | Opaque:
        storage = read_storage(identity)
        return storage if isinstance(storage, Opaque) else storages.setdefault(storage.key, storage)

    values, position = [], 0
    # Magic number, protocol, system, the object, and the keys of the storages that follow.
    for _ in range(5):
        value, position = pickles.load(content, position, names=NAMES, persistent=meet)
        values.append(value)
        if values[0] != _MAGIC:
            raise RefusedError("a pickle, but not one of torch.save")
    _, protocol, system, root, keys = values
    if protocol != _PROTOCOL:
        raise RefusedError("another protocol of torch's stream format")
    if not all(isinstance(key, str) and key in storages for key in keys):
        raise RefusedError("a storage whose elements are of no known size")
    pieces = _pieces(memoryview(content)[position:], [storages[key] for key in keys])
    big = system["little_endian"] is False
    return _chosen(root, choose, lambda one: _elements(pieces[one.key], one, big_endian=big))


def _pieces(content: memoryview, storages: list[Storage]) -> dict[str, memoryview]:
    """Returns the bytes of each storage: they follow one another, each behind its length."""
    pieces, position = {}, 0
    for storage in storages:
        if int.from_bytes(content[position : position + 8], "little") != storage.length:
            raise RefusedError(f"storage {shorten(storage.key)} of another length than described")
        start, position = position + 8, position + 8 + storage.length * storage.dtype.itemsize
        pieces[storage.key] = content[start:position]
    return pieces


def _elements(raw: Any, storage: Storage, *, big_endian: bool) -> np.ndarray:
    if len(raw) != storage.length * storage.dtype.itemsize:
        raise RefusedError(f"storage {shorten(storage.key)} of another length than described")
    if big_endian:
        bits = np.frombuffer(raw, f">u{storage.dtype.itemsize}")
        return bits.astype(bits.dtype.newbyteorder("=")).view(storage.dtype)
    return np.frombuffer(raw, storage.dtype)


def _chosen(root: Any, choose: Choose, fetch: _Fetch) -> StateDict:
    """Returns the arrays of the state dict that is chosen among those of a file."""
    if isinstance(root, Opaque):
        raise RefusedError(f"it is an object of {_whole(root)}")
    if not isinstance(root, dict):
        raise RefusedError("neither a state dict nor a dictionary that holds one")
    within = dictionaries(root, holds=_is_array)
    if not within:
        raise RefusedError(f"no state dict in it, but {_describe(root)}")
    choice = choose(within)
    arrays = _arrays(choice.entries, fetch)
    return StateDict(arrays=arrays, name=choice.name, beside=beside(root, choice, within))


def _is_array(key: Any, value: Any) -> bool:
    is_array = isinstance(value, Tensor) or (isinstance(value, Opaque) and value.is_array)
    return is_array and isinstance(key, str)


def _describe(root: dict[Any, Any]) -> str:
    """Describes the first entries of a dictionary without a state dict, and its first object."""
    names = [shorten(str(key)) for key in list(root)[:5]]
    objects = [(key, value) for key, value in root.items() if isinstance(value, Opaque)]
    what = [f"{shorten(str(key))} is an object of {_whole(value)}" for key, value in objects[:1]]
    return "; ".join([", ".join(names) or "nothing", *what])


def _whole(thing: Opaque) -> str:
    """Returns a message that an object is no state dict, and what to do."""
    return (
        f"{shorten(thing.name)!r}, which is code and not weights; "
        "save model.state_dict() by itself with torch"
    )


def _arrays(state_dict: Mapping[str, Any], fetch: _Fetch) -> dict[str, np.ndarray]:
    """Returns the arrays; fetches only their storages, each once: tensors may share one."""
    for key, value in state_dict.items():
        if isinstance(value, Opaque):
            raise RefusedError(
                f"{shorten(key)} is an array of a kind that is not read: it names "
                f"{shorten(value.name)!r}"
            )
    storages = {tensor.storage.key: tensor.storage for tensor in state_dict.values()}
    elements = {key: fetch(storage) for key, storage in storages.items()}
    return {key: _view(key, t, elements[t.storage.key]) for key, t in state_dict.items()}


def _view(key: str, tensor: Tensor, elements: np.ndarray) -> np.ndarray:
    """Returns the tensor's elements, in bounds."""
    count = math.prod(tensor.size)
    last = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.size, tensor.stride, strict=True))
    # A stride of 0 could make a huge array of one element.
    if count > len(elements) or (count > 0 and last >= len(elements)):
        raise RefusedError(f"{shorten(key)} reaches beyond its storage")
    if count == 0:
        return np.zeros(tensor.size, elements.dtype)
    strides = [stride * elements.itemsize for stride in tensor.stride]
    return np.lib.stride_tricks.as_strided(
        elements[tensor.offset :], tensor.size, strides, writeable=False
    )
