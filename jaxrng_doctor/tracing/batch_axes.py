"""Finds the batch axes of the inputs and outputs of a program that calls vmap itself.

A target without `in_axes` may map over a batch somewhere inside. The batch axes of its inputs
and outputs are found by following axes through the equations around the outermost vmaps. An axis
that is lost on the way (summed over, reshaped) is not a batch axis. A primitive that `_moved` does
not know loses all axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jaxrng_doctor.jax_internals import equations, jaxprs
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Atom, Eqn, Jaxpr
from jaxrng_doctor.tracing.places import At
from jaxrng_doctor.tracing.scopes import Call, Entered, Map, control
from jaxrng_doctor.tracing.walk import Here, JoiningWalk

# With `jaxprs.is_elementwise`, the primitives whose outputs depend, at each position, only on the
# operands at this position.
_ELEMENTWISE = frozenset(
    {
        "add_any",
        "clamp",
        "convert_element_type",
        "copy_p",
        "name",
        "reshard",
        "select_n",
        "sharding_constraint",
        "stop_gradient",
    }
)
# Their outputs are their operands, in the same order.
_PASSING = frozenset({"device_put", "optimization_barrier", "pvary"})
# The parameter with the axis, or axes, along which each of these moves or combines elements.
_ALONG = {
    "cumlogsumexp": "axis",
    "cummax": "axis",
    "cummin": "axis",
    "cumprod": "axis",
    "cumsum": "axis",
    "rev": "dimensions",
    "sort": "dimension",
}
_SCATTERS = frozenset(
    {"scatter", "scatter-add", "scatter-max", "scatter-min", "scatter-mul", "scatter-sub"}
)
_RESULT = -1
_Mark = tuple[int, int, int]
"""The index of an input (or `_RESULT`: a vmap's output), one of its axes, and its position now."""


@dataclass
class BatchAxes:
    """The size of the batch, and its axis in each input and output.

    `size` is `None` if there is no batch. `inputs` has only the inputs with a batch axis, by
    index; in `outputs`, an output without one is `None`.
    """

    size: int | None = None
    inputs: dict[int, int] = field(default_factory=dict)
    outputs: list[int | None] = field(default_factory=list)


def batch_axes(jaxpr: AnyJaxpr) -> BatchAxes:
    """The batch axes of a traced program. The outermost vmaps of one size map over the batch."""
    inner = equations.open_jaxpr(jaxpr)[0]
    marks = [frozenset((i, a, a) for a in range(v.aval.ndim)) for i, v in enumerate(inner.invars)]
    walk = _Axes()
    outs = walk.jaxpr(jaxpr, marks, Here())
    axes = [next((now for i, _, now in sorted(m) if i == _RESULT), None) for m in outs]
    return replace(walk.found, outputs=axes)


_Marks = frozenset[_Mark]


class _Axes(JoiningWalk[_Marks]):
    """Follows axes through calls, up to the outermost vmaps. In other scopes they are lost."""

    nothing: _Marks = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.found = BatchAxes()

    def key_of(self, jaxpr: Jaxpr, args: Sequence[_Marks], here: Here[None]) -> None:
        """Outputs are not cached: the first vmap decides which later ones map over the batch."""

    def join(self, values: Sequence[_Marks]) -> _Marks:
        return frozenset.intersection(*values)

    def enter(
        self, at: At, inside: Entered, ins: Sequence[_Marks], here: Here[None]
    ) -> list[_Marks]:
        match inside:
            case Call():
                return super().enter(at, inside, ins, here)
            case Map(is_device=False):
                return self._vmap(at.eqn, ins)
        return [self.nothing] * len(at.eqn.outvars)

    def transfer(self, at: At, ins: Sequence[_Marks], here: Here[None]) -> Sequence[_Marks]:
        del here
        if control(at.eqn) is not None:
            return [self.nothing] * len(at.eqn.outvars)
        if at.eqn.primitive.name in _PASSING:
            return ins
        return [_through(at.eqn, ins, var.aval) for var in at.eqn.outvars]

    def _vmap(self, eqn: Eqn, ins: Sequence[_Marks]) -> list[_Marks]:
        params, found = eqn.params, self.found
        if params["site"].basis or found.size not in (None, params["axis"].size):
            return [self.nothing] * len(eqn.outvars)
        found.size = params["axis"].size
        for marks, axis in zip(ins, params["in_axes"], strict=True):
            for source, own_axis, now in marks:
                if source != _RESULT and now == axis:
                    found.inputs.setdefault(source, own_axis)
        return [
            self.nothing if a is None else frozenset({(_RESULT, a, a)}) for a in params["out_axes"]
        ]


def _through(eqn: Eqn, ins: Sequence[frozenset[_Mark]], out: Any) -> frozenset[_Mark]:
    moved: set[_Mark] = set()
    for marks, atom in zip(ins, eqn.invars, strict=True):
        for source, own_axis, now in marks:
            target = _moved(eqn, atom, now, out)
            if target is not None:
                moved.add((source, own_axis, target))
    return frozenset(moved)


def _moved(eqn: Eqn, atom: Atom, axis: int, out: Any) -> int | None:
    """The position of `axis` of the operand `atom` in the output, `None` if it is lost."""
    params, name = eqn.params, eqn.primitive.name
    if name == "transpose":
        return int(params["permutation"].index(axis))
    if name == "broadcast_in_dim":
        return int(params["broadcast_dimensions"][axis])
    if name == "squeeze" or (name.startswith("reduce_") and "axes" in params):
        gone = params["dimensions"] if name == "squeeze" else params["axes"]
        return None if axis in gone else axis - sum(g < axis for g in gone)
    if name == "dot_general":
        return _in_product(eqn, atom, axis)
    if name == "conv_general_dilated":
        numbers = params["dimension_numbers"]
        is_batch = atom is eqn.invars[0] and axis == numbers.lhs_spec[0]
        return int(numbers.out_spec[0]) if is_batch and params["batch_group_count"] == 1 else None
    same_shape = getattr(out, "shape", None) == atom.aval.shape
    return axis if same_shape and _stays(eqn, atom, axis) else None


def _stays(eqn: Eqn, atom: Atom, axis: int) -> bool:
    """Whether each index of `axis` of `atom` affects only this index of an output of its shape."""
    params, name = eqn.params, eqn.primitive.name
    if name in _ALONG:
        along = params[_ALONG[name]]
        return axis not in (along if isinstance(along, tuple) else (along,))
    if name in _SCATTERS:
        moving = params["dimension_numbers"].scatter_dims_to_operand_dims
        return atom is eqn.invars[0] and axis not in moving
    if name == "dynamic_update_slice":
        operand, update = eqn.invars[:2]
        is_whole = operand.aval.shape[axis] == update.aval.shape[axis]
        return is_whole and (atom is operand or atom is update)
    return name in _ELEMENTWISE or jaxprs.is_elementwise(eqn.primitive)


def _in_product(eqn: Eqn, atom: Atom, axis: int) -> int | None:
    contracted, batched = eqn.params["dimension_numbers"]
    side = 0 if atom is eqn.invars[0] else 1
    if axis in contracted[side]:
        return None
    if axis in batched[side]:
        return int(batched[side].index(axis))
    free = [a for a in range(atom.aval.ndim) if a not in (*contracted[side], *batched[side])]
    before = 0
    if side == 1:
        left = eqn.invars[0].aval.ndim
        before = left - len(contracted[0]) - len(batched[0])
    return len(batched[0]) + before + free.index(axis)
