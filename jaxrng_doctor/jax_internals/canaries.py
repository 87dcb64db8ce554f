"""Whether JAX is still as the doctor takes it for: tried once in a process.

A JAX that has changed must not make the doctor blind in silence.
"""

from __future__ import annotations

import jax

from jaxrng_doctor._util.tracebacks import in_a_line
from jaxrng_doctor.jax_internals import remembered, running
from jaxrng_doctor.jax_internals.facts import FACTS, Fact, forget_traces
from jaxrng_doctor.jax_internals.settings import own_settings


def broken(*, watch: bool = False) -> tuple[str, ...]:
    """What no longer holds of all that a check, or `watch`ing, rests on: a sentence for each.

    Tried once in a process, and not again where all of them held under the very same JAX. Never
    raises.
    """
    if not running.is_plain():  # asked from within a trace: it will be asked again
        return ()
    if remembered.all_hold():
        return ()
    found = tuple(
        f"this JAX ({jax.__version__}) is not as expected: {fact.lost}{why}"
        for fact in FACTS
        if watch or not fact.watch
        if (why := tried(fact)) is not None
    )
    if len(_known) == len(FACTS) and not any(why is not None for why in _known.values()):
        remembered.remember()
    return found


_known: dict[str, str | None] = {}


def tried(fact: Fact) -> str | None:
    """`None` where the fact holds, else what it raised, in brackets, if it did."""
    if fact.name not in _known:
        try:
            with own_settings():
                holds = fact.holds()
        except Exception as error:
            _known[fact.name] = f" ({in_a_line(error)})"
        else:
            _known[fact.name] = None if holds else ""
    return _known[fact.name]


def forget() -> None:
    """Try each fact again."""
    _known.clear()
    forget_traces()
