"""Turns JAX's program of a function into an ONNX graph: each equation by its rule."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core

from jaxdet.convert.onnx import arrays, elementwise, layers
from jaxdet.convert.onnx.graph import Graph
from jaxdet.convert.onnx.values import Builder, Value, constant
from jaxdet.models.detector import host

_RULES = {**elementwise.RULES, **arrays.RULES, **layers.RULES}
# Equations that call a program, each with the parameter that has it.
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}
# What is broadcast only where it has to be; and sizes, which only a run knows.
_NOT_COMPUTED = ("broadcast_in_dim", "dim_as_value")


def add_program(
    graph: Graph,
    function: Callable[..., jax.Array],
    known: Any,
    given: jax.ShapeDtypeStruct,
    *,
    name: str,
) -> str:
    """Adds a function of constants and one input to a graph; returns its output's name.

    What follows from constants alone is computed here, by JAX.

    Args:
      graph: to add to.
      function: of `known` and the input, to one array.
      known: a tree of arrays, those that were learned.
      given: shape, with names where only a run knows a size, and dtype of the input.
      name: of the input in the graph.

    Raises:
      NotImplementedError: naming the operation of JAX that has no rule.
    """
    traced = jax.make_jaxpr(function)(known, given)
    inputs = [constant(np.asarray(leaf), is_learned=True) for leaf in jax.tree.leaves(known)]
    inputs.append(Value(tuple(given.shape), tuple(given.shape), np.dtype(given.dtype), name))
    build = Builder(graph)
    # An accelerator would round products.
    with jax.default_device(host()):
        (out,) = _run(build, traced.jaxpr, traced.consts, inputs)
    return build.full(out)


def _run(
    build: Builder, program: Any, constants: Sequence[Any], inputs: Sequence[Value]
) -> list[Value]:
    values: dict[Any, Value] = dict(zip(program.invars, inputs, strict=True))
    values |= {
        variable: constant(np.asarray(array))
        for variable, array in zip(program.constvars, constants, strict=True)
    }

    def read(variable: Any) -> Value:
        if isinstance(variable, core.Literal):
            shape: Any = variable.aval
            return constant(np.asarray(variable.val, shape.dtype))
        return values[variable]

    for eqn in program.eqns:
        outputs = _apply(build, eqn, [read(variable) for variable in eqn.invars])
        values |= dict(zip(eqn.outvars, outputs, strict=True))
    return [read(variable) for variable in program.outvars]


def _apply(build: Builder, eqn: Any, inputs: list[Value]) -> list[Value]:
    """Returns the outputs of an equation: computed, those of the program in it, or by its rule."""
    kind = eqn.primitive.name
    if kind in _CALLS:
        inner = eqn.params[_CALLS[kind]]
        # Closed over its constants, or open.
        program = getattr(inner, "jaxpr", inner)
        return _run(build, program, getattr(inner, "consts", ()), inputs)
    if kind == "optimization_barrier":
        return inputs
    is_fixed = all(isinstance(size, int) for out in eqn.outvars for size in out.aval.shape)
    if kind not in _NOT_COMPUTED and is_fixed and all(value.is_known for value in inputs):
        return list(_computed(eqn, inputs))
    if kind not in _RULES:
        raise NotImplementedError(kind)
    output = _RULES[kind](build, eqn, *inputs)
    return output if isinstance(output, list) else [output]


def _computed(eqn: Any, inputs: list[Value]) -> Iterator[Value]:
    outputs = eqn.primitive.bind(*(value.known for value in inputs), **eqn.params)
    is_learned = any(value.is_learned for value in inputs)
    for output in outputs if eqn.primitive.multiple_results else [outputs]:
        yield constant(np.asarray(output), is_learned=is_learned)
