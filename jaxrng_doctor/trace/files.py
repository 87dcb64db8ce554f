"""Whose file is it: in comes a path, out comes whether it is JAX's or a sampler's."""

from __future__ import annotations

import os

import jax

JAX_DIR = os.path.dirname(os.path.abspath(jax.__file__)) + os.sep

# jax.random lives in `_src/random.py` up to 0.8 and in the folder `_src/random/` later.
_RANDOM = os.path.join(JAX_DIR, "_src", "random")


def is_sampler_file(path: str) -> bool:
    """`path` is where the functions of `jax.random` are written (0.6 to 0.12)."""
    return path.startswith((_RANDOM + ".py", _RANDOM + os.sep))
