"""Arrays in a program of several processes: the local part of them, and samples of their data.

The samples are small arrays, taken without waiting for the device.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import jax
import numpy as np

from jaxrng_doctor.tracing.draws import may_be_key

_ELEMENTS = 256


SPREAD = "its keys are derived from arrays that are split across processes"


class Spread(Exception):
    """This process has only a part of an array that is needed as a whole."""


def is_spread(value: Any) -> bool:
    """Whether the value is an array that is sharded over several processes: none has all of it."""
    return (
        isinstance(value, jax.Array)
        and not value.is_fully_addressable
        and not value.is_fully_replicated
    )


def here(value: Any) -> Any:
    """The value as a local one; raises `Spread` if this process has only a part of it."""
    if is_spread(value):
        raise Spread
    if not isinstance(value, jax.Array) or value.is_fully_addressable:
        return value
    return value.addressable_data(0)


def sample(value: Any) -> Any:
    """About 256 elements from all over an array, or from its first shard.

    `None` for what is not data of this process: scalars, keys, arrays of several processes; and for
    empty and deleted arrays.
    """
    if np.ndim(value) == 0 or np.size(value) == 0 or not hasattr(value, "dtype"):
        return None
    if may_be_key(value):
        return None
    if isinstance(value, np.ndarray):
        return value.flat[:: _step(value.size)]
    is_own = isinstance(value, jax.Array) and value.is_fully_addressable
    if is_own and not value.is_deleted():
        return _elements(value.addressable_data(0))
    return None


def digest(sample: Any) -> bytes:
    """The digest of a sample or of key words: equal only if these are equal."""
    array = np.asarray(sample)
    content = f"{array.dtype}{array.shape}".encode() + array.tobytes()
    return hashlib.blake2b(content, digest_size=16).digest()


@functools.partial(jax.jit, inline=True)
def _elements(array: jax.Array) -> jax.Array:
    return array.reshape(-1)[:: _step(array.size)]


def _step(size: int) -> int:
    # Odd, to avoid the width of a matrix, which would give its first column: that may be empty.
    return (size // _ELEMENTS) | 1
