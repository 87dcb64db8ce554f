"""Intercepts the derivative rules of `custom_vjp` and `custom_jvp`, and locates their equations.

JAX gives all equations of a rule the location of the function's call, because it sets that location
before it calls the rule. Docstrings name the JAX versions that a function was tested on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import jax
from jax._src import source_info_util as _source

from jaxrng_doctor.jax_internals.patches import Patch, attribute, together

# The attributes in which `defvjp` and `defjvp` store the rules (0.6 to 0.12).
_RULES = {jax.custom_vjp: ("fwd", "bwd"), jax.custom_jvp: ("jvp",)}

Around = Callable[[str], AbstractContextManager[Any]]


@functools.cache
def intercepting_rules(wanted: Callable[[], bool], call: Around, within: Around) -> Patch:
    """While open and `wanted()`, run functions with rules, and the rules, inside a context.

    A call of a function with rules runs inside `call(name)`, and each of its rules inside
    `within(name)`; `name` is that of the function or the rule (0.6 to 0.12, also with JAX's flag
    `jax_custom_vjp3`).
    """

    def ruled(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            if not wanted():
                return function(*args, **kwargs)
            with _at_its_own_place(), within(getattr(function, "__name__", "")):
                return function(*args, **kwargs)

        return run

    def replaced(original: Any) -> Callable[..., Any]:
        def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not wanted():
                return original(self, *args, **kwargs)
            # Use a copy, so that the user's function does not change. `copy.copy` would look up
            # attributes that the copy does not have yet.
            copied = object.__new__(type(self))
            vars(copied).update(vars(self))
            names = next(names for kind, names in _RULES.items() if isinstance(self, kind))
            own = {name: vars(self).get(name) for name in names}
            vars(copied).update({n: ruled(rule) for n, rule in own.items() if rule is not None})
            with call(getattr(self, "__name__", "")):
                return original(copied, *args, **kwargs)

        return __call__

    return together(*(attribute(kind, "__call__", replaced) for kind in _RULES))


@contextmanager
def _at_its_own_place() -> Iterator[None]:
    """While open, equations get the location of the Python code, not JAX's (0.6 to 0.12).

    If JAX no longer sets a location this way, they keep that of the call, and a finding names the
    rule.
    """
    try:
        state = _source._source_info_context
        before = state.context
        own = _source.SourceInfo(None, before.name_stack)
    except (AttributeError, TypeError):
        yield
        return
    state.context = own
    try:
        yield
    finally:
        state.context = before
