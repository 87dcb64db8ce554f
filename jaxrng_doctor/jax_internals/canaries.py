"""Tests once per process whether JAX is still as jaxrng-doctor assumes.

If JAX has changed, jaxrng-doctor must not miss findings silently.
"""

from __future__ import annotations

import jax

from jaxrng_doctor._util.tracebacks import in_a_line
from jaxrng_doctor.jax_internals import remembered, running
from jaxrng_doctor.jax_internals.facts import FACTS, Fact, forget_traces
from jaxrng_doctor.jax_internals.settings import own_settings


def broken(*, watch: bool = False) -> tuple[str, ...]:
    """A sentence for each fact that does not hold and that a check, or `watch`ing, depends on.

    Each fact is tried once per process, or not at all if all are remembered to hold for this JAX.
    Never raises.
    """
    if not running.is_plain():  # called inside a trace: a later call tries the facts
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
    """`None` if the fact holds, else the exception it raised, in parentheses, or `""`."""
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
    """Forget the results, so that each fact is tried again."""
    _known.clear()
    forget_traces()
