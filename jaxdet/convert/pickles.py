"""Reads a pickle as data, by a machine that has no means to run code.

Python's own unpickler calls what a file names. This one has a closed table of the opcodes
that torch.save writes, and calls nothing but the makers it is given. An object of any other
class is read over: only the name of its class is kept. Work and memory are bounded by the
file's size: nothing is hashed, printed or compared that could hold shared values, and what calls
are given is counted, since a few bytes may hand over the same long list again and again.
"""

import dataclasses
import struct
from collections.abc import Callable, Mapping
from typing import Any


class RefusedError(ValueError):
    """Signals that what is in the file is not what a state dict is made of."""


@dataclasses.dataclass(frozen=True)
class Maker:
    """Holds a function that a pickle may call, of plain values to a plain value."""

    make: Callable[..., Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Opaque:
    """Represents what a pickle holds beside plain values: a class, or what it would make.

    Attributes:
      name: of the class or function, as "module.name".
      is_array: whether it stands where an array does, of a kind that is not read.
    """

    name: str
    is_array: bool = False


# Names of a pickle, as "module.name", to what they stand for.
Names = Mapping[str, Any]
# More steps are no description of tensors, and no name in one has more letters.
_MOST_STEPS, _LONGEST_NAME = 600_000, 200
_MARK = object()


def load(
    content: bytes, start: int, *, names: Names, persistent: Callable[[Any], Any]
) -> tuple[Any, int]:
    """Returns the value of the pickle that begins at `start`, and where it ends.

    Args:
      content: bytes around the pickle.
      start: of its first byte.
      names: what its names stand for; a `Maker` may be called, other values only passed on.
      persistent: what an id of an object outside the pickle stands for.

    Raises:
      RefusedError: at anything that is not allowed.
      Exception: of many kinds where the bytes are damaged.
    """
    machine = _Machine(content, start, names, persistent)
    for _ in range(_MOST_STEPS):
        code = machine.take(1)
        if code == b".":
            return machine.pop(), machine.position
        operation = _OPERATIONS.get(code)
        if operation is None:
            raise RefusedError(f"an opcode {code!r} that torch.save does not write")
        operation(machine)
    raise RefusedError("a pickle of absurd length")


class _Machine:
    """Holds the stack, the memo and the place in the bytes."""

    def __init__(
        self, content: bytes, start: int, names: Names, persistent: Callable[[Any], Any]
    ) -> None:
        self.content, self.position = content, start
        self.names, self.persistent = names, persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.left = len(content)

    def take(self, count: int) -> bytes:
        """Returns the next bytes."""
        piece = self.content[self.position : self.position + count]
        if len(piece) < count:
            raise RefusedError("it ends in the middle")
        self.position += count
        return piece

    def number(self, form: str) -> Any:
        """Returns the next number, in a form of `struct`."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        """Returns the text up to the next line feed."""
        end = self.content.index(b"\n", self.position)
        text = self.content[self.position : end].decode()
        self.position = end + 1
        return text

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise RefusedError("values out of order")
        return value

    def pop_to_mark(self) -> list[Any]:
        """Returns what was pushed since the last mark."""
        values = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def skip(self, count: int, kind: str) -> None:
        """Passes over a value that no state dict has, and pushes what stands for it."""
        if len(self.content) - self.position < count:
            raise RefusedError("it ends in the middle")
        self.position += count
        self.push(Opaque(kind))

    def put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def name(self, module: Any, name: Any) -> None:
        """Pushes what a name stands for."""
        # Nested tuples can take for ever to print, and a long text may be asked for often.
        if not isinstance(module, str) or not isinstance(name, str):
            raise RefusedError("a name that is no text")
        if len(module) + len(name) > _LONGEST_NAME:
            raise RefusedError("a name of absurd length")
        full = f"{module}.{name}"
        self.push(self.names[full] if full in self.names else Opaque(full[:80]))

    def call(self) -> None:
        """Pushes what a maker gives for a tuple of arguments; nothing else is called."""
        arguments, function = self.pop(), self.pop()
        if isinstance(function, Opaque):
            self.push(function)
            return
        if not isinstance(function, Maker) or not isinstance(arguments, tuple):
            raise RefusedError("a call of something that is no function of torch.save")
        self.spend(len(arguments))
        self.spend(sum(len(one) for one in arguments if isinstance(one, list | tuple | dict)))
        self.push(function.make(*arguments))

    def spend(self, count: int) -> None:
        """Counts values that are looked at: all together are no more than the file has bytes."""
        self.left -= count
        if self.left < 0:
            raise RefusedError("calls with more values than it has bytes")

    def make_object(self, arguments: int) -> None:
        """Pushes what stands for a new object of a class, made without a call."""
        for _ in range(arguments):
            self.pop()
        if not isinstance(self.stack[-1], Opaque):
            raise RefusedError("an object of something that is no class")

    def build(self) -> None:
        """Drops the state of an object: torch keeps versions of modules there, no arrays."""
        self.pop()
        if not isinstance(self.stack[-1], dict | Opaque):
            raise RefusedError("a state for something that is no dictionary")

    def append(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], Opaque):
            return
        if type(self.stack[-1]) is not list:
            raise RefusedError("an element for something that is no list")
        self.stack[-1].extend(values)

    def set_items(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Opaque):
            return
        if not isinstance(target, dict):
            raise RefusedError("an entry for something that is no dictionary")
        for key, value in zip(values[::2], values[1::2], strict=True):
            # Others are no keys of a state dict. Tuples of tuples can take for ever to hash, and
            # numbers may be chosen so that all of them have one hash.
            if isinstance(key, str):
                target[key] = value


def _text(form: str) -> Callable[[_Machine], None]:
    """Returns an operation that pushes text behind its length in this form of `struct`."""
    return lambda m: m.push(m.take(m.number(form)).decode("utf-8"))


def _bytes(form: str) -> Callable[[_Machine], None]:
    """Returns an operation that pushes what Python 2 wrote for text."""
    return lambda m: m.push(m.take(m.number(form)).decode("latin-1"))


def _skipped(form: str, kind: str) -> Callable[[_Machine], None]:
    """Returns an operation that skips a value behind its length in this form of `struct`."""
    return lambda m: m.skip(m.number(form), kind)


def _constant(value: Any) -> Callable[[_Machine], None]:
    return lambda m: m.push(value)


def _tuple(count: int) -> Callable[[_Machine], None]:
    return lambda m: m.push(tuple([m.pop() for _ in range(count)][::-1]))


def _drop_to_mark(machine: _Machine) -> None:
    machine.pop_to_mark()


def _frozen_set(machine: _Machine) -> None:
    machine.pop_to_mark()
    machine.push(Opaque("frozenset"))


def _pair(machine: _Machine) -> list[Any]:
    value = machine.pop()
    return [machine.pop(), value]


# As in CPython's Lib/pickletools.py; what is left out here is refused.
_OPERATIONS: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": lambda m: m.number("<B"),  # PROTO
    b"\x95": lambda m: m.number("<Q"),  # FRAME
    b"(": _constant(_MARK),
    b"N": _constant(None),
    b"\x88": _constant(True),
    b"\x89": _constant(False),
    b"K": lambda m: m.push(m.number("<B")),
    b"M": lambda m: m.push(m.number("<H")),
    b"J": lambda m: m.push(m.number("<i")),
    b"\x8a": lambda m: m.push(int.from_bytes(m.take(m.number("<B")), "little", signed=True)),
    b"G": lambda m: m.push(m.number(">d")),
    b"X": _text("<I"),
    b"\x8c": _text("<B"),
    b"\x8d": _text("<Q"),
    b"U": _bytes("<B"),
    b"T": _bytes("<I"),
    # A number of any length, bytes, bytearrays: none is a key or a size.
    b"\x8b": _skipped("<I", "int"),
    b"C": _skipped("<B", "bytes"),
    b"B": _skipped("<I", "bytes"),
    b"\x8e": _skipped("<Q", "bytes"),
    b"\x96": _skipped("<Q", "bytearray"),
    b"}": lambda m: m.push({}),
    b"]": lambda m: m.push([]),
    b")": lambda m: m.push(()),
    b"t": lambda m: m.push(tuple(m.pop_to_mark())),
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"l": lambda m: m.push(m.pop_to_mark()),
    b"a": lambda m: m.append([m.pop()]),
    b"e": lambda m: m.append(m.pop_to_mark()),
    b"s": lambda m: m.set_items(_pair(m)),
    b"u": lambda m: m.set_items(m.pop_to_mark()),
    b"q": lambda m: m.put(m.number("<B")),
    b"r": lambda m: m.put(m.number("<I")),
    b"\x94": lambda m: m.put(len(m.memo)),
    b"h": lambda m: m.push(m.memo[m.number("<B")]),
    b"j": lambda m: m.push(m.memo[m.number("<I")]),
    b"c": lambda m: m.name(m.line(), m.line()),
    b"\x93": lambda m: m.name(*_pair(m)),
    b"\x8f": lambda m: m.push(Opaque("set")),
    b"\x90": lambda m: m.append(m.pop_to_mark()),
    b"\x91": _frozen_set,
    b"0": lambda m: m.stack.pop(),
    b"1": _drop_to_mark,
    b"\x81": lambda m: m.make_object(1),
    b"\x92": lambda m: m.make_object(2),
    b"Q": lambda m: m.push(m.persistent(m.pop())),
    b"R": lambda m: m.call(),
    b"b": lambda m: m.build(),
}
