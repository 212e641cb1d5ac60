"""Takes the parts of a form out of a body that lies in memory.

Boundaries are looked for by `bytearray.find`, whole parts at a time: no byte that a client chooses
takes longer than another, and no part is held twice.
"""

import dataclasses

from python_multipart.multipart import parse_options_header

from jaxdet.serve.limits import RefusedError

_MOST_HEADERS = 2**13  # bytes of a part's
_MOST_PADDING = 80  # bytes between a boundary and the end of its line
_LONGEST_BOUNDARY = 70  # RFC 2046, section 5.1.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """Holds a part of a form.

    Attributes:
      field: its name.
      filename: None where it is no file.
      content: its bytes.
    """

    field: str
    filename: str | None
    content: bytes


def take_parts(kind: str, body: bytearray, *, most: int) -> list[Part]:
    """Returns the parts of a form in their order, and empties its body.

    Args:
      kind: the request's content type, with the boundary.
      body: the form.
      most: number of parts.

    Raises:
      RefusedError: where it is no form, or has more parts.
    """
    boundary = parse_options_header(kind)[1].get(b"boundary", b"")
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY:
        raise _no_form(f"its boundary has not 1 to {_LONGEST_BOUNDARY} letters")
    edges = _find_edges(body, b"\r\n--" + boundary, most)
    parts: list[Part] = []
    # From the last, which is cut off: the form and its parts are never held both.
    for start, end in reversed(edges):
        parts.append(_part(body, start, end))
        del body[start:]
    body.clear()
    return parts[::-1]


def _find_edges(body: bytearray, delimiter: bytes, most: int) -> list[tuple[int, int]]:
    """Returns where each part starts and ends."""
    edges: list[tuple[int, int]] = []
    at_once = body.startswith(delimiter[2:])
    place, after = (0, len(delimiter) - 2) if at_once else _next(body, delimiter, 0)
    while not body.startswith(b"--", after):
        line = body.find(b"\r\n", after, after + _MOST_PADDING)
        if line < 0 or body[after:line].strip(b" \t"):
            raise _no_form("other letters follow its boundary")
        if len(edges) == most:
            raise RefusedError(413, f"a request has at most {most} images")
        # The end of this line may be the beginning of the next boundary.
        place, after = _next(body, delimiter, line)
        edges.append((line + 2, place))
    return edges


def _next(body: bytearray, delimiter: bytes, start: int) -> tuple[int, int]:
    """Returns where the next boundary begins and ends."""
    place = body.find(delimiter, start)
    if place < 0:
        raise _no_form("its last boundary is missing")
    return place, place + len(delimiter)


def _part(body: bytearray, start: int, end: int) -> Part:
    blank = body.find(b"\r\n\r\n", start, min(end, start + _MOST_HEADERS))
    if blank < 0:
        raise _no_form("a part has no headers, or endless ones")
    for line in bytes(body[start:blank]).split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            options = parse_options_header(value.strip())[1]
            break
    else:
        raise _no_form("a part has no Content-Disposition")
    if b"name" not in options:
        raise _no_form("a part's Content-Disposition has no name")
    filename = options.get(b"filename")
    with memoryview(body) as view:
        return Part(
            field=_text(options[b"name"]),
            filename=None if filename is None else _text(filename),
            content=bytes(view[blank + 4 : end]),
        )


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _no_form(why: str) -> RefusedError:
    return RefusedError(400, f"not a form that can be read: {why}")
