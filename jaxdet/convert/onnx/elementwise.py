"""Writes JAX's elementwise operations as ONNX operators, which broadcast by themselves."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from jaxdet.convert.onnx.values import Builder, Value, constant

# (builder, equation of JAX's program, its inputs) -> its output.
Rule = Callable[..., Value | list[Value]]


def _operator(name: str, **attributes: Any) -> Rule:
    def rule(build: Builder, eqn: Any, *values: Value) -> Value:
        return build.elementwise(eqn.outvars[0].aval, name, *values, **attributes)

    return rule


def _chain(*names: str) -> Rule:
    """Returns the rule of operators of one input, applied one after the other."""

    def rule(build: Builder, eqn: Any, value: Value) -> Value:
        name = build.name(value)
        for operator in names:
            name = build.graph.add(operator, name)
        return build.broadcasting(eqn.outvars[0].aval, name, [value])

    return rule


def _not_equal(build: Builder, eqn: Any, left: Value, right: Value) -> Value:
    name = build.graph.add("Equal", build.name(left), build.name(right))
    return build.broadcasting(eqn.outvars[0].aval, build.graph.add("Not", name), [left, right])


def _square(build: Builder, eqn: Any, value: Value) -> Value:
    return build.elementwise(eqn.outvars[0].aval, "Mul", value, value)


def _integer_pow(build: Builder, eqn: Any, value: Value) -> Value:
    power = eqn.params["y"]
    if power == 2:
        return _square(build, eqn, value)
    exponent = constant(np.array(power, value.dtype))
    return build.elementwise(eqn.outvars[0].aval, "Pow", value, exponent)


def _erfc(build: Builder, eqn: Any, value: Value) -> Value:
    one = build.graph.constant(np.ones((), value.dtype))
    name = build.graph.add("Sub", one, build.graph.add("Erf", build.name(value)))
    return build.broadcasting(eqn.outvars[0].aval, name, [value])


def _select(build: Builder, eqn: Any, which: Value, *cases: Value) -> Value:
    no, yes = cases
    return build.elementwise(eqn.outvars[0].aval, "Where", which, yes, no)


def _clamp(build: Builder, eqn: Any, low: Value, value: Value, high: Value) -> Value:
    name = build.graph.add("Max", build.name(value), build.name(low))
    name = build.graph.add("Min", name, build.name(high))
    return build.broadcasting(eqn.outvars[0].aval, name, [low, value, high])


def _cast(build: Builder, eqn: Any, value: Value) -> Value:
    out = eqn.outvars[0].aval
    if np.issubdtype(out.dtype, np.complexfloating):
        # Real numbers of one axis more; in double precision, since the transform of 50,000 of them
        # adds large terms up to small ones.
        name = build.cast(build.full(value), np.float64)
        name = build.graph.add("Unsqueeze", name, build.graph.integers(len(value.shape)))
        return Value(value.shape, value.shape, np.dtype(out.dtype), name)
    return build.broadcasting(out, build.cast(build.name(value), out.dtype), [value])


def _same(build: Builder, eqn: Any, value: Value) -> Value:
    return value


def _magnitude(build: Builder, eqn: Any, value: Value) -> Value:
    if not value.is_complex:
        return build.elementwise(eqn.outvars[0].aval, "Abs", value)
    graph, out = build.graph, eqn.outvars[0].aval
    squares = graph.add("Mul", value.name, value.name)
    parts = graph.integers(len(value.shape))
    name = graph.add("Sqrt", graph.add("ReduceSum", squares, parts, keepdims=0))
    return Value(tuple(out.shape), tuple(out.shape), out.dtype, build.cast(name, out.dtype))


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "add": _operator("Add"),
        "add_any": _operator("Add"),
        "sub": _operator("Sub"),
        "mul": _operator("Mul"),
        "div": _operator("Div"),
        "rem": _operator("Mod", fmod=1),
        "pow": _operator("Pow"),
        "max": _operator("Max"),
        "min": _operator("Min"),
        "and": _operator("And"),
        "or": _operator("Or"),
        "not": _operator("Not"),
        "eq": _operator("Equal"),
        "ne": _not_equal,
        "lt": _operator("Less"),
        "le": _operator("LessOrEqual"),
        "gt": _operator("Greater"),
        "ge": _operator("GreaterOrEqual"),
        "neg": _operator("Neg"),
        "sign": _operator("Sign"),
        "floor": _operator("Floor"),
        "ceil": _operator("Ceil"),
        "exp": _operator("Exp"),
        "log": _operator("Log"),
        "sqrt": _operator("Sqrt"),
        "rsqrt": _chain("Sqrt", "Reciprocal"),
        "tanh": _operator("Tanh"),
        "sin": _operator("Sin"),
        "cos": _operator("Cos"),
        "logistic": _operator("Sigmoid"),
        "erf": _operator("Erf"),
        "erfc": _erfc,
        "abs": _magnitude,
        "square": _square,
        "integer_pow": _integer_pow,
        "select_n": _select,
        "clamp": _clamp,
        "convert_element_type": _cast,
        "copy": _same,
        "stop_gradient": _same,
    }
)
