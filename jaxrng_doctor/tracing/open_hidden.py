"""Opens the equations that hide what they do until they are compiled (`jax_internals/hidden.py`).

All that comes after knows checkpoints, scans and calls by the equations that hold jaxprs.
"""

from __future__ import annotations

from typing import Any

from jaxrng_doctor.jax_internals import equations, hidden
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Atom, Eqn
from jaxrng_doctor.tracing.derivatives import is_tangent

# Of several operands each is handed on as it is (0.6 to 0.12). Checkpoints make one of what they
# run again, keys among it, with `jax_remat3`.
_BARRIER = "optimization_barrier"


def expanded(jaxpr: AnyJaxpr, known: dict[int, tuple[Any, Any]] | None = None) -> Any:
    """The jaxpr with every such equation, at any depth, replaced by one of what it does.

    Without the equations that hand their operands on. `known` has the answers for the jaxprs
    that occur several times, by `id`, beside these: one that was made here would be gone.
    """
    known = {} if known is None else known
    if id(jaxpr) not in known:
        inner = equations.open_jaxpr(jaxpr)[0]
        eqns: list[Any] = []
        handed_on: dict[Any, Any] = {}
        for eqn in inner.eqns:
            moved = _with_operands(eqn, handed_on)
            if moved.primitive.name == _BARRIER:
                handed_on.update(zip(moved.outvars, moved.invars, strict=True))
            else:
                eqns.append(_opened(moved, known))
        new: Any = jaxpr
        if handed_on or any(a is not b for a, b in zip(eqns, inner.eqns, strict=True)):
            outvars = [_found(v, handed_on) for v in inner.outvars]
            new = inner.replace(eqns=eqns, outvars=outvars)
            new = new if jaxpr is inner else jaxpr.replace(jaxpr=new)
        known[id(jaxpr)] = jaxpr, new
    return known[id(jaxpr)][1]


def _with_operands(eqn: Eqn, handed_on: dict[Any, Any]) -> Any:
    if not handed_on:
        return eqn
    invars = [_found(v, handed_on) for v in eqn.invars]
    moved = any(a is not b for a, b in zip(invars, eqn.invars, strict=True))
    return eqn.replace(invars=invars) if moved else eqn


def _found(atom: Atom, handed_on: dict[Any, Any]) -> Any:
    return atom if isinstance(atom, equations.Literal) else handed_on.get(atom, atom)


def _opened(eqn: Eqn, known: dict[int, tuple[Any, Any]]) -> Any:
    if eqn.primitive.name == hidden.HIDING:
        try:
            eqn = hidden.shown(eqn)
        except Exception:  # such as of a type that is no array: it stays closed, which is a gap
            return eqn
    if is_tangent(eqn):
        return eqn
    params = {}
    for name, value in eqn.params.items():
        if equations.is_jaxpr(value):
            new = expanded(value, known)
            params.update({name: new} if new is not value else {})
        elif isinstance(value, tuple | list) and any(map(equations.is_jaxpr, value)):
            parts = [expanded(v, known) if equations.is_jaxpr(v) else v for v in value]
            if any(a is not b for a, b in zip(parts, value, strict=True)):
                params[name] = _like(value, parts)
    return eqn.replace(params={**eqn.params, **params}) if params else eqn


def _like(value: Any, parts: list[Any]) -> Any:
    is_named = hasattr(value, "_fields")
    return type(value)(*parts) if is_named else type(value)(parts)
