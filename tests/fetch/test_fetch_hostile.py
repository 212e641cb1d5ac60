import io
import stat
import struct
import zipfile

import pytest

from jaxdet.errors import RunFailedError
from jaxdet.fetch.catalog import Container
from jaxdet.fetch.choice import Options
from jaxdet.fetch.members import Limits
from jaxdet.fetch.remote import Patience
from jaxdet.fetch.run import fetch
from tests.web.archives import make_dataset, make_images, make_png, make_zip, read_tree
from tests.web.server import Server

IMAGES = make_images(("cat",))
FIRST = "cat/0_real/00000.png"
# Places within an entry of a zip's central directory (APPNOTE.TXT, 4.3.12).
FLAGS, CRC, SIZE, OFFSET = 8, 16, 24, 42


def refuse(tmp_path, content, *, limits=None):
    """The one line with which a set of one class is refused; asserts that nothing was written."""
    options = Options(patience=Patience(tries=1), limits=limits or Limits())
    root = tmp_path / "root"
    with Server() as server:
        dataset = make_dataset(server, {"set.zip": content}, ("cat",), container=Container.ZIP)
        with pytest.raises(RunFailedError) as caught:
            fetch(dataset, root, options=options, say=print)
    assert {path for path in read_tree(tmp_path) if not path.startswith("root/fetched/")} == set()
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("../cat/0_real/x.png", "points outside"),
        ("cat/0_real/../../../x.png", "points outside"),
        ("cat/./0_real/x.png", "empty step"),
        ("cat//0_real/x.png", "empty step"),
        ("/cat/0_real/x.png", "absolute"),
        ("C:/cat/0_real/x.png", "absolute"),
        ("cat/0_real/..\\..\\x.png", "backslash"),
        ("cat/0_real/x\n.png", "control character"),
        (f"cat/0_real/{'x' * 256}.png", "too long"),
        ("cat/0_REAL/00000.PNG", "would be one file"),
        (f"set/{FIRST}", "would be one file"),
        (f"{FIRST}/0_real/x.png", "is a file and a folder"),
        ("dog/0_real/x.png", "lies in no folder"),
    ],
)
def test_names_that_lead_elsewhere(tmp_path, name, word):
    line = refuse(tmp_path, make_zip(IMAGES | {name: b"x"}))
    assert word in line
    assert "nothing was unpacked" in line


def test_a_name_twice(tmp_path):
    content = io.BytesIO(make_zip(IMAGES))
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(content, "a") as archive,
    ):
        archive.writestr(FIRST, b"x")
    assert "would be one file" in refuse(tmp_path, content.getvalue())


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO])
def test_links_and_devices(tmp_path, kind):
    content = io.BytesIO(make_zip(IMAGES))
    with zipfile.ZipFile(content, "a") as archive:
        info = zipfile.ZipInfo("cat/0_real/link.png")
        info.external_attr = (kind | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert "is a link or a device" in refuse(tmp_path, content.getvalue())


def test_packing_that_is_not_known(tmp_path):
    content = io.BytesIO(make_zip(IMAGES))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("cat/0_real/x.png", b"x")
    assert "packed in an unknown way" in refuse(tmp_path, content.getvalue())


def test_what_grows_absurdly(tmp_path):
    bomb = make_zip(IMAGES | {"cat/0_real/x.png": bytes(5_000_000)})
    assert "claims to hold 5,0" in refuse(tmp_path / "a", bomb)
    # The same behind images enough for the archive as a whole to look harmless.
    beside = {f"cat/1_fake/x{number}.png": make_png(number, 400) for number in range(2)}
    bomb = make_zip(IMAGES | beside | {"cat/0_real/x.png": bytes(3_000_000)})
    assert "claims to grow" in refuse(tmp_path / "b", bomb)


def test_too_many_or_too_large(tmp_path):
    assert "4 members" in refuse(tmp_path / "a", make_zip(IMAGES), limits=Limits(members=3))
    tight = Limits(member_bytes=100)
    assert "claims" in refuse(tmp_path / "b", make_zip(IMAGES), limits=tight)


def patch(content, place, value, *, entry=0):
    """The zip with a field of one entry of its directory overwritten."""
    start = content.index(b"PK\x01\x02")
    for _ in range(entry):
        start = content.index(b"PK\x01\x02", start + 4)
    return content[: start + place] + value + content[start + place + len(value) :]


@pytest.mark.parametrize(
    ("place", "value", "entry", "word"),
    [
        (FLAGS, struct.pack("<H", 1), 0, "encrypted"),
        (SIZE, struct.pack("<I", 2**31), 0, "claims"),
        (OFFSET, struct.pack("<I", 0), 1, "overlaps"),
        (CRC, b"1234", 0, "proved damaged and was removed"),
        (SIZE, struct.pack("<I", 5), 0, "proved damaged and was removed"),
        (OFFSET, struct.pack("<I", 7), 0, "proved damaged and was removed"),
    ],
)
def test_a_directory_that_lies(tmp_path, place, value, entry, word):
    assert word in refuse(tmp_path, patch(make_zip(IMAGES), place, value, entry=entry))


@pytest.mark.parametrize("content", [b"", b"no zip at all", make_zip(IMAGES)[:-30]])
def test_no_zip(tmp_path, content):
    assert "set.zip proved damaged and was removed" in refuse(tmp_path, content or b"\0")
