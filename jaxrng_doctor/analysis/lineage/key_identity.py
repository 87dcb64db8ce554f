"""Identifies a key by the array that it is an element of, and its index.

`keys[1]`, the second of `for key in keys` and `keys.reshape(2, 2)[0, 1]` are computed by different
equations, but are one key. So are `split(key, 2)[1]`, `split(key, 3)[1]` and `fold_in(key, 1)` with
partitionable threefry.
"""

from __future__ import annotations

import numpy as np

from jaxrng_doctor.analysis.lineage.describe import parameters
from jaxrng_doctor.analysis.lineage.values import Value
from jaxrng_doctor.jax_internals import primitives
from jaxrng_doctor.jax_internals.equations import Eqn

_Index = tuple[int, ...]
_Identity = tuple[int | str, _Index]


class Identities:
    """The identities of keys, typed or legacy, according to their derivations."""

    def __init__(self) -> None:
        self._known: dict[int, _Identity] = {}
        self._children: dict[tuple[_Identity, int], int] = {}

    def of(self, key: Value) -> _Identity:
        """An array's number and an index in it; equal only for keys that are certainly equal."""
        path: list[tuple[Value, int]] = []
        value = key
        # Not by recursion: a key can be thousands of splits away from its origin.
        while (known := self._known.get(id(value))) is None:
            array, index = _of_array(value)
            number = _child_number(array, index)
            if number is None:
                known = self._known[id(value)] = (array.number, index)
                break
            path.append((value, number))
            value = array.args[0]
        for value, number in reversed(path):
            child = self._children.setdefault((known, number), len(self._children))
            known = self._known[id(value)] = ("child", (child,))
        return known


def _child_number(array: Value, index: _Index) -> int | None:
    """The flat index of a key among its parent's children.

    Partitionable threefry computes the key from its parent and this number alone; `None` if that
    does not apply, or if the number is unknown.
    """
    if array.op not in (primitives.SPLIT, primitives.FOLD_IN) or array.args[0].axes:
        return None
    eqn = array.birth.eqn
    if str(eqn.invars[0].aval.dtype) != "key<fry>" or not eqn.ctx.threefry_partitionable:
        return None
    if array.op == primitives.FOLD_IN:
        data = array.args[1]
        return int(data.params[1]) if data.op == "literal" else None
    shape = eqn.params["shape"]
    return int(np.ravel_multi_index(index, shape)) if len(index) == len(shape) else None


def _of_array(key: Value) -> tuple[Value, _Index]:
    raw = key.args[0] if key.op == "random_wrap" else key
    words = _words(key)
    if words is None:
        return _element(raw, ()) if not raw.axes else (raw, ())
    # It is enough to follow the first and the last word.
    (array, first), (other, last) = (_element(raw, (word,)) for word in (0, words - 1))
    if array is not other or (*first[:-1], words - 1) != last or first[-1] != 0:
        return raw, ()
    return array.args[0] if array.op == "random_unwrap" else array, first[:-1]


def _words(key: Value) -> int | None:
    """The number of words of a single legacy key, `None` for any other value."""
    if key.birth is None:
        return None
    eqn = key.birth.eqn
    aval = eqn.invars[0].aval if key.op == "random_wrap" else eqn.outvars[0].aval
    return int(aval.shape[0]) if len(aval.shape) == 1 and aval.dtype == np.uint32 else None


def _element(value: Value, index: _Index) -> tuple[Value, _Index]:
    """The array that `value[index]` was taken from, and its index there."""
    while value.birth is not None:
        before = _before(value, value.birth.eqn, index)
        if before is None:
            break
        value, index = value.args[0], before
    return value, index


def _before(value: Value, eqn: Eqn, index: _Index) -> _Index | None:
    """The index of an element in the first operand, `None` if it is not just taken from there."""
    match value.op:
        case "slice":
            params = parameters(value)
            strides = params["strides"] or (1,) * len(index)
            starts = params["start_indices"]
            return tuple(a + i * s for a, i, s in zip(starts, index, strides, strict=True))
        case "dynamic_slice" if all(start.op == "literal" for start in value.args[1:]):
            ends = zip(eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape, strict=True)
            room = [old - new for old, new in ends]
            starts = [start.params[1] for start in value.args[1:]]
            return tuple(
                min(max(a, 0), most) + i for a, most, i in zip(starts, room, index, strict=True)
            )
        case "unstack":
            axis = parameters(value)["axis"]
            return (*index[:axis], value.params[0], *index[axis:])
        case "squeeze" | "reshape" if value.op == "squeeze" or _in_order(value):
            old, new = eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape
            if 0 in old:
                return None
            flat = np.ravel_multi_index(index, new) if new else 0
            return tuple(int(i) for i in np.unravel_index(flat, old)) if old else ()
        case "broadcast_in_dim":
            targets = parameters(value)["broadcast_dimensions"]
            shape = eqn.invars[0].aval.shape
            return tuple(0 if n == 1 else index[t] for n, t in zip(shape, targets, strict=True))
    return None


def _in_order(reshape: Value) -> bool:
    return parameters(reshape).get("dimensions") is None
