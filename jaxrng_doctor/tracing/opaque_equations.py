"""Finds the opaque equations that take keys.

A draw in a callback, in a kernel or in another library's primitive cannot be followed. If such
an equation takes a key, or the words of one, that is a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxrng_doctor.jax_internals.equations import Eqn, Jaxpr
from jaxrng_doctor.tracing.draws import Draws, is_key, may_be_key
from jaxrng_doctor.tracing.places import At
from jaxrng_doctor.tracing.scopes import Opaque, control, is_opaque
from jaxrng_doctor.tracing.walk import Here, JoiningWalk


def taking_keys(draws: Draws, program: Jaxpr) -> list[tuple[Any, Any]]:
    """The opaque equations of `program` that take a key, each with the jaxpr that contains it."""
    draws.drawing(program)  # fills `inert` and `holding`
    if not any(map(is_opaque, draws.inert)) and not any(map(_is_opaque, draws.holding)):
        return []
    return list(_Flow(draws, program).taking.values())


def _is_opaque(eqn: Eqn) -> bool:
    return isinstance(control(eqn), Opaque)


class _Flow(JoiningWalk[bool]):
    """Finds out for each value whether it contains a key, or words made from one."""

    nothing = False

    def __init__(self, draws: Draws, program: Jaxpr) -> None:
        super().__init__()
        self.draws = draws
        self.taking: dict[int, tuple[Any, Any]] = {}
        self.jaxpr(program, [may_be_key(var.aval) for var in program.invars], Here())

    def join(self, values: Sequence[bool]) -> bool:
        return any(values)

    def chosen(self, at: At, index: bool, outs: Sequence[bool]) -> bool:
        del at, index
        return any(outs)

    def equation(self, at: At, ins: Sequence[bool], here: Here[None]) -> Sequence[bool]:
        if self.draws.key_operands(at.eqn):
            return [False] * len(at.eqn.outvars)  # the numbers drawn are not a key
        return super().equation(at, ins, here)

    def transfer(self, at: At, ins: Sequence[bool], here: Here[None]) -> Sequence[bool]:
        del here
        eqn = at.eqn
        if not any(ins) and not any(_is_key(atom.aval) for atom in eqn.invars):
            return [False] * len(eqn.outvars)
        if isinstance(control(eqn), Opaque):
            self.taking[id(eqn)] = (eqn, at.jaxpr)
        return [_may_be_word(var.aval) for var in eqn.outvars]


def _is_key(aval: Any) -> bool:
    return hasattr(aval, "dtype") and is_key(aval)


def _may_be_word(aval: Any) -> bool:
    return str(getattr(aval, "dtype", "")) == "uint32"
