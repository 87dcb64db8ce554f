"""The children of keys that are split more than once.

Two splits of one key return the same children. That these repeat is not a further finding.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

_MOST = 1 << 20
"""The maximum number of children to compute, for all keys together."""

_FIRST = 1 << 10
"""The maximum number of children of one key.

With partitionable threefry, the first children are the same for any number of children.
"""


def children_of(keys: Sequence[bytes]) -> dict[bytes, set[bytes]]:
    """The first children of each threefry key; keys are given as the bytes of their words.

    The sets are empty for keys of other impls, and for all keys if there are too many.
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
