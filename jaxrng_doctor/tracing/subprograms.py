"""The equations that hold other jaxprs, in one shape: how values go in and come out.

Lineage, ledger and slice each walk the same program; what a scan's operands mean
is written down here once.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import Any

from jax.extend import core as jex_core

from jaxrng_doctor.jax_internals import equations, primitives
from jaxrng_doctor.tracing import vmap_primitive
from jaxrng_doctor.tracing.loop_primitives import PREFIX
from jaxrng_doctor.tracing.meshes import MeshDims, shard_map_dims

# Equinox's primitives that hand on or choose between their operands, and draw nothing.
_EQUINOX = frozenset({"nonbatchable", "nontraceable", "select_if_vmap"})


@dataclass(frozen=True, slots=True)
class Call:
    """The jaxpr is applied once to the operands: `jit`, `checkpoint`, `custom_vjp`."""

    body: Any


@dataclass(frozen=True, slots=True)
class Map:
    """The jaxpr is applied to each example: a kept vmap, or a pmap (`is_device`).

    Axes have an entry for each operand and output, `None` where it is not mapped.
    """

    body: Any
    size: int
    axis_name: Any
    in_axes: tuple[int | None, ...]
    out_axes: tuple[int | None, ...]
    is_device: bool


@dataclass(frozen=True, slots=True)
class ShardMap:
    """The jaxpr is applied on each device of a mesh to its block of the operands.

    axes: the mesh axes with their sizes. ins, outs: for each operand and output, which
    mesh axes cut which of its dimensions.
    """

    body: Any
    axes: dict[Any, int]
    ins: list[MeshDims]
    outs: list[MeshDims]


@dataclass(frozen=True, slots=True)
class Scan:
    """The jaxpr maps (consts, carry, x) to (carry, y) `length` times.

    Operands are consts, carry and xs in that order; outputs are carry and ys.
    """

    body: Any
    consts: int
    carry: int
    length: int
    reverse: bool


@dataclass(frozen=True, slots=True)
class While:
    """`body` maps (body consts, carry) to carry while `condition`(condition consts, carry).

    Operands are condition consts, body consts and carry in that order.
    """

    condition: Any
    body: Any
    condition_consts: int
    body_consts: int


@dataclass(frozen=True, slots=True)
class Cond:
    """One of `branches` is applied to all operands but the first, which is its index."""

    branches: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Opaque:
    """What is done with the operands and the jaxprs is unknown: a gap where a key is concerned."""

    bodies: tuple[Any, ...]


Control = Call | Map | ShardMap | Scan | While | Cond | Opaque


def control(eqn: Any) -> Control | None:
    """How an equation uses the jaxprs that it holds; `None` for a function of its operands."""
    name, params = eqn.primitive.name.removeprefix(PREFIX), eqn.params
    bodies = equations.subjaxprs(eqn)
    if not bodies:
        return Opaque(()) if is_opaque(eqn.primitive) else None
    if eqn.primitive is vmap_primitive.kept_vmap:
        axis = params["axis"]
        return Map(
            params["jaxpr"], axis.size, axis.name, params["in_axes"], params["out_axes"], False
        )
    if name == primitives.PMAP:
        axes = params["in_axes"], params["out_axes"]
        return Map(params["call_jaxpr"], params["axis_size"], params["axis_name"], *axes, True)
    if name == primitives.SHARD_MAP:
        return ShardMap(bodies[0], *shard_map_dims(eqn))
    if name == "scan":
        consts, carry = equations.scan_counts(eqn)
        return Scan(params["jaxpr"], consts, carry, params["length"], params["reverse"])
    if name == "while":
        return While(
            params["cond_jaxpr"],
            params["body_jaxpr"],
            params["cond_nconsts"],
            params["body_nconsts"],
        )
    if name == "cond":
        return Cond(tuple(params["branches"]))
    if name in primitives.CALLS and len(bodies) == 1:
        inner = equations.open_jaxpr(bodies[0])[0]
        if (len(inner.invars), len(inner.outvars)) == (len(eqn.invars), len(eqn.outvars)):
            return Call(bodies[0])
    return None if _computes(eqn) else Opaque(tuple(bodies))


def entered(eqn: Any) -> tuple[Any, ...]:
    """The jaxprs that an equation runs, in the order in which a path numbers them."""
    match control(eqn):
        case Call(body) | Map(body) | ShardMap(body) | Scan(body):
            return (body,)
        case While(condition, body):
            return (condition, body)
        case Cond(branches):
            return branches
    return ()


def _computes(eqn: Any) -> bool:
    """It does nothing but compute, at any depth: a `scatter-add`, with the addition as its jaxpr.

    Not so where something inside draws, splits a key, is unknown or keeps a state (a kernel).
    """
    name = eqn.primitive.name
    if name in primitives.DRAWING or name in (primitives.SPLIT, primitives.KEYLESS):
        return False
    if is_opaque(eqn.primitive) or equations.is_stateful(eqn):
        return False
    bodies = [equations.open_jaxpr(body)[0] for body in equations.subjaxprs(eqn)]
    if any(equations.is_ref(var.aval) for body in bodies for var in body.invars):
        return False
    return all(map(_computes, (e for body in bodies for e in body.eqns)))


@functools.cache
def is_opaque(primitive: Any) -> bool:
    """What an equation without jaxprs does is unknown: another library's primitive, a callback.

    JAX's own, and ours, are attributes of modules (0.6 to 0.12).
    """
    if primitive.name in _EQUINOX:
        return False
    return primitive.name in primitives.OUTSIDE or id(primitive) not in _known(len(sys.modules))


@functools.lru_cache(maxsize=1)
def _known(modules: int) -> dict[int, Any]:
    """The primitives of JAX and the doctor, by `id`, while so many modules are imported."""
    del modules
    own = ("jax", __name__.partition(".")[0])
    values = (
        value
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in own
        for value in list(vars(module).values())
    )
    return {id(value): value for value in values if isinstance(value, jex_core.Primitive)}
