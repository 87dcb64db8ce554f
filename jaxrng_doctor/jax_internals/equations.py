"""Reading jaxprs and equations: what differs between JAX versions, in one shape, by public names.

JAX's own data (jaxprs, equations, tracebacks), under names that hold for every supported
version. What needs more than that is in `jaxprs.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any, Protocol

import jax
from jax.extend import core as jex_core

# What the package knows of JAX's own classes (0.6 to 0.12): their annotations change.


class Atom(Protocol):
    """An operand of an equation: a variable, or a literal, which has a `val`."""

    @property
    def aval(self) -> Any: ...


class Var(Atom, Protocol):
    """A variable of a jaxpr. It can be hashed, and is in one jaxpr only."""


class Primitive(Protocol):
    """What an equation does."""

    def __hash__(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def multiple_results(self) -> bool: ...

    def bind(self, *args: Any, **params: Any) -> Any: ...

    def get_bind_params(self, params: dict[str, Any]) -> Any: ...


class Eqn(Protocol):
    """One equation of a jaxpr: `outvars = primitive[params] invars`."""

    @property
    def primitive(self) -> Primitive: ...

    @property
    def params(self) -> dict[str, Any]: ...

    @property
    def invars(self) -> list[Atom]: ...

    @property
    def outvars(self) -> list[Var]: ...

    @property
    def source_info(self) -> Any: ...

    @property
    def ctx(self) -> Any: ...

    def replace(self, **changes: Any) -> Eqn: ...


class Jaxpr(Protocol):
    """A program, open: the values of its `constvars` are elsewhere."""

    @property
    def eqns(self) -> list[Eqn]: ...

    @property
    def invars(self) -> list[Var]: ...

    @property
    def constvars(self) -> list[Var]: ...

    @property
    def outvars(self) -> list[Atom]: ...

    @property
    def debug_info(self) -> Any: ...

    @property
    def effects(self) -> Any: ...

    def replace(self, **changes: Any) -> Jaxpr: ...


class ClosedJaxpr(Protocol):
    """A program with the values of its constants. From JAX 0.11 on it is a `Jaxpr`, too."""

    @property
    def jaxpr(self) -> Jaxpr: ...

    def replace(self, **changes: Any) -> ClosedJaxpr: ...

    @property
    def consts(self) -> Sequence[Any]: ...


AnyJaxpr = Jaxpr | ClosedJaxpr

Literal = jex_core.Literal


def open_jaxpr(jaxpr: AnyJaxpr) -> tuple[Jaxpr, Sequence[Any]]:
    """A jaxpr and the values of its `constvars`.

    `ClosedJaxpr` wraps a `Jaxpr` up to 0.10; from 0.11 one class carries its consts.
    """
    either: Any = jaxpr
    return getattr(either, "jaxpr", either), getattr(either, "consts", ())


def is_jaxpr(value: object) -> bool:
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")


def subjaxprs(eqn: Eqn) -> list[Any]:
    """The jaxprs among an equation's parameters, in the order of the parameters."""
    return jaxprs_among(eqn.params)


def jaxprs_among(params: dict[str, Any]) -> list[Any]:
    """The jaxprs among the parameters of an equation, in their order."""
    found = _hidden(params)
    for value in params.values():
        if is_jaxpr(value):
            found.append(value)
        elif isinstance(value, (tuple, list)):
            found.extend(v for v in value if is_jaxpr(v))
    return found


HIDDEN = "_prim"
"""The parameter that holds an object in place of jaxprs (0.10 to 0.12); see `hidden.py`."""


def _hidden(params: dict[str, Any]) -> list[Any]:
    """The jaxprs that such an object holds among its own parameters, as they are or traced."""
    values = getattr(params.get(HIDDEN), "params", {}).values()
    jaxprs = [v if hasattr(v, "eqns") else getattr(v, "jaxpr", None) for v in values]
    return [jaxpr for jaxpr in jaxprs if hasattr(jaxpr, "eqns")]


def source_of(jaxpr: AnyJaxpr) -> str:
    """The function that a jaxpr was traced from, `"name at file:line"` (0.6 to 0.12), or `""`."""
    debug = getattr(open_jaxpr(jaxpr)[0], "debug_info", None)
    return getattr(debug, "func_src_info", None) or ""


def function_of(jaxpr: AnyJaxpr) -> tuple[str, str]:
    """Name and file of the function that a jaxpr was traced from; `""` where unknown."""
    debug = getattr(open_jaxpr(jaxpr)[0], "debug_info", None)
    return source_of(jaxpr).split(" at ")[0], getattr(debug, "func_filename", None) or ""


def is_ref(aval: Any) -> bool:
    """A mutable reference, such as `jax.new_ref` returns (0.6 to 0.12)."""
    return hasattr(aval, "inner_aval")


