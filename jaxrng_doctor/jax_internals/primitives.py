"""Names of the JAX primitives that jaxrng-doctor treats specially, tested on JAX 0.6 to 0.12.

Those that make and derive keys (`SEED`, `SPLIT`, …) are public, in `jax.extend.core.primitives`.
"""

from __future__ import annotations

from jaxrng_doctor.jax_internals import hidden

JIT = ("jit", "pjit")
"""A jitted function that is called inside another one: the second up to 0.6."""

PMAP = "xla_pmap"
"""A pmap up to 0.7; later a pmap is a `shard_map`."""

SHARD_MAP = "shard_map"

SEED = "random_seed"

SPLIT = "random_split"

FOLD_IN = "random_fold_in"

KEYLESS = "rng_uniform"
"""`lax.rng_uniform`: its numbers come from the device, not from a key."""

DRAWING: dict[str, tuple[int, ...]] = {
    "philox2x32": (0,),
    "philox4x32": (0, 1),
    "random_bits": (0,),
    "random_gamma": (0,),
    "rng_bit_generator": (0,),
    "threefry2x32": (0, 1),
    "threefry4x32": (0, 1, 2, 3),
}
"""The primitives that draw -> the indices of the operands that are the key.

Counter-based ones (`philox…`, `threefry…`) take the words of the key as separate operands.
"""

HI_CALL = hidden.HI_CALL

OUTSIDE = frozenset({"call_exported", "ffi_call", "io_callback", "pure_callback", HI_CALL})
"""The primitives that run code that is in no jaxpr."""

CALLS = frozenset(
    {
        "checkpoint",
        "closed_call",
        "composite",
        "core_call",
        "custom_jvp_call",
        "custom_vjp_call",
        "custom_vjp_call_jaxpr",
        "custom_vmap_call",
        "eval_jaxpr",
        "jit",
        "pjit",
        "remat",
        "remat2",
    }
)
"""The primitives that hold one jaxpr with the inputs and outputs of the equation."""

WITH_RULES = frozenset({"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"})
"""The primitives with user-defined derivative rules.

Outside of compiled functions, JAX runs the function and its rules in Python.
"""

PUBLIC_NAMES = {"shuffle": "permutation"}
"""The jitted parts of samplers that are not named like `_normal` of `normal` -> the samplers."""
