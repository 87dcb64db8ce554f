"""Selects the arrays from the outputs of a function.

Names, types and plain functions next to the arrays are left out. They contain no noise, and JAX
does not accept them as outputs, although they are valid in the user's own call.
"""

from __future__ import annotations

import enum
import inspect
import types
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from jaxrng_doctor.jax_internals.equations import is_mutable
from jaxrng_doctor.model.errors import TargetError
from jaxrng_doctor.model.findings import Failure

_NAMES = (str, bytes, type, np.dtype, np.ufunc, enum.Enum)


def is_array(leaf: Any) -> bool:
    """Whether it is an array or a mutable ref, whose content is an input and an output.

    NumPy arrays of strings, objects, dates or time spans do not count.
    """
    if isinstance(leaf, (np.ndarray, np.generic)):
        return leaf.dtype.kind not in "MOSUm"
    return isinstance(leaf, jax.Array) or is_mutable(leaf)


def without_non_arrays(outputs: Any, name: str) -> Any:
    """The `outputs` of the function `name`, with `None` for the leaves that contain no arrays.

    Raises `TargetError` for a leaf that JAX does not accept and that may contain arrays, such as
    a generator.
    """
    leaves = _leaves(outputs)
    if all(map(_is_plain, (leaf for _, leaf in leaves))):
        return outputs
    for path, leaf in leaves:
        if not (_is_plain(leaf) or _holds_nothing(leaf) or _is_taken(leaf)):
            if inspect.iscoroutine(leaf):
                leaf.close()  # otherwise Python warns that it was never awaited
            raise _refused(name, path, leaf, _HIDDEN)
    return jax.tree_util.tree_map(lambda leaf: None if _holds_nothing(leaf) else leaf, outputs)


def _leaves(outputs: Any) -> list[tuple[Any, Any]]:
    # JAX rejects an iterator unless it is declared a leaf.
    found, _ = jax.tree_util.tree_flatten_with_path(
        outputs, is_leaf=lambda node: isinstance(node, Iterator)
    )
    return list(found)


def require_mappable(outputs: Any, name: str) -> Any:
    """The `outputs`, unchanged. Raises `TargetError` if there is a leaf that `jax.vmap` rejects."""
    for path, leaf in _leaves(outputs):
        if not (_is_plain(leaf) or _is_taken(leaf)):
            raise _refused(name, path, leaf, "which jax.vmap does not map")
    return outputs


_HIDDEN = "and what is in it cannot be followed: only arrays, and trees of them, can"


def _refused(name: str, path: Any, leaf: Any, why: str) -> TargetError:
    where = f" in {jax.tree_util.keystr(path)}" if path else ""
    said = f"{name} returns an object of type {type(leaf).__name__}{where}, {why}"
    error = TargetError(Failure("trace", said))
    error.__cause__ = TypeError(said)
    return error


def _is_plain(leaf: Any) -> bool:
    return is_array(leaf) or isinstance(leaf, (bool, int, float, complex))


def _is_taken(leaf: Any) -> bool:
    """Whether JAX accepts it as an array; it accepts more kinds than `is_array`."""
    if isinstance(leaf, Iterator):
        return False
    try:
        jax.eval_shape(lambda: leaf)
    except TypeError:
        return False
    return True


def _holds_nothing(leaf: Any) -> bool:
    """Whether it is a name, a type or a function that cannot contain values from the call."""
    if isinstance(leaf, _NAMES) or (isinstance(leaf, np.ndarray) and leaf.dtype.kind in "SU"):
        return True
    if isinstance(leaf, types.FunctionType):
        return not (leaf.__closure__ or leaf.__defaults__ or leaf.__kwdefaults__)
    # Such as `jax.nn.relu`.
    return type(leaf).__module__.startswith("jax") and _holds_nothing(
        getattr(leaf, "__wrapped__", None)
    )
