"""The equations that hold other jaxprs, in one shape: how values go in and come out.

Lineage, ledger and slice each walk the same program; what a scan's operands mean
is written down here once.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import Any

from jaxrng_doctor.trace import equations, kept
from jaxrng_doctor.trace.expanding import HIDING
from jaxrng_doctor.trace.kept_loops import PREFIX
from jaxrng_doctor.trace.meshes import MeshDims, shard_map_dims

# JAX's own that run code which is in no jaxpr (0.6 to 0.12).
_OUTSIDE = frozenset({"call_exported", "ffi_call", "io_callback", "pure_callback", HIDING})

# Equinox's primitives that hand on or choose between their operands, and draw nothing.
_EQUINOX = frozenset({"nonbatchable", "nontraceable", "select_if_vmap"})

# Their one jaxpr takes the operands and returns the outputs as they are (0.6 to 0.12).
_CALLS = frozenset(
    {
        "checkpoint",
        "closed_call",
        "core_call",
        "custom_jvp_call",
        "custom_vjp_call",
        "custom_vjp_call_jaxpr",
        "custom_vmap_call",
        "eval_jaxpr",
        "jit",
        "pjit",
        "remat",
        "remat2",
    }
)


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
    if eqn.primitive is kept.kept_vmap:
        axis = params["axis"]
        return Map(
            params["jaxpr"], axis.size, axis.name, params["in_axes"], params["out_axes"], False
        )
    if name == "xla_pmap":
        axes = params["in_axes"], params["out_axes"]
        return Map(params["call_jaxpr"], params["axis_size"], params["axis_name"], *axes, True)
    if name == "shard_map":
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
    if name in _CALLS and len(bodies) == 1:
        inner = equations.open_jaxpr(bodies[0])[0]
        if (len(inner.invars), len(inner.outvars)) == (len(eqn.invars), len(eqn.outvars)):
            return Call(bodies[0])
    return Opaque(tuple(bodies))


@functools.cache
def is_opaque(primitive: Any) -> bool:
    """What an equation without jaxprs does is unknown: another library's primitive, a callback.

    JAX's own, and ours, are attributes of modules (0.6 to 0.12).
    """
    own = ("jax", __name__.partition(".")[0])
    modules = [m for name, m in list(sys.modules.items()) if name.partition(".")[0] in own]
    known = any(value is primitive for m in modules for value in list(vars(m).values()))
    if primitive.name in _EQUINOX:
        return False
    return not known or primitive.name in _OUTSIDE
