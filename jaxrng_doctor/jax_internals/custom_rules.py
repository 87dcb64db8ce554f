"""The rules that users give for derivatives, `custom_vjp` and `custom_jvp`: seen where they run.

JAX says that all of a rule is where the function was called: it calls the rule with that place
in force. Each function says on which versions its line was seen to work.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import jax
from jax._src import source_info_util as _source

from jaxrng_doctor.jax_internals.patches import Patch, attribute, together

# The attributes in which `defvjp` and `defjvp` keep the rules (0.6 to 0.12).
_RULES = {jax.custom_vjp: ("fwd", "bwd"), jax.custom_jvp: ("jvp",)}

Around = Callable[[str], AbstractContextManager[Any]]


@functools.cache
def intercepting_rules(wanted: Callable[[], bool], call: Around, within: Around) -> Patch:
    """While open and `wanted()`, calls and rules are run inside of a context.

    A call of a function that has rules is run inside of `call(name)`, and each of its rules
    inside of `within(name)`, with the names of both functions (0.6 to 0.12, also with JAX's flag
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
            # A copy: the user's own function stays as it is. Not `copy.copy`, which asks the
            # copy for attributes that it does not have yet.
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
    """Equations are where Python is, and not where JAX has said before (0.6 to 0.12).

    Where JAX has no such place any more they stay at the call, and a finding names the rule.
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
