"""Answers uploads: decoded in threads, scored together, judged, with activation maps if asked."""

import asyncio
import base64
import concurrent.futures
import dataclasses
import hashlib
import io
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from jaxdet.data.ops import center_corner
from jaxdet.data.ops.geometry import shorter_resized
from jaxdet.data.ops.opening import size_by_header
from jaxdet.data.regular import reason
from jaxdet.predict.base import AnyDetector
from jaxdet.predict.basis import basis
from jaxdet.predict.files import LIMIT_OPTION, Opened, read_image
from jaxdet.predict.rows import Row, Scoring, sharpness_of, to_row
from jaxdet.scoring.pieces import Piece
from jaxdet.serve.batcher import Batcher
from jaxdet.serve.bodies import Upload
from jaxdet.serve.limits import Limits, Room
from jaxdet.streams import printable
from jaxdet.workdir.cores import usable_cores

Result = TypeVar("Result")


class Service:
    """Answers requests with one detector.

    Attributes:
      detector: what scores.
      scoring: how images are read and judged.
      limits: the bounds.
      batcher: what waits to be scored.
    """

    def __init__(self, detector: AnyDetector, scoring: Scoring, limits: Limits, batcher: Batcher):
        """Takes the parts."""
        self.detector, self.scoring, self.limits, self.batcher = detector, scoring, limits, batcher
        self._room = Room(limits.held_pixels)
        pool = concurrent.futures.ThreadPoolExecutor
        # Headers are read beside images that take long.
        self._headers, self._decoders = pool(2, "headers"), pool(usable_cores(), "decoding")
        # Maps are made one by one: a second pass through the network takes all cores by itself.
        self._maps = pool(1, "evidence")
        self.shows_evidence = detector.shows_evidence
        known = basis(detector, scoring)
        self._basis = {name: known[name] for name in ("digest", "part", "error_rate", "band")}

    def warm_up(self) -> None:
        """Compiles what the first answers need."""
        protocol = self.scoring.protocol
        if protocol.crops == 1:
            image = np.zeros((protocol.crop, protocol.crop, 3), np.uint8)
            for _ in self.detector.score_pieces([Piece(0, image)], protocol=protocol):
                pass
        elif protocol.in_crops:
            self.detector.warm_up_few()
        else:
            self.detector.warm_up()

    def warm_up_rest(self) -> None:
        """Compiles full batches and the evidence, beside the first answers."""
        if self.shows_evidence:
            blank = np.zeros((1, 64, 64, 3), np.uint8)
            evidence = self._maps.submit(self.detector.evidence, blank)
        if self.scoring.protocol.in_crops:
            self.detector.warm_up_few()
        self.batcher.use_full_batches()
        if self.shows_evidence:
            evidence.result()

    async def answer(self, uploads: Sequence[Upload], *, evidence: bool) -> list[dict[str, Any]]:
        """Returns the answer of each upload, in their order.

        Raises:
          RefusedError: where the queue is full.
        """
        self.batcher.reserve(len(uploads))
        tasks = [asyncio.create_task(self._one(*one, evidence=evidence)) for one in uploads]
        try:
            return await asyncio.gather(*tasks)
        finally:
            # Where one has failed, nobody waits for the others.
            for task in tasks:
                task.cancel()
            self.batcher.release(len(uploads))

    async def _one(self, name: str, content: bytes | str, *, evidence: bool) -> dict[str, Any]:
        if isinstance(content, str):
            return {"name": name, "error": content}
        found = await _within(self._headers, size_by_header, io.BytesIO(content))
        width, height = found or (0, 0)
        # What states too many pixels is refused before it takes any room.
        stated = width * height if width * height <= self.limits.pixels else 0
        async with self._room.taking(stated) as place:
            opened = await _within(self._decoders, self._open, content)
            if isinstance(opened, str):
                return {"name": name, "error": printable(opened)}
            place.keep(opened.image.pixels.size // 3)
            return await self._scored(name, opened, evidence=evidence)

    async def _scored(self, name: str, opened: "_Reduced", *, evidence: bool) -> dict[str, Any]:
        answer = await self.batcher.score(opened.image)
        row: Row = to_row(name, answer, self.scoring.judgement)
        del row["path"]
        if "error" in row:
            return {"name": name, **row}
        shown = None
        if evidence and self.shows_evidence:
            shown = await _within(self._maps, self._overlay, opened)
        return {
            "name": name, **row, "width": opened.width, "height": opened.height,
            "sha256": opened.sha256, **self._basis, "evidence": shown,
        }  # fmt: skip

    def _open(self, content: bytes) -> "_Reduced | str":
        scoring = self.scoring
        try:
            image = read_image(content, max_pixels=scoring.max_pixels, exif=scoring.exif)
            height, width = image.pixels.shape[:2]
            # What is not scored need not wait in memory.
            reduced = np.ascontiguousarray(scoring.protocol.reduce(image.pixels))
            cut = self.detector.cut(reduced, owner=0, protocol=scoring.protocol.reduced)
        except (OSError, ValueError) as error:
            return reason(error, option=LIMIT_OPTION)
        return _Reduced(
            image=dataclasses.replace(image, pixels=reduced, sharpness=sharpness_of(cut)),
            width=width,
            height=height,
            sha256=hashlib.sha256(content).hexdigest(),
        )

    def _overlay(self, opened: "_Reduced") -> dict[str, Any]:
        """Returns where the logit comes from: a picture over a box of the image, in pixels."""
        protocol = self.scoring.protocol.centre
        if self.scoring.protocol.in_crops:
            protocol = protocol.reduced
        crop = protocol.reduce(opened.image.pixels)
        strength = self.detector.crop_evidence(crop)
        return {
            "png": base64.b64encode(_picture(strength)).decode(),
            "box": _box(opened.width, opened.height, self.scoring.protocol.centre),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Reduced:
    """Holds what is scored of an image, the sides of all of it, pixels, and its file's hash."""

    image: Opened
    width: int
    height: int
    sha256: str


def _picture(strength: np.ndarray) -> bytes:
    """Returns a PNG: red where a place speaks for fake, blue where for real, else clear."""
    largest = float(np.abs(strength).max()) or 1.0
    share = np.clip(strength / largest, -1, 1)
    colour = np.zeros((*share.shape, 4), np.uint8)
    colour[..., 0] = np.where(share > 0, 220, 30)
    colour[..., 2] = np.where(share > 0, 30, 220)
    colour[..., 3] = np.round(170 * np.abs(share))
    file = io.BytesIO()
    Image.fromarray(colour).save(file, "png")
    return file.getvalue()


def _box(width: int, height: int, protocol: Any) -> list[float]:
    """Returns left, top, width and height of the centre crop in the image, pixels of it."""
    resized = protocol.resize or min(width, height)
    across, down = shorter_resized(width, height, size=resized)
    side = protocol.crop
    return [
        center_corner(across, side) * width / across,
        center_corner(down, side) * height / down,
        side * width / across,
        side * height / down,
    ]


async def _within(
    pool: concurrent.futures.Executor, work: Callable[..., Result], *given: Any
) -> Result:
    return await asyncio.get_running_loop().run_in_executor(pool, work, *given)
