"""Estimates whether computing the keys of a program takes long."""

from __future__ import annotations

from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.tracing.program import Trace
from jaxrng_doctor.tracing.scopes import Call, Map, ShardMap, control

MOST_USES = 32
"""XLA compiles this many draws and splits in about half a second, in a branch in twice that."""


def takes_long(trace: Trace) -> bool:
    """Whether compilation takes longer than a reader wants to wait.

    The body of a loop or a branch is traced and compiled again for each loop or branch around it.
    """
    draws, total = trace.slice.draws, 0
    waiting = [(trace.jaxpr, 1)]
    while waiting and total <= MOST_USES:
        jaxpr, times = waiting.pop()
        inner = equations.open_jaxpr(jaxpr)[0]
        for index in draws.using(inner):
            eqn = inner.eqns[index]
            bodies = equations.subjaxprs(eqn)
            if draws.key_operands(eqn) or not bodies:
                total += times
                continue
            once = isinstance(control(eqn), Call | Map | ShardMap)
            waiting += [(body, times if once else 2 * times) for body in bodies]
    return total > MOST_USES
