"""The keys that follow from a key that is split more than once.

Two splits of one key give the same children, and these again: that is no further finding.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

_MOST = 1 << 20
"""Of so many children in all it is known whose they are."""

_FIRST = 1 << 10
"""So many of one key: under partitionable threefry the same, however many are asked for."""


def children_of(keys: Sequence[bytes]) -> dict[bytes, set[bytes]]:
    """The first children of each key, all as the bytes of their words.

    Of keys that are not threefry's none is known.
    """
    known = [key for key in keys if len(key) == 8]
    if not known or len(known) * 2 > _MOST:
        return {key: set() for key in keys}
    words = np.frombuffer(b"".join(known), np.uint32).reshape(-1, 2)
    count = min(_FIRST, _MOST // len(known))
    typed = jax.random.wrap_key_data(words, impl="threefry2x32")
    every = jax.vmap(lambda key: jax.random.split(key, count))(typed)
    rows = np.asarray(jax.random.key_data(every))
    found = {key: {child.tobytes() for child in row} for key, row in zip(known, rows, strict=True)}
    return {key: found.get(key, set()) for key in keys}
