"""Names of JAX's internal functions and files on a Python stack, and prefixes of its axis names.

Each was tested on JAX 0.6 to 0.12 unless stated otherwise.
"""

from __future__ import annotations

import os

from jaxrng_doctor.jax_internals.files import JAX_DIR

VMAP_CALL = "vmap_f"
"""The function that `jax.vmap` returns, in the file of `is_api_file`."""

JACOBIAN_CALL = "jacfun"
"""The function that `jacfwd` and `jacrev` return, in the file of `is_api_file`."""

JIT_CALL = "cache_miss"
"""The function that runs a jitted call that C++ alone cannot serve."""

LOOP_CALLS = ("scan", "while_loop")
"""The functions that bind a loop primitive for a user's call; JAX's rules bind it in others."""

LOOPS = {
    "map": "lax.map",
    "fori_loop": "fori_loop",
    "scan": "scan",
    "while_loop": "while_loop",
}
"""The loop functions that users call -> their names in a report."""

SHAPE_CALLS = ("eval_shape", "jit_eval_shape")
"""The functions that only compute shapes."""

UNNAMED_AXES = ("_internal_", "<axis 0x")
"""Prefixes of the axis names that JAX generates for a pmap without one: the second in 0.9."""

_NO_FUNCTIONS = ("random_split", "bind")


def random_function(name: str) -> str:
    """The `name` of a frame in a sampler's file if it is a function of `jax.random`, else `""`."""
    return "" if name.startswith("_") or name in _NO_FUNCTIONS else name


def is_api_file(path: str) -> bool:
    """Whether `path` is the file that defines `vmap`, `jacfwd` and `jacrev`."""
    return path == os.path.join(JAX_DIR, "_src", "api.py")


def is_loops_file(path: str) -> bool:
    """Whether `path` is the file that defines `scan` and `lax.map`."""
    return _is(path, "loops.py")


PMAP_FUNCTIONS = {"_fun": "pmap.py", "call_wrapped": "linear_util.py"}
"""The functions that `pmap` passes to `shard_map` -> their files: the second in 0.8."""


def is_pmaps(function: str, path: str) -> bool:
    """Whether `function` is the wrapper that `pmap` passes to `shard_map` (0.8 to 0.12).

    It wraps the user's function.
    """
    file = PMAP_FUNCTIONS.get(function)
    return file is not None and _is(path, file)


def is_dispatch_file(path: str) -> bool:
    """Whether `path` is the file in which JAX jits a single primitive that is called eagerly."""
    return _is(path, "dispatch.py")


def _is(path: str, name: str) -> bool:
    return path.startswith(JAX_DIR) and os.path.basename(path) == name
