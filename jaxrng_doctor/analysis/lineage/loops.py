"""Entering loops: a body is run on abstract values until what it carries no longer changes.

A carried value starts as "the same as before the loop" and can only move away from
that, over a handful of `Variation`s, so the iteration ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxrng_doctor.analysis.lineage.mapped import element, stacked
from jaxrng_doctor.analysis.lineage.uses import Path, ScopeRef
from jaxrng_doctor.analysis.lineage.values import (
    DISTINCT,
    UNKNOWN,
    Value,
    of_either,
    over_chosen,
    over_either,
)
from jaxrng_doctor.model.facts import Variation
from jaxrng_doctor.tracing.places import At
from jaxrng_doctor.tracing.subprograms import Scan, While

if TYPE_CHECKING:
    from jaxrng_doctor.analysis.lineage.engine import Engine

_Values = list[Value | None]

_LONG = 1 << 24

# Between one step's key and the next these change no key, or change every key.
_CHAIN = frozenset(
    {
        "random_clone",
        "random_fold_in",
        "random_split",
        "random_unwrap",
        "random_wrap",
        "reshape",
        "slice",
        "squeeze",
        "unstack",
    }
)


def enter_scan(
    engine: Engine,
    at: At,
    scan: Scan,
    ins: Sequence[Value | None],
    scopes: tuple[ScopeRef, ...],
    path: Path,
) -> _Values:
    depth = len(scopes)
    consts, init = ins[: scan.consts], ins[scan.consts : scan.consts + scan.carry]
    after = ins[scan.consts + scan.carry :]
    xs = [v and element(engine.values, v, 0, depth, at) for v in after]
    inside = (*scopes, ScopeRef("scan", scan.length, at, None, _unchanging(consts, init)))

    def step(carry: Sequence[Value | None]) -> _Values:
        args = [*consts, *carry, *xs]
        return engine.jaxpr(scan.body, args, at, inside, (*path, (at.index, 0)))

    entering = tuple(v for v in ins if v is not None)
    carry, outs = _fixed_point(engine, at, init, step, scan.body, entering)
    ys = [v and stacked(engine.values, v, 0, depth, at) for v in outs[scan.carry :]]
    return [
        *_after(engine, at, init, carry, outs, f"{'reversed ' * scan.reverse}{scan.length}"),
        *ys,
    ]


def enter_while(
    engine: Engine,
    at: At,
    loop: While,
    ins: Sequence[Value | None],
    scopes: tuple[ScopeRef, ...],
    path: Path,
) -> _Values:
    first = loop.condition_consts + loop.body_consts
    tests, consts = ins[: loop.condition_consts], ins[loop.condition_consts : first]
    init = ins[first:]
    inside = (*scopes, ScopeRef("while", None, at, None, _unchanging((*tests, *consts), init)))

    goes_on: _Values = []

    def step(carry: Sequence[Value | None]) -> _Values:
        goes_on[:] = engine.jaxpr(
            loop.condition, [*tests, *carry], at, inside, (*path, (at.index, 0))
        )
        return engine.jaxpr(loop.body, [*consts, *carry], at, inside, (*path, (at.index, 1)))

    entering = tuple(v for v in ins if v is not None)
    carry, outs = _fixed_point(engine, at, init, step, loop.body, entering)
    return _after(engine, at, init, carry, outs, goes_on[0])


def _unchanging(
    consts: Sequence[Value | None], init: Sequence[Value | None]
) -> tuple[tuple[Value, str | None], ...]:
    return tuple((v, None) for v in (*consts, *init) if v is not None)


def _fixed_point(
    engine: Engine,
    at: At,
    init: Sequence[Value | None],
    step: Callable[[Sequence[Value | None]], _Values],
    body: object,
    entering: tuple[Value, ...],
) -> tuple[_Values, _Values]:
    """The carried values as every step sees them, and what the last pass returned.

    A value that comes back as it went in is the value from before the loop, by
    induction. The others get a symbol of their own, whose variation grows until
    it covers what the body makes of it. `entering` are all values that enter the loop.
    """
    if all(start is None for start in init):
        return list(init), step(init)
    depth = at.depth
    carry: _Values = list(init)
    grown: dict[int, tuple[dict[int, Variation], tuple[Variation, ...]]] = {}
    recording, engine.recording = engine.recording, False
    try:
        while True:
            outs = step(carry)
            changed = False
            for i, (before, start) in enumerate(zip(tuple(carry), init, strict=True)):
                after = outs[i]
                if before is None or start is None:
                    continue
                if after is None:  # not followed, as no key depends on it; so nor is what comes in
                    carry[i], changed = None, True
                    continue
                if after.equals(before):
                    continue
                over, axes = grown.get(i, (dict(start.over), start.axes))
                stuck = over.get(depth) is UNKNOWN
                over = over_either(over, after.over)
                over[depth] = UNKNOWN if stuck or not _advances(after, before) else DISTINCT
                axes = tuple(of_either(pair) for pair in zip(axes, after.axes, strict=True))
                if grown.get(i) != (over, axes):
                    grown[i] = (over, axes)
                    changed = True
                    # Two loops with one body and one input carry the same values.
                    which = (i, id(body), tuple(sorted(over.items())))
                    carry[i] = engine.values.make(
                        "carry", which, (start, *entering), over=over, axes=axes, birth=at
                    )
            if not changed:
                break
    finally:
        engine.recording = recording
    return carry, step(carry) if recording else outs


def _after(
    engine: Engine,
    at: At,
    init: Sequence[Value | None],
    carry: Sequence[Value | None],
    outs: Sequence[Value | None],
    turns: Value | str | None,
) -> _Values:
    """The carried values after the loop: as they were, or whatever the last step left.

    `turns` tells how often it turned: a scan's length and direction, or a while loop's
    condition, `None` if that is not known.
    """
    test = turns if isinstance(turns, Value) else None
    length = None if test else turns
    left: _Values = []
    for start, symbol, out in zip(init, carry, outs, strict=False):
        if symbol is None or out is None or start is None or symbol is start:
            left.append(symbol)
            continue
        over = symbol.over if test is None else over_chosen(symbol.over, test)
        over = {d: v for d, v in over.items() if d < at.depth}
        made_of = (symbol, out) if test is None else (symbol, out, test)
        left.append(
            engine.values.make("after loop", length, made_of, over=over, axes=symbol.axes, birth=at)
        )
    return left


def _advances(after: Value, before: Value) -> bool:
    """Each step's value is split or folded from the step before, or counts on: all differ."""
    if after.op in ("add", "sub") and after.args[0].equals(before):
        step = after.args[1]
        return step.op == "literal" and _is_long_way_round(*step.params)
    hashed = False
    while not after.equals(before):
        if after.op not in _CHAIN:
            return False
        hashed |= after.op in ("random_split", "random_fold_in")
        after = after.args[0]
    return hashed


def _is_long_way_round(dtype: str, step: Any) -> bool:
    """Counting by `step` comes back to where it was only after more steps than a loop makes.

    Small integers wrap around soon; floating point numbers can stand still.
    """
    if np.dtype(dtype).kind not in "iu" or step == 0:
        return False
    return int(2 ** (8 * np.dtype(dtype).itemsize) // (step & -step)) > _LONG
