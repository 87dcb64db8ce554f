"""Notes which functions that were compiled ahead of time are called more than once.

They pass nothing that every other call of a jitted function passes. What a first call draws from is
examined as it is lowered.
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

# What draws, once it is lowered and compiled, with the name of the function.
_drawing: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
_called: weakref.WeakSet[Any] = weakref.WeakSet()


@contextlib.contextmanager
def each_call_of_compiled(note: Callable[[str], None]) -> Iterator[None]:
    """While open, `note(name)` for each call but the first, of what draws and is compiled then."""
    _called.clear()
    with _noting(note):
        yield


@functools.cache
def _noting(note: Callable[[str], None]) -> Patch:
    def lowering(original: Any) -> Callable[..., Any]:
        def lower(traced: Any, *args: Any, **kwargs: Any) -> Any:
            with unseen:
                lowered = original(traced, *args, **kwargs)
                if Draws().or_splits_inside(traced.jaxpr):
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
