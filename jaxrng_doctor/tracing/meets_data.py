"""Decides whether a draw that is the same along an axis meets data that vary along it.

A mask that is the same on every device, over different parts of the batch, is a mistake;
parameters that are the same on every device are not. So a draw from replicated keys is followed
forward through the device map's body, to the first equation in which it meets something that
differs from device to device. Likewise, parameters that leave a vmap with `out_axes=None` are
declared to be the same for all examples, and numbers that are the same in several processes are
a mistake if they meet data that differ.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Jaxpr
from jaxrng_doctor.tracing.draws import is_key
from jaxrng_doctor.tracing.places import At
from jaxrng_doctor.tracing.scopes import EqnPath, Map, ShardMap, bodies, differs
from jaxrng_doctor.tracing.walk import Here, JoiningWalk

_REDUCING = frozenset({"psum", "pmax", "pmin", "psum_invariant", "all_gather"})


@dataclass(frozen=True, slots=True)
class _Flag:
    """Whether a value varies over the axis, and whether it is made from the draw."""

    varies: bool = False
    drawn: bool = False


def meets_varying(over: Map | ShardMap, axis: Any, draw: EqnPath) -> bool:
    """Whether the draw at `draw` inside the device map `over` meets data that vary over `axis`.

    It also does if it leaves the map by an output that is mapped over `axis`.
    """
    (body,) = bodies(over)
    walk = _Meeting(axis, draw)
    outs = walk.jaxpr(body.jaxpr, [_Flag(differs(how, axis)) for _, how in body.ins], Here())
    leaving = zip(outs, body.outs, strict=True)
    return walk.met or any(out.drawn and differs(how, axis) for out, how in leaving)


def meets_inputs(program: AnyJaxpr, inputs: Collection[int], draw: EqnPath) -> bool:
    """Whether the draw at `draw` in a whole program meets data made from any of `inputs`."""
    walk = _Meeting(object(), draw)
    count = len(equations.open_jaxpr(program)[0].invars)
    walk.jaxpr(program, [_Flag(i in inputs) for i in range(count)], Here())
    return walk.met


def leaves_unmapped(over: Map, draw: EqnPath) -> bool:
    """Whether the draw at `draw` leaves the vmap `over` by an output with axis `None`.

    Outputs that are also made from mapped data do not count.
    """
    if None not in over.out_axes:
        return False
    # Not the axis name: a value reduced over the axis is not mapped, but made from mapped data.
    walk = _Meeting(object(), draw)
    outs = walk.jaxpr(over.body, [_Flag(axis is not None) for axis in over.in_axes], Here())
    leaving = zip(outs, over.out_axes, strict=True)
    return any(axis is None and out.drawn and not out.varies for out, axis in leaving)


class _Meeting(JoiningWalk[_Flag]):
    nothing = _Flag()

    def __init__(self, axis: Any, draw: EqnPath) -> None:
        super().__init__()
        self.axis = axis
        self.draw = draw
        self.met = False

    def key_of(self, jaxpr: Jaxpr, args: Sequence[_Flag], here: Here[None]) -> Hashable | None:
        on_its_way = self.draw[: len(here.path)] == here.path
        return None if on_its_way else super().key_of(jaxpr, args, here)

    def join(self, values: Sequence[_Flag]) -> _Flag:
        return _Flag(any(f.varies for f in values), any(f.drawn for f in values))

    def equation(self, at: At, ins: Sequence[_Flag], here: Here[None]) -> Sequence[_Flag]:
        level = len(here.path)
        if len(self.draw) != level + 1 or (*here.path, (at.index, 0)) != self.draw:
            return super().equation(at, ins, here)
        # The other operands of the draw, such as a probability, are data that it meets.
        data = [flag for v, flag in zip(at.eqn.invars, ins, strict=True) if not is_key(v.aval)]
        varies = len(data) < len(ins) and self.join(data).varies
        self.met |= varies
        return [_Flag(varies, True)] * len(at.eqn.outvars)

    def transfer(self, at: At, ins: Sequence[_Flag], here: Here[None]) -> Sequence[_Flag]:
        del here
        eqn, together = at.eqn, self.join(ins)
        self.met |= together.drawn and together.varies
        name = eqn.primitive.name
        if name == "axis_index" and eqn.params["axis_name"] == self.axis:
            together = _Flag(True, together.drawn)
        axes = eqn.params.get("axes", eqn.params.get("axis_name", ()))
        reduced = axes if isinstance(axes, tuple) else (axes,)
        whole = eqn.params.get("axis_index_groups") is None
        if name in _REDUCING and whole and self.axis in reduced:
            together = _Flag(False, together.drawn)
        return [together] * len(eqn.outvars)
