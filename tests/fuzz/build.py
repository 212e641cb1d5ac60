"""Small files by hand: pickles, archives, headers and directories that say what they are told."""

import json
import struct
import zlib


class Pickle:
    """Opcodes of a pickle, written one after the other; see CPython's Lib/pickletools.py."""

    def __init__(self):
        self.code, self.memo = bytearray(b"\x80\x02"), 0

    def add(self, *pieces):
        for piece in pieces:
            self.code += piece
        return self

    def text(self, text):
        return self.add(b"X", struct.pack("<I", len(text.encode())), text.encode())

    def whole(self, number):
        return self.add(b"J", struct.pack("<i", number))

    def put(self):
        """Remembers the top; gives the number under which `get` has it again."""
        self.add(b"r", struct.pack("<I", self.memo))
        self.memo += 1
        return self.memo - 1

    def get(self, place):
        return (
            self.add(b"j", struct.pack("<I", place))
            if place > 255
            else self.add(b"h", bytes([place]))
        )

    def name(self, full):
        module, _, name = full.rpartition(".")
        return self.add(b"c", f"{module}\n{name}\n".encode())

    def storage(self, *, length, key="0", dtype="FloatStorage"):
        self.add(b"(").text("storage").name(f"torch.{dtype}").text(key).text("cpu").whole(length)
        return self.add(b"tQ")

    def tensor(self, *, size, stride, length, offset=0, **of):
        self.name("torch._utils._rebuild_tensor_v2").add(b"(").storage(length=length, **of)
        self.whole(offset)
        for numbers in (size, stride):
            self.add(b"(")
            for number in numbers:
                self.whole(number)
            self.add(b"t")
        return self.add(b"\x89", b"}", b"t", b"R")

    def end(self):
        return bytes(self.code) + b"."


def zip_of(members, *, lies=(), directory_twice=0):
    """An archive of stored members, name to bytes.

    Args:
      members: pairs; names may be there twice.
      lies: (number of the member, field of the directory, value): "size", "packed", "offset",
        "method" or "crc".
      directory_twice: how many more entries for the last member.
    """
    body, entries = bytearray(), []
    for name, content in members:
        fields = {"method": 0, "crc": zlib.crc32(content), "packed": len(content),
                  "size": len(content), "offset": len(body)}  # fmt: skip
        entries.append((name.encode(), fields))
        body += b"PK\3\4" + _fields(fields) + struct.pack("<HH", len(name.encode()), 0)
        body += name.encode() + content
    for number, field, value in lies:
        entries[number % len(entries)][1][field] = value
    entries += entries[-1:] * directory_twice
    directory = b"".join(
        b"PK\1\2\x14\0" + _fields(fields)
        + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, fields["offset"] & 0xFFFFFFFF) + name
        for name, fields in entries
    )  # fmt: skip
    count = len(entries) & 0xFFFF
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body) + directory + b"PK\5\6" + end


def _fields(fields):
    numbers = (fields[name] & 0xFFFFFFFF for name in ("crc", "packed", "size"))
    return struct.pack("<HHHHHIII", 20, 0, fields["method"] & 0xFFFF, 0, 0, *numbers)


def stream_of(description):
    """The file of torch.save before 1.6 around a description."""
    head = [b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", b"\x80\x02M\xe9\x03.",
            Pickle().add(b"}").text("little_endian").add(b"\x88s").end()]  # fmt: skip
    return b"".join(head) + description + b"\x80\x02]." + bytes(64)


def npy(*, descr, shape, data=b"", fortran=False, version=1, length=None):
    """A file of numpy's whose header says this, in Python's own words."""
    header = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    form = "<H" if version == 1 else "<I"
    most = 2 ** (16 if version == 1 else 32) - 1
    size = min(len(header) if length is None else length, most)
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(form, size) + header + data


def safetensors(header, content=b"", *, length=None):
    """A file whose header is this text, or this value as JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + content


def tiff(directories, *, big=False, data=b""):
    """A TIFF of directories: lists of (tag, type, count, value), and the next one's number.

    Values are numbers or offsets; data lies behind the header, at 8 (16 in a big one).
    """
    head, entry, number = (16, "<HHQQ", "<Q") if big else (8, "<HHII", "<I")
    count = "<Q" if big else "<H"
    most = 2**64 - 1 if big else 2**32 - 1
    starts, place = [], head + len(data)
    for entries, _ in directories:
        starts.append(place)
        place += struct.calcsize(count) + struct.calcsize(number)
        place += len(entries) * struct.calcsize(entry)
    out = b"II" + (struct.pack("<HHH", 43, 8, 0) if big else struct.pack("<H", 42))
    out += struct.pack(number, starts[0] if starts else 0) + data
    for entries, after in directories:
        out += struct.pack(count, len(entries))
        for tag, kind, many, value in entries:
            out += struct.pack(entry, tag, kind, min(many, most), min(value, most))
        out += struct.pack(number, starts[after % len(starts)] if after is not None else 0)
    return out
