"""Reads bodies of requests within bounds, then takes images' names and contents out of them."""

import asyncio
import base64
import binascii
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from jaxdet.serve.limits import Limits, RefusedError
from jaxdet.serve.multipart import take_parts
from jaxdet.streams import printable

_LONGEST_NAME = 200
# Brackets, commas and colons of JSON for each image that a request may have.
_VALUES_AN_IMAGE = 100

# Name and content of an image; in place of the content, why there is none.
Upload = tuple[str, bytes | str]
Result = TypeVar("Result")


class Bodies:
    """Reads the bodies of requests, all of them together within a number of bytes."""

    def __init__(self, limits: Limits):
        """Takes the bounds."""
        self._limits, self._held = limits, 0

    async def read(self, request: Request) -> bytearray:
        """Returns a request's body; `release` its length of now afterwards.

        Raises:
          RefusedError: where it is too large, too slow, or one too many.
        """
        limits, body, size = self._limits, bytearray(), 0
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
                    body += chunk
        except TimeoutError:
            self._held -= size
            raise RefusedError(408, f"no whole body within {limits.body_seconds:g} s") from None
        except ClientDisconnect:
            self._held -= size
            raise _hung_up() from None
        except BaseException:
            self._held -= size
            raise
        return body

    def release(self, size: int) -> None:
        """Forgets a body of so many bytes."""
        self._held -= size

    def _too_large(self) -> RefusedError:
        most = self._limits.request_bytes
        return RefusedError(413, f"a request has at most {most} bytes; send fewer images at a time")


async def read_uploads(request: Request, body: bytearray, limits: Limits) -> list[Upload]:
    """Returns the images of a request, whose body is emptied: no image is held twice.

    Raises:
      RefusedError: where it is of another form.
    """
    header = request.headers.get("content-type", "")
    kind = header.partition(";")[0].strip().lower()
    # In threads: a large body would keep the event loop, and with it everybody, waiting.
    if kind == "multipart/form-data":
        uploads = await asyncio.to_thread(_from_form, header, body, limits)
    elif kind == "application/json":
        uploads = await asyncio.to_thread(_from_json, body, limits)
    else:
        raise RefusedError(415, "send multipart/form-data with files `images`, or application/json")
    if not uploads:
        raise RefusedError(422, "no image in the request: send files as the field `images`")
    return uploads


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Returns what some work gives; nothing is done any more for a client that has hung up.

    Args:
      request: of the client; its body was read.
      work: for its answer.

    Raises:
      RefusedError: where the client hung up first.
    """
    working, gone = asyncio.ensure_future(work), asyncio.ensure_future(_end_of(request))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise _hung_up()
        return working.result()
    finally:
        gone.cancel()
        working.cancel()


async def _end_of(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _hung_up() -> RefusedError:
    return RefusedError(400, "the client hung up")


def _from_form(header: str, body: bytearray, limits: Limits) -> list[Upload]:
    parts = take_parts(header, body, most=limits.images)
    for one in parts:
        if one.field != "images" or one.filename is None:
            raise RefusedError(422, f"field {printable(one.field)[:40]!r}: send files as `images`")
    return [(_name(one.filename, place), one.content) for place, one in enumerate(parts)]


def _from_json(body: bytearray, limits: Limits) -> list[Upload]:
    # Many small values keep Python's lock, and everybody, for seconds; images are long texts.
    if sum(map(body.count, (b"[", b"{", b",", b":"))) > _VALUES_AN_IMAGE * (limits.images + 1):
        raise RefusedError(422, "the JSON holds more values than images need")
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(400, "the body is no JSON") from None
    body.clear()
    images = found.get("images") if isinstance(found, dict) else None
    if not isinstance(images, list) or not all(map(_is_image, images)):
        raise RefusedError(422, 'send {"images": [{"name": "a.jpg", "base64": "..."}]}')
    if len(images) > limits.images:
        raise RefusedError(413, f"a request has at most {limits.images} images")
    return [
        (_name(one.get("name"), place), _bytes(one.pop("base64")))
        for place, one in enumerate(images)
    ]


def _is_image(one: object) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(one.get("base64"), str)
        and isinstance(one.get("name", ""), str)
    )


def _bytes(text: str) -> bytes | str:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return "its text is no base64"


def _name(given: str | None, place: int) -> str:
    """Returns what an answer calls an image: never a path, and nothing that a terminal obeys."""
    text = printable((given or "").replace("\\", "/").rpartition("/")[2])
    return text[:_LONGEST_NAME] or f"image {place + 1}"
