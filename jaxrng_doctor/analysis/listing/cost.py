"""Estimates whether computing the keys of a program takes long."""

from __future__ import annotations

from typing import assert_never

from jaxrng_doctor.jax_internals import equations
from jaxrng_doctor.tracing.program import Trace
from jaxrng_doctor.tracing.scopes import (
    Call,
    Cond,
    Control,
    Map,
    Opaque,
    Scan,
    ShardMap,
    While,
    control,
)

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
            more = times * _times_compiled(control(eqn))
            waiting += [(body, more) for body in bodies]
    return total > MOST_USES


def _times_compiled(inside: Control | None) -> int:
    """How often the jaxprs of an equation are compiled for each time that the equation is."""
    match inside:
        case Call() | Map() | ShardMap():
            return 1
        case Cond() | Scan() | While() | Opaque() | None:
            return 2
        case _:
            assert_never(inside)
