"""Entering `cond` and `switch`: one of the branches, by an index that may itself vary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jaxrng_doctor.analysis.lineage.uses import Path, ScopeRef
from jaxrng_doctor.analysis.lineage.values import Value, Values, of_either, over_chosen, over_either
from jaxrng_doctor.tracing.places import At

if TYPE_CHECKING:
    from jaxrng_doctor.analysis.lineage.engine import Engine


def enter_cond(
    engine: Engine,
    at: At,
    bodies: tuple[Any, ...],
    ins: Sequence[Value | None],
    scopes: tuple[ScopeRef, ...],
    path: Path,
) -> list[Value | None]:
    results = []
    for i, body in enumerate(bodies):
        with engine.guarded((ins[0], i, len(bodies))):
            results.append(engine.jaxpr(body, ins[1:], at, scopes, (*path, (at.index, i))))
    return [_chosen(engine.values, at, ins[0], outs) for outs in zip(*results, strict=True)]


def _chosen(
    values: Values, at: At, index: Value | None, outs: Sequence[Value | None]
) -> Value | None:
    present = tuple(v for v in outs if v is not None)
    if len(present) < len(outs) or index is None:
        return None
    first = present[0]
    if all(v.equals(first) for v in present):
        return first
    over = dict(first.over)
    axes = first.axes
    for other in present[1:]:
        over = over_either(over, other.over)
        axes = tuple(of_either(pair) for pair in zip(axes, other.axes, strict=True))
    over = over_chosen(over, index)
    return values.make("chosen", None, (index, *present), over=over, axes=axes, birth=at)
