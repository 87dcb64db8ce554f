"""The small arrays that keys are made of, kept from each call until they are read at the end.

Until then the program may give one away (donation), or write into it where it is NumPy's.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np

from jaxrng_doctor.jax_internals.jaxprs import key_words
from jaxrng_doctor.watching import hooks
from jaxrng_doctor.watching.compiled_function import RecordedCall
from jaxrng_doctor.watching.repeated_keys import EagerUse

_Use = TypeVar("_Use", RecordedCall, EagerUse)


LOST = "their keys have been donated or deleted since"


class Held:
    """The arrays of one program. None is copied but those that would be lost."""

    def __init__(self) -> None:
        self._kept: set[int] = set()  # the `id`s of what others hold
        # With what each is a copy of, so that an `id` stays its own.
        self._copies: dict[int, tuple[Any, Any]] = {}

    def keep(self, value: Any) -> Any:
        """What to hold of `value`."""
        if isinstance(value, np.ndarray):
            return value.copy()
        self._kept.add(id(key_words(value)))
        return value

    def before_donation(self, leaves: Sequence[Any], donated: Sequence[bool]) -> None:
        """A call is about to be made that takes those of the leaves."""
        for leaf, is_taken in zip(leaves, donated, strict=False):
            words = key_words(leaf)
            known = id(words)
            if is_taken and known in self._kept and known not in self._copies:
                # One that was taken before is of no use to the call either.
                with hooks.paused(), contextlib.suppress(Exception):
                    self._copies[known] = words, jnp.array(leaf)

    def lose(self, uses: list[_Use]) -> bool:
        """Give the uses what is left of their values; whether some had to be left out for that."""
        left = [self._left(use) if self._copies else use for use in uses]
        left = [use for use in left if not any(map(_is_lost, use.values))]
        is_less = len(left) < len(uses)
        uses[:] = left
        return is_less

    def _left(self, use: _Use) -> _Use:
        found = [self._copies.get(id(key_words(v)), (None, v))[1] for v in use.values]
        is_same = all(map(operator.is_, found, use.values))
        return use if is_same else replace(use, values=tuple(found))


def _is_lost(value: Any) -> bool:
    words = key_words(value)
    return hasattr(words, "is_deleted") and words.is_deleted()


def are_same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """They are the very same objects, or equal numbers and texts."""
    return len(one) == len(other) and all(map(_is_same, one, other))


def _is_same(one: Any, other: Any) -> bool:
    is_plain = type(one) is type(other) and isinstance(one, (int, float, complex, str))
    return one is other or (is_plain and bool(one == other))
