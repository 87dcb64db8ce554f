"""Counts the distinct keys of a table: the numbers of an `Evidence`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxrng_doctor.model.findings import STRIP_LENGTH, Evidence


class KeyCount:
    """The keys of one draw, numbered: equal keys have equal numbers.

    words: uint32, shape (*scope sizes, words of a key). reached: bool, shape
    (*scope sizes). Comparison is exact: no hashing.
    """

    def __init__(self, words: np.ndarray, reached: np.ndarray) -> None:
        self.shape = reached.shape
        self.reached = reached
        self.words = words
        self.numbers = numbered(words.reshape(-1, words.shape[-1])).reshape(self.shape)

    def along(self, axis: int, names: Sequence[str]) -> Evidence:
        """The evidence over one scope, at the index of the others where most keys repeat.

        `names`: the names of the scopes, for `Evidence.fixed`.
        """
        return self.over((axis,), names)

    def over(self, axes: Sequence[int], names: Sequence[str]) -> Evidence:
        """The evidence over scopes together, at the index of the others where most keys repeat.

        Examples are numbered over these scopes in row-major order.
        """
        if self.reached.size == 0:
            return Evidence(0, 0)
        row, distinct = self._fewest(axes)
        others = [n for i, n in enumerate(names) if i not in axes]
        sizes = [n for i, n in enumerate(self.shape) if i not in axes]
        index = np.unravel_index(row, sizes) if sizes else ()
        fixed = ", ".join(f"{name} {i}" for name, i in zip(others, index, strict=True))
        numbers, reached, words = self._row(axes, row)
        return _evidence(numbers, np.flatnonzero(reached), words, distinct, fixed)

    def keys_over(self, axes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """The indices of the examples in `over`, shape (n,), and their keys, uint32 (n, words)."""
        if self.reached.size == 0:
            return np.zeros(0, int), self.words.reshape(0, self.words.shape[-1])
        _, reached, words = self._row(axes, self._fewest(axes)[0])
        return np.flatnonzero(reached), words[reached]

    def _fewest(self, axes: Sequence[int]) -> tuple[int, int]:
        """The flat index of the other scopes where most keys repeat, and how many are distinct."""
        rows, there = self._rows(self.numbers, axes), self._rows(self.reached, axes)
        if len(rows) == 1:
            # Numbers are dense: marking them is faster than sorting them.
            seen = np.zeros(rows.max(initial=-1) + 1, bool)
            seen[rows[there]] = True
            return 0, int(seen.sum())
        # A draw that was not reached gets a separate number, which is subtracted below.
        alone = np.where(there, rows, -1 - np.arange(rows.shape[1]))
        ordered = np.sort(alone, axis=1)
        drawn = there.sum(axis=1)
        distinct = 1 + (np.diff(ordered, axis=1) != 0).sum(axis=1) - (~there).sum(axis=1)
        # Of rows with equally many repeats, the first with the most draws is chosen.
        row = int(np.argmax((drawn - distinct) * (rows.shape[1] + 1) + drawn))
        return row, int(distinct[row])

    def _row(self, axes: Sequence[int], row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers, `reached` and words over some scopes, at the flat index `row` of the others.

        `axes` must be in ascending order.
        """
        others = [axis for axis in range(len(self.shape)) if axis not in axes]
        index = np.unravel_index(row, [self.shape[axis] for axis in others]) if others else ()
        at: list[Any] = [slice(None)] * len(self.shape)
        for axis, number in zip(others, index, strict=True):
            at[axis] = number
        here = tuple(at)
        words = self.words[here].reshape(-1, self.words.shape[-1])
        return self.numbers[here].reshape(-1), self.reached[here].reshape(-1), words

    def _rows(self, array: np.ndarray, axes: Sequence[int]) -> np.ndarray:
        """The entries over some scopes as rows, one for each index of the other scopes."""
        moved = np.moveaxis(array, axes, range(-len(axes), 0))
        return moved.reshape(-1, math.prod(self.shape[axis] for axis in axes))

    def places(self, axes: Sequence[int], example: int) -> tuple[int, ...]:
        """The index in each scope of `axes` of an example, numbered as in `over`."""
        index = np.unravel_index(example, [self.shape[axis] for axis in axes])
        return tuple(int(i) for i in index)


def _evidence(
    numbers: np.ndarray, examples: np.ndarray, words: np.ndarray, distinct: int, fixed: str
) -> Evidence:
    drawn = numbers[examples]
    pair, key = None, None
    if distinct < len(drawn):
        order = np.argsort(drawn, kind="stable")
        twin = int(np.flatnonzero(np.diff(drawn[order]) == 0)[0])
        pair = (int(examples[order[twin]]), int(examples[order[twin + 1]]))
        key = " ".join(f"{int(w):08x}" for w in words[pair[0]])
    seen: dict[int, int] = {}
    strip = tuple(seen.setdefault(int(n), len(seen)) for n in drawn[:STRIP_LENGTH])
    return Evidence(len(drawn), distinct, strip, pair, key, fixed)


def numbered(rows: np.ndarray) -> np.ndarray:
    """A number for each row of uint32 words, equal for equal rows; shape (rows,)."""
    if rows.shape[0] == 0:
        return np.zeros(0, np.int64)
    rows = np.ascontiguousarray(rows)
    if rows.shape[1] <= 2:
        values = rows.view(np.uint64 if rows.shape[1] == 2 else np.uint32)[:, 0]
        # Usually all differ, and a sort that does not return the order shows that much faster.
        if np.all(np.diff(np.sort(values)) != 0):
            return np.arange(len(values))
        found: np.ndarray = np.unique(values, return_inverse=True)[1]
        return found.astype(np.int64)
    order = np.lexsort(rows.T)
    fresh = np.any(np.diff(rows[order], axis=0) != 0, axis=1)
    numbers = np.empty(len(rows), np.int64)
    numbers[order] = np.concatenate([[0], np.cumsum(fresh)])
    return numbers
