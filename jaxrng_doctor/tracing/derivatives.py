"""Differentiates kept equations. The equation stays whole; JAX's rules compute its tangent.

JAX's rules for the derivative of a vmap or a loop take it apart: what does not depend on the
tangent is moved out of the loop, and a vmap is transformed away. So a kept equation is bound
again for its primal outputs, and the tangent is computed separately, in a jit with a reserved
name. That jit contains the primal a second time, in pieces; its draws are those of the kept
equation and are not followed.
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
    """The outputs of a kept equation, which `bind` stages, and their tangents.

    `run` computes the same outputs without keeping anything. `bodies` are the jaxprs that the
    equation contains.
    """
    if not any(jaxprs.has_state(equations.open_jaxpr(body)[0]) for body in bodies):
        outs = bind(*primals)
        return outs, _tangents_of(run, primals, tangents, outs)
    # The tangent's computation must not repeat the equation's writes to refs: it starts from the
    # previous contents of the refs, and only the refs of their tangents are written.
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
    """`run` as a function of the contents of the refs, which also returns their final contents."""
    pure, consts = jaxprs.discharged(jax.make_jaxpr(run)(*primals))
    fun = jex_core.jaxpr_as_fun(equations.closed(pure))
    return lambda *values: list(fun(*consts, *values))


def _tangents_of(
    run: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    outs: Sequence[Any],
) -> list[Any]:
    """The tangents of `outs`, the outputs of `run`."""
    live = [i for i, t in enumerate(tangents) if type(t) is not ad.Zero]

    def tangent_outs(
        primals: Sequence[Any], live_tangents: Sequence[Any], outs: Sequence[Any]
    ) -> list[Any]:
        # Make the tangents depend on the outputs of the kept equation. Otherwise it would be
        # removed as dead code where only its derivative is used.
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


# tied(*primals, *others, count=len(primals)) returns primals, and depends on the others.
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