def is_mutable(value: object) -> bool:
    """A mutable reference itself, as `jax.new_ref` returns it outside of a trace (0.6 to 0.12)."""
    return is_ref(getattr(value, "aval", None))


def content(value: Any) -> Any:
    """A value, or what the mutable ref holds now."""
    return value[...] if is_mutable(value) else value


def is_stateful(eqn: Eqn) -> bool:
    """The equation makes, reads or writes a mutable reference."""
    return any(is_ref(atom.aval) for atom in (*eqn.invars, *eqn.outvars))


def scan_counts(eqn: Eqn) -> tuple[int, int]:
    """How many consts and how many carried values a scan has; the rest is scanned over.

    Counts are parameters up to 0.10; 0.12 has a tree of them, `ft_in`.
    """
    if "num_consts" in eqn.params:
        return eqn.params["num_consts"], eqn.params["num_carry"]
    consts, carry, _ = eqn.params["ft_in"].update(range(len(eqn.invars))).unpack()
    return len(list(consts)), len(list(carry))


# They change over which mesh axes a value is said to vary, and not the value. `lax.pbroadcast`,
# which does, has one of these names, and a `source`.
_TYPES_ONLY = frozenset({"pbroadcast", "pcast", "pvary", "reduced_vary_cast"})


def evaluate(eqn: Eqn, values: Sequence[Any]) -> list[Any]:
    """The outputs of one equation, under the settings that it was traced with (0.6 to 0.12)."""
    if eqn.primitive.name in _TYPES_ONLY and "source" not in eqn.params:
        return list(values)
    # Where the equation comes out of a shard_map, its shardings speak of a mesh that is not here.
    params = {**eqn.params, **({"sharding": None} if "sharding" in eqn.params else {})}
    bound = eqn.primitive.get_bind_params(params)
    subfuns, params = bound if isinstance(bound, tuple) else ([], bound)
    with jax.threefry_partitionable(eqn.ctx.threefry_partitionable):
        outs = eqn.primitive.bind(*subfuns, *values, **params)
    return list(outs) if eqn.primitive.multiple_results else [outs]


def vmaps_on_name_stack(eqn: Eqn) -> int:
    """How many vmaps JAX itself says this equation was batched by (0.6 to 0.12).

    Each jaxpr counts from its own root: an equation inside an inner jit does not
    repeat the vmaps of the equation that calls it.
    """
    stack = getattr(eqn.source_info.name_stack, "stack", ())
    return sum(getattr(entry, "name", None) == "vmap" for entry in stack)


def scope_names(eqns: Iterable[Any]) -> Iterator[str]:
    """The names of scopes and transformations on equations, the outermost first (0.6 to 0.12)."""
    for eqn in eqns:
        for entry in getattr(eqn.source_info.name_stack, "stack", ()):
            yield str(getattr(entry, "name", ""))


def is_recomputation(eqn: Eqn) -> bool:
    """A `checkpoint` body that is run a second time for the backward pass (0.6 to 0.12)."""
    return bool(eqn.params.get("differentiated")) and "prevent_cse" in eqn.params


def is_transposed(eqn: Eqn) -> bool:
    """The backward pass of a derivative made it (0.6 to 0.12). See `vmaps_on_name_stack`."""
    stack = getattr(eqn.source_info.name_stack, "stack", ())
    return any(getattr(entry, "name", None) == "transpose" for entry in stack)


@dataclass(frozen=True, slots=True)
class Frame:
    """One Python frame: its code, and the index of the instruction it stood at."""

    code: CodeType
    lasti: int


def frames(eqn: Eqn) -> Iterator[Frame]:
    """The Python stack at which an equation was made, innermost first (0.6 to 0.12).

    It can go beyond the enclosing jit, to the call that traced it first.
    """
    traceback = eqn.source_info.traceback
    if traceback is not None:
        yield from map(Frame, *traceback.raw_frames())


def part(jaxpr: Jaxpr, invars: list[Any], outvars: list[Any], eqns: list[Any]) -> Any:
    """Some equations of an open jaxpr as a closed one of their own (0.6 to 0.12)."""
    names = tuple("" for _ in invars), tuple("" for _ in outvars)
    info = jaxpr.debug_info._replace(arg_names=names[0], result_paths=names[1])
    return closed(
        jaxpr.replace(constvars=[], invars=invars, outvars=outvars, eqns=eqns, debug_info=info)
    )


def closed(jaxpr: AnyJaxpr) -> Any:
    """An open jaxpr without constants, closed: from 0.11 on a jaxpr is its own closed form."""
    return jaxpr if hasattr(jaxpr, "consts") else jex_core.ClosedJaxpr(jaxpr, ())
