"""Tests once per process whether JAX is still as jaxrng-doctor assumes.

If JAX has changed, jaxrng-doctor must not miss findings silently.
"""

from __future__ import annotations

import jax

from jaxrng_doctor._util.tracebacks import in_a_line
from jaxrng_doctor.jax_internals import call_hooks, remembered
from jaxrng_doctor.jax_internals.assumptions import ASSUMPTIONS, Assumption, forget_traces
from jaxrng_doctor.jax_internals.settings import own_settings


def broken(*, watch: bool = False) -> tuple[str, ...]:
    """A sentence for each broken assumption that a check, or `watch`ing, depends on.

    Each is tried once per process, or not at all if all are remembered to hold for this JAX.
    Never raises.
    """
    if not call_hooks.is_plain():  # called inside a trace: a later call tries the facts
        return ()
    if remembered.known_to_hold():
        return ()
    found = tuple(
        f"this JAX ({jax.__version__}) is not as expected: {assumption.lost}{why}"
        for assumption in ASSUMPTIONS
        if watch or not assumption.watch
        if (why := failure_of(assumption)) is not None
    )
    if len(_known) == len(ASSUMPTIONS) and not any(why is not None for why in _known.values()):
        remembered.remember()
    return found


_known: dict[str, str | None] = {}


def failure_of(assumption: Assumption) -> str | None:
    """`None` if the assumption holds, else the exception it raised, in parentheses, or `""`."""
    if assumption.name not in _known:
        try:
            with own_settings():
                holds = assumption.holds()
        except Exception as error:
            _known[assumption.name] = f" ({in_a_line(error)})"
        else:
            _known[assumption.name] = None if holds else ""
    return _known[assumption.name]


def forget() -> None:
    """Forget the results, so that each assumption is tried again."""
    _known.clear()
    forget_traces()
