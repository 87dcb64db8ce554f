"""Keys of every impl as words in NumPy: how they are made, split and folded.

`unsafe_rbg` uses XLA's generator, so JAX itself splits and folds its keys, one at a time.
"""

from __future__ import annotations

import functools

import jax
import numpy as np

from tests.fuzz import threefry

Array = np.ndarray
WORDS = {"threefry2x32": 2, "rbg": 4, "unsafe_rbg": 4}


def seed(impl: str, number: int) -> Array:
    """The words of `jax.random.key(number, impl=impl)`, uint32[2] or uint32[4]."""
    return np.array(threefry.seed(number) * (WORDS[impl] // 2), np.uint32)


def fold_in(impl: str, key: Array, number: int) -> Array:
    """The words of `jax.random.fold_in`."""
    if impl == "unsafe_rbg":
        return np.array(_folded(tuple(key.tolist()), int(number)), np.uint32)
    halves = [threefry.fold_in(half, int(number)) for half in _halves(key)]
    return np.array(halves, np.uint32).reshape(-1)


def split(impl: str, key: Array, count: int) -> Array:
    """The words of `jax.random.split`, of shape (count, words)."""
    if impl == "unsafe_rbg":
        return np.array(_split(tuple(key.tolist()), count), np.uint32)
    halves = [threefry.split(half, count) for half in _halves(key)]
    return np.array(halves, np.uint32).swapaxes(0, 1).reshape(count, -1)


def _halves(key: Array) -> list[threefry.Key]:
    return [(int(a), int(b)) for a, b in key.reshape(-1, 2)]


@functools.lru_cache(maxsize=1 << 14)
def _folded(words: tuple[int, ...], number: int) -> tuple[int, ...]:
    key = jax.random.wrap_key_data(np.array(words, np.uint32), impl="unsafe_rbg")
    return tuple(np.asarray(jax.random.key_data(jax.random.fold_in(key, number))).tolist())


@functools.lru_cache(maxsize=1 << 14)
def _split(words: tuple[int, ...], count: int) -> list[list[int]]:
    key = jax.random.wrap_key_data(np.array(words, np.uint32), impl="unsafe_rbg")
    rows: list[list[int]] = np.asarray(jax.random.key_data(jax.random.split(key, count))).tolist()
    return rows
