"""Compares the results of a program that is run alone and watched.

A program returns one of its jitted functions, lowered (or `None`), and what it computed.
"""

import contextlib

import jax
import numpy as np

import jaxrng_doctor


def assert_same_results(program):
    """Assert that the numbers are bitwise equal and the code is identical; return the report."""
    found = []
    for context in (contextlib.nullcontext(), jaxrng_doctor.watch()):
        with context as report:
            found.append(_result(program))  # one line for both runs: compiled code contains it

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
