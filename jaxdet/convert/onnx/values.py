"""Holds what a graph computes: values with their shapes, known before a run or named in it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxdet.convert.onnx.graph import WEIGHT, Graph, Size, element_type


@dataclasses.dataclass(frozen=True)
class Value:
    """Represents an array of JAX's program.

    A broadcast one is kept as it was before, with sides of 1, for as long as only operators read it
    that broadcast by themselves.

    Attributes:
      shape: its sizes; those that only a run knows are JAX's expressions.
      kept: the sizes of what `name` or `array` has: those of `shape`, or 1.
      dtype: as JAX has it.
      name: in the graph; "" for a constant.
      array: values of a constant, of the shape `kept`; else None.
      is_learned: whether training made these values, or those that they follow from.
    """

    shape: tuple[Size, ...]
    kept: tuple[Size, ...]
    dtype: np.dtype
    name: str = ""
    array: np.ndarray | None = None
    is_learned: bool = False

    @property
    def is_known(self) -> bool:
        """Returns whether its values are known before a run, at their full shape."""
        return self.array is not None and all(isinstance(size, int) for size in self.shape)

    @property
    def known(self) -> np.ndarray:
        """Returns the values of one that is known."""
        assert self.array is not None
        return np.broadcast_to(self.array, self.shape)

    @property
    def is_complex(self) -> bool:
        """Returns whether it is complex: with real and imaginary parts along one axis more."""
        return bool(np.issubdtype(self.dtype, np.complexfloating))


def constant(array: np.ndarray, *, is_learned: bool = False) -> Value:
    """Returns a value that is known."""
    return Value(array.shape, array.shape, array.dtype, array=array, is_learned=is_learned)


class Builder:
    """Adds operators on values to a graph."""

    def __init__(self, graph: Graph):
        """Takes the graph to add to."""
        self.graph = graph

    def name(self, value: Value) -> str:
        """Returns the name of what is kept of a value: for operators that broadcast."""
        return value.name if value.array is None else self.graph.constant(value.array)

    def full(self, value: Value) -> str:
        """Returns the name of a value at its full shape."""
        name = self.name(value)
        if value.kept == value.shape:
            return name
        return self.graph.add("Expand", name, self.graph.shape(value.shape))

    def transposed(self, value: Value, order: Sequence[int]) -> str:
        """Returns the name of a value with its axes in another order; of a kernel, of its own."""
        if not value.is_known:
            return self.graph.transpose(self.full(value), order)
        kind = WEIGHT if value.is_learned else "constant"
        return self.graph.constant(value.known.transpose(order), kind=kind)

    def elementwise(self, out: Any, operator: str, *values: Value, **attributes: Any) -> Value:
        """Returns what an operator that broadcasts gives of values; `out` has shape and dtype."""
        name = self.graph.add(operator, *map(self.name, values), **attributes)
        return self.broadcasting(out, name, values)

    def broadcasting(self, out: Any, name: str, values: Sequence[Value]) -> Value:
        """Returns the value of that name, which broadcasting made of others."""
        rank = len(out.shape)
        sides = [(1,) * (rank - len(value.kept)) + value.kept for value in values]
        kept = tuple(
            1 if all(side[axis] == 1 for side in sides) else out.shape[axis] for axis in range(rank)
        )
        return Value(tuple(out.shape), kept, np.dtype(out.dtype), name)

    def cast(self, name: str, dtype: Any) -> str:
        """Returns the name of values in another dtype."""
        return self.graph.add("Cast", name, to=element_type(dtype))
