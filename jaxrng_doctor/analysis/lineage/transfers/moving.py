"""Primitives that move or repeat elements: `reshape`, `broadcast_in_dim` and so on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from jaxrng_doctor.analysis.lineage.transfers.elementwise import may_be_words, undistinguished
from jaxrng_doctor.analysis.lineage.values import (
    DISTINCT,
    EQUAL,
    UNKNOWN,
    Value,
    of_either,
    over_all,
)
from jaxrng_doctor.jax_internals.equations import Eqn
from jaxrng_doctor.model.facts import Variation


def _broadcast_in_dim(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    """`broadcast_in_dim(f32[3], shape=(5, 3), broadcast_dimensions=(1,))`: axis 0 is all equal."""
    operand, shape, targets = args[0], eqn.invars[0].aval.shape, eqn.params["broadcast_dimensions"]
    axes = [EQUAL] * len(eqn.params["shape"])
    for axis, target in enumerate(targets):
        if shape[axis] == eqn.params["shape"][target]:
            axes[target] = operand.axes[axis]
    rows = not shape or (targets[-1] == len(axes) - 1 and shape[-1] == eqn.params["shape"][-1])
    return _moved(eqn, over_all(args, of_either), axes, rows=rows)


def _squeeze(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    gone = set(eqn.params["dimensions"])
    return over_all(args, of_either), tuple(a for i, a in enumerate(args[0].axes) if i not in gone)


def _expand_dims(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    axes = list(args[0].axes)
    for axis in sorted(eqn.params["dimensions"]):
        axes.insert(axis, EQUAL)
    rows = len(axes) - 1 not in eqn.params["dimensions"]
    return _moved(eqn, over_all(args, of_either), axes, rows=rows)


def _transpose(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    order = eqn.params["permutation"]
    rows = not order or order[-1] == len(order) - 1
    return _moved(eqn, over_all(args, of_either), [args[0].axes[i] for i in order], rows=rows)


def _same(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    del eqn
    return over_all(args, of_either), args[0].axes


def _reshape(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    """`(128, 2) -> (4, 32, 2)`: both shapes are cut into the shortest pieces of equal size.

    If a piece is one axis before and several after, its variation is kept: if all 128 differ, so do
    the 4 and the 32. If several axes become one, only equality is kept.
    """
    old, new = eqn.invars[0].aval.shape, eqn.params["new_sizes"]
    if 0 in old or eqn.params.get("dimensions") is not None:
        return over_all(args, of_either), (UNKNOWN,) * len(new)
    axes: list[Variation] = []
    i = j = 0
    while j < len(new) or i < len(old):
        ends = _piece(old, new, i, j)
        before = [args[0].axes[a] for a in range(i, ends[0]) if old[a] != 1]
        if len(before) == 1 or all(v.is_same for v in before):
            kept = before[0] if len(before) == 1 else EQUAL
        else:
            kept = UNKNOWN
        axes.extend(EQUAL if new[a] == 1 else kept for a in range(j, ends[1]))
        i, j = ends
    return _moved(eqn, over_all(args, of_either), axes, rows=_keeps_rows(old, new))


def _keeps_rows(old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    """Whether each row stays within one row, which may be longer."""
    return bool(old) and bool(new) and old[-1] > 0 and new[-1] % old[-1] == 0


def _piece(old: tuple[int, ...], new: tuple[int, ...], i: int, j: int) -> tuple[int, int]:
    """The end of the next piece of equal size in each shape."""
    a = old[i] if i < len(old) else 1
    b = new[j] if j < len(new) else 1
    i, j = min(i + 1, len(old)), min(j + 1, len(new))
    while a != b:
        if a < b:
            a, i = a * old[i], i + 1
        else:
            b, j = b * new[j], j + 1
    return i, j


def _concatenate(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    """A value that is equal along the axis stays equal if it is concatenated with itself."""
    axis = eqn.params["dimension"]
    axes = [of_either(v) for v in zip(*(arg.axes for arg in args), strict=True)]
    sizes = [v.aval.shape[axis] for v in eqn.invars]
    repeats = all(arg.equals(args[0]) for arg in args)
    if repeats and (args[0].axes[axis].is_same or sizes[0] == 1):
        axes[axis] = EQUAL
    elif len(args) > 1:
        axes[axis] = UNKNOWN
    return over_all(args, of_either), tuple(axes)


def _stack(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    axes = [of_either(v) for v in zip(*(arg.axes for arg in args), strict=True)]
    axis = eqn.params["axis"]
    axes.insert(axis, EQUAL if all(arg.equals(args[0]) for arg in args) else UNKNOWN)
    return _moved(eqn, over_all(args, of_either), axes, rows=axis < len(axes) - 1)


def _tile(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    reps = eqn.params["reps"]
    axes = [a if n == 1 or a.is_same else UNKNOWN for a, n in zip(args[0].axes, reps, strict=True)]
    return over_all(args, of_either), tuple(axes)


def _iota(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    axes = [EQUAL] * len(eqn.params["shape"])
    axis, dtype = eqn.params["dimension"], eqn.params["dtype"]
    fits = eqn.params["shape"][axis] <= _count(dtype)
    axes[axis] = DISTINCT if fits else UNKNOWN
    return over_all(args, of_either), tuple(axes)


def _count(dtype: Any) -> int:
    """The number of consecutive integers, starting at 0, that the dtype represents exactly."""
    if dtype.kind in "iu":
        return int(jnp.iinfo(dtype).max) + 1
    precision: int = jnp.finfo(dtype).nmant + 1
    return 1 + (1 << precision)


def _moved(
    eqn: Eqn, over: Mapping[int, Variation], axes: Sequence[Variation], *, rows: bool
) -> Any:
    """`rows`: rows along the last axis stay rows. Otherwise the words of keys are mixed."""
    if rows or not may_be_words(eqn.invars[0].aval):
        return over, tuple(axes)
    return undistinguished(over, axes)


TRANSFERS = {
    "broadcast_in_dim": _broadcast_in_dim,
    "concatenate": _concatenate,
    "expand_dims": _expand_dims,
    "iota": _iota,
    "reshape": _reshape,
    "rev": _same,
    "squeeze": _squeeze,
    "stack": _stack,
    "tile": _tile,
    "transpose": _transpose,
}
