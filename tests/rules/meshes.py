"""`jax.shard_map` with its current signature, for every supported version of JAX."""

import jax

if hasattr(jax, "shard_map"):
    shard_map = jax.shard_map
else:  # 0.6.0
    from jax.experimental.shard_map import shard_map as experimental

    def shard_map(f, *, mesh, in_specs, out_specs, check_vma=True):
        return experimental(f, mesh, in_specs, out_specs, check_rep=check_vma)
