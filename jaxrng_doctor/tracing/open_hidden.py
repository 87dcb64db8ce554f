"""Opens the equations that hide what they do until they are compiled (`jax_internals/hidden.py`).

All later steps expect checkpoints, scans and calls as equations that contain jaxprs.
"""

from __future__ import annotations

from typing import Any

from jaxrng_doctor.jax_internals import equations, hidden
from jaxrng_doctor.jax_internals.equations import AnyJaxpr, Atom, Eqn
from jaxrng_doctor.tracing.derivatives import is_tangent

# Returns its operands unchanged (0.6 to 0.12). With `jax_remat3`, checkpoints pass the inputs of
# what they repeat through one, including keys.
_BARRIER = "optimization_barrier"


def expanded(jaxpr: AnyJaxpr, known: dict[int, tuple[Any, Any]] | None = None) -> Any:
    """The jaxpr with every hiding equation, at any depth, replaced by one that shows its jaxprs.

    Optimization barriers are removed. `known` caches the results for jaxprs that occur several
    times: it maps the `id` of a jaxpr to the jaxpr and its result. It keeps the jaxpr alive so
    that its `id` is not reused.
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
    if eqn.primitive.name == hidden.HI_CALL:
        try:
            eqn = hidden.shown(eqn)
        except Exception:  # such as for a type that is not an array: not opened, which is a gap
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
