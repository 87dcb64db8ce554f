"""Arrays of one process among several: what of them is here, and samples of the data in them.

The samples are small arrays, which are taken without waiting for the device.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import jax
import numpy as np

from jaxrng_doctor.tracing.draws import may_be_key

_ELEMENTS = 256


SPREAD = "its keys are made of arrays that are cut up over several processes"


class Spread(Exception):
    """Of an array that all of it is wanted of, this process has only a part."""


def is_spread(value: Any) -> bool:
    """An array is cut up over several processes, and none has all of it."""
    return (
        isinstance(value, jax.Array)
        and not value.is_fully_addressable
        and not value.is_fully_replicated
    )


def here(value: Any) -> Any:
    """The value as this process alone has it; raises `Spread` where it has but a part."""
    if is_spread(value):
        raise Spread
    if not isinstance(value, jax.Array) or value.is_fully_addressable:
        return value
    return value.addressable_data(0)


def sample(value: Any) -> Any:
    """About 256 of an array's elements, from all over it, or of its first shard.

    `None` for what is no data of this process: scalars, keys, arrays of several processes.
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
    """Of a sample or of key words: equal only where these are."""
    array = np.asarray(sample)
    content = f"{array.dtype}{array.shape}".encode() + array.tobytes()
    return hashlib.blake2b(content, digest_size=16).digest()


@functools.partial(jax.jit, inline=True)
def _elements(array: jax.Array) -> jax.Array:
    return array.reshape(-1)[:: _step(array.size)]


def _step(size: int) -> int:
    return (size // _ELEMENTS) | 1  # not the width of a matrix, whose first column may be empty
