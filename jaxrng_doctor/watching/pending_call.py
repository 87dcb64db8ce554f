"""A jitted call and later calls of its signature, whose keys are noted once they were made."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from jaxrng_doctor.jax_internals.calldata import JitCall
from jaxrng_doctor.jax_internals.equations import is_mutable, open_jaxpr
from jaxrng_doctor.watching import hooks
from jaxrng_doctor.watching.compiled_function import Compiled
from jaxrng_doctor.watching.transformed import Transformed


class Notes(Protocol):
    """What records the calls of a program's functions: the part of `Recorder` that is used here."""

    def first(self, call: JitCall, loop: Transformed | None) -> Compiled | None: ...

    def notes(self, function: Compiled) -> bool: ...

    def miss(self, function: Compiled) -> None: ...

    def prepared(
        self,
        function: Compiled,
        leaves: Sequence[Any],
        donated: Sequence[bool],
        before: Mapping[int, Any],
    ) -> Callable[[], None]: ...


class NotedCall:
    """A jitted call and later calls of its signature, each to be noted once it was made.

    `function`: its function, if that is already examined.
    """

    def __init__(
        self,
        recorder: Notes,
        call: JitCall,
        loop: Transformed | None,
        function: Compiled | None,
    ) -> None:
        self._recorder = recorder
        self._loop = loop
        self._function = function
        self._donated = call.donated if any(call.donated) else ()
        self._call: JitCall | None = call
        self._before = _in_refs((*call.flat, *open_jaxpr(call.jaxpr)[1]))
        self._note = self.again(call.flat) if self._donated else None

    def made(self) -> bool:
        call, loop, note = self._call, self._loop, self._note
        self._call = self._loop = self._note = None  # its arguments may be large
        if call is None:
            return False
        if self._function is None:
            self._function = self._recorder.first(call, loop)
        if self._function is None or not self._recorder.notes(self._function):
            return False
        (note or self.again(call.flat))()
        self._before = {}
        return self._function.uses_keys or self._function.if_called_again is not None

    def again(self, leaves: Sequence[Any]) -> Callable[[], None]:
        if self._function is None:
            return nothing
        if self._function.calls and not self._recorder.notes(self._function):
            self._recorder.miss(self._function)
            return nothing
        return self._recorder.prepared(self._function, leaves, self._donated, self._before)


def _in_refs(values: Sequence[Any]) -> dict[int, Any]:
    """The contents of the mutable refs among the values, by the `id` of the ref."""
    found: dict[int, Any] = {}
    for value in filter(is_mutable, values):
        # A ref that was freed cannot be read; the call fails, too.
        with hooks.paused(), contextlib.suppress(Exception):
            found[id(value)] = value[...]
    return found


def nothing() -> None:
    pass
