"""A state dict in the format of torch.save before 1.6, as torchvision's older files have it.

Files that torch itself wrote so lie in tests/convert/files; these are made for other arrays.
"""

import struct

from jaxdet.convert import torch_write as zip_format


def write_stream(path, state_dict):
    """Magic number, protocol, machine, description, keys of the storages, and their bytes."""
    head = [0x1950A86A20F9469CFC6C, 1001]
    described = b"\x80\x02" + zip_format._EMPTY_DICT + b"("
    for number, (key, value) in enumerate(state_dict.items()):
        described += zip_format._text(key) + _tensor(number, value)
    keys = b"".join(zip_format._text(str(number)) for number in range(len(state_dict)))
    parts = [b"\x80\x02" + zip_format._whole(number) + b"." for number in head]
    system = b"\x80\x02}" + zip_format._text("little_endian") + b"\x88s."
    parts += [system, described + b"u.", b"\x80\x02](" + keys + b"e."]
    parts += [struct.pack("<q", value.size) + value.tobytes() for value in state_dict.values()]
    path.write_bytes(b"".join(parts))


def _tensor(number, value):
    # The storage has a sixth entry here: no view of another one.
    plain = zip_format._tensor(number, value)
    return plain.replace(
        zip_format._whole(value.size) + b"tQ", zip_format._whole(value.size) + b"NtQ", 1
    )
