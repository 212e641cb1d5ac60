"""Writes JAX's convolutions, products, reductions, sorting and transforms as ONNX operators."""

import string
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from jaxdet.convert.onnx.arrays import whole
from jaxdet.convert.onnx.elementwise import Rule
from jaxdet.convert.onnx.values import Builder, Value

# From JAX's maps to ONNX's.
_TO_CHANNELS_FIRST, _BACK = (0, 3, 1, 2), (0, 2, 3, 1)


def _convolution(build: Builder, eqn: Any, value: Value, kernel: Value) -> Value:
    params, graph = eqn.params, build.graph
    if set(params["lhs_dilation"]) != {1} or params["batch_group_count"] != 1:
        raise NotImplementedError("a transposed convolution")
    numbers = params["dimension_numbers"]
    first, second = (
        build.transposed(value, numbers.lhs_spec),
        build.transposed(kernel, numbers.rhs_spec),
    )
    name = graph.add(
        "Conv",
        first,
        second,
        strides=params["window_strides"],
        pads=_pads(params["padding"]),
        dilations=params["rhs_dilation"],
        group=params["feature_group_count"],
    )
    return _out(eqn, graph.transpose(name, np.argsort(numbers.out_spec).tolist()))


def _max_pool(build: Builder, eqn: Any, value: Value) -> Value:
    params, graph = eqn.params, build.graph
    window, strides = params["window_dimensions"], params["window_strides"]
    dilations = {*params["base_dilation"], *params["window_dilation"]}
    if len(window) != 4 or (window[0], window[3]) != (1, 1) or dilations != {1}:
        raise NotImplementedError("pooling over other axes than the image's")
    name = graph.add(
        "MaxPool",
        graph.transpose(build.full(value), _TO_CHANNELS_FIRST),
        kernel_shape=window[1:3],
        strides=strides[1:3],
        pads=_pads(params["padding"][1:3]),
    )
    return _out(eqn, graph.transpose(name, _BACK))


def _pads(padding: Any) -> list[int]:
    """Returns all that is added before, then all that is added after."""
    return [before for before, _ in padding] + [after for _, after in padding]


def _product(build: Builder, eqn: Any, left: Value, right: Value) -> Value:
    (summed, others), (batch, batch_of_right) = eqn.params["dimension_numbers"]
    rows = [a for a in range(len(left.shape)) if a not in (*summed, *batch)]
    columns = [a for a in range(len(right.shape)) if a not in (*others, *batch_of_right)]
    is_matrices = len(summed) == 1 and len(columns) == 1 and (not batch or len(rows) == 1)
    if not is_matrices:
        return _einsum(build, eqn, left, right)
    first = build.transposed(left, [*batch, *rows, *summed])
    second = build.transposed(right, [*batch_of_right, *others, *columns])
    return _out(eqn, build.graph.add("MatMul", first, second))


def _einsum(build: Builder, eqn: Any, left: Value, right: Value) -> Value:
    (summed, others), (batch, batch_of_right) = eqn.params["dimension_numbers"]
    letters = iter(string.ascii_lowercase)
    first = [next(letters) for _ in left.shape]
    second = [next(letters) for _ in right.shape]
    for mine, theirs in zip((*summed, *batch), (*others, *batch_of_right), strict=True):
        second[theirs] = first[mine]
    out = [first[axis] for axis in batch]
    out += [letter for axis, letter in enumerate(first) if axis not in (*summed, *batch)]
    out += [letter for letter in second if letter not in first]
    equation = f"{''.join(first)},{''.join(second)}->{''.join(out)}"
    names = build.full(left), build.full(right)
    return _out(eqn, build.graph.add("Einsum", *names, equation=equation))


def _reduction(operator: str) -> Rule:
    def rule(build: Builder, eqn: Any, value: Value) -> Value:
        axes = build.graph.integers(*eqn.params["axes"])
        return _out(eqn, build.graph.add(operator, build.full(value), axes, keepdims=0))

    return rule


def _logical(operator: str) -> Rule:
    """Returns the rule of a reduction of truth values, by that of 0 and 1."""

    def rule(build: Builder, eqn: Any, value: Value) -> Value:
        axes = build.graph.integers(*eqn.params["axes"])
        numbers = build.cast(build.full(value), np.int32)
        name = build.graph.add(operator, numbers, axes, keepdims=0)
        return _out(eqn, build.cast(name, np.bool_))

    return rule


def _top_k(build: Builder, eqn: Any, value: Value) -> list[Value]:
    count = build.graph.integers(eqn.params["k"])
    axis = eqn.params.get("axis", -1)
    values, places = build.graph.add_many("TopK", build.full(value), count, outputs=2, axis=axis)
    second = eqn.outvars[1].aval
    return [_out(eqn, values), whole(second, build.cast(places, second.dtype))]


def _sort(build: Builder, eqn: Any, value: Value) -> Value:
    axis = eqn.params["dimension"]
    count = build.graph.shape([value.shape[axis]])
    name, _ = build.graph.add_many(
        "TopK", build.full(value), count, outputs=2, axis=axis, largest=0
    )
    return _out(eqn, name)


def _fourier(build: Builder, eqn: Any, value: Value) -> Value:
    if eqn.params["fft_type"] != jax.lax.FftType.FFT:
        raise NotImplementedError("fft of other kinds than from complex to complex")
    name, rank = value.name, len(value.shape)
    for axis in range(rank - len(eqn.params["fft_lengths"]), rank):
        name = build.graph.add("DFT", name, "", build.graph.constant(np.array(axis, np.int64)))
    return _out(eqn, name)


def _out(eqn: Any, name: str) -> Value:
    return whole(eqn.outvars[0].aval, name)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "conv_general_dilated": _convolution,
        "reduce_window_max": _max_pool,
        "dot_general": _product,
        "reduce_sum": _reduction("ReduceSum"),
        "reduce_max": _reduction("ReduceMax"),
        "reduce_min": _reduction("ReduceMin"),
        "reduce_or": _logical("ReduceMax"),
        "reduce_and": _logical("ReduceMin"),
        "top_k": _top_k,
        "sort": _sort,
        "fft": _fourier,
    }
)
