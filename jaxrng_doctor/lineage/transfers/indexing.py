"""Taking parts of an array: `slice`, `dynamic_slice`, `gather`."""

from __future__ import annotations

from typing import Any

from jaxrng_doctor.facts import Variation
from jaxrng_doctor.lineage.values import EQUAL, UNKNOWN, Value, over_all


def _slice(eqn: Any, args: tuple[Value, ...]) -> Any:
    """A part of what is pairwise distinct is pairwise distinct, a part of equals is equal."""
    del eqn
    return args[0].over, args[0].axes


def _picked(args: tuple[Value, ...]) -> dict[int, Variation]:
    """The same part of each example's array, unless the indices vary too."""
    operand, *indices = args
    moving = {d: UNKNOWN for d, v in over_all(indices).items() if not v.is_same}
    equal = {d: EQUAL for i in indices for d in i.over}
    return equal | dict(operand.over) | moving


def _dynamic_slice(eqn: Any, args: tuple[Value, ...]) -> Any:
    del eqn
    return _picked(args), args[0].axes


def _gather(eqn: Any, args: tuple[Value, ...]) -> Any:
    rank = eqn.outvars[0].aval.ndim
    operand, *indices = args
    if all(v.is_same for v in operand.axes):
        # Wherever the indices point, they find the same.
        return {d: EQUAL for i in indices for d in i.over} | dict(operand.over), (EQUAL,) * rank
    return _picked(args), (UNKNOWN,) * rank


TRANSFERS = {"slice": _slice, "dynamic_slice": _dynamic_slice, "gather": _gather}
