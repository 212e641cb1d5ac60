"""Writes JAX's operations on the axes and places of arrays as ONNX operators."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from jaxdet.convert.onnx.elementwise import Rule
from jaxdet.convert.onnx.graph import Size
from jaxdet.convert.onnx.values import Builder, Value

# Beyond the end of every axis.
_END = 2**62


def whole(aval: Any, name: str) -> Value:
    """Returns the value of a name that has its full shape."""
    return Value(tuple(aval.shape), tuple(aval.shape), np.dtype(aval.dtype), name)


def _out(eqn: Any, name: str) -> Value:
    return whole(eqn.outvars[0].aval, name)


def _reshape(build: Builder, eqn: Any, value: Value) -> Value:
    name, order = build.full(value), eqn.params["dimensions"]
    if order is not None:
        name = build.graph.transpose(name, order)
    shape = build.graph.shape(eqn.params["new_sizes"], inferred=True)
    return _out(eqn, build.graph.add("Reshape", name, shape))


def _squeeze(build: Builder, eqn: Any, value: Value) -> Value:
    axes = build.graph.integers(*eqn.params["dimensions"])
    return _out(eqn, build.graph.add("Squeeze", build.full(value), axes))


def _transpose(build: Builder, eqn: Any, value: Value) -> Value:
    order = tuple(eqn.params["permutation"]) + (len(value.shape),) * value.is_complex
    return _out(eqn, build.graph.transpose(build.full(value), order))


def _broadcast(build: Builder, eqn: Any, value: Value) -> Value:
    """Gives a value more axes; those of more than one place follow where somebody needs them."""
    shape, places = tuple(eqn.params["shape"]), eqn.params["broadcast_dimensions"]
    kept: list[Size] = [1] * len(shape)
    for place, size in zip(places, value.kept, strict=True):
        kept[place] = size
    dtype = np.dtype(eqn.outvars[0].aval.dtype)
    if value.array is not None:
        array = value.array.reshape(kept)
        return Value(shape, tuple(kept), dtype, array=array, is_learned=value.is_learned)
    axes = [axis for axis in range(len(shape)) if axis not in places]
    name = value.name
    if axes:
        name = build.graph.add("Unsqueeze", name, build.graph.integers(*axes))
    return Value(shape, tuple(kept), dtype, name)


def _concatenate(build: Builder, eqn: Any, *values: Value) -> Value:
    axis = eqn.params["dimension"]
    # `jnp.pad` adds nothing to most axes; ONNX reads sizes of 0 otherwise.
    names = [build.full(value) for value in values if value.shape[axis] != 0]
    return _out(eqn, build.graph.add("Concat", *names, axis=axis))


def _stack(build: Builder, eqn: Any, *values: Value) -> Value:
    axis, graph = eqn.params["axis"], build.graph
    names = [graph.add("Unsqueeze", build.full(one), graph.integers(axis)) for one in values]
    return _out(eqn, graph.add("Concat", *names, axis=axis))


def _slice(build: Builder, eqn: Any, value: Value) -> Value:
    starts, ends = eqn.params["start_indices"], eqn.params["limit_indices"]
    steps = eqn.params["strides"] or (1,) * len(starts)
    ends = [
        _END if end is size or end == size else end
        for end, size in zip(ends, value.shape, strict=True)
    ]
    return _out(eqn, _sliced(build, build.full(value), starts, ends, steps))


def _sliced(
    build: Builder,
    name: str,
    starts: Sequence[Size],
    ends: Sequence[Size],
    steps: Sequence[int],
) -> str:
    """Adds a slice of those axes that it changes."""
    places = zip(starts, ends, steps, strict=True)
    axes = [axis for axis, place in enumerate(places) if place != (0, _END, 1)]
    if not axes:
        return name
    shape = build.graph.shape
    return build.graph.add(
        "Slice",
        name,
        shape([starts[axis] for axis in axes]),
        shape([ends[axis] for axis in axes]),
        build.graph.integers(*axes),
        build.graph.integers(*(steps[axis] for axis in axes)),
    )


def _reverse(build: Builder, eqn: Any, value: Value) -> Value:
    turned = [axis in eqn.params["dimensions"] for axis in range(len(value.shape))]
    starts = [-1 if is_turned else 0 for is_turned in turned]
    ends = [-_END if is_turned else _END for is_turned in turned]
    steps = [-1 if is_turned else 1 for is_turned in turned]
    return _out(eqn, _sliced(build, build.full(value), starts, ends, steps))


def _pad(build: Builder, eqn: Any, value: Value, fill: Value) -> Value:
    config = eqn.params["padding_config"]
    if any(between for *_, between in config):
        raise NotImplementedError("pad with places between")
    pads = [before for before, *_ in config] + [after for _, after, _ in config]
    names = build.full(value), build.graph.shape(pads), build.full(fill)
    return _out(eqn, build.graph.add("Pad", *names))


def _iota(build: Builder, eqn: Any) -> Value:
    aval, axis = eqn.outvars[0].aval, eqn.params["dimension"]
    size, graph = aval.shape[axis], build.graph
    zero, one = (graph.constant(np.array(number, np.int64)) for number in (0, 1))
    name = build.cast(graph.add("Range", zero, _scalar(build, size), one), aval.dtype)
    others = [other for other in range(len(aval.shape)) if other != axis]
    if others:
        name = graph.add("Unsqueeze", name, graph.integers(*others))
    kept = tuple(size if place == axis else 1 for place in range(len(aval.shape)))
    return Value(tuple(aval.shape), kept, np.dtype(aval.dtype), name)


def _size_as_number(build: Builder, eqn: Any) -> Value:
    name = _scalar(build, eqn.params["dim"])
    return _out(eqn, build.cast(name, eqn.outvars[0].aval.dtype))


def _scalar(build: Builder, size: Size) -> str:
    return build.graph.add("Squeeze", build.graph.size(size), build.graph.integers(0))


def _split(build: Builder, eqn: Any, value: Value) -> list[Value]:
    sizes, axis = eqn.params["sizes"], eqn.params["axis"]
    lengths = build.graph.shape(sizes)
    names = build.graph.add_many("Split", build.full(value), lengths, outputs=len(sizes), axis=axis)
    return [whole(out.aval, name) for out, name in zip(eqn.outvars, names, strict=True)]


def _unstack(build: Builder, eqn: Any, value: Value) -> list[Value]:
    axis, count = eqn.params["axis"], len(eqn.outvars)
    lengths, axes = build.graph.shape((1,) * count), build.graph.integers(axis)
    names = build.graph.add_many("Split", build.full(value), lengths, outputs=count, axis=axis)
    parts = (build.graph.add("Squeeze", name, axes) for name in names)
    return [whole(out.aval, name) for out, name in zip(eqn.outvars, parts, strict=True)]


def _gather(build: Builder, eqn: Any, value: Value, places: Value) -> Value:
    """Takes one window, or slices at many places of one axis; JAX indexes by it."""
    numbers, sizes = eqn.params["dimension_numbers"], eqn.params["slice_sizes"]
    if numbers.operand_batching_dims or not places.is_known:
        raise NotImplementedError("gather of places that only a run knows")
    axes, index = numbers.start_index_map, places.known.astype(np.int64)
    if index.ndim == 1:
        starts = dict(zip(axes, index.tolist(), strict=True))
        return _window(build, eqn, value, starts, sizes, numbers.collapsed_slice_dims)
    expected = [1 if axis in axes else size for axis, size in enumerate(value.shape)]
    if len(axes) != 1 or list(sizes) != expected:
        raise NotImplementedError("gather of windows at many places")
    (axis,), index, graph = axes, index[..., 0], build.graph
    if index.min() < 0 or index.max() >= value.shape[axis]:
        raise NotImplementedError("gather of places outside")
    name = graph.add("Gather", build.full(value), graph.constant(index), axis=axis)
    if not numbers.collapsed_slice_dims:
        name = graph.add("Unsqueeze", name, graph.integers(axis + index.ndim))
    # Where JAX has the axes of ONNX's result: those of the places stand where the axis was.
    rank, offsets = len(eqn.outvars[0].aval.shape), numbers.offset_dims
    of_places = [place for place in range(rank) if place not in offsets]
    stand = [*offsets[:axis], *of_places, *offsets[axis:]]
    return _out(eqn, graph.transpose(name, [stand.index(place) for place in range(rank)]))


def _dynamic_slice(build: Builder, eqn: Any, value: Value, *starts: Value) -> Value:
    if not all(start.is_known for start in starts):
        raise NotImplementedError("dynamic_slice of places that only a run knows")
    known = {axis: int(start.known) for axis, start in enumerate(starts)}
    return _window(build, eqn, value, known, eqn.params["slice_sizes"], ())


def _window(
    build: Builder,
    eqn: Any,
    value: Value,
    starts: Mapping[int, int],
    sizes: Sequence[Size],
    dropped: Sequence[int],
) -> Value:
    """Cuts a window of these sizes out; axes that are dropped have one place in it."""
    firsts = [starts.get(axis, 0) for axis in range(len(sizes))]
    if min(firsts, default=0) < 0:
        raise NotImplementedError("places outside")
    ends = [
        _END if first == 0 and size == own else first + size
        for first, size, own in zip(firsts, sizes, value.shape, strict=True)
    ]
    name = _sliced(build, build.full(value), firsts, ends, [1] * len(sizes))
    if dropped:
        name = build.graph.add("Squeeze", name, build.graph.integers(*dropped))
    return _out(eqn, name)


def _scatter_add(build: Builder, eqn: Any, value: Value, places: Value, more: Value) -> Value:
    """Adds numbers at places of the last of two axes; the first goes along."""
    numbers = eqn.params["dimension_numbers"]
    is_counting = (
        len(value.shape) == 2
        and numbers.update_window_dims == ()
        and numbers.scatter_dims_to_operand_dims == numbers.inserted_window_dims == (1,)
        and numbers.operand_batching_dims == numbers.scatter_indices_batching_dims == (0,)
    )
    if not is_counting:
        raise NotImplementedError("scatter-add in other forms than counting")
    graph = build.graph
    index = graph.add("Squeeze", build.full(places), graph.integers(2))
    name = graph.add(
        "ScatterElements", build.full(value), index, build.full(more), axis=1, reduction="add"
    )
    return _out(eqn, name)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "reshape": _reshape,
        "squeeze": _squeeze,
        "transpose": _transpose,
        "broadcast_in_dim": _broadcast,
        "concatenate": _concatenate,
        "stack": _stack,
        "slice": _slice,
        "rev": _reverse,
        "pad": _pad,
        "iota": _iota,
        "dim_as_value": _size_as_number,
        "split": _split,
        "unstack": _unstack,  # from JAX 0.11 on
        "gather": _gather,
        "dynamic_slice": _dynamic_slice,
        "scatter-add": _scatter_add,
    }
)
