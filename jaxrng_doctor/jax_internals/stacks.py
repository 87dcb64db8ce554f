"""Names of JAX's own functions and files, as they stand on a Python stack, and of its axes.

Each was seen on 0.6 to 0.12 unless it says otherwise.
"""

from __future__ import annotations

import os

from jaxrng_doctor.jax_internals.files import JAX_DIR

VMAP_CALL = "vmap_f"
"""What `jax.vmap` returns, in the file of `is_api_file`."""

JACOBIAN_CALL = "jacfun"
"""What `jacfwd` and `jacrev` return, in the file of `is_api_file`."""

JIT_CALL = "cache_miss"
"""What runs a jitted call that C++ cannot serve alone."""

LOOP_CALLS = ("scan", "while_loop")
"""What binds the primitive of a loop for the user's call; rules bind it under other names."""

LOOPS = {
    "map": "lax.map",
    "fori_loop": "fori_loop",
    "scan": "scan",
    "while_loop": "while_loop",
}
"""The functions of loops that users call, with what a report calls them."""

SHAPE_CALLS = ("eval_shape", "jit_eval_shape")
"""What only asks for shapes."""

UNNAMED_AXES = ("_internal_", "<axis 0x")
"""The beginnings of the axis names that JAX makes up for a pmap without one: the second in 0.9."""

_NO_FUNCTIONS = ("random_split", "bind")


def random_function(name: str) -> str:
    """The function of `jax.random` that a frame in a sampler's file is of, or `""`."""
    return "" if name.startswith("_") or name in _NO_FUNCTIONS else name


def is_api_file(path: str) -> bool:
    """Where `vmap`, `jacfwd` and `jacrev` are written."""
    return path == os.path.join(JAX_DIR, "_src", "api.py")


def is_loops_file(path: str) -> bool:
    """Where `scan` and `lax.map` are written."""
    return _is(path, "loops.py")


PMAP_FUNCTIONS = {"_fun": "pmap.py", "call_wrapped": "linear_util.py"}
"""What `pmap` gives to `shard_map`, and the file that it is written in: the second in 0.8."""


def is_pmaps(function: str, path: str) -> bool:
    """What `pmap` gives to `shard_map`, around the user's function (0.8 to 0.12)."""
    file = PMAP_FUNCTIONS.get(function)
    return file is not None and _is(path, file)


def is_dispatch_file(path: str) -> bool:
    """Where JAX makes a jitted function of one primitive that is called eagerly."""
    return _is(path, "dispatch.py")


def _is(path: str, name: str) -> bool:
    return path.startswith(JAX_DIR) and os.path.basename(path) == name
