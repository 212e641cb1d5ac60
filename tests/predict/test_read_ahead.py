"""Images that are read and decoded ahead."""

import struct
import threading
from pathlib import Path

from PIL import Image

from jaxdet.predict import files


def test_what_cannot_be_read_keeps_its_place(tmp_path):
    Image.new("RGB", (6, 4)).save(tmp_path / "a.png")
    paths = [tmp_path / "a.png", Path("a\0.png"), tmp_path / "none.png", tmp_path / "a.png"]
    found = list(files.read_ahead(paths, max_pixels=100))
    assert [type(one) for one in found] == [
        files.Opened, ValueError, FileNotFoundError, files.Opened,
    ]  # fmt: skip


def test_three_images_of_any_size_are_decoded_at_once(monkeypatch):
    together = threading.Barrier(3, timeout=60)

    def decode(content, **_):
        together.wait()
        return content

    monkeypatch.setattr(files, "_opened", decode)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    large = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 12000, 9000)
    assert list(files.read_ahead([large] * 6, max_pixels=10**9)) == [large] * 6
