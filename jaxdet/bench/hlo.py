"""Counts what the operations of a compiled program move and compute, from XLA's text of it.

An operation reads each operand and writes each result once; what is fused moves nothing between
its parts. Convolutions and products of matrices have FLOPs, two for each multiplication with its
addition; all else is counted as free.
"""

import collections
import dataclasses
import math
import re
from collections.abc import Iterator, Mapping

_BYTES = {
    "pred": 1, "s8": 1, "u8": 1, "f8e4m3fn": 1, "f8e5m2": 1, "bf16": 2, "f16": 2, "s16": 2,
    "u16": 2, "f32": 4, "s32": 4, "u32": 4, "f64": 8, "s64": 8, "u64": 8, "c64": 8, "c128": 16,
}  # fmt: skip
_ARRAY = re.compile(rf"\b({'|'.join(_BYTES)})\[([\d,]*)\]")
_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{\s*$")
_MADE = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*)$")
_CODE = re.compile(r"\s*([\w\-]+)\(")
# They name or hold others' results, and move nothing.
_FREE = frozenset({
    "parameter", "constant", "get-tuple-element", "tuple", "bitcast", "call", "while",
    "conditional", "after-all", "async-start", "partition-id", "replica-id", "iota", "opt-barrier",
})  # fmt: skip
_CALLING = ("call", "while", "conditional", "async-start")
_COLLECTIVE = ("all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all")
_NORM = re.compile(r"/(bn\d|downsample_1|\w*norm\w*|features_\d+)/", re.IGNORECASE)
_POOL = re.compile(r"reduce_window|select_and_(scatter|gather)|/max_?pool")
_MOVING = frozenset({"parameter", "transpose", "copy", "bitcast", "reshape"})

