"""Answers uploads: decoded in threads, scored together, judged, with activation maps if asked."""

import asyncio
import base64
import concurrent.futures
import dataclasses
import io
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from jaxdet.data.ops import center_corner
from jaxdet.data.ops.opening import size_by_header
from jaxdet.data.regular import reason
from jaxdet.predict.base import AnyDetector
from jaxdet.predict.files import LIMIT_OPTION, Opened, read_image
from jaxdet.predict.rows import Row, Scoring, to_row
from jaxdet.serve.batcher import Batcher
from jaxdet.serve.bodies import Upload
from jaxdet.serve.limits import Limits, Room
from jaxdet.streams import printable


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
        self._threads = concurrent.futures.ThreadPoolExecutor(os.cpu_count(), "decoding")
        self.shows_evidence = detector.shows_evidence

    def warm_up(self) -> None:
        """Compiles what answers need, before anybody asks."""
        if self.scoring.protocol.in_crops:
            self.detector.warm_up_few()
        else:
            self.detector.warm_up()
        if self.shows_evidence:
            self.detector.evidence(np.zeros((1, 64, 64, 3), np.uint8))

    async def answer(self, uploads: Sequence[Upload], *, evidence: bool) -> list[dict[str, Any]]:
        """Returns the answer of each upload, in their order.

        Raises:
          RefusedError: where the queue is full.
        """
        self.batcher.reserve(len(uploads))
        try:
            return await asyncio.gather(*(self._one(*one, evidence=evidence) for one in uploads))
        finally:
            self.batcher.release(len(uploads))

    async def _one(self, name: str, content: bytes | str, *, evidence: bool) -> dict[str, Any]:
        if isinstance(content, str):
            return {"name": name, "error": content}
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, size_by_header, io.BytesIO(content))
        width, height = found or (0, 0)
        # What states too many pixels is refused before it takes any room.
        stated = width * height if width * height <= self.limits.pixels else 0
        async with self._room.taking(stated):
            return await self._scored(name, content, evidence=evidence)

    async def _scored(self, name: str, content: bytes, *, evidence: bool) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        opened = await loop.run_in_executor(self._threads, self._open, content)
        if isinstance(opened, str):
            return {"name": name, "error": printable(opened)}
        answer = await self.batcher.score(opened.image)
        row: Row = to_row(name, answer, self.scoring.judgement)
        del row["path"]
        if "error" in row:
            return {"name": name, **row}
        shown = None
        if evidence and self.shows_evidence:
            shown = await loop.run_in_executor(self._threads, self._overlay, opened)
        return {
            "name": name, **row, "width": opened.width, "height": opened.height,
            "part": str(self.scoring.protocol), "evidence": shown,
        }  # fmt: skip

    def _open(self, content: bytes) -> "_Reduced | str":
        scoring = self.scoring
        try:
            image = read_image(content, max_pixels=scoring.max_pixels, exif=scoring.exif)
            height, width = image.pixels.shape[:2]
            # What is not scored need not wait in memory.
            reduced = np.ascontiguousarray(scoring.protocol.reduce(image.pixels))
        except (OSError, ValueError) as error:
            return reason(error, option=LIMIT_OPTION)
        return _Reduced(
            image=dataclasses.replace(image, pixels=reduced), width=width, height=height
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
    """Holds what is scored of an image, and the sides of all of it, pixels."""

    image: Opened
    width: int
    height: int


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
    scale = protocol.resize / min(width, height) if protocol.resize else 1.0
    side = protocol.crop
    top = center_corner(round(height * scale), side)
    left = center_corner(round(width * scale), side)
    return [left / scale, top / scale, side / scale, side / scale]
