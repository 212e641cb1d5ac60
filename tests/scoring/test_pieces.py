import numpy as np
import pytest

from jaxdet.data.ops import center_crop
from jaxdet.scoring.batches import batches, close_shape
from jaxdet.scoring.pieces import TILE, Piece, cut
from jaxdet.scoring.protocol import Protocol

WHOLE = Protocol("full")


def image(height, width):
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


def test_a_crop_is_the_centre():
    whole = image(300, 400)
    (piece,) = cut(whole, owner=7, protocol=Protocol(crop=224))
    assert piece.owner == 7
    assert piece.share == 1.0
    assert np.array_equal(piece.pixels, center_crop(whole, size=224))
    assert not np.may_share_memory(piece.pixels, whole)


@pytest.mark.parametrize(("height", "width"), [(40, 30), (512, 513), (1300, 700)])
def test_tiles_cover_each_pixel_once_and_share_the_area(height, width):
    whole = image(height, width)
    pieces = cut(whole, owner=0, protocol=Protocol("tiles"))
    assert sum(p.share for p in pieces) == pytest.approx(1.0)
    assert sum(p.pixels.size for p in pieces) == whole.size
    assert max(max(p.pixels.shape[:2]) for p in pieces) <= TILE
    columns = -(-width // TILE)
    rows = [
        np.concatenate([p.pixels for p in pieces[i : i + columns]], axis=1)
        for i in range(0, len(pieces), columns)
    ]
    assert np.array_equal(np.concatenate(rows), whole)


def test_whole_images_become_tiles_only_beyond_the_limit():
    assert len(cut(image(1024, 2048), owner=0, protocol=WHOLE)) == 1
    assert len(cut(image(1025, 2048), owner=0, protocol=WHOLE)) == 3 * 4


def test_close_shapes_hold_their_sides_and_are_few():
    close = {side: close_shape(side, 9)[0] for side in range(1, 3000)}
    assert all(held >= side for side, held in close.items())
    assert all(held <= max(32, 1.25 * side + 32) for side, held in close.items())
    assert len(set(close.values())) < 40
    assert [close[side] for side in (160, 224, 256, 512)] == [160, 224, 256, 512]


def test_every_piece_is_in_one_batch_at_its_own_size():
    rng = np.random.default_rng(0)
    pieces = [Piece(i, image(*rng.integers(1, 300, 2))) for i in range(70)]
    seen = []
    for held, arrays in batches(pieces, pixels=2**22, find=close_shape):
        for place, piece in enumerate(held):
            height, width = arrays["size"][place]
            assert np.array_equal(arrays["image"][place, :height, :width], piece.pixels)
            assert not arrays["image"][place, height:].any()
            seen.append(piece.owner)
        assert len(arrays["image"]) in (1, 32)
    assert sorted(seen) == list(range(70))
