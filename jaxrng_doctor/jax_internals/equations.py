"""Reads jaxprs and equations by public names, with one interface for all JAX versions.

The data (jaxprs, equations, tracebacks) is JAX's own, under names that hold for every supported
version. What needs private API is in `jaxprs.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any, Protocol

import jax
from jax.extend import core as jex_core

# The parts of JAX's classes that this package uses (0.6 to 0.12). JAX's annotations change.


class Atom(Protocol):
    """An operand of an equation: a variable, or a literal, which has a `val`."""

    @property
    def aval(self) -> Any: ...


class Var(Atom, Protocol):
    """A variable of a jaxpr. It is hashable, and belongs to one jaxpr only."""


class Primitive(Protocol):
    """The operation of an equation."""

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
    """An open program: the values of its `constvars` are stored elsewhere."""

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
    """A program with the values of its constants. From JAX 0.11 on it is also a `Jaxpr`."""

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
    """The jaxprs among the parameters of a `HIDDEN` object, also those of traced functions."""
    values = getattr(params.get(HIDDEN), "params", {}).values()
    jaxprs = [v if hasattr(v, "eqns") else getattr(v, "jaxpr", None) for v in values]
    return [jaxpr for jaxpr in jaxprs if hasattr(jaxpr, "eqns")]


def source_of(jaxpr: AnyJaxpr) -> str:
    """The function that a jaxpr was traced from, `"name at file:line"`, or `""` (0.6 to 0.12)."""
    debug = getattr(open_jaxpr(jaxpr)[0], "debug_info", None)
    return getattr(debug, "func_src_info", None) or ""


def function_of(jaxpr: AnyJaxpr) -> tuple[str, str]:
    """Name and file of the function that a jaxpr was traced from; `""` if unknown."""
    debug = getattr(open_jaxpr(jaxpr)[0], "debug_info", None)
    return source_of(jaxpr).split(" at ")[0], getattr(debug, "func_filename", None) or ""


def is_ref(aval: Any) -> bool:
    """Whether `aval` is that of a mutable ref, such as `jax.new_ref` returns (0.6 to 0.12)."""
    return hasattr(aval, "inner_aval")


def is_mutable(value: object) -> bool:
    """Whether `value` is a mutable ref, as `jax.new_ref` returns outside traces (0.6 to 0.12)."""
    return is_ref(getattr(value, "aval", None))


def content(value: Any) -> Any:
    """The current value of a mutable ref; any other value unchanged."""
    return value[...] if is_mutable(value) else value


def is_stateful(eqn: Eqn) -> bool:
    """Whether the equation creates, reads or writes a mutable ref."""
    return any(is_ref(atom.aval) for atom in (*eqn.invars, *eqn.outvars))


def scan_counts(eqn: Eqn) -> tuple[int, int]:
    """The numbers of consts and of carried values of a scan; its other inputs are scanned over.

    The numbers are parameters up to 0.10; 0.12 has a tree of them, `ft_in`.
    """
    if "num_consts" in eqn.params:
        return eqn.params["num_consts"], eqn.params["num_carry"]
    consts, carry, _ = eqn.params["ft_in"].update(range(len(eqn.invars))).unpack()
    return len(list(consts)), len(list(carry))


# They change the mesh axes that a value's type varies over, and not the value. `lax.pbroadcast`,
# which changes the value, also has one of these names, and a `source`.
_TYPES_ONLY = frozenset({"pbroadcast", "pcast", "pvary", "reduced_vary_cast"})


def evaluate(eqn: Eqn, values: Sequence[Any]) -> list[Any]:
    """The outputs of one equation, computed with the settings of its trace (0.6 to 0.12)."""
    if eqn.primitive.name in _TYPES_ONLY and "source" not in eqn.params:
        return list(values)
    # The shardings of an equation from a shard_map refer to a mesh that does not exist here.
    params = {**eqn.params, **({"sharding": None} if "sharding" in eqn.params else {})}
    bound = eqn.primitive.get_bind_params(params)
    subfuns, params = bound if isinstance(bound, tuple) else ([], bound)
    with jax.threefry_partitionable(eqn.ctx.threefry_partitionable):
        outs = eqn.primitive.bind(*subfuns, *values, **params)
    return list(outs) if eqn.primitive.multiple_results else [outs]


def vmaps_on_name_stack(eqn: Eqn) -> int:
    """The number of vmaps that batched this equation, according to JAX (0.6 to 0.12).

    Each jaxpr counts from its own root: an equation inside an inner jit does not
    include the vmaps of the equation that calls it.
    """
    stack = getattr(eqn.source_info.name_stack, "stack", ())
    return sum(getattr(entry, "name", None) == "vmap" for entry in stack)


def scope_names(eqns: Iterable[Any]) -> Iterator[str]:
    """The names of the scopes and transformations of equations, outermost first (0.6 to 0.12)."""
    for eqn in eqns:
        for entry in getattr(eqn.source_info.name_stack, "stack", ()):
            yield str(getattr(entry, "name", ""))


def is_recomputation(eqn: Eqn) -> bool:
    """Whether `eqn` runs a `checkpoint` body again, for the backward pass (0.6 to 0.12)."""
    return bool(eqn.params.get("differentiated")) and "prevent_cse" in eqn.params


def is_transposed(eqn: Eqn) -> bool:
    """Whether a derivative's backward pass made `eqn` (0.6 to 0.12); see `vmaps_on_name_stack`."""
    stack = getattr(eqn.source_info.name_stack, "stack", ())
    return any(getattr(entry, "name", None) == "transpose" for entry in stack)


@dataclass(frozen=True, slots=True)
class Frame:
    """One Python frame: its code, and the index of the instruction that it was executing."""

    code: CodeType
    lasti: int


def frames(eqn: Eqn) -> Iterator[Frame]:
    """The Python stack at which an equation was made, innermost frame first (0.6 to 0.12).

    It can extend beyond the enclosing jit, to the call that first traced it.
    """
    traceback = eqn.source_info.traceback
    if traceback is not None:
        yield from map(Frame, *traceback.raw_frames())


def part(jaxpr: Jaxpr, invars: list[Any], outvars: list[Any], eqns: list[Any]) -> Any:
    """Some equations of an open jaxpr as a separate closed jaxpr (0.6 to 0.12)."""
    names = tuple("" for _ in invars), tuple("" for _ in outvars)
    info = jaxpr.debug_info._replace(arg_names=names[0], result_paths=names[1])
    return closed(
        jaxpr.replace(constvars=[], invars=invars, outvars=outvars, eqns=eqns, debug_info=info)
    )


def closed(jaxpr: AnyJaxpr) -> Any:
    """An open jaxpr without constants as a closed one; from 0.11 on both are the same object."""
    return jaxpr if hasattr(jaxpr, "consts") else jex_core.ClosedJaxpr(jaxpr, ())
