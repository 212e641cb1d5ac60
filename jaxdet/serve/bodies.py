"""Reads bodies of requests within bounds, then takes images' names and contents out of them."""

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncGenerator
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from jaxdet.serve.limits import Limits, RefusedError
from jaxdet.streams import printable

_LONGEST_NAME = 200
# Brackets, commas and colons of JSON for each image that a request may have.
_VALUES_AN_IMAGE = 100

# Name and content of an image; in place of the content, why there is none.
Upload = tuple[str, bytes | str]


class Bodies:
    """Reads the bodies of requests, all of them together within a number of bytes."""

    def __init__(self, limits: Limits):
        """Takes the bounds."""
        self._limits, self._held = limits, 0

    async def read(self, request: Request) -> bytes:
        """Returns a request's body; `release` its length afterwards.

        Raises:
          RefusedError: where it is too large, too slow, or one too many.
        """
        limits, chunks, size = self._limits, [], 0
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > limits.request_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(limits.body_seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    self._held += len(chunk)
                    if size > limits.request_bytes:
                        raise self._too_large()
                    if self._held > limits.held_bytes:
                        raise RefusedError(503, "too many requests at once; try again in a second")
                    chunks.append(chunk)
        except TimeoutError:
            self._held -= size
            raise RefusedError(408, f"no whole body within {limits.body_seconds:g} s") from None
        except ClientDisconnect:
            self._held -= size
            raise RefusedError(400, "the client hung up") from None
        except BaseException:
            self._held -= size
            raise
        return b"".join(chunks)

    def release(self, size: int) -> None:
        """Forgets a body of so many bytes."""
        self._held -= size

    def _too_large(self) -> RefusedError:
        most = self._limits.request_bytes
        return RefusedError(413, f"a request has at most {most} bytes; send fewer images at a time")


async def read_uploads(request: Request, body: bytes, limits: Limits) -> list[Upload]:
    """Returns the images of a request whose body was read.

    Raises:
      RefusedError: where it is of another form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        uploads = await _from_form(request, body, limits)
    elif kind == "application/json":
        # A long text would keep the event loop, and with it everybody, waiting.
        uploads = await asyncio.to_thread(_from_json, body, limits)
    else:
        raise RefusedError(415, "send multipart/form-data with files `images`, or application/json")
    if not uploads:
        raise RefusedError(422, "no image in the request: send files as the field `images`")
    return uploads


async def _from_form(request: Request, body: bytes, limits: Limits) -> list[Upload]:
    async def stream() -> AsyncGenerator[bytes]:
        yield body

    parser = MultiPartParser(request.headers, stream(), max_files=limits.images, max_fields=8)
    # In memory: the body is bounded, and nothing of a client's lies on the disk.
    parser.spool_max_size = limits.request_bytes
    try:
        form = await parser.parse()
    except (MultiPartException, HTTPException, KeyError, ValueError) as error:
        text = getattr(error, "message", None) or getattr(error, "detail", None) or str(error)
        if "Too many files" in str(text):
            raise _too_many(limits) from None
        raise RefusedError(
            400, f"not a form that can be read: {printable(str(text))[:200]}"
        ) from None
    uploads: list[Upload] = []
    try:
        for field, value in form.multi_items():
            if field != "images" or not isinstance(value, UploadFile):
                raise RefusedError(422, f"field {printable(field)[:40]!r}: send files as `images`")
            name = _name(value.filename, len(uploads))
            uploads.append((name, await value.read()))
    finally:
        await form.close()
    return uploads


def _from_json(body: bytes, limits: Limits) -> list[Upload]:
    # Many small values keep Python's lock, and everybody, for seconds; images are long texts.
    if sum(map(body.count, (b"[", b"{", b",", b":"))) > _VALUES_AN_IMAGE * (limits.images + 1):
        raise RefusedError(422, "the JSON holds more values than images need")
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(400, "the body is no JSON") from None
    images = found.get("images") if isinstance(found, dict) else None
    if not isinstance(images, list) or not all(map(_is_image, images)):
        raise RefusedError(422, 'send {"images": [{"name": "a.jpg", "base64": "..."}]}')
    if len(images) > limits.images:
        raise _too_many(limits)
    return [(_name(one.get("name"), place), _bytes(one)) for place, one in enumerate(images)]


def _is_image(one: object) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(one.get("base64"), str)
        and isinstance(one.get("name", ""), str)
    )


def _bytes(one: dict[str, str]) -> bytes | str:
    try:
        return base64.b64decode(one["base64"], validate=True)
    except (binascii.Error, ValueError):
        return "its text is no base64"


def _name(given: str | None, place: int) -> str:
    """Returns what an answer calls an image: never a path, and nothing that a terminal obeys."""
    text = printable((given or "").replace("\\", "/").rpartition("/")[2])
    return text[:_LONGEST_NAME] or f"image {place + 1}"


def _too_many(limits: Limits) -> RefusedError:
    return RefusedError(413, f"a request has at most {limits.images} images")
