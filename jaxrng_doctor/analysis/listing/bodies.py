"""Describes the jaxprs that an equation contains, and how their inputs are passed."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any, assert_never

from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Eqn
from jaxrng_doctor.tracing.loop_primitives import PREFIX
from jaxrng_doctor.tracing.places import At, loop_function
from jaxrng_doctor.tracing.scopes import (
    Along,
    Block,
    Call,
    Carry,
    Cond,
    Entered,
    How,
    Map,
    Opaque,
    Scan,
    ShardMap,
    Test,
    While,
    Whole,
    bodies,
    control,
    scopes,
)

SAME = "the same for all"


@dataclass(frozen=True, slots=True)
class Body:
    """One jaxpr of an equation. `title`: its name among several, `""` if it is the only one.

    `number`: its number in an `EqnPath`. `given`: for each of its inputs, the operand and how it is
    passed; empty if that is unknown. `labels`: the user's names of its inputs.
    """

    jaxpr: AnyJaxpr
    number: int
    given: tuple[tuple[Any, str], ...]
    title: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """The jaxprs of an equation, with a title such as `vmap`. `index` selects a branch."""

    title: str
    bodies: tuple[Body, ...]
    index: Any = None


def contents_of(at: At) -> Held | None:
    """The jaxprs of an equation; `None` if it has none, or only computes with them."""
    eqn, inside = at.eqn, control(at.eqn)
    operands, name = list(eqn.invars), eqn.primitive.name.removeprefix(PREFIX)
    if inside is None:
        return None
    if isinstance(inside, Opaque):
        titles = [f"part {n}" if len(inside.bodies) > 1 else "" for n in range(len(inside.bodies))]
        parts = tuple(Body(b, n, (), titles[n]) for n, b in enumerate(inside.bodies))
        return Held(name, parts) if parts else None
    held = tuple(
        Body(
            body.jaxpr,
            body.number,
            tuple((operands[operand], _how(inside, how)) for operand, how in body.ins),
            _title(inside, body.number),
            _labels(at.eqn, inside),
        )
        for body in bodies(inside)
    )
    match inside:
        case Call():
            return Held(name, held)
        case Map(is_device=is_device):
            return Held("pmap" if is_device else "vmap", held)
        case ShardMap():
            return Held("shard_map", held)
        case Scan() | While():
            return Held(loop_function(at), held)
        case Cond():
            return Held("cond", held, operands[0])
        case _:
            assert_never(inside)


def _title(inside: Entered, number: int) -> str:
    match inside:
        case While():
            return ("condition", "body")[number]
        case Cond():
            return f"branch {number}"
        case Call() | Map() | ShardMap() | Scan():
            return ""
        case _:
            assert_never(inside)


def _labels(eqn: Eqn, inside: Entered) -> tuple[str, ...]:
    site = eqn.params.get("site") if isinstance(inside, Map) else None
    return tuple(label or "" for label in site.operands) if site else ()


def _how(inside: Entered, how: How) -> str:
    """How an operand is passed, as text."""
    match how:
        case Whole():
            return SAME if scopes(inside) else ""
        case Along(axis):
            return _along(inside, axis)
        case Block(dims):
            cuts = [
                f"axis {d} over {', '.join(map(str, names))}" for d, names in dims.items() if names
            ]
            return "; ".join(cuts) or SAME
        case Carry():
            return "carry"
        case Test():
            return ""
        case _:
            assert_never(how)


def _along(inside: Entered, axis: int) -> str:
    match inside:
        case Scan():
            return "each step's"
        case Call() | Cond() | Map() | ShardMap() | While():
            return f"axis {axis}"
        case _:
            assert_never(inside)


class Counts:
    """Counts the equations in a jaxpr, including those in the jaxprs that it contains.

    `plain`: primitives whose equations contain no jaxpr.
    """

    def __init__(self, plain: Set[Any]) -> None:
        self._plain = plain
        self._known: dict[int, int] = {}

    def of(self, eqn: Eqn) -> int:
        """The number of equations: `eqn` itself and those inside it."""
        if eqn.primitive in self._plain:
            return 1
        return 1 + sum(map(self.inside, equations.subjaxprs(eqn)))

    def inside(self, jaxpr: AnyJaxpr) -> int:
        inner = equations.open_jaxpr(jaxpr)[0]
        if id(inner) not in self._known:
            self._known[id(inner)] = sum(map(self.of, inner.eqns))
        return self._known[id(inner)]
