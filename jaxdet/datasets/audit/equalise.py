"""Copies a dataset such that the facts about the files give nothing away.

Labels are compared within a set, so each test set is made equal in itself, and `train` together
with `val`, which are looked at together. In such a unit:

- Container: PNG where every image is stored without loss. One compressed image is enough to make
  all of them JPEG, because compression can be added and never taken away.
- Quality: the lowest found in the unit. An image that was never compressed first passes through
  JPEG at a quality and chroma sampling drawn from those of the unit's JPEG files, and so has two
  passes behind it like the others.
- Sides: one height and width, cut from the middle. Never rescaled: that would blur or invent the
  very traces that a detector looks for. The cut begins at a multiple of 16 pixels, so that
  the blocks of both passes of JPEG lie over each other in every image. The size is what 99 in
  100 images of each label have, so that one small image does not decide for all; smaller ones
  are left out and counted.
- RGB with 8 bits, no metadata, and names that are a hash of the old path.

What stays: the pixels' own past. JPEG of unlike qualities before leaves faint traces after the
common pass, and pixels that were JPEG before they were stored as PNG are kept as they are.
Duplicates stay too.
"""

import dataclasses
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from jaxdet.data.header import LOSSLESS
from jaxdet.data.ops import decode, encode_jpeg
from jaxdet.datasets.audit.scan import Scan, in_threads
from jaxdet.errors import RunFailedError, UserError, writing_to
from jaxdet.progress import ProgressLine
from jaxdet.workdir.drafts import clear_leftovers
from jaxdet.workdir.files import check_apart, read_json, within, write_bytes, write_json
from jaxdet.workdir.lock import claimed

RECORD, _LOCK = "equalise.json", ".lock"
_LEFT_OUT = 0.01  # share of the images of a label that may be smaller than the cut
_GRID = 16  # pixels: the blocks of JPEG with chroma at half resolution
_SAMPLING = "4:2:0"
# For units with lossy files that are not JPEG, whose quality has no number.
_UNKNOWN_QUALITY = 75


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Describes what every image of a unit becomes.

    Attributes:
      height: pixels.
      width: pixels.
      quality: of the common JPEG; None for PNG.
      before: (quality, sampling) of the unit's JPEG files, each as often as it occurs.
    """

    height: int
    width: int
    quality: int | None
    before: tuple[tuple[int, str], ...] = dataclasses.field(default=(), repr=False)

    def __str__(self) -> str:
        """Returns the plan's sides and container, for people."""
        kind = "PNG" if self.quality is None else f"JPEG of quality {self.quality}"
        return f"{self.width} x {self.height} pixels, {kind}"


def equalise(scan: Scan, dst: Path, *, size: int | None, say: Callable[[str], None]) -> None:
    """Writes the copy; goes on where an earlier call stopped, and never overwrites.

    Args:
      scan: the images.
      dst: folder of the copy, missing, empty, or begun by an equal call.
      size: side of the cut, pixels; None: what 99 in 100 images have.
      say: shows a line.

    Raises:
      UserError: where `dst` is not free, or no image of some folder is large enough.
      RunFailedError: where a file cannot be read again or written.
    """
    plans = _plan_units(scan, size)
    kept = _large_enough(scan, plans)
    check_place(scan.listing.root, dst)
    with claimed(dst, lock=dst / _LOCK, instead="--equalise"):
        _begin(scan, dst, plans)
        for unit, one in plans.items():
            say(f"{unit}: {one}")
        written = _write(scan, kept, dst)
        if not (dst / RECORD).exists():
            raise RunFailedError(f"{dst}: was removed while the copy was made; start it again")
    small = len(scan.listing) - len(scan.broken) - len(kept)
    say(
        f"{dst}: {written} images written, {len(kept) - written} already there; "
        f"left out: {len(scan.broken)} broken, {small} too small"
    )


def plan(table: np.ndarray, label: np.ndarray, *, name: str, size: int | None) -> Plan:
    """Returns what the images of a unit become.

    Args:
      table: the unit's rows of the scan.
      label: [N], 1 = fake.
      name: of the unit.
      size: side of the cut, pixels; None: what 99 in 100 images of each label have.

    Raises:
      UserError: where no image of a label can be read.
    """
    readable = [table[table["read"] & (label == which)] for which in (0, 1)]
    if not all(map(len, readable)):
        raise UserError(f"{name}: has no readable images of one label; mend that before --equalise")
    height, width = (size or _common_side(readable, side) for side in ("height", "width"))
    table = np.concatenate(readable)
    table = table[(table["height"] >= height) & (table["width"] >= width)]
    jpegs = table[~np.isnan(table["quality"])]
    if all(container in LOSSLESS for container in set(table["container"])):
        return Plan(height=height, width=width, quality=None)
    quality = int(jpegs["quality"].min()) if len(jpegs) else _UNKNOWN_QUALITY
    before = tuple(zip(jpegs["quality"].astype(int).tolist(), jpegs["sampling"], strict=True))
    return Plan(height=height, width=width, quality=quality, before=before)


