"""Names of JAX's primitives that the doctor knows something of, each seen on 0.6 to 0.12.

Those that make and derive keys (`random_split`, …) are public, in `jax.extend.core.primitives`.
"""

from __future__ import annotations

from jaxrng_doctor.jax_internals import hidden

JIT = ("jit", "pjit")
"""A jitted function that is called in another: the second up to 0.6."""

PMAP = "xla_pmap"
"""A pmap up to 0.7; later one is a `shard_map`."""

SHARD_MAP = "shard_map"

SPLIT = "random_split"

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
"""What draws -> the operands that are its key. Those that count take a key's words apart."""

HIDING = hidden.HIDING

OUTSIDE = frozenset({"call_exported", "ffi_call", "io_callback", "pure_callback", HIDING})
"""What runs code that is in no jaxpr."""

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
"""What holds one jaxpr that takes the operands and returns the outputs as they are."""

WITH_RULES = frozenset({"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"})
"""What has rules of the user's: outside of compiled functions JAX runs it and them in Python."""

PUBLIC_NAMES = {"shuffle": "permutation"}
"""The jitted part of a sampler is called `_normal` for `normal`, except for these."""
