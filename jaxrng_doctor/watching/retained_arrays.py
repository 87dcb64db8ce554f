"""Keeps the small arrays that the keys of each call are computed from until they are read.

Until then the program may donate one, or write into it if it is a NumPy array.
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
    """The arrays of one program. Only those that would otherwise be lost are copied."""

    def __init__(self) -> None:
        self._kept: set[int] = set()  # the `id`s of arrays that recorded uses hold
        # By the `id` of the original, which is held too, so that the `id` stays valid.
        self._copies: dict[int, tuple[Any, Any]] = {}

    def keep(self, value: Any) -> Any:
        """`value`, or a copy if it is a NumPy array: what the caller is to hold."""
        if isinstance(value, np.ndarray):
            return value.copy()
        self._kept.add(id(key_words(value)))
        return value

    def before_donation(self, leaves: Sequence[Any], donated: Sequence[bool]) -> None:
        """Copy the leaves that are kept and that the next call donates."""
        for leaf, is_taken in zip(leaves, donated, strict=False):
            words = key_words(leaf)
            known = id(words)
            if is_taken and known in self._kept and known not in self._copies:
                # An array that was donated before cannot be copied; the call fails, too.
                with hooks.paused(), contextlib.suppress(Exception):
                    self._copies[known] = words, jnp.array(leaf)

    def lose(self, uses: list[_Use]) -> bool:
        """Replace donated values by their copies, and remove the uses with values that are lost.

        Return whether any use was removed.
        """
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
    """Whether the values are pairwise identical objects, or equal numbers or strings."""
    return len(one) == len(other) and all(map(_is_same, one, other))


def _is_same(one: Any, other: Any) -> bool:
    is_plain = type(one) is type(other) and isinstance(one, (int, float, complex, str))
    return one is other or (is_plain and bool(one == other))
