"""Identifies the rule of a `custom_vjp` or `custom_jvp`, and its call, that made an equation.

A rule may run long after the call, in the backward pass. So each call has a numbered name scope,
and each rule one with its name. All equations that they make have these scopes.
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
    """A patch: in threads that keep vmaps, calls and rules run in their name scopes.

    It also gives the equations of rules their own lines, instead of that of the call.
    """
    return intercepting_rules(_is_keeping, _call, _rule)


def calls(eqns: Iterable[Any]) -> frozenset[str]:
    """The scope names of the calls of functions with rules that an equation comes from.

    `eqns` are the equation and those that contain it.
    """
    return frozenset(name for name in scope_names(eqns) if name.startswith(_CALL))


def rule_of(eqns: Iterable[Any]) -> tuple[str, str]:
    """The names of the innermost rule that made an equation and of its function, else both `""`.

    `eqns` are the equation and those that contain it.
    """
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
