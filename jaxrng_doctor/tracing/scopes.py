"""Describes how equations such as `vmap` and `scan` run the jaxprs that they contain.

`control(eqn)` returns the kind of an equation, and `bodies(control)` how each of its jaxprs gets
its inputs and returns its outputs. `walk.py` uses this to follow values through programs. A call
like `jit` needs only its name in `primitives.CALLS`. To add another kind, add a class here, to
`Scoped` if it opens a scope, and a branch of `control`. mypy then names each `match` that lacks it;
see CONTRIBUTING.md.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import Any, assert_never

from jax.extend import core as jex_core

from jaxrng_doctor.jax_internals import equations, primitives
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Eqn, Primitive
from jaxrng_doctor.model.findings import ScopeKind
from jaxrng_doctor.tracing import vmap_primitive
from jaxrng_doctor.tracing.loop_primitives import PREFIX
from jaxrng_doctor.tracing.meshes import MeshDims, shard_map_dims

EqnPath = tuple[tuple[int, int], ...]
"""The path to an equation: at each level an equation's index, and which of its jaxprs is next."""

# Equinox's primitives that return their operands or select from them, and do not draw.
_EQUINOX = frozenset({"nonbatchable", "nontraceable", "select_if_vmap"})


@dataclass(frozen=True, slots=True)
class Call:
    """The jaxpr is applied once to the operands: `jit`, `checkpoint`, `custom_vjp`."""

    body: AnyJaxpr


@dataclass(frozen=True, slots=True)
class Map:
    """The jaxpr is applied to each example: a kept vmap, or a pmap (`is_device`).

    `in_axes` has an entry for each operand, `out_axes` for each output; `None` if it is not mapped.
    """

    body: AnyJaxpr
    size: int
    axis_name: Any
    in_axes: tuple[int | None, ...]
    out_axes: tuple[int | None, ...]
    is_device: bool


@dataclass(frozen=True, slots=True)
class ShardMap:
    """The jaxpr is applied on each device of a mesh to its block of the operands.

    axes: the mesh axes with their sizes.
    ins, outs: for each operand and output, the mesh axes over which its dimensions are split.
    """

    body: AnyJaxpr
    axes: dict[Any, int]
    ins: list[MeshDims]
    outs: list[MeshDims]


@dataclass(frozen=True, slots=True)
class Scan:
    """The jaxpr maps (consts, carry, x) to (carry, y) `length` times.

    The operands are consts, carry and xs, in that order; the outputs are carry and ys.
    """

    body: AnyJaxpr
    consts: int
    carry: int
    length: int
    reverse: bool


@dataclass(frozen=True, slots=True)
class While:
    """`body` maps (body consts, carry) to carry while `condition`(condition consts, carry) holds.

    The operands are condition consts, body consts and carry, in that order.
    """

    condition: AnyJaxpr
    body: AnyJaxpr
    condition_consts: int
    body_consts: int


@dataclass(frozen=True, slots=True)
class Cond:
    """One of `branches` is applied to all operands but the first, which is its index."""

    branches: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Opaque:
    """It is unknown what is done with the operands and the jaxprs: a gap if a key is involved."""

    bodies: tuple[Any, ...]


Scoped = Map | ShardMap | Scan | While
"""The kinds of equations that open scopes."""

Entered = Call | Cond | Scoped
"""The kinds of equations whose jaxprs can be followed."""

Control = Entered | Opaque


def control(eqn: Eqn) -> Control | None:
    """How an equation uses the jaxprs that it contains; `None` for a function of its operands."""
    name, params = eqn.primitive.name.removeprefix(PREFIX), eqn.params
    held = equations.subjaxprs(eqn)
    if not held:
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
        return ShardMap(held[0], *shard_map_dims(eqn))
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
    if name in primitives.CALLS and len(held) == 1:
        inner = equations.open_jaxpr(held[0])[0]
        if (len(inner.invars), len(inner.outvars)) == (len(eqn.invars), len(eqn.outvars)):
            return Call(held[0])
    return None if _computes(eqn) else Opaque(tuple(held))


def entered(eqn: Eqn) -> tuple[Any, ...]:
    """The jaxprs that an equation runs, in the order of their numbers in an `EqnPath`."""
    inside = control(eqn)
    if inside is None or isinstance(inside, Opaque):
        return ()
    return tuple(body.jaxpr for body in bodies(inside))


@dataclass(frozen=True, slots=True)
class Whole:
    """The value itself."""


@dataclass(frozen=True, slots=True)
class Along:
    """One slice of an array along `axis` per example or step."""

    axis: int


@dataclass(frozen=True, slots=True)
class Block:
    """A device's block of an array that is split over the mesh axes in `dims`."""

    dims: MeshDims


@dataclass(frozen=True, slots=True)
class Carry:
    """The carried value `index`: the operand before the first step, then the body's output."""

    index: int


@dataclass(frozen=True, slots=True)
class Test:
    """Whether the loop continues."""


How = Whole | Along | Block | Carry | Test
WHOLE, TEST = Whole(), Test()


def differs(how: How, axis: Any) -> bool:
    """Whether examples, steps or devices along `axis` may get different values."""
    match how:
        case Along():
            return True
        case Block(dims):
            return any(axis in names for names in dims.values())
        case Whole() | Carry() | Test():
            return False
        case _:
            assert_never(how)


