"""What an equation holds: in comes an equation, out come its jaxprs, and how values go in."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.tracing.loop_primitives import PREFIX
from jaxrng_doctor.tracing.meshes import MeshDims
from jaxrng_doctor.tracing.places import At, loop_function
from jaxrng_doctor.tracing.subprograms import (
    Call,
    Cond,
    Map,
    Opaque,
    Scan,
    ShardMap,
    While,
    control,
)

SAME = "the same for all"


@dataclass(frozen=True, slots=True)
class Body:
    """One jaxpr of an equation. `title` tells it from the others, `""` where there is one.

    `number` is as in a `Path`. `given` has for each of its inputs the operand and how it goes in;
    it is empty where that is not known. `labels` are the user's names of its inputs.
    """

    jaxpr: Any
    number: int
    given: tuple[tuple[Any, str], ...]
    title: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What an equation with jaxprs is, in a word, and its jaxprs. `index` chooses a branch."""

    title: str
    bodies: tuple[Body, ...]
    index: Any = None


def held_by(at: At) -> Held | None:
    """`None` for an equation that holds no jaxpr."""
    eqn = at.eqn
    operands, name = list(eqn.invars), eqn.primitive.name.removeprefix(PREFIX)
    match control(eqn):
        case Call(body):
            return Held(name, (Body(body, 0, _alike(operands, "")),))
        case Map() as over:
            how = [SAME if d is None else f"axis {d}" for d in over.in_axes]
            site = eqn.params.get("site")
            labels = tuple(label or "" for label in site.operands) if site else ()
            given = tuple(zip(operands, how, strict=True))
            title = "pmap" if over.is_device else "vmap"
            return Held(title, (Body(over.body, 0, given, labels=labels),))
        case ShardMap() as over:
            given = tuple(zip(operands, map(_cut, over.ins), strict=True))
            return Held("shard_map", (Body(over.body, 0, given),))
        case Scan() as scan:
            first = scan.consts + scan.carry
            given = (
                *_alike(operands[: scan.consts], SAME),
                *_alike(operands[scan.consts : first], "carry"),
                *_alike(operands[first:], "each step's"),
            )
            return Held(loop_function(at), (Body(scan.body, 0, given),))
        case While() as loop:
            first = loop.condition_consts + loop.body_consts
            tests, consts = (
                operands[: loop.condition_consts],
                operands[loop.condition_consts : first],
            )
            carry = _alike(operands[first:], "carry")
            condition = Body(loop.condition, 0, (*_alike(tests, SAME), *carry), "condition")
            body = Body(loop.body, 1, (*_alike(consts, SAME), *carry), "body")
            return Held(loop_function(at), (condition, body))
        case Cond(branches):
            given = _alike(operands[1:], "")
            bodies = (Body(b, n, given, f"branch {n}") for n, b in enumerate(branches))
            return Held("cond", tuple(bodies), operands[0])
        case Opaque(bodies) if bodies:
            several = len(bodies) > 1
            return Held(
                name, tuple(Body(b, n, (), f"part {n}" * several) for n, b in enumerate(bodies))
            )
    return None


def _alike(operands: Sequence[Any], how: str) -> tuple[tuple[Any, str], ...]:
    return tuple((operand, how) for operand in operands)


def _cut(dims: MeshDims) -> str:
    cuts = [f"axis {dim} over {', '.join(map(str, names))}" for dim, names in dims.items() if names]
    return "; ".join(cuts) or SAME


class Counts:
    """How many equations there are in a jaxpr and in those that it holds.

    `plain` are primitives that hold none.
    """

    def __init__(self, plain: Set[Any]) -> None:
        self._plain = plain
        self._known: dict[int, int] = {}

    def of(self, eqn: Any) -> int:
        """The equation itself and those inside of it."""
        if eqn.primitive in self._plain:
            return 1
        return 1 + sum(map(self.inside, equations.subjaxprs(eqn)))

    def inside(self, jaxpr: Any) -> int:
        inner = equations.open_jaxpr(jaxpr)[0]
        if id(inner) not in self._known:
            self._known[id(inner)] = sum(map(self.of, inner.eqns))
        return self._known[id(inner)]
