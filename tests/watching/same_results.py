"""A program run alone and watched: in comes the program, out comes how its results compare.

A program returns one of its jitted functions, lowered (or `None`), and what it computed.
"""

import contextlib

import jax
import numpy as np

import jaxrng_doctor


def assert_alike(program):
    """Bit for bit the same numbers, to the letter the same code; returns the report."""
    found = []
    for context in (contextlib.nullcontext(), jaxrng_doctor.watch()):
        with context as report:
            found.append(_result(program))  # on one line: it is in the compiled code's metadata

    (code, outputs), (seen_code, seen_outputs) = found
    assert seen_code == code
    assert same(outputs, seen_outputs)
    return report


def same(alone, seen):
    return len(alone) == len(seen) and all(
        a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(alone, seen, strict=True)
    )


def _result(program):
    jax.clear_caches()
    lowered, outputs = program()
    code = None if lowered is None else (lowered.as_text(), lowered.compile().as_text())
    return code, [_numbers(leaf) for leaf in jax.tree.leaves(outputs)]


def _numbers(leaf):
    is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf)
