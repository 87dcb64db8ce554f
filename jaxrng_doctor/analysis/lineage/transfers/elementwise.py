"""Elementwise primitives: `add`, `convert_element_type`, `select_n` and so on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jaxrng_doctor.analysis.lineage.values import (
    DISTINCT,
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
    """The axes of an elementwise result. The operands have its shape, or are scalars.

    An axis of size 1 may also be repeated, as in `lax.add(i32[1,3], i32[2,3])`.
    """
    shape = eqn.outvars[0].aval.shape
    columns = [
        [
            EQUAL if len(arg.axes) != len(shape) or var.aval.shape[i] != size else arg.axes[i]
            for i, size in enumerate(shape)
        ]
        for var, arg in zip(eqn.invars, args, strict=True)
    ]
    return tuple(combine(axis) for axis in zip(*columns, strict=True)) if columns else ()


def elementwise(combine: Any) -> Callable[[Any, tuple[Value, ...]], Any]:
    def transfer(eqn: Eqn, args: tuple[Value, ...]) -> Any:
        return over_all(args, combine), along_axes(eqn, args, combine)

    return transfer


_ONE_TO_ONE = ("neg", "not", "xor", "copy", "copy_p")
_ADDING = ("add", "sub", "add_any")
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
    "reduce_precision",
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


def _adding(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    """Integers wrap around and lose nothing; a small float may not change a large one."""
    exact = eqn.outvars[0].aval.dtype.kind in "iub"
    return elementwise(of_one_to_one if exact else of_any)(eqn, args)


def _convert(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    source, target = eqn.invars[0].aval.dtype, eqn.outvars[0].aval.dtype
    integers = source.kind in "iub" and target.kind in "iu"
    lossless = integers and target.itemsize >= source.itemsize
    if may_be_words(eqn.invars[0].aval) and target != source:
        lossless = False  # now plain integers; single words of distinct keys may be equal
    return elementwise(of_one_to_one if lossless else of_any)(eqn, args)


def _select_n(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    """`select_n(which, a, b)`: what holds for both cases holds if all examples choose the same."""
    which, *cases = args

    def chosen(variations: Iterable[Variation]) -> Variation:
        choice, *rest = variations
        return of_either(rest) if choice.is_same else UNKNOWN

    mixed = may_be_words(eqn.outvars[0].aval) and eqn.invars[0].aval.ndim > 0

    if all(case.equals(cases[0]) for case in cases):
        return cases[0].over, cases[0].axes
    over, axes = over_all((which, *cases), chosen), along_axes(eqn, args, chosen)
    return undistinguished(over, axes) if mixed else (over, axes)


def may_be_words(aval: Any) -> bool:
    """Whether an array may hold words of legacy keys, one key per row: only rows are `DISTINCT`."""
    return bool(aval.dtype == "uint32" and aval.ndim > 0)


def undistinguished(over: Mapping[int, Variation], axes: Iterable[Variation]) -> Any:
    """`DISTINCT` weakened to `UNKNOWN`, for rows that are split up or combined from several."""
    weak = {depth: UNKNOWN if v is DISTINCT else v for depth, v in over.items()}
    return weak, tuple(UNKNOWN if v is DISTINCT else v for v in axes)


TRANSFERS = {
    "select_n": _select_n,
    **dict.fromkeys(_ONE_TO_ONE, elementwise(of_one_to_one)),
    **dict.fromkeys(_ADDING, _adding),
    **dict.fromkeys(_MANY_TO_ONE, elementwise(of_any)),
    "convert_element_type": _convert,
}
