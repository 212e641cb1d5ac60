"""Builds a graph of ONNX operators, with sizes that only a run knows."""

import ast
import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from jaxdet.convert.onnx.packages import onnx

# The first with every operator in the form that is written here: DFT takes its axis as an input.
OPSET = 20
# What the names of learned kernels begin with, which variants may keep in fewer bits.
WEIGHT = "weight"

# A size: a number, or one of JAX's expressions of the names of the input's sizes.
Size = Any

# The grammar of `jax.export.symbolic_shape`, in which JAX prints sizes. None is negative, so
# ONNX's division, which rounds to zero, is JAX's.
_OPERATORS: Mapping[Any, str] = MappingProxyType(
    {
        ast.Add: "Add",
        ast.Sub: "Sub",
        ast.Mult: "Mul",
        ast.Pow: "Pow",
        "floordiv": "Div",
        "mod": "Mod",
        "max": "Max",
        "min": "Min",
    }
)


class Graph:
    """Collects the nodes and constants of a graph.

    Attributes:
      nodes: operators, each after those whose outputs it takes.
      constants: arrays, by name.
    """

    def __init__(self, sizes: Mapping[str, tuple[str, int]]):
        """Takes the names that sizes may have: each an input's name, and one of its axes."""
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self._sizes = dict(sizes)
        self._known: dict[Any, str] = {}
        self._transposed: dict[str, tuple[str, tuple[int, ...]]] = {}

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Adds an operator; returns the name of its output."""
        return self.add_many(operator, *inputs, outputs=1, **attributes)[0]

    def add_many(self, operator: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """Adds an operator of several outputs; returns their names."""
        names = [f"{operator.lower()}_{len(self.nodes)}_{number}" for number in range(outputs)]
        node = onnx.helper.make_node(operator, list(inputs), names, names[0], **attributes)
        self.nodes.append(node)
        return names

    def output(self, name: str, called: str) -> None:
        """Makes a value the graph's output, under another name, and drops what it does not need."""
        self.nodes.append(onnx.helper.make_node("Identity", [name], [called]))
        needed, kept = {called}, []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
        self.nodes = kept[::-1]
        self.constants = {name: one for name, one in self.constants.items() if name in needed}

    def constant(self, array: np.ndarray, *, kind: str = "constant") -> str:
        """Returns the name of an array, which begins with its kind; equal ones are kept once."""
        array = np.asarray(array, order="C")
        known = (kind, array.shape, array.dtype.str, hashlib.sha256(array.tobytes()).digest())
        if known not in self._known:
            name = f"{kind}_{len(self.constants)}"
            self.constants[name] = onnx.numpy_helper.from_array(array, name)
            self._known[known] = name
        return self._known[known]

    def integers(self, *values: int) -> str:
        """Returns the name of a list of whole numbers, the form of axes and shapes."""
        return self.constant(np.array(values, np.int64))

    def transpose(self, name: str, order: Sequence[int]) -> str:
        """Adds a transposition, put together with one before it."""
        before, first = self._transposed.get(name, (name, tuple(range(len(order)))))
        order = tuple(first[axis] for axis in order)
        if order == tuple(range(len(order))):
            return before
        known = (before, order)
        if known not in self._known:
            self._known[known] = self.add("Transpose", before, perm=order)
            self._transposed[self._known[known]] = known
        return self._known[known]

    def shape(self, sizes: Sequence[Size], *, inferred: bool = False) -> str:
        """Returns the name of a shape.

        Args:
          sizes: of its axes.
          inferred: whether a size that is no number may be left open, as in a reshape.
        """
        unknown = [size for size in sizes if not isinstance(size, int)]
        if not unknown:
            return self.integers(*sizes)
        if inferred and len(unknown) == 1:
            return self.integers(*(size if isinstance(size, int) else -1 for size in sizes))
        return self.add("Concat", *map(self.size, sizes), axis=0)

    def size(self, size: Size) -> str:
        """Returns the name of a size, i64 [1]."""
        # JAX prints powers as `b^2`.
        return self._evaluate(ast.parse(str(size).replace("^", "**"), mode="eval").body)

    def _evaluate(self, tree: ast.expr) -> str:
        known = ast.dump(tree)
        if known not in self._known:
            self._known[known] = self._evaluated(tree)
        return self._known[known]

    def _evaluated(self, tree: ast.expr) -> str:
        match tree:
            case ast.Constant(value=int(value)):
                return self.integers(value)
            case ast.Name(id=name):
                source, axis = self._sizes[name]
                return self.add("Shape", source, start=axis, end=axis + 1)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.add("Neg", self._evaluate(operand))
            case ast.BinOp(left=left, op=operation, right=right):
                kind = _OPERATORS[type(operation)]
            case ast.Call(func=ast.Name(id=function), args=[left, right]):
                kind = _OPERATORS[function]
            case _:
                raise NotImplementedError(f"sizes such as {ast.unparse(tree)}")
        return self.add(kind, self._evaluate(left), self._evaluate(right))


def element_type(dtype: Any) -> int:
    """Returns ONNX's number of a dtype."""
    return int(onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
