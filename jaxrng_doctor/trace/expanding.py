"""Opens the equations that hide what they do until they are compiled.

From JAX 0.10 on there are equations that hold an object in place of jaxprs, whose
`expand` gives the operations (`lax.custom_root` makes one in 0.12). The draws in it
would else not be seen.
"""

from __future__ import annotations

from typing import Any

import jax

from jaxrng_doctor.trace import equations
from jaxrng_doctor.trace.derivatives import is_tangent

HIDING = "call_hi_primitive"


def expanded(jaxpr: Any, known: dict[int, Any] | None = None) -> Any:
    """The jaxpr with every such equation, at any depth, replaced by a jit of what it does.

    `known` has the answers for the jaxprs that occur several times, by `id`.
    """
    known = {} if known is None else known
    if id(jaxpr) not in known:
        inner = equations.open_jaxpr(jaxpr)[0]
        eqns = [_opened(eqn, known) for eqn in inner.eqns]
        new = jaxpr
        if any(a is not b for a, b in zip(eqns, inner.eqns, strict=True)):
            new = inner.replace(eqns=eqns)
            new = new if jaxpr is inner else jaxpr.replace(jaxpr=new)
        known[id(jaxpr)] = new
    return known[id(jaxpr)]


def _opened(eqn: Any, known: dict[int, Any]) -> Any:
    if eqn.primitive.name == HIDING:
        return _as_jit(eqn, known)
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


def _as_jit(eqn: Any, known: dict[int, Any]) -> Any:
    def does(*operands: Any) -> Any:
        return eqn.primitive.to_lojax(*operands, **eqn.params)

    try:
        avals = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in eqn.invars]
        made = equations.open_jaxpr(jax.make_jaxpr(jax.jit(does))(*avals))[0]
    except Exception:  # a type that is no array: then it stays closed, and a key in it is a gap
        return eqn
    if len(made.eqns) != 1 or len(made.eqns[0].invars) != len(eqn.invars):
        return eqn
    jit = _opened(made.eqns[0], known)
    return eqn.replace(primitive=jit.primitive, params=jit.params)
