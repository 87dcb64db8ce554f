"""Notes functions that were compiled ahead of time and are called more than once.

Such calls do not reach the hooks for jitted calls. `lower` does, so what a single call draws from
is examined.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import jax

from jaxrng_doctor._util.tracebacks import unseen
from jaxrng_doctor.jax_internals.equations import function_of
from jaxrng_doctor.jax_internals.patches import Patch, attribute, together
from jaxrng_doctor.tracing.draws import Draws

# The `Lowered` and `Compiled` objects that draw or split, with the name of the function.
_drawing: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
_called: weakref.WeakSet[Any] = weakref.WeakSet()


@contextlib.contextmanager
def each_call_of_compiled(note: Callable[[str], None]) -> Iterator[None]:
    """While open, call `note(name)` for each call but the first of a function that uses keys.

    This includes only functions that were lowered and compiled while such a context was open.
    """
    _called.clear()
    with _noting(note):
        yield


@functools.cache
def _noting(note: Callable[[str], None]) -> Patch:
    def lowering(original: Any) -> Callable[..., Any]:
        def lower(traced: Any, *args: Any, **kwargs: Any) -> Any:
            with unseen:
                lowered = original(traced, *args, **kwargs)
                if Draws().uses_inside(traced.jaxpr):
                    _drawing[lowered] = function_of(traced.jaxpr)[0]
                return lowered

        return functools.wraps(original)(lower)

    def compiling(original: Any) -> Callable[..., Any]:
        def compile(lowered: Any, *args: Any, **kwargs: Any) -> Any:
            with unseen:
                compiled = original(lowered, *args, **kwargs)
                if lowered in _drawing:
                    _drawing[compiled] = _drawing[lowered]
                return compiled

        return functools.wraps(original)(compile)

    def calling(original: Any) -> Callable[..., Any]:
        def call(compiled: Any, *args: Any, **kwargs: Any) -> Any:
            with unseen:
                if compiled in _called:
                    note(_drawing[compiled])
                elif compiled in _drawing:
                    _called.add(compiled)
                return original(compiled, *args, **kwargs)

        return functools.wraps(original)(call)

    stages = jax.stages
    return together(
        attribute(stages.Traced, "lower", lowering),
        attribute(stages.Lowered, "compile", compiling),
        attribute(stages.Compiled, "__call__", calling),
    )
