"""Notes a repeated call without JAX's slow path.

A call that is to be noted may not be served by JAX's C++ cache, which runs no hook; and the way
through Python takes longer than many a step. So the function is jitted a second time, with a
C++ cache of its own: the call is noted, and served from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jax

from jaxrng_doctor.jax_internals import running
from jaxrng_doctor.jax_internals.calldata import JitCall

_MOST_DROPPED = 8
"""A function that is called in turn with other signatures stays on the slow way."""


class Noted(Protocol):
    """A call that somebody notes. Neither raises."""

    def made(self) -> bool:
        """The call was made; whether its like is to be noted again the next time."""

    def again(self, leaves: Sequence[Any]) -> Callable[[], None]:
        """Its like is about to be called with these leaves; what is returned notes it then."""


class Shortcut:
    """A jitted function for the one signature of `call`, and those who note its calls."""

    def __init__(self, call: JitCall, noted: Sequence[Noted]) -> None:
        self.noted = noted
        self.jaxpr = call.jaxpr
        self.held = call.fun, call.info  # so that an `id` stays theirs
        self.call = running.second_jit(call)
        self._generation = running.generation()
        self._static = frozenset(call.static_argnums), frozenset(call.static_argnames)
        self._count = len(call.flat)
        leaves = self.leaves(call.args, call.kwargs)
        # Where JAX orders the arguments in another way, nobody knows which leaf is which.
        self.fits = leaves is not None and all(map(_is, leaves, call.flat))

    def is_current(self) -> bool:
        return self._generation is running.generation()

    def leaves(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any] | None:
        """The leaves of what is traced; `None` where there are not as many as there were."""
        numbers, names = self._static
        if numbers or names:
            static = {i % len(args) for i in numbers if -len(args) <= i < len(args)}
            args = tuple(arg for i, arg in enumerate(args) if i not in static)
            kwargs = {name: value for name, value in kwargs.items() if name not in names}
        found = jax.tree_util.tree_leaves((args, kwargs))
        return found if len(found) == self._count else None


def _is(one: Any, other: Any) -> bool:
    return one is other


class Shortcuts:
    """Those of all functions, by JAX's record of their jit."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Shortcut] = {}
        self._dropped: dict[tuple[int, int], list[Any]] = {}

    def get(self, fun: Any, info: Any) -> Shortcut | None:
        shortcut = self._known.get((id(fun), id(info)))
        if shortcut is None or shortcut.is_current():
            return shortcut
        self.drop(shortcut)
        return None

    def add(self, call: JitCall, noted: Sequence[Noted]) -> None:
        """From the next call on; not for functions whose signature changes all the time."""
        key = id(call.fun), id(call.info)
        if key not in self._known and len(self._dropped.get(key, ())) < _MOST_DROPPED:
            shortcut = Shortcut(call, noted)
            if shortcut.fits:
                self._known[key] = shortcut

    def drop(self, shortcut: Shortcut) -> None:
        fun, info = shortcut.held
        if self._known.pop((id(fun), id(info)), None) is not None:
            self._dropped.setdefault((id(fun), id(info)), []).append(shortcut.held)

    def clear(self) -> None:
        self._known.clear()
        self._dropped.clear()
