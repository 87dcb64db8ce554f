"""Threefry keys in plain Python; a key is a pair of words.

Written from the definition of the cipher, without JAX; `tests/fuzz/test_soundness.py` compares it
with `jax.random`. It is valid for `jax_threefry_partitionable`, the default since JAX 0.5.
"""

from __future__ import annotations

import functools

Key = tuple[int, int]
"""The two words of a key, each 0 to 2**32 - 1."""

_MASK = 0xFFFFFFFF
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


@functools.lru_cache(maxsize=1 << 18)
def encrypt(key: Key, high: int, low: int) -> Key:
    """The 20 rounds of Threefry-2x32 on the block `(high, low)`."""
    schedule = (*key, key[0] ^ key[1] ^ 0x1BD11BDA)
    x, y = (high + key[0]) & _MASK, (low + key[1]) & _MASK
    for group in range(5):
        for turn in _ROTATIONS[group % 2]:
            x = (x + y) & _MASK
            y = ((y << turn | y >> (32 - turn)) & _MASK) ^ x
        x = (x + schedule[(group + 1) % 3]) & _MASK
        y = (y + schedule[(group + 2) % 3] + group + 1) & _MASK
    return x, y


def seed(number: int) -> Key:
    """`jax.random.key(number)` for a 32-bit number."""
    return 0, number & _MASK


def fold_in(key: Key, number: int) -> Key:
    """`jax.random.fold_in(key, number)`."""
    return encrypt(key, 0, number & _MASK)


def split(key: Key, count: int) -> list[Key]:
    """`jax.random.split(key, count)`."""
    return [encrypt(key, 0, i) for i in range(count)]
