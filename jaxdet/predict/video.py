"""Reads frames of video clips as images to be scored, and makes the row of a clip."""

import contextlib
import dataclasses
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from jaxdet.data.opencv import cv2, environment_default
from jaxdet.data.ops.sides import check_sides
from jaxdet.data.regular import reason
from jaxdet.errors import UserError
from jaxdet.predict.base import AnyDetector
from jaxdet.predict.files import LIMIT_OPTION, Input
from jaxdet.predict.judgement import Judgement
from jaxdet.predict.rows import Answer, Row, Scoring, score_inputs, to_row
from jaxdet.progress import ProgressLine
from jaxdet.ranges import parse_whole
from jaxdet.workdir.files import open_regular

_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg")
# What files of their containers begin with. FFmpeg looks at the content alone, and would follow a
# playlist to other files and addresses.
_BEGINNING = re.compile(
    rb".{4}(ftyp|moov|mdat|wide|free)|\x1aE\xdf\xa3|RIFF.{4}AVI |\x00\x00\x01[\xba\xb3]", re.DOTALL
)
_COUNTS = "[1, 1e6]"
# What the rows of frames, and of clips, have besides those of images.
COLUMNS = ("clip", "frame", "seconds", "frames", "rule")
_NOTE = "error rates and warnings are of single images; those of a mean over frames are not known"


