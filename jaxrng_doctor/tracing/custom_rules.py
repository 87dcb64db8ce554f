"""Which rule of a `custom_vjp` or `custom_jvp` an equation is of, and of which call.

A rule is run long after the call, for the backward pass. A name scope with a number of its own
for each call, and one with the rule's name, are on all that comes of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import jax

from jaxrng_doctor.jax_internals.custom_rules import intercepting_rules
from jaxrng_doctor.jax_internals.equations import scope_names
from jaxrng_doctor.jax_internals.patches import Patch
from jaxrng_doctor.tracing import thread_state

_CALL, _RULE = "jaxrng_ruled_", "jaxrng_rule_"

_numbers = itertools.count()


def keeping_rules() -> Patch:
    """While open, in threads that keep, rules are run at their own lines and have their names."""
    return intercepting_rules(_is_keeping, _call, _rule)


def calls(eqns: Iterable[Any]) -> frozenset[str]:
    """The calls of functions with rules that made an equation: `eqns`, it and what holds it."""
    return frozenset(name for name in scope_names(eqns) if name.startswith(_CALL))


def rule_of(eqns: Iterable[Any]) -> tuple[str, str]:
    """The name of the innermost rule that made an equation and its function's; else both `""`."""
    function, found = "", ("", "")
    for name in scope_names(eqns):
        if name.startswith(_CALL):
            function = name.removeprefix(_CALL).partition("_")[2]
        elif name.startswith(_RULE):
            found = name.removeprefix(_RULE), function
    return found


def _is_keeping() -> bool:
    return thread_state.current() is not None


def _call(name: str) -> AbstractContextManager[Any]:
    return _scope(f"{_CALL}{next(_numbers)}_{name}")


def _rule(name: str) -> AbstractContextManager[Any]:
    return _scope(f"{_RULE}{name}")


def _scope(name: str) -> AbstractContextManager[Any]:
    scope: AbstractContextManager[Any] = jax.named_scope(name)
    return scope
