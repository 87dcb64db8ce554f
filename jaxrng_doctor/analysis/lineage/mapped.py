"""Entering vmaps and device maps: what one example or one device sees of a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxrng_doctor.analysis.lineage.uses import Path, ScopeRef
from jaxrng_doctor.analysis.lineage.values import EQUAL, UNKNOWN, Value, Values
from jaxrng_doctor.model.findings import ScopeKind
from jaxrng_doctor.tracing.meshes import MeshDims
from jaxrng_doctor.tracing.places import At
from jaxrng_doctor.tracing.subprograms import Map, ShardMap

if TYPE_CHECKING:
    from jaxrng_doctor.analysis.lineage.engine import Engine


def element(values: Values, array: Value, axis: int, depth: int, at: At) -> Value:
    """What one example or step sees of an array that is mapped along `axis`."""
    if array.op == "stack of results" and array.params == (axis, depth):
        return array.args[0]
    axes = (*array.axes[:axis], *array.axes[axis + 1 :])
    over = {**array.over, depth: array.axes[axis]}
    return values.make("element", (axis, depth), (array,), over=over, axes=axes, birth=at)


def stacked(values: Values, value: Value, axis: int, depth: int, at: At) -> Value:
    """All examples' or steps' results, along a new `axis`."""
    if value.op == "element" and value.params == (axis, depth):
        return value.args[0]
    along = max(value.along(depth), EQUAL)
    over = {d: v for d, v in value.over.items() if d != depth}
    axes = (*value.axes[:axis], along, *value.axes[axis:])
    return values.make("stack of results", (axis, depth), (value,), over=over, axes=axes, birth=at)


def enter_map(
    engine: Engine,
    at: At,
    over: Map,
    ins: Sequence[Value | None],
    scopes: tuple[ScopeRef, ...],
    path: Path,
) -> list[Value | None]:
    depth = len(scopes)
    args = [
        v if v is None or d is None else element(engine.values, v, d, depth, at)
        for v, d in zip(ins, over.in_axes, strict=True)
    ]
    site = at.eqn.params.get("site")
    names = site.operands if site else (None,) * len(ins)
    unmapped = tuple(
        (v, name)
        for v, d, name in zip(ins, over.in_axes, names, strict=True)
        if v is not None and d is None
    )
    kind: ScopeKind = "device" if over.is_device else "vmap"
    scope = ScopeRef(kind, over.size, at, over.axis_name, unmapped)
    outs = engine.jaxpr(over.body, args, at, (*scopes, scope), (*path, (at.index, 0)))
    return [
        v if v is None or d is None else stacked(engine.values, v, d, depth, at)
        for v, d in zip(outs, over.out_axes, strict=True)
    ]


def enter_shard_map(
    engine: Engine,
    at: At,
    over: ShardMap,
    ins: Sequence[Value | None],
    scopes: tuple[ScopeRef, ...],
    path: Path,
) -> list[Value | None]:
    """One scope a mesh axis: a block varies over the axes that cut its array, and no others."""
    depth = {name: len(scopes) + i for i, name in enumerate(over.axes)}
    args = [
        v and _block(engine.values, v, dims, depth, at)
        for v, dims in zip(ins, over.ins, strict=True)
    ]
    inside = tuple(
        ScopeRef("device", size, at, name, _replicated(name, ins, over.ins))
        for name, size in over.axes.items()
    )
    outs = engine.jaxpr(over.body, args, at, (*scopes, *inside), (*path, (at.index, 0)))
    return [
        v and _whole(engine.values, v, dims, depth, at)
        for v, dims in zip(outs, over.outs, strict=True)
    ]


def _replicated(
    name: object, ins: Sequence[Value | None], cuts: Sequence[MeshDims]
) -> tuple[tuple[Value, str | None], ...]:
    return tuple(
        (v, None)
        for v, dims in zip(ins, cuts, strict=True)
        if v is not None and not any(name in names for names in dims.values())
    )


def _block(values: Values, array: Value, dims: MeshDims, depth: dict[object, int], at: At) -> Value:
    over = dict(array.over)
    cuts = tuple(
        (dim, depth[name]) for dim, names in dims.items() for name in names if name in depth
    )
    if not cuts:
        return array
    over.update((level, array.axes[dim]) for dim, level in cuts)
    return values.make("block", cuts, (array,), over=over, axes=array.axes, birth=at)


def _whole(values: Values, block: Value, dims: MeshDims, depth: dict[object, int], at: At) -> Value:
    axes = list(block.axes)
    for dim, names in dims.items():
        variations = (axes[dim], *(block.along(depth[name]) for name in names if name in depth))
        axes[dim] = EQUAL if all(v.is_same for v in variations) else UNKNOWN
    over = {d: v for d, v in block.over.items() if d < min(depth.values(), default=0)}
    cuts = tuple((dim, names) for dim, names in dims.items())
    return values.make("blocks", cuts, (block,), over=over, axes=axes, birth=at)
