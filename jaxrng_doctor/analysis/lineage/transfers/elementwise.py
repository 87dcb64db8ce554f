"""Arithmetic, element by element: `add`, `convert_element_type`, `select_n` and so on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from jaxrng_doctor.analysis.lineage.values import (
    EQUAL,
    UNKNOWN,
    Value,
    of_any,
    of_either,
    of_one_to_one,
    over_all,
)
from jaxrng_doctor.jax_internals.equations import Eqn
from jaxrng_doctor.model.facts import Variation


def along_axes(eqn: Eqn, args: tuple[Value, ...], combine: Any) -> tuple[Variation, ...]:
    """The axes of an elementwise result: operands have its shape, or are scalars."""
    rank = eqn.outvars[0].aval.ndim
    columns = [arg.axes if len(arg.axes) == rank else (EQUAL,) * rank for arg in args]
    return tuple(combine(axis) for axis in zip(*columns, strict=True)) if columns else ()


def elementwise(combine: Any) -> Callable[[Any, tuple[Value, ...]], Any]:
    def transfer(eqn: Eqn, args: tuple[Value, ...]) -> Any:
        return over_all(args, combine), along_axes(eqn, args, combine)

    return transfer


# Adding, subtracting, negating and flipping bits lose nothing, with wrap-around too.
_ONE_TO_ONE = (
    "add",
    "sub",
    "neg",
    "not",
    "xor",
    "add_any",
    "copy",
    "copy_p",
    "reduce_precision",
)
_MANY_TO_ONE = (
    "abs",
    "and",
    "ceil",
    "clamp",
    "div",
    "eq",
    "exp",
    "floor",
    "ge",
    "gt",
    "integer_pow",
    "is_finite",
    "le",
    "log",
    "lt",
    "max",
    "min",
    "mul",
    "ne",
    "or",
    "pow",
    "rem",
    "round",
    "shift_left",
    "shift_right_arithmetic",
    "shift_right_logical",
    "sign",
    "sqrt",
    "square",
    "stop_gradient",
    "population_count",
    "clz",
)


def _convert(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    source, target = eqn.invars[0].aval.dtype, eqn.outvars[0].aval.dtype
    integers = source.kind in "iub" and target.kind in "iu"
    lossless = integers and target.itemsize >= source.itemsize
    return elementwise(of_one_to_one if lossless else of_any)(eqn, args)


def _select_n(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    """`select_n(which, a, b)`: what holds of both holds, where all examples choose the same."""
    which, *cases = args

    def chosen(variations: Iterable[Variation]) -> Variation:
        choice, *rest = variations
        return of_either(rest) if choice.is_same else UNKNOWN

    if all(case.equals(cases[0]) for case in cases):
        return cases[0].over, cases[0].axes
    return over_all((which, *cases), chosen), along_axes(eqn, args, chosen)


TRANSFERS = {
    "select_n": _select_n,
    **dict.fromkeys(_ONE_TO_ONE, elementwise(of_one_to_one)),
    **dict.fromkeys(_MANY_TO_ONE, elementwise(of_any)),
    "convert_element_type": _convert,
}
