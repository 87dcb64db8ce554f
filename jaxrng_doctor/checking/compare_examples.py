"""Compares the examples of one output array."""

from __future__ import annotations

import random

import numpy as np

from jaxrng_doctor.model.findings import Pairs


def compare_examples(array: np.ndarray, axis: int) -> Pairs:
    """Compare all examples along `axis` bitwise, and measure the difference of first and last.

    `array` may have any shape and any numeric or boolean dtype.
    """
    examples = np.moveaxis(array, axis, 0)
    count = examples.shape[0]
    if count == 0:
        return Pairs(True, None, 0, 0, 0)
    sizes = _group_sizes(np.ascontiguousarray(examples).reshape(count, -1))
    first, last = examples[0], examples[-1]
    return Pairs(
        first_equals_last=first.tobytes() == last.tobytes(),
        max_difference=_difference(first, last),
        equal_pairs=int((sizes * (sizes - 1) // 2).sum()),
        pairs=count * (count - 1) // 2,
        distinct=len(sizes),
    )


def _difference(first: np.ndarray, last: np.ndarray) -> float | None:
    if first.size == 0:
        return 0.0
    wide = np.complex128 if first.dtype.kind == "c" else np.float64
    a, b = first.astype(wide), last.astype(wide)
    with np.errstate(invalid="ignore"):
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return float(np.max(apart))


def _group_sizes(rows: np.ndarray) -> np.ndarray:
    """The number of rows in each group of equal rows, int64 of shape (groups,).

    Rows are sorted by a 64-bit hash and compared with their neighbours bitwise. Only a hash
    collision between unequal rows could split a group in two.
    """
    if rows.shape[1] == 0:
        return np.array([rows.shape[0]])
    lanes = _lanes(rows)
    # Not NumPy's generator: another thread's trace could take that for a draw of its function.
    numbers = random.Random(0).randbytes(8 * lanes.shape[1])
    factors = np.frombuffer(numbers, np.uint64) | np.uint64(1)
    hashes = np.zeros(len(lanes), np.uint64)
    for lane, factor in zip(lanes.T, factors, strict=True):
        mixed = (lane ^ (lane >> np.uint64(32))) * factor
        hashes = (hashes ^ mixed ^ (mixed >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    if _all_differ(hashes):
        return np.ones(len(rows), np.int64)
    order = np.argsort(hashes, kind="stable")
    fresh = np.ones(len(rows), bool)
    same_hash = np.flatnonzero(hashes[order][1:] == hashes[order][:-1]) + 1
    # In blocks, to avoid copying a million equal rows at once.
    for start in range(0, len(same_hash), 65536):
        at = same_hash[start : start + 65536]
        fresh[at] = np.any(lanes[order[at]] != lanes[order[at - 1]], axis=1)
    starts = np.flatnonzero(fresh)
    return np.diff(np.append(starts, len(rows)))


def _all_differ(numbers: np.ndarray) -> bool:
    """Whether all numbers differ. `sort` is ten times faster than `argsort`, and usually enough."""
    return bool(np.all(np.diff(np.sort(numbers)) != 0))


def _lanes(rows: np.ndarray) -> np.ndarray:
    """The rows' bytes as uint64, padded with zeros; without a copy if no padding is needed."""
    octets = rows.view(np.uint8)
    missing = -octets.shape[1] % 8
    if missing:
        octets = np.pad(octets, ((0, 0), (0, missing)))
    return octets.view(np.uint64)
