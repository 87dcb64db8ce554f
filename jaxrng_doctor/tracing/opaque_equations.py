"""The equations that nobody can look into, and into which of them a key goes.

A draw in a callback, in a kernel or in another library's primitive is not seen. Where
a key, or the words of one, goes into such an equation, that is a gap.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.tracing.draws import Draws, is_key, may_be_key
from jaxrng_doctor.tracing.subprograms import (
    Call,
    Cond,
    Control,
    Map,
    Opaque,
    Scan,
    ShardMap,
    While,
    control,
    is_opaque,
)


def taking_keys(draws: Draws, program: Any) -> list[tuple[Any, Any]]:
    """The opaque equations of `program` that a key goes into, each with the jaxpr that holds it."""
    draws.drawing(program)  # which meets them all
    if not any(map(is_opaque, draws.inert)) and not any(map(_is_opaque, draws.holding)):
        return []
    return list(_Flow(draws, program).taking.values())


def _is_opaque(eqn: Any) -> bool:
    return isinstance(control(eqn), Opaque)


class _Flow:
    """Every variable of a program, at any depth, that holds a key or words made from one."""

    def __init__(self, draws: Draws, program: Any) -> None:
        self.draws = draws
        self.taking: dict[int, tuple[Any, Any]] = {}
        self._words = {var for var in program.invars if may_be_key(var.aval)}
        before = -1
        while before < len(self._words):
            before = len(self._words)
            self._visited: set[int] = set()
            self._visit(program)

    def has_key(self, atom: Any) -> bool:
        if isinstance(atom, equations.Literal):
            return False
        return atom in self._words or (hasattr(atom.aval, "dtype") and is_key(atom.aval))

    def _visit(self, jaxpr: Any) -> None:
        inner = equations.open_jaxpr(jaxpr)[0]
        if id(inner) in self._visited:
            return
        self._visited.add(id(inner))
        for eqn in inner.eqns:
            if self.draws.key_operands(eqn):
                continue  # what it draws is no key
            inside = control(eqn)
            if inside is not None and not isinstance(inside, Opaque):
                self._enter(eqn, inside)
            elif any(map(self.has_key, eqn.invars)):
                self._words.update(v for v in eqn.outvars if _may_be_word(v.aval))
                if inside is not None:
                    self.taking[id(eqn)] = (eqn, inner)

    def _enter(self, eqn: Any, inside: Control) -> None:
        ins, outs = eqn.invars, eqn.outvars
        match inside:
            case Scan(body, consts, carry):
                self._call(body, ins, outs)
                self._pass(outs[:carry], _invars(body)[consts:])
            case While(condition, body, tests, consts):
                first = tests + consts
                self._pass([*ins[:tests], *ins[first:]], _invars(condition))
                self._visit(condition)
                self._call(body, ins[tests:], outs)
                self._pass(outs, _invars(body)[consts:])
                self._pass(outs, _invars(condition)[tests:])
            case Cond(branches):
                for branch in branches:
                    self._call(branch, ins[1:], outs)
            case Call() | Map() | ShardMap():
                self._call(inside.body, ins, outs)

    def _call(self, body: Any, ins: Iterable[Any], outs: Iterable[Any]) -> None:
        inner = equations.open_jaxpr(body)[0]
        self._pass(ins, inner.invars)
        self._visit(body)
        self._pass(inner.outvars, outs)

    def _pass(self, sources: Iterable[Any], targets: Iterable[Any]) -> None:
        both = zip(sources, targets, strict=False)
        self._words.update(target for source, target in both if self.has_key(source))


def _invars(jaxpr: Any) -> list[Any]:
    return list(equations.open_jaxpr(jaxpr)[0].invars)


def _may_be_word(aval: Any) -> bool:
    return str(getattr(aval, "dtype", "")) == "uint32"
