"""Values inside one example, step, device or branch, and their combined results outside."""

from __future__ import annotations

from collections.abc import Sequence

from jaxrng_doctor.analysis.lineage.values import (
    EQUAL,
    UNKNOWN,
    Value,
    Values,
    of_either,
    over_chosen,
    over_either,
)
from jaxrng_doctor.tracing.meshes import MeshDims
from jaxrng_doctor.tracing.places import At


def element(values: Values, array: Value, axis: int, depth: int, at: At) -> Value:
    """The element that one example or step gets of an array that is mapped along `axis`."""
    if array.op == "stacked" and array.params == (axis, depth):
        return array.args[0]
    axes = (*array.axes[:axis], *array.axes[axis + 1 :])
    over = {**array.over, depth: array.axes[axis]}
    return values.make("element", (axis, depth), (array,), over=over, axes=axes, birth=at)


def stacked(values: Values, value: Value, axis: int, depth: int, at: At) -> Value:
    """The results of all examples or steps, stacked along a new `axis`."""
    if value.op == "element" and value.params == (axis, depth):
        return value.args[0]
    along = max(value.along(depth), EQUAL)
    over = {d: v for d, v in value.over.items() if d != depth}
    axes = (*value.axes[:axis], along, *value.axes[axis:])
    return values.make("stacked", (axis, depth), (value,), over=over, axes=axes, birth=at)


def block(values: Values, array: Value, dims: MeshDims, depth: dict[object, int], at: At) -> Value:
    """The block of an array that one device holds. `depth`: the depth of each mesh axis."""
    over = dict(array.over)
    cuts = tuple(
        (dim, depth[name]) for dim, names in dims.items() for name in names if name in depth
    )
    if not cuts:
        return array
    over.update((level, array.axes[dim]) for dim, level in cuts)
    return values.make("block", cuts, (array,), over=over, axes=array.axes, birth=at)


def assembled(
    values: Values, block: Value, dims: MeshDims, depth: dict[object, int], at: At
) -> Value:
    """The array assembled from the blocks of all devices."""
    axes = list(block.axes)
    for dim, names in dims.items():
        variations = (axes[dim], *(block.along(depth[name]) for name in names if name in depth))
        axes[dim] = EQUAL if all(v.is_same for v in variations) else UNKNOWN
    over = {d: v for d, v in block.over.items() if d < min(depth.values(), default=0)}
    cuts = tuple((dim, names) for dim, names in dims.items())
    return values.make("blocks", cuts, (block,), over=over, axes=axes, birth=at)


def chosen(
    values: Values, at: At, index: Value | None, outs: Sequence[Value | None]
) -> Value | None:
    """The output of the branch that `index` selects, where each branch returns one of `outs`.

    `None` if any of these values is.
    """
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
