"""Where a draw goes that is alike on all of an axis: to data that vary over it, or out as it is.

A mask that every device draws alike and lays over its own part of the batch is a
fault; parameters that every device makes alike are not. So a draw on replicated
keys is followed forward through the device map's body, to the first equation in
which it meets something that differs from device to device. Likewise parameters that
leave a vmap with `out_axes=None` are said by their author to be one for all examples,
and numbers that several processes draw alike are a fault where they meet data of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.tracing.draws import is_key
from jaxrng_doctor.tracing.subprograms import Call, Cond, Map, Scan, ShardMap, While, control

_REDUCING = frozenset({"psum", "pmax", "pmin", "psum_invariant", "all_gather"})


@dataclass(frozen=True, slots=True)
class _Flag:
    """Of one value: does it vary over the axis, and is it made from the draw?"""

    varies: bool = False
    drawn: bool = False

    def __or__(self, other: _Flag) -> _Flag:
        return _Flag(self.varies or other.varies, self.drawn or other.drawn)


_PLAIN = _Flag()


def meets_varying(over: Map | ShardMap, axis: Any, draw: tuple[tuple[int, int], ...]) -> bool:
    """Whether the draw at `draw` inside the device map `over` meets data varying over `axis`."""
    if isinstance(over, Map):
        cut_in = [d is not None for d in over.in_axes]
        cut_out = [d is not None for d in over.out_axes]
    else:
        cut_in = [any(axis in names for names in dims.values()) for dims in over.ins]
        cut_out = [any(axis in names for names in dims.values()) for dims in over.outs]
    walk = _Walk(axis)
    outs = walk.jaxpr(over.body, [_Flag(varies=c) for c in cut_in], draw)
    return walk.met or any(o.drawn and c for o, c in zip(outs, cut_out, strict=True))


def meets_inputs(program: Any, inputs: Collection[int], draw: tuple[tuple[int, int], ...]) -> bool:
    """Whether the draw at `draw` in a whole program meets data made of any of these `inputs`."""
    walk = _Walk(axis=object())
    count = len(equations.open_jaxpr(program)[0].invars)
    walk.jaxpr(program, [_Flag(varies=i in inputs) for i in range(count)], draw)
    return walk.met


def leaves_as_one(over: Map, draw: tuple[tuple[int, int], ...]) -> bool:
    """Whether the draw at `draw` leaves the vmap `over`, unmixed, by an output with axis `None`."""
    if None not in over.out_axes:
        return False
    # No name: what an axis is reduced to is not mapped, and yet made of what is.
    walk = _Walk(axis=object())
    outs = walk.jaxpr(over.body, [_Flag(varies=d is not None) for d in over.in_axes], draw)
    leaving = zip(outs, over.out_axes, strict=True)
    return any(axis is None and out.drawn and not out.varies for out, axis in leaving)


class _Walk:
    def __init__(self, axis: Any) -> None:
        self.axis = axis
        self.met = False
        self._known: dict[Any, list[_Flag]] = {}

    def jaxpr(
        self, jaxpr: Any, ins: Sequence[_Flag], draw: tuple[tuple[int, int], ...] | None
    ) -> list[_Flag]:
        inner = equations.open_jaxpr(jaxpr)[0]
        if draw:
            return self._outputs(inner, ins, draw)
        # A loop in a loop would else be walked for each step of each.
        known = id(inner), tuple(ins)
        if known not in self._known:
            self._known[known] = self._outputs(inner, ins, draw)
        return self._known[known]

    def _outputs(
        self, inner: Any, ins: Sequence[_Flag], draw: tuple[tuple[int, int], ...] | None
    ) -> list[_Flag]:
        env: dict[Any, _Flag] = dict(zip(inner.invars, ins, strict=True))

        def read(atom: Any) -> _Flag:
            return _PLAIN if isinstance(atom, equations.Literal) else env.get(atom, _PLAIN)

        for index, eqn in enumerate(inner.eqns):
            here = draw if draw and draw[0][0] == index else None
            flags = self._equation(eqn, [read(atom) for atom in eqn.invars], here)
            env.update(zip(eqn.outvars, flags, strict=True))
        return [read(atom) for atom in inner.outvars]

    def _equation(
        self, eqn: Any, ins: list[_Flag], draw: tuple[tuple[int, int], ...] | None
    ) -> Sequence[_Flag]:
        if draw and len(draw) == 1:
            # What the numbers are made to fit, such as a probability, they have met by then.
            data = [flag for v, flag in zip(eqn.invars, ins, strict=True) if not is_key(v.aval)]
            varies = len(data) < len(ins) and _any(data).varies
            self.met |= varies
            return [_Flag(varies, True)] * len(eqn.outvars)

        def inside(sub: int = 0) -> tuple[tuple[int, int], ...] | None:
            return draw[1:] if draw and draw[0][1] == sub else None

        match control(eqn):
            case Call(body) | Map(body) | ShardMap(body):
                return self.jaxpr(body, ins, inside())
            case Scan() as scan:
                return self._loop(scan.body, ins, scan.consts, scan.carry, inside())
            case While() as loop:
                first = loop.condition_consts
                return self._loop(
                    loop.body, ins[first:], loop.body_consts, len(eqn.outvars), inside(1)
                )
            case Cond(branches):
                each = [self.jaxpr(b, ins[1:], inside(i)) for i, b in enumerate(branches)]
                return [_any([ins[0], *outs]) for outs in zip(*each, strict=True)]
        together = _any(ins)
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

    def _loop(
        self,
        body: Any,
        ins: list[_Flag],
        consts: int,
        carry: int,
        draw: tuple[tuple[int, int], ...] | None,
    ) -> list[_Flag]:
        while True:
            outs = self.jaxpr(body, ins, draw)
            grown = [a | b for a, b in zip(ins[consts : consts + carry], outs, strict=False)]
            if grown == ins[consts : consts + carry]:
                return outs
            ins = [*ins[:consts], *grown, *ins[consts + carry :]]


def _any(flags: Sequence[_Flag]) -> _Flag:
    return _Flag(any(f.varies for f in flags), any(f.drawn for f in flags))
