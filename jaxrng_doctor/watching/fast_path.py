"""Notes repeated calls without JAX's slow path.

A call that is noted must not be served directly from JAX's C++ cache, which runs no hook, but JAX's
path through Python takes longer than many training steps. So the function is jitted a second time,
with a separate C++ cache: the hook notes the call, and serves it from that cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jax

from jaxrng_doctor.jax_internals import call_hooks
from jaxrng_doctor.jax_internals.calldata import JitCall

_MOST_DROPPED = 8
"""The number of dropped shortcuts after which a function stays on the slow path.

Such a function is called with alternating signatures.
"""


class Noted(Protocol):
    """A call that a listener notes. Its methods raise no `Exception`."""

    def made(self) -> bool:
        """The call was made. Return whether the next call of its signature is to be noted too."""

    def again(self, leaves: Sequence[Any]) -> Callable[[], None]:
        """A call of the same signature is about to be made with these leaves.

        Return a function that notes it, to be called once it was made.
        """


class Shortcut:
    """A second jit of the function of `call`, for its signature; `noted` record its calls."""

    def __init__(self, call: JitCall, noted: Sequence[Noted]) -> None:
        self.noted = noted
        self.jaxpr = call.jaxpr
        self.held = call.fun, call.info  # keeps their `id`s valid
        self.call = call_hooks.second_jit(call)
        self._generation = call_hooks.generation()
        self._static = frozenset(call.static_argnums), frozenset(call.static_argnames)
        self._count = len(call.flat)
        leaves = self.leaves(call.args, call.kwargs)
        # If JAX orders the arguments in another way, it is unknown which leaf is which.
        self.fits = leaves is not None and all(map(_is, leaves, call.flat))

    def is_current(self) -> bool:
        return self._generation is call_hooks.generation()

    def leaves(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any] | None:
        """The leaves of the traced arguments; `None` if their number differs from `call`'s."""
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
    """The shortcuts of all functions, by the `id`s of a function and of JAX's record of its jit."""

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
        """Use a shortcut from the next call on, unless the signature keeps changing."""
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
