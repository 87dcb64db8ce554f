"""Stages a vmap around functions that have custom vmap rules (`jax.custom_batching`).

What such a function does for a batch may differ from what it does for each example. So the vmap
around it is staged in pieces: the equations before the call as one kept vmap, the rule with the
whole batch, and the equations after the call as another kept vmap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax.extend import core as jex_core

from jaxrng_doctor.jax_internals import equations, jaxprs
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Atom, Eqn, Jaxpr
from jaxrng_doctor.tracing.draws import Draws, may_be_key

CUSTOM = "custom_vmap_call"

StagePiece = Callable[
    [
        Callable[..., list[Any]],
        tuple[Any, ...],
        tuple[int | None, ...],
        tuple[int | None, ...],
        tuple[bool, ...],
    ],
    list[Any],
]
"""Stages a vmap, and returns its outputs.

Takes a function, its arguments, `in_axes`, `out_axes`, and whether the user gave each of the
`out_axes`.
"""


def has_rules(jaxpr: AnyJaxpr) -> bool:
    """Whether an equation of the jaxpr has a rule (see `has_rule`). Nested jaxprs do not count."""
    return any(map(has_rule, equations.open_jaxpr(jaxpr)[0].eqns))


def has_rule(eqn: Eqn) -> bool:
    """Whether the equation calls a function with a vmap rule that draws or takes a key.

    Under a vmap, the rule may do anything with the keys.
    """
    if eqn.primitive.name != CUSTOM:
        return False
    takes_key = any(may_be_key(v.aval) for v in eqn.invars if hasattr(v.aval, "dtype"))
    return takes_key or any(map(Draws().inside, equations.subjaxprs(eqn)))


def stage(
    jaxpr: Jaxpr,
    operands: Sequence[Any],
    in_axes: Sequence[int | None],
    out_axes: Sequence[int | None],
    given: Sequence[bool] | None,
    size: int,
    stage_piece: StagePiece,
) -> list[Any]:
    """Stage the vmap of `jaxpr`, which is open, over `operands`; return its outputs.

    `given`: whether the user gave each of `out_axes`, by default all of them.
    """
    batch = _Batch(jaxpr, size, stage_piece)
    by_user = [axis is None for axis in out_axes]
    if given is not None:
        by_user = [a and b for a, b in zip(by_user, given, strict=True)]
    for var, is_one in zip(jaxpr.outvars, by_user, strict=True):
        if is_one and not isinstance(var, equations.Literal):
            batch.without_axis.add(var)
    for var, operand, axis in zip(jaxpr.invars, operands, in_axes, strict=True):
        batch.env[var] = operand if axis is None else _moved(operand, axis, 0)
        batch.mapped.update(() if axis is None else (var,))
    return batch.run(out_axes)


class _Batch:
    """Runs a jaxpr on values for a whole batch. Variables in `mapped` have the batch as axis 0.

    The user gave the outputs in `without_axis` the axis `None`.
    """

    def __init__(self, jaxpr: Jaxpr, size: int, stage_piece: StagePiece) -> None:
        self.jaxpr = jaxpr
        self.size = size
        self.stage_piece = stage_piece
        self.env: dict[Any, Any] = {}
        self.mapped: set[Any] = set()
        self.without_axis: set[Any] = set()

    def run(self, out_axes: Sequence[int | None]) -> list[Any]:
        start = 0
        for index, eqn in enumerate(self.jaxpr.eqns):
            # A call without mapped operands is made once, and its rule is not used.
            if has_rule(eqn) and self._depends(eqn):
                self._piece(start, index)
                self._rule(eqn)
                start = index + 1
            elif self._depends(eqn):
                self.mapped.update(eqn.outvars)
        self._piece(start, len(self.jaxpr.eqns))
        return [
            self._out(atom, axis) for atom, axis in zip(self.jaxpr.outvars, out_axes, strict=True)
        ]

    def _depends(self, eqn: Eqn) -> bool:
        return any(self._is_mapped(atom) for atom in eqn.invars)

    def _is_mapped(self, atom: Atom) -> bool:
        return not isinstance(atom, equations.Literal) and atom in self.mapped

    def _read(self, atom: Atom) -> Any:
        return atom.val if isinstance(atom, equations.Literal) else self.env[atom]

    def _piece(self, start: int, end: int) -> None:
        """Stage the equations from `start` to `end` as a kept vmap."""
        eqns = self.jaxpr.eqns[start:end]
        made = {v for eqn in eqns for v in eqn.outvars}
        later = [atom for eqn in self.jaxpr.eqns[end:] for atom in eqn.invars]
        used_later = {
            a for a in (*later, *self.jaxpr.outvars) if not isinstance(a, equations.Literal)
        }
        outs = [v for eqn in eqns for v in eqn.outvars if v in used_later]
        if not outs:
            return
        used = (a for eqn in eqns for a in eqn.invars if not isinstance(a, equations.Literal))
        ins = list(dict.fromkeys(a for a in used if a not in made))
        axes = tuple(0 if v in self.mapped else None for v in ins)
        out_axes = tuple(0 if v in self.mapped else None for v in outs)
        args = tuple(self.env[v] for v in ins)
        given = tuple(v in self.without_axis for v in outs)
        values = self.stage_piece(self._function(ins, outs, eqns), args, axes, out_axes, given)
        self.env.update(zip(outs, values, strict=True))

    def _function(
        self, ins: list[Any], outs: list[Any], eqns: Sequence[Eqn]
    ) -> Callable[..., list[Any]]:
        """The equations as a function. A rule in them is not used, so its body takes its place."""
        used = {*outs, *(a for e in eqns for a in e.invars if not isinstance(a, equations.Literal))}

        def function(*values: Any) -> list[Any]:
            env = dict(zip(ins, values, strict=True))
            start = 0
            for index in [*(i for i, eqn in enumerate(eqns) if has_rule(eqn)), len(eqns)]:
                before = eqns[start:index]
                made = [v for eqn in before for v in eqn.outvars if v in used]
                piece = equations.part(self.jaxpr, list(env), made, list(before))
                env.update(zip(made, jex_core.jaxpr_as_fun(piece)(*env.values()), strict=True))
                if index < len(eqns):
                    eqn = eqns[index]
                    body = jex_core.jaxpr_as_fun(eqn.params["call"])
                    args = [
                        a.val if isinstance(a, equations.Literal) else env[a] for a in eqn.invars
                    ]
                    env.update(zip(eqn.outvars, body(*args), strict=True))
                start = index + 1
            return [env[v] for v in outs]

        return function

    def _rule(self, eqn: Eqn) -> None:
        values = [self._read(atom) for atom in eqn.invars]
        dims = [0 if self._is_mapped(atom) else None for atom in eqn.invars]
        outs, out_dims = jaxprs.batched(eqn, values, dims)
        for var, out, dim in zip(eqn.outvars, outs, out_dims, strict=True):
            self.env[var] = out if dim is None else _moved(out, dim, 0)
            self.mapped.update(() if dim is None else (var,))

    def _out(self, atom: Atom, axis: int | None) -> Any:
        value = self._read(atom)
        if axis is None:
            return value
        if not self._is_mapped(atom):
            value = jnp.broadcast_to(value, (self.size, *jnp.shape(value)))
        return _moved(value, 0, axis)


def _moved(value: Any, source: int, target: int) -> Any:
    return value if source == target else jnp.moveaxis(value, source, target)
