"""Keeps loops whole: `scan` and `while` under other names, so that JAX does not take them apart.

Under `grad`, JAX moves everything out of a scan that does not change from step to step. This
includes a draw from a constant key, which would then not be found in the loop. So a loop with
draws is staged as an equation of a separate primitive with the same parameters, for which JAX
has no such rule.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from jax.extend import core as jex_core
from jax.extend.core.primitives import scan_p, while_p
from jax.interpreters import ad, mlir

from jaxrng_doctor.jax_internals import call_hooks, equations, jaxprs, patches, stacks
from jaxrng_doctor.tracing import derivatives, thread_state
from jaxrng_doctor.tracing.draws import Draws

PREFIX = "kept_"


def _keep(original: Any) -> patches.Patch:
    """Make the kept version of a loop primitive, and return the patch that binds it instead."""
    kept = jex_core.Primitive(PREFIX + original.name)
    kept.multiple_results = True

    def run(*args: Any, **params: Any) -> list[Any]:
        with thread_state.ordinary():
            return list(original.bind(*args, **params))

    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
        bodies = [value for value in params.values() if equations.is_jaxpr(value)]
        bind, ordinarily = (functools.partial(f, **params) for f in (kept.bind, run))
        return derivatives.derived(bind, ordinarily, bodies, primals, tangents)

    def batch(axis_data: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        return jaxprs.batchers[original](axis_data, args, dims, **params)

    def dce(used_outputs: Sequence[bool], *rest: Any) -> Any:
        *before, eqn = rest
        rule = jaxprs.dce_rules[original]
        used_inputs, left = rule(used_outputs, *before, eqn.replace(primitive=original))
        return used_inputs, left and left.replace(primitive=kept)

    kept.def_impl(run)
    kept.def_effectful_abstract_eval(
        lambda *avals, **params: original.abstract_eval(*avals, **params)
    )
    ad.primitive_jvps[kept] = jvp
    jaxprs.batchers[kept] = batch
    if original in jaxprs.dce_rules:
        jaxprs.dce_rules[kept] = dce
    jaxprs.discharge_like(kept, original)
    jaxprs.register_lowering(kept, run)
    mlir.register_lowering(kept, mlir.lower_fun(run, multiple_results=True))

    def replaced(bind: Any) -> Callable[..., Any]:
        def bind_or_keep(*args: Any, **params: Any) -> Any:
            # JAX's rules bind the same primitive for the parts that they make from a loop.
            is_users = patches.calling_function() in stacks.LOOP_CALLS
            if is_users and thread_state.current() and call_hooks.is_staging() and _draws(params):
                return kept.bind(*args, **params)
            return bind(*args, **params)

        return bind_or_keep

    return patches.attribute(original, "bind", replaced)


def _draws(params: dict[str, Any]) -> bool:
    draws = Draws()
    return any(draws.inside(value) for value in params.values() if equations.is_jaxpr(value))


_PATCH = patches.together(*map(_keep, (scan_p, while_p)))


def keeping_loops() -> patches.Patch:
    """While open, stage loops with draws whole, in threads that keep vmaps."""
    return _PATCH