Arrays = list[tuple[str, tuple[int, ...]]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operation:
    """Describes one operation of a program.

    Attributes:
      name: in the program.
      kind: of work.
      source: the operations of the source that it does, as JAX names them.
      moved: bytes read and written.
      flop: of convolutions and products.
      dtype: of what is multiplied, "" where nothing is.
    """

    name: str
    kind: str
    source: str
    moved: int
    flop: float
    dtype: str


@dataclasses.dataclass(frozen=True)
class _Instruction:
    name: str
    code: str
    results: Arrays
    operands: tuple[str, ...]
    attributes: str

    def attribute(self, pattern: str) -> str:
        match = re.search(pattern, self.attributes)
        return match[1] if match else ""

    @property
    def called(self) -> list[str]:
        one = re.findall(
            r"(?:calls|to_apply|body|true_computation|false_computation)=%?([\w.\-]+)",
            self.attributes,
        )
        branches = self.attribute(r"branch_computations=\{([^}]*)\}")
        return [*one, *re.findall(r"[\w.\-]+", branches)]

    @property
    def is_free(self) -> bool:
        # The half that waits for an operation moves nothing that the first half has not.
        return self.code in _FREE or self.code.endswith("-done")

    @property
    def source(self) -> str:
        return self.attribute(r'op_name="((?:[^"\\]|\\.)*)"')

    @property
    def target(self) -> str:
        return self.attribute(r'custom_call_target="([^"]*)"')


_Computation = dict[str, _Instruction]


def operations(text: str) -> list[Operation]:
    """Returns all that a program does, once each: one turn of a loop, every branch of a choice.

    Args:
      text: of an optimised program, as `jax.stages.Compiled.as_text` gives it.
    """
    computations, entry = _parse(text)
    work = []
    for computation in _running(computations, entry):
        for instruction in computation.values():
            if not instruction.is_free:
                work.append(_operation(instruction, computation, computations))
    return work


def _operation(
    instruction: _Instruction, around: _Computation, computations: Mapping[str, _Computation]
) -> Operation:
    fused = instruction.called if instruction.code == "fusion" else []
    inside = computations.get(fused[0], {}) if fused else {}
    operands = [around[name].results for name in instruction.operands if name in around]
    flop, dtype = _flop(instruction, operands)
    for part in inside.values():
        more, of = _flop(part, [inside[name].results for name in part.operands if name in inside])
        flop, dtype = flop + more, of or dtype
    return Operation(
        name=instruction.name,
        kind=_kind(instruction, inside, is_product=bool(flop)),
        source=re.sub(r"^jit\(\w+\)/", "", instruction.source),
        moved=_size(instruction.results) + sum(map(_size, operands)),
        flop=flop,
        dtype=dtype,
    )


def _parse(text: str) -> tuple[dict[str, _Computation], str]:
    """Returns the computations of a program by name, and the name of its first."""
    computations: dict[str, _Computation] = {}
    entry, current = "", None
    for line in text.splitlines():
        if head := _HEAD.match(line):
            current = computations.setdefault(head[2], {})
            entry = head[2] if head[1] else entry
        elif (
            current is not None
            and (made := _MADE.match(line))
            and (instruction := _instruction(made[1], made[2]))
        ):
            current[made[1]] = instruction
    return computations, entry


def _instruction(name: str, text: str) -> _Instruction | None:
    end = _closing(text, 0) if text.startswith("(") else len(text.split(" ", 1)[0])
    code = _CODE.match(text, end)
    if code is None:
        return None
    close = _closing(text, code.end() - 1)
    named = tuple(re.findall(r"%([\w.\-]+)", text[code.end() : close]))
    return _Instruction(name, code[1], _arrays(text[:end]), named, text[close:])


def _closing(text: str, start: int) -> int:
    """Returns the place behind the bracket that closes the one at `start`."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] in "([{") - (text[place] in ")]}")
        if depth == 0:
            return place + 1
    return len(text)


def _arrays(text: str) -> Arrays:
    return [
        (dtype, tuple(int(side) for side in sides.split(",") if side))
        for dtype, sides in _ARRAY.findall(text)
    ]


def _size(arrays: Arrays) -> int:
    return sum(_BYTES[dtype] * math.prod(shape) for dtype, shape in arrays)


def _running(computations: Mapping[str, _Computation], entry: str) -> Iterator[_Computation]:
    """Yields those whose operations run one by one; the others are parts of an operation."""
    seen, todo = set(), [entry]
    while todo:
        name = todo.pop()
        if name in seen or name not in computations:
            continue
        seen.add(name)
        yield computations[name]
        for instruction in computations[name].values():
            if instruction.code in _CALLING:
                todo += instruction.called


def _flop(instruction: _Instruction, operands: list[Arrays]) -> tuple[float, str]:
    """Returns the FLOPs and dtype of a product; (0, "") of another operation."""
    if len(operands) < 2 or not (instruction.results and operands[0] and operands[1]):
        return 0.0, ""
    result, (dtype, left), (_, right) = instruction.results[0][1], operands[0][0], operands[1][0]
    if labels := re.fullmatch(r"\w+_(\w+)->\w+", instruction.attribute(r"dim_labels=([\w>\-]+)")):
        kernel, places = right, result
        if "BackwardFilter" in instruction.target:
            kernel, places = result, right
        elif "BackwardInput" in instruction.target:
            places = left
        work = 2 * math.prod(kernel) * math.prod(places) / kernel[labels[1].index("o")]
        return work, dtype
    contracted = instruction.attribute(r"lhs_contracting_dims=\{([\d,]*)\}")
    if not contracted and "lhs_contracting_dimensions" in instruction.attributes:
        numbers = instruction.attribute(r'lhs_contracting_dimensions":\[([^\]]*)\]')
        contracted = numbers.replace('"', "")
    if (
        instruction.code != "dot"
        and "gemm" not in instruction.target
        and "cublas" not in instruction.target
    ):
        return 0.0, ""
    depth = math.prod(left[int(axis)] for axis in contracted.split(",") if axis)
    return 2.0 * math.prod(result) * depth, dtype


def _kind(instruction: _Instruction, inside: _Computation, *, is_product: bool) -> str:
    """Returns the kind of work, by the code of an operation and the source's names of its parts."""
    codes = collections.Counter(part.code for part in inside.values()) or {instruction.code: 1}
    names = " ".join([instruction.source, *(part.source for part in inside.values())])
    way = "backward" if "transpose(" in instruction.source else "forward"
    if instruction.code.removesuffix("-start") in _COLLECTIVE:
        return "collective"
    if "conv" in instruction.target.lower() or "convolution" in codes:
        if "BackwardFilter" in instruction.target:
            return "convolution: weight gradient"
        return "convolution: " + ("forward" if way == "forward" else "input gradient")
    if is_product:
        return "product of matrices"
    if any(part.code == "sqrt" and "jvp(" not in part.source for part in inside.values()):
        # Adam's, with the casts of the gradients that it takes.
        return "optimiser"
    if set(codes) <= _MOVING or instruction.code == "copy-start":
        return "copy or transposition"
    if _POOL.search(names) or "reduce-window" in codes:
        return f"pooling: {way}"
    if _NORM.search(names):
        what = "sums" if "reduce" in codes else "by element"
        return f"normalisation, ReLU, shortcut: {way}, {what}"
    if "jvp(" not in names and "transpose(" not in names:
        return "other"
    return f"other: {way}"
