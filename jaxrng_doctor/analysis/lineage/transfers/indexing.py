"""Primitives that take parts of an array: `slice`, `unstack`, `dynamic_slice`, `gather`."""

from __future__ import annotations

from typing import Any

from jax import lax

from jaxrng_doctor.analysis.lineage.transfers.elementwise import may_be_words, undistinguished
from jaxrng_doctor.analysis.lineage.values import EQUAL, UNKNOWN, Value, over_all
from jaxrng_doctor.jax_internals.equations import Eqn
from jaxrng_doctor.model.facts import Variation


def _slice(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    """Parts of pairwise distinct values are pairwise distinct, parts of equal values are equal."""
    cut = eqn.outvars[0].aval.shape[-1] if eqn.outvars[0].aval.ndim else None
    return _without_words(eqn, cut, args[0].over, args[0].axes)


def _without_words(eqn: Eqn, left: int | None, over: Any, axes: Any) -> Any:
    """`over` and `axes`, undistinguished if only some of the words of each raw key are taken.

    Single words of distinct keys may be equal: the first is 0 for every seed. `left`: the size that
    is left of the operand's last axis.
    """
    operand = eqn.invars[0].aval
    if not may_be_words(operand) or left == operand.shape[-1]:
        return over, axes
    return undistinguished(over, axes)


def _picked(args: tuple[Value, ...]) -> dict[int, Variation]:
    """The variation of a part: that of the operand, but unknown where the indices vary."""
    operand, *indices = args
    moving = {d: UNKNOWN for d, v in over_all(indices).items() if not v.is_same}
    equal = {d: EQUAL for i in indices for d in i.over}
    return equal | dict(operand.over) | moving


def _dynamic_slice(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    return _without_words(eqn, eqn.params["slice_sizes"][-1], _picked(args), args[0].axes)


def _gather(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    rank = eqn.outvars[0].aval.ndim
    if eqn.params["mode"] == lax.GatherScatterMode.FILL_OR_DROP:
        # An index out of bounds gets the fill value, which is the same for all.
        return undistinguished(_picked(args), (UNKNOWN,) * rank)
    operand, *indices = args
    if all(v.is_same for v in operand.axes):
        # Any index gets the same value.
        return {d: EQUAL for i in indices for d in i.over} | dict(operand.over), (EQUAL,) * rank
    left = eqn.params["slice_sizes"][-1]
    return _without_words(eqn, left, _picked(args), (UNKNOWN,) * rank)


def _unstack(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    axis, rest = eqn.params["axis"], list(args[0].axes)
    del rest[axis]
    left = 1 if axis == len(rest) else eqn.invars[0].aval.shape[-1]
    return _without_words(eqn, left, args[0].over, tuple(rest))


TRANSFERS = {
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
    "slice": _slice,
    "unstack": _unstack,
}
