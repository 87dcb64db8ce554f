"""Runs the function and compares the outputs of its examples.

It runs twice: on the given inputs, and on inputs repeated from the first example (except those
that keys depend on), where any difference comes from the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrng_doctor.checking.compare_examples import compare_examples
from jaxrng_doctor.jax_internals.equations import is_mutable
from jaxrng_doctor.jax_internals.settings import examining
from jaxrng_doctor.model.findings import Comparison, Leaf, Pairs
from jaxrng_doctor.tracing.array_call import ArrayCall
from jaxrng_doctor.tracing.batch_axes import batch_axes
from jaxrng_doctor.tracing.discharge_refs import unchanged
from jaxrng_doctor.tracing.draws import is_key
from jaxrng_doctor.tracing.program import Trace


@dataclass(frozen=True)
class _Batch:
    """The batch of a call: its size, and the batch axis of each input (by index) and output."""

    size: int | None
    inputs: dict[int, int]
    outputs: Sequence[int | None]


def compare(call: ArrayCall, trace: Trace) -> Comparison:
    """Run `call` twice and compare. Propagates exceptions of the user's function."""
    with examining():
        return _run_twice(call, trace)


def _run_twice(call: ArrayCall, trace: Trace) -> Comparison:
    batch = _batch(call, trace)
    arrays = [_own(a) for a in call.arrays] if trace.donates else list(call.arrays)
    if batch.size is None:
        with unchanged(trace.refs):
            jax.block_until_ready(call.call(*arrays))
        return Comparison(None, _leaves(trace, batch), _no_batch(trace))
    # The replicated run comes first, so that its outputs are freed before the other run.
    with unchanged(trace.refs):
        repeated = _pairs(_replicated(call, trace, batch), batch)
    with unchanged(trace.refs):
        given = _pairs(call.call(*arrays), batch)
    leaves = tuple(
        replace(leaf, given=a, replicated=b)
        for leaf, a, b in zip(_leaves(trace, batch), given, repeated, strict=True)
    )
    return Comparison(batch.size, leaves, "" if leaves else _NO_ARRAYS)


_NO_ARRAYS = "the function returns no arrays"


def _no_batch(trace: Trace) -> str:
    return "no vmap maps over a batch of the outputs" if trace.out_avals else _NO_ARRAYS


def _batch(call: ArrayCall, trace: Trace) -> _Batch:
    if call.in_axes is None:
        found = batch_axes(trace.jaxpr)
        # The trace has only the used inputs, the call has all.
        inputs = {
            argument: axis
            for i, axis in found.inputs.items()
            if (argument := trace.argument[i]) is not None
        }
        return _Batch(found.size, inputs, found.outputs)
    inputs = {i: d for i, d in enumerate(call.in_axes) if d is not None}
    return _Batch(call.axis_size, inputs, [0] * len(trace.out_avals))


def _replicated(call: ArrayCall, trace: Trace, batch: _Batch) -> Any:
    """The outputs on inputs repeated from the first example, except those that keys depend on."""
    of_keys = {trace.argument[i] for i in trace.slice.inputs(trace.jaxpr)}
    repeated = {i: axis for i, axis in batch.inputs.items() if i not in of_keys and batch.size}
    arrays = [_own(a) if trace.donates else a for a in call.arrays]
    for i in [i for i in repeated if is_mutable(arrays[i])]:
        arrays[i][...] = _first_repeated(arrays[i][...], repeated.pop(i))
    if call.unmapped is not None:
        return call.unmapped(repeated)(*arrays)
    for i, axis in repeated.items():
        arrays[i] = _first_repeated(arrays[i], axis)
    return call.call(*arrays)


def _first_repeated(array: Any, axis: int) -> Any:
    """An array of the same shape that repeats the first slice along `axis`."""
    spread = isinstance(array, jax.Array) and len(array.sharding.device_set) > 1
    if spread or is_key(array):
        first = jax.lax.slice_in_dim(jnp.asarray(array), 0, 1, axis=axis)
        return jnp.broadcast_to(first, array.shape)
    # NumPy does not need to compile anything.
    return jnp.asarray(np.broadcast_to(np.asarray(array).take([0], axis), array.shape))


def _pairs(outputs: Any, batch: _Batch) -> list[Pairs | None]:
    return [
        None if axis is None else _compared(leaf, axis)
        for leaf, axis in zip(jax.tree_util.tree_leaves(outputs), batch.outputs, strict=True)
    ]


def _compared(leaf: Any, axis: int) -> Pairs:
    leaf = jnp.asarray(leaf)
    if is_key(leaf):
        pairs = compare_examples(np.asarray(jax.random.key_data(leaf)), axis % leaf.ndim)
        return replace(pairs, max_difference=None)
    if leaf.dtype == jax.dtypes.float0:
        return compare_examples(np.zeros(leaf.shape, bool), axis)
    return compare_examples(np.asarray(leaf), axis)


def _leaves(trace: Trace, batch: _Batch) -> tuple[Leaf, ...]:
    return tuple(
        Leaf(path, tuple(aval.shape), str(aval.dtype), axis)
        for path, aval, axis in zip(trace.out_paths, trace.out_avals, batch.outputs, strict=True)
    )


def _own(array: Any) -> Any:
    """A copy, so that a function that donates its arguments does not delete the user's arrays."""
    return array if is_mutable(array) else jnp.array(array, copy=True)
