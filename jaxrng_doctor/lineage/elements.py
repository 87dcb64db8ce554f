"""Which element of which array a key is: in comes its value, out come array and index.

`keys[1]`, the second of `for key in keys` and `keys.reshape(2, 2)[0, 1]` are made by
different equations, and are one key.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from jaxrng_doctor.lineage.describe import parameters
from jaxrng_doctor.lineage.values import Value

_Found = tuple[int, tuple[int, ...]]


def identity(key: Value) -> Hashable:
    """Equal for single keys that are sure to be equal, typed or legacy."""
    raw = key.args[0] if key.op == "random_wrap" else key
    if not raw.axes:
        return _reduced(_found(raw, ()))
    words = _words(key)
    if words is None or len(raw.axes) != 1:
        return raw.number
    ends = [_found(raw, (word,)) for word in (0, words - 1)]
    arrays, indices = {number for number, _ in ends}, [index for _, index in ends]
    if len(arrays) == 1 and indices == [(*indices[0][:-1], w) for w in (0, words - 1)]:
        array = _typed(raw)
        return _reduced((array, indices[0][:-1]))
    return tuple(ends)
