"""Records of the keys of uses, while they are computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxrng_doctor.tracing.draws import is_key
from jaxrng_doctor.tracing.scopes import EqnPath

# Key words, shape (..., words); whether the draw was reached, shape (...).
Record = tuple[Any, Any]
Records = dict[EqnPath, Record]


@dataclass(frozen=True, slots=True)
class Outline:
    """What running a jaxpr gives: paths and shapes of its records, indices of its known outputs."""

    paths: list[EqnPath]
    shapes: list[Any]
    known: frozenset[int]


def nothing(shapes: Sequence[Any], *steps: int) -> list[Record]:
    """Records that were not reached: for a branch not taken, or a buffer with room for `steps`."""
    return [
        (jnp.zeros((*steps, *w.shape), w.dtype), jnp.zeros((*steps, *r.shape), bool))
        for w, r in shapes
    ]


def rows(keys: Any) -> Any:
    """The words of an array of keys, uint32 of shape (keys, words)."""
    raw = jax.random.key_data(keys) if is_key(keys) else keys
    return raw.reshape(-1, raw.shape[-1])


def words(key: Any) -> Any:
    """The words of a key, uint32 of shape (words,); those of several keys are concatenated."""
    raw = jax.random.key_data(key) if is_key(key) else jnp.asarray(key)
    return raw.reshape(-1)
