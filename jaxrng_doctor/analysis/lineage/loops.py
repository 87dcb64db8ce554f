"""The values that a loop carries: how they vary from step to step, and after the loop.

A carried value starts as "the same as before the loop". Its `Variation`s can only widen from there,
and there are only a few of them, so the iteration ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxrng_doctor.analysis.lineage.values import (
    DISTINCT,
    UNKNOWN,
    Value,
    Values,
    of_either,
    over_chosen,
    over_either,
)
from jaxrng_doctor.jax_internals import primitives
from jaxrng_doctor.model.facts import Variation
from jaxrng_doctor.tracing.places import At

_LONG = 1 << 24

# Between one step's key and the next, each of these keeps the key or derives another one.
_CHAIN = frozenset(
    {
        "random_clone",
        primitives.FOLD_IN,
        primitives.SPLIT,
        "random_unwrap",
        "random_wrap",
        "reshape",
        "slice",
        "squeeze",
        "unstack",
    }
)


def fixed_point(
    values: Values,
    at: At,
    body: object,
    init: Sequence[Value | None],
    step: Callable[[Sequence[Value | None]], list[Value | None]],
    entering: tuple[Value, ...],
) -> tuple[list[Value | None], list[Value | None]]:
    """The carried values as every step sees them, and the outputs of the last pass.

    A value that the body returns unchanged is the value from before the loop, by induction. Each
    other value is replaced by a separate symbol, whose variation is widened until it covers what
    the body makes of it. `entering`: all values that enter the loop.
    """
    carry = list(init)
    grown: dict[int, tuple[dict[int, Variation], tuple[Variation, ...]]] = {}
    while True:
        outs = step(carry)
        changed = False
        for i, (before, start) in enumerate(zip(tuple(carry), init, strict=True)):
            after = outs[i]
            if before is None or start is None:
                continue
            if after is None:  # no key depends on it, so its start is not followed either
                carry[i], changed = None, True
                continue
            if after.equals(before):
                continue
            over, axes = _covering(before, after, *grown.get(i, (start.over, start.axes)), at.depth)
            if grown.get(i) != (over, axes):
                grown[i] = (over, axes)
                changed = True
                # Two loops with the same body and the same inputs carry the same values.
                which = (i, id(body), tuple(sorted(over.items())))
                carry[i] = values.make(
                    "carry", which, (start, *entering), over=over, axes=axes, birth=at
                )
        if not changed:
            return carry, outs


def _covering(
    before: Value,
    after: Value,
    over: Mapping[int, Variation],
    axes: tuple[Variation, ...],
    depth: int,
) -> tuple[dict[int, Variation], tuple[Variation, ...]]:
    """The variation `over` and `axes` of a carried value, widened to cover the step's `after`."""
    stuck = over.get(depth) is UNKNOWN
    wider = over_either(over, after.over)
    wider[depth] = UNKNOWN if stuck or not _advances(after, before) else DISTINCT
    return wider, tuple(of_either(pair) for pair in zip(axes, after.axes, strict=True))


def after_loop(
    values: Values,
    at: At,
    start: Value | None,
    symbol: Value | None,
    out: Value | None,
    turns: Value | str | None,
) -> Value | None:
    """A carried value after the loop: unchanged, or as the last step returned it.

    `turns` determines the number of steps: a scan's length and direction, or the value of a while
    loop's condition, `None` if that is unknown.
    """
    if symbol is None or out is None or start is None or symbol is start:
        return symbol
    test = turns if isinstance(turns, Value) else None
    over = symbol.over if test is None else over_chosen(symbol.over, test)
    over = {d: v for d, v in over.items() if d < at.depth}
    made_of = (symbol, out) if test is None else (symbol, out, test)
    length = turns if test is None else None
    return values.make("after_loop", length, made_of, over=over, axes=symbol.axes, birth=at)


def _advances(after: Value, before: Value) -> bool:
    """Whether all steps differ: a value is split or folded from the one before, or counts on."""
    if after.op in ("add", "sub") and after.args[0].equals(before):
        step = after.args[1]
        return step.op == "literal" and _wraps_late(*step.params)
    hashed = False
    while not after.equals(before):
        if after.op not in _CHAIN:
            return False
        hashed |= after.op in (primitives.SPLIT, primitives.FOLD_IN)
        after = after.args[0]
    return hashed


def _wraps_late(dtype: str, step: Any) -> bool:
    """Whether counting by `step` repeats a value only after more steps than a loop makes.

    Small integers wrap around soon; adding to a floating-point number may not change it.
    """
    if np.dtype(dtype).kind not in "iu" or step == 0:
        return False
    return int(2 ** (8 * np.dtype(dtype).itemsize) // (step & -step)) > _LONG