@dataclass(frozen=True, slots=True)
class Body:
    """One jaxpr of an equation. `number` is its number in an `EqnPath`.

    ins: for each input, the index of the operand, and how the input is made from it.
    outs: for each output, how the equation's output of the same index is made from it; a `Test`
        is not an output of the equation.
    """

    jaxpr: AnyJaxpr
    number: int
    ins: tuple[tuple[int, How], ...]
    outs: tuple[How, ...]


def bodies(inside: Entered) -> tuple[Body, ...]:
    """The jaxprs of an equation, in the order in which they run."""
    match inside:
        case Call(jaxpr):
            return (Body(jaxpr, 0, _operands(0, _counts(jaxpr)[0]), _whole(jaxpr)),)
        case Map(jaxpr, in_axes=in_axes, out_axes=out_axes):
            return (Body(jaxpr, 0, tuple(enumerate(map(_along, in_axes))), _alongs(out_axes)),)
        case ShardMap(jaxpr, ins=ins, outs=outs):
            return (Body(jaxpr, 0, tuple(enumerate(map(Block, ins))), tuple(map(Block, outs))),)
        case Scan(jaxpr, consts, carry):
            total, outputs = _counts(jaxpr)
            given = (
                *_operands(0, consts),
                *_carried(consts, carry),
                *((i, Along(0)) for i in range(consts + carry, total)),
            )
            stacked: tuple[How, ...] = (Along(0),) * (outputs - carry)
            return (Body(jaxpr, 0, given, (*map(Carry, range(carry)), *stacked)),)
        case While(condition, jaxpr, tests, consts):
            carry = _counts(jaxpr)[1]
            carried = _carried(tests + consts, carry)
            return (
                Body(condition, 0, (*_operands(0, tests), *carried), (TEST,)),
                Body(
                    jaxpr, 1, (*_operands(tests, consts), *carried), tuple(map(Carry, range(carry)))
                ),
            )
        case Cond(branches):
            return tuple(
                Body(jaxpr, i, _operands(1, _counts(jaxpr)[0]), _whole(jaxpr))
                for i, jaxpr in enumerate(branches)
            )
        case _:
            assert_never(inside)


def _counts(jaxpr: AnyJaxpr) -> tuple[int, int]:
    inner = equations.open_jaxpr(jaxpr)[0]
    return len(inner.invars), len(inner.outvars)


def _operands(first: int, count: int) -> tuple[tuple[int, How], ...]:
    return tuple((first + i, WHOLE) for i in range(count))


def _carried(first: int, count: int) -> tuple[tuple[int, How], ...]:
    return tuple((first + i, Carry(i)) for i in range(count))


def _along(axis: int | None) -> How:
    return WHOLE if axis is None else Along(axis)


def _alongs(axes: tuple[int | None, ...]) -> tuple[How, ...]:
    return tuple(map(_along, axes))


def _whole(jaxpr: AnyJaxpr) -> tuple[How, ...]:
    return (WHOLE,) * _counts(jaxpr)[1]


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope that an equation opens. `size` is `None` if it is only known at run time."""

    kind: ScopeKind
    size: int | None
    axis_name: Any = None


def scopes(inside: Entered) -> tuple[Scope, ...]:
    """The scopes around the bodies, outermost first; a `ShardMap` has one for each mesh axis."""
    match inside:
        case Call() | Cond():
            return ()
        case Map() as over:
            return (Scope("device" if over.is_device else "vmap", over.size, over.axis_name),)
        case ShardMap(axes=axes):
            return tuple(Scope("device", size, name) for name, size in axes.items())
        case Scan(length=length):
            return (Scope("scan", length),)
        case While():
            return (Scope("while", None),)
        case _:
            assert_never(inside)


def _computes(eqn: Eqn) -> bool:
    """Whether it only computes, at any depth, such as a `scatter-add`, whose jaxpr is the addition.

    It does not if something inside draws, splits a key, is unknown or has state (a kernel).
    """
    name = eqn.primitive.name
    if name in primitives.DRAWING or name in (primitives.SPLIT, primitives.KEYLESS):
        return False
    if is_opaque(eqn.primitive) or equations.is_stateful(eqn):
        return False
    held = [equations.open_jaxpr(body)[0] for body in equations.subjaxprs(eqn)]
    if any(equations.is_ref(var.aval) for body in held for var in body.invars):
        return False
    return all(map(_computes, (e for body in held for e in body.eqns)))


@functools.cache
def is_opaque(primitive: Primitive) -> bool:
    """Whether it is unknown what an equation of this primitive, without jaxprs, does.

    This holds for callbacks and for primitives of other libraries. Those of JAX and jaxrng-doctor
    are attributes of modules (0.6 to 0.12).
    """
    if primitive.name in _EQUINOX:
        return False
    return primitive.name in primitives.OUTSIDE or id(primitive) not in _known(len(sys.modules))


@functools.lru_cache(maxsize=1)
def _known(modules: int) -> dict[int, Any]:
    """The primitives of JAX and jaxrng-doctor, by `id`.

    `modules` is the number of imported modules: the cached result is only valid for this number.
    """
    del modules
    own = ("jax", __name__.partition(".")[0])
    values = (
        value
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in own
        for value in list(vars(module).values())
    )
    return {id(value): value for value in values if isinstance(value, jex_core.Primitive)}