@dataclasses.dataclass(frozen=True)
class Frames:
    """States which frames of a clip are scored.

    Attributes:
      count: how many, spread evenly over the clip; all where it has no more.
      step: every which one instead, from the first on; 0: by the count.
    """

    count: int = 32
    step: int = 0

    @classmethod
    def of(cls, text: str) -> "Frames":
        """Returns what `N` or `every:K` states.

        Raises:
          UserError: where it states nothing.
        """
        every = text.startswith("every:")
        number = parse_whole(text.removeprefix("every:"), _COUNTS)
        if number is None:
            raise UserError(
                f"--frames={text:.50}: give N, so many frames spread evenly, or every:K, each K-th"
            )
        return cls(step=number) if every else cls(number)

    def chosen(self, total: int) -> Iterator[int]:
        """Yields the numbers of the frames, from 0, of a clip of so many."""
        if self.step:
            return itertools.count(0, self.step)
        count = min(self.count, total)
        # The middle of each of `count` stretches: a clip often begins and ends in black.
        return ((2 * place + 1) * total // (2 * count) for place in range(count))


class Clip:
    """Reads the chosen frames of a video file, one after the other."""

    def __init__(self, path: Path, frames: Frames, scoring: Scoring):
        """Takes the file, which frames, and how images are read; nothing is opened yet."""
        self._path, self._frames, self._scoring = path, frames, scoring
        self._read: list[tuple[int, float]] = []
        self._total = self._asked = 0
        self._error: Exception | None = None  # that ended it half-way

    def read(self) -> Iterator[Input]:
        """Yields each frame, named FILE#NUMBER from 0; the file itself with why it has none."""
        try:
            with _opened(self._path, turned=self._scoring.exif == "apply") as video:
                self._check(video)
                yield from self._chosen(video)
            if not self._read:
                raise ValueError("holds no frame that can be read")
        except (OSError, ValueError, cv2.error) as error:
            self._error = error
            if not self._read:  # else `rows` tells what is missing
                yield Input(str(self._path), error)

    def _check(self, video: cv2.VideoCapture) -> None:
        width, height = (
            int(video.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        check_sides(width, height, max_pixels=self._scoring.max_pixels)
        # Below 0 where it follows from a length that the file leaves out.
        self._total = max(0, int(video.get(cv2.CAP_PROP_FRAME_COUNT)))
        if self._total < 1 and not self._frames.step:
            raise ValueError("does not say how many frames it has; give --frames=every:K")

    def _chosen(self, video: cv2.VideoCapture) -> Iterator[Input]:
        # Read through: to seek is inexact in many clips.
        at = -1
        for number in self._frames.chosen(self._total):
            while at < number:
                if not video.grab():
                    return
                at += 1
                # A length that FFmpeg estimates may be too short.
                self._total = self._total and max(self._total, at + 1)
            self._asked += 1
            intact, pixels = video.retrieve()
            if intact:
                self._read.append((number, video.get(cv2.CAP_PROP_POS_MSEC) / 1000))
                yield Input(f"{self._path}#{number}", np.ascontiguousarray(pixels[..., ::-1]))

    def rows(self, rows: Sequence[Row], judgement: Judgement) -> list[Row]:
        """Returns the rows of the frames, with their places, and behind them that of the clip.

        The clip's logit is the mean over the frames that have one; all else follows from it.
        """
        if not self._read:
            return list(rows)  # why there is no frame
        named = [
            {**row, "clip": str(self._path), "frame": number, "seconds": round(seconds, 3)}
            for row, (number, seconds) in zip(rows, self._read, strict=True)
        ]
        logits = [row["logit"] for row in rows if "error" not in row]
        if not logits:
            return [*named, {"path": str(self._path), "error": "none of its frames has a score"}]
        mean = Answer(logit=float(np.mean(logits)), facts={}, provenance=[])
        whole = to_row(str(self._path), mean, judgement)
        rule = f"mean logit of {len(logits)} frames of {self._total or 'an unknown number'}"
        whole |= {"warnings": [_NOTE, *self._lost()], "frames": len(logits), "rule": rule}
        return [*named, whole]

    def _lost(self) -> Iterator[str]:
        """Yields sentences where the clip gave fewer frames than were to be scored, or an error."""
        stated = len(range(0, self._total, self._frames.step or 1))
        stated = stated if self._frames.step else min(self._frames.count, stated)
        wanted = max(stated, self._asked)
        if (lost := wanted - len(self._read)) > 0:
            yield (
                f"{lost} of {wanted} frames cannot be read: damaged, or its file states more than "
                "it holds"
            )
        if self._error is not None:
            yield f"reading ended with an error: {reason(self._error, option=LIMIT_OPTION)}"


def is_video(path: Path) -> bool:
    """Returns whether a path is a file with the name of a video."""
    return path.suffix.lower() in _SUFFIXES and not os.path.isdir(path)


def score_paths(
    detector: AnyDetector, paths: Sequence[Path], scoring: Scoring, frames: Frames
) -> list[Row]:
    """Returns the rows of images and clips in the order given; frames come before their clip."""
    clips: list[Clip | None] = []  # of each input

    def inputs() -> Iterator[Input]:
        for path in paths:
            clip = Clip(path, frames, scoring) if is_video(path) else None
            for one in clip.read() if clip else [Input(str(path), path)]:
                clips.append(clip)
                yield one

    with ProgressLine("score", total=None, unit="images") as progress:
        scored = score_inputs(detector, inputs(), scoring, progress=progress)
    rows: list[Row] = []
    for clip, group in itertools.groupby(zip(clips, scored, strict=True), key=lambda one: one[0]):
        part = [row for _, row in group]
        rows += clip.rows(part, scoring.judgement) if clip else part
    return rows


@contextlib.contextmanager
def _opened(path: Path, *, turned: bool) -> Iterator[cv2.VideoCapture]:
    """Opens a clip by FFmpeg, which OpenCV holds.

    Args:
      path: of the file.
      turned: whether frames are turned as the file says.

    Raises:
      OSError: where it cannot be read.
      ValueError: where it is no clip, or in a container that is not read.
    """
    with open_regular(path) as file:
        head = file.read(16)
    if not _BEGINNING.match(head):
        raise ValueError("not a video, or in a container that is not read")
    video = cv2.VideoCapture()
    try:
        # What FFmpeg prints of a damaged clip does not name it. An absolute path is never taken for
        # an address.
        with environment_default("OPENCV_FFMPEG_LOGLEVEL", "-8"):
            opened = video.open(os.path.abspath(path), cv2.CAP_FFMPEG)
        if not opened:
            raise ValueError("damaged, or with a codec that is not read")
        video.set(cv2.CAP_PROP_ORIENTATION_AUTO, float(turned))
        yield video
    finally:
        video.release()