def equal(image: np.ndarray, plan: Plan, *, compressed: bool, draw: int) -> bytes:
    """Returns the content of the file that an image becomes in the copy.

    Args:
      image: u8 [H, W, 3], no smaller than the plan's sides.
      plan: of its unit.
      compressed: whether it comes from a file that loses something, such as JPEG.
      draw: any number; chooses the first pass of an image that was never compressed.
    """
    if plan.before and not compressed:
        quality, sampling = plan.before[draw % len(plan.before)]
        image = decode(_jpeg(image, quality, sampling), max_pixels=image.size)
    top, left = (
        (have - want) // 2 // _GRID * _GRID
        for have, want in zip(image.shape, (plan.height, plan.width), strict=False)
    )
    image = image[top : top + plan.height, left : left + plan.width]
    if plan.quality is not None:
        return _jpeg(image, plan.quality, _SAMPLING)
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def _plan_units(scan: Scan, size: int | None) -> dict[str, Plan]:
    """Returns the plan of each unit."""
    rows: dict[str, list[np.ndarray]] = {}
    for name in scan.listing.sets:
        rows.setdefault(_unit(name), []).append(scan.listing.rows(name))
    chosen = {unit: np.concatenate(parts) for unit, parts in rows.items()}
    return {
        unit: plan(scan.table[one], scan.listing.label[one], name=unit, size=size)
        for unit, one in chosen.items()
    }


def _unit(name: str) -> str:
    """Returns the unit that a set belongs to."""
    return name if name.startswith("test/") else "train and val"


def _common_side(readable: list[np.ndarray], side: str) -> int:
    return min(int(np.quantile(one[side], _LEFT_OUT, method="lower")) for one in readable)


def _large_enough(scan: Scan, plans: dict[str, Plan]) -> list[tuple[int, Plan]]:
    """Returns the places of the images that the copy will hold, each with its plan.

    Raises:
      UserError: where a folder would have none.
    """
    kept = []
    for folder in scan.listing.folders:
        one, table = plans[_unit(folder.set)], scan.table[folder.start : folder.stop]
        fits = table["read"] & (table["height"] >= one.height) & (table["width"] >= one.width)
        if not fits.any():
            place = str(PurePosixPath(scan.listing.where(folder.start)).parent)
            raise UserError(
                f"{place}: no image is as large as {one.width} x {one.height} pixels; "
                "give a smaller --equalise-size, or leave the folder out"
            )
        kept += [(folder.start + int(place), one) for place in np.flatnonzero(fits)]
    return kept


def _write(scan: Scan, kept: list[tuple[int, Plan]], dst: Path) -> int:
    """Writes the images that are not there yet; gives their number."""
    written = 0
    with ProgressLine("equalise", total=len(kept), unit="images") as line:
        for new in in_threads(lambda task: _copy(scan, task[0], dst, task[1]), kept):
            written += new
            line.advance()
    return written


def check_place(root: Path, dst: Path) -> None:
    """Sees that a copy of `root` may be begun or continued in `dst`.

    Raises:
      UserError: where one lies in the other, or `dst` holds something else.
    """
    check_apart(dst, root, instead="--equalise")
    if dst.exists() and not dst.is_dir():
        raise UserError(f"{dst}: is a file; name a new folder for the copy")
    with writing_to(dst):
        clear_leftovers(dst, RECORD)
        others = [path for path in dst.iterdir() if path.name != _LOCK] if dst.is_dir() else []
    if others and not within(dst, RECORD).exists():
        raise UserError(f"{dst}: is not empty; name a new folder for the copy")


def _begin(scan: Scan, dst: Path, plans: dict[str, Plan]) -> None:
    """Makes `dst` ours, or checks that an equal call made it so."""
    clear_leftovers(dst, below=True)
    check_place(scan.listing.root, dst)
    names = ascii(scan.listing.ids)
    record = {
        "schema_version": 1,
        "source": hashlib.sha256(scan.table["digest"].tobytes() + names.encode()).hexdigest(),
        "plans": {unit: str(one) for unit, one in plans.items()},
    }
    if not (dst / RECORD).exists():
        write_json(dst / RECORD, record)
    elif read_json(dst / RECORD) != record:
        raise UserError(
            f"{dst}: holds a copy of other images or made in another way; name a new folder"
        )


def _copy(scan: Scan, index: int, dst: Path, plan: Plan) -> bool:
    """Writes one image; returns False where it is there already."""
    path = PurePosixPath(scan.listing.ids[index])
    name = hashlib.blake2b(str(path).encode("utf8", "surrogateescape"), digest_size=8).digest()
    suffix = "png" if plan.quality is None else "jpg"
    target = within(dst, *path.parent.parts, f"{name.hex()}.{suffix}")
    if os.path.lexists(target):
        return False
    source, row = scan.listing.where(index), scan.table[index]
    try:
        pixels = int(row["width"]) * int(row["height"])
        image = decode(scan.listing.content(index, max_pixels=pixels), max_pixels=pixels)
        compressed = row["container"] not in LOSSLESS
        draw = int.from_bytes(name, "big")
        write_bytes(target, equal(image, plan, compressed=compressed, draw=draw))
    except (OSError, ValueError) as error:
        raise RunFailedError(f"{source}: cannot be copied to {target}: {error}") from None
    return True


def _jpeg(image: np.ndarray, quality: int, sampling: str) -> bytes:
    known = sampling if sampling in ("4:4:4", "4:2:2") else _SAMPLING
    return encode_jpeg(image, quality=quality, sampling=known)
