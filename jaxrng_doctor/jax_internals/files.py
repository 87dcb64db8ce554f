"""Recognizes the files of JAX, and those that define the functions of `jax.random`."""

from __future__ import annotations

import os

import jax

JAX_DIR = os.path.dirname(os.path.abspath(jax.__file__)) + os.sep

# jax.random is defined in `_src/random.py` up to 0.8 and in the folder `_src/random/` later.
_RANDOM = os.path.join(JAX_DIR, "_src", "random")


def is_sampler_file(path: str) -> bool:
    """Whether `path` is a file that defines functions of `jax.random` (0.6 to 0.12)."""
    return path.startswith((_RANDOM + ".py", _RANDOM + os.sep))


# The key implementations: in `_src/prng.py` up to 0.8, in the folder `_src/random/` later.
_IMPLEMENTATIONS = ("prng.py", "threefry2x32.py", "threefry4x32.py")


def is_part_of_random(function: str, path: str) -> bool:
    """Whether `function` is a private part of `jax.random`, such as `_normal` (0.6 to 0.12)."""
    if os.path.basename(path) in _IMPLEMENTATIONS and path.startswith(JAX_DIR):
        return True
    return is_sampler_file(path) and function.startswith("_")
