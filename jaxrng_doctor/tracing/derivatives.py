"""Derivatives of kept equations: the equation stays as it is, its tangent goes by the ordinary way.

JAX's rules for the derivative of a vmap or a loop take it apart: what does not depend
on the tangent is moved out of the loop, a batch is dissolved. So a kept equation is
bound once more for its primal outputs, and the tangent is computed apart, inside a jit
of a name of its own. That jit holds the primal a second time, in pieces; its draws are
those of the kept equation and are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend import core as jex_core
from jax.interpreters import ad, batching, mlir

from jaxrng_doctor.jax_internals import equations, jaxprs
from jaxrng_doctor.jax_internals.equations import Eqn
from jaxrng_doctor.tracing.thread_state import ordinary

TANGENT_NAME = "jaxrng_doctor_tangent"


def is_tangent(eqn: Eqn) -> bool:
    return bool(eqn.params.get("name") == TANGENT_NAME)


def derived(
    bind: Callable[..., list[Any]],
    run: Callable[..., Any],
    bodies: Sequence[Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
) -> tuple[list[Any], list[Any]]:
    """The outputs of a kept equation, which `bind` makes, and their tangents.

    `run` does the same in the ordinary way, `bodies` are the jaxprs that the equation holds.
    """
    if not any(jaxprs.has_state(equations.open_jaxpr(body)[0]) for body in bodies):
        outs = bind(*primals)
        return outs, _tangents_of(run, primals, tangents, outs)
    # The tangent must not write what the equation has written: it starts from what was in the
    # refs before, and only what becomes of their tangents is written.
    pure = _without_refs(run, primals)
    refs = [i for i, p in enumerate(primals) if equations.is_mutable(p)]
    before, moving = list(primals), list(tangents)
    for i in refs:
        before[i] = primals[i][...]
        is_zero = type(tangents[i]) is ad.Zero or tangents[i].dtype == jax.dtypes.float0
        moving[i] = jaxprs.zero_tangent(before[i]) if is_zero else tangents[i][...]
    outs = bind(*primals)
    ends = [primals[i][...] for i in refs]
    moved = _tangents_of(pure, before, moving, [*outs, *ends])
    for i, tangent in zip(refs, moved[len(outs) :], strict=True):
        if type(moving[i]) is not ad.Zero:
            tangents[i][...] = ad.instantiate_zeros(tangent)
    return outs, moved[: len(outs)]


def _without_refs(run: Callable[..., Any], primals: Sequence[Any]) -> Callable[..., list[Any]]:
    """`run` on what is in the refs, which also returns what is in them at the end."""
    pure, consts = jaxprs.discharged(jax.make_jaxpr(run)(*primals))
    fun = jex_core.jaxpr_as_fun(equations.closed(pure))
    return lambda *values: list(fun(*consts, *values))


def _tangents_of(
    run: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    outs: Sequence[Any],
) -> list[Any]:
    """The tangents of `outs`, which are what `run` returns."""
    live = [i for i, t in enumerate(tangents) if type(t) is not ad.Zero]

    def tangent_outs(
        primals: Sequence[Any], live_tangents: Sequence[Any], outs: Sequence[Any]
    ) -> list[Any]:
        # Whoever uses the derivative uses the equation that it belongs to: it must not
        # be removed as dead because only its derivative is wanted.
        primals = tied.bind(*primals, *outs, count=len(primals))

        def of_live(*values: Any) -> Any:
            full = list(primals)
            for i, value in zip(live, values, strict=True):
                full[i] = value
            with ordinary():
                return tuple(run(*full))

        return list(jax.jvp(of_live, [primals[i] for i in live], list(live_tangents))[1])

    tangent_outs.__name__ = tangent_outs.__qualname__ = TANGENT_NAME
    moved = jax.jit(tangent_outs)(list(primals), [tangents[i] for i in live], list(outs))
    return [
        jaxprs.zero_tangent(out) if t.dtype == jax.dtypes.float0 else t
        for out, t in zip(outs, moved, strict=True)
    ]


# tied(*primals, *others, count=len(primals)) is primals, and depends on the others.
tied = jex_core.Primitive("tied")
tied.multiple_results = True


def _first(*values: Any, count: int) -> list[Any]:
    return list(values[:count])


def _batch(values: Sequence[Any], dims: Sequence[Any], *, count: int) -> Any:
    return tied.bind(*values, count=count), list(dims[:count])


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, count: int) -> Any:
    return tied.bind(*primals, count=count), list(tangents[:count])


tied.def_impl(_first)
tied.def_abstract_eval(_first)
batching.primitive_batchers[tied] = _batch
ad.primitive_jvps[tied] = _jvp
mlir.register_lowering(tied, mlir.lower_fun(_first, multiple_results=True))
