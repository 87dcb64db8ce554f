"""Primitives that make keys: `random_seed`, `random_split`, `random_fold_in` and so on."""

from __future__ import annotations

from typing import Any

from jaxrng_doctor.analysis.lineage.transfers.elementwise import along_axes, elementwise
from jaxrng_doctor.analysis.lineage.values import (
    DISTINCT,
    UNKNOWN,
    Value,
    of_hash,
    of_one_to_one,
    over_all,
)
from jaxrng_doctor.jax_internals import primitives
from jaxrng_doctor.jax_internals.equations import Eqn


def _split(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    """`random_split(key[...], shape=n) -> key[..., *n]`: the children differ pairwise."""
    return over_all(args, of_hash), args[0].axes + (DISTINCT,) * len(eqn.params["shape"])


def _fold_in(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    # unsafe_rbg folds in by xor, which a second fold-in can undo (jax/_src/random/rbg.py).
    is_xor = "urbg" in str(eqn.invars[0].aval.dtype)
    combine = of_one_to_one if is_xor else of_hash
    return over_all(args, combine), along_axes(eqn, args, combine)


def _wrap(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    """`random_wrap(u32[..., words]) -> key[...]`."""
    del eqn
    return over_all(args, of_one_to_one), args[0].axes[:-1]


def _unwrap(eqn: Eqn, args: tuple[Value, ...]) -> Any:
    del eqn
    return over_all(args, of_one_to_one), (*args[0].axes, UNKNOWN)


TRANSFERS = {
    "random_clone": elementwise(of_one_to_one),
    primitives.FOLD_IN: _fold_in,
    primitives.SEED: elementwise(of_one_to_one),
    primitives.SPLIT: _split,
    "random_unwrap": _unwrap,
    "random_wrap": _wrap,
}
