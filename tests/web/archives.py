"""Small archives as the published ones are built: zips, and 7z volumes in store mode."""

import io
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

from jaxdet.fetch.catalog import Address, Container, Dataset, Folder


def make_png(seed, size=16):
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "png")
    return content.getvalue()


def make_images(groups, *, count=2, size=16):
    """{'<group>/<label>/<number>.png': bytes}, `count` of each label."""
    places = [f"{group}/{label}" for group in groups for label in ("0_real", "1_fake")]
    names = [f"{place}/{number:05d}.png" for place in places for number in range(count)]
    return {name: make_png(seed, size) for seed, name in enumerate(names)}


def make_zip(members, *, force_zip64=False):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=force_zip64) as file:
                file.write(data)
    return content.getvalue()


def make_stored_7z(inner, *, trailer=b"\x01\x04\x06" + bytes(95)):
    """The 32 bytes of a real start header (version 0.4), the file, a trailer."""
    rest = struct.pack("<QQI", len(inner), len(trailer), zlib.crc32(trailer))
    head = b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<I", zlib.crc32(rest)) + rest
    return head + inner + trailer


def split(content, *, volumes, name="set.7z"):
    """{'set.7z.001': bytes, ...}, the last one shorter."""
    step = -(-len(content) // volumes) + 1
    return {
        f"{name}.{number + 1:03d}": content[number * step : (number + 1) * step]
        for number in range(volumes)
    }


def make_dataset(server, files, groups, *, container, count=2, split="train", **known):
    """A catalogue entry for files that are on the server; `known` goes to each address."""
    server.files.update(files)
    addresses = tuple(Address(name=name, url=f"{server.url}/{name}", **known) for name in files)
    folders = tuple(Folder(name=group, real=count, fake=count) for group in groups)
    return Dataset(
        name="small", title="", files=addresses, container=container, split=split, folders=folders
    )


def make_plain(server, name, content, **known):
    return make_dataset(server, {name: content}, (), container=Container.PLAIN, **known)


def read_tree(folder):
    """{path: bytes} of the files below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
