"""`jax.shard_map` as it is called today, on every JAX that is supported."""

import jax

if hasattr(jax, "shard_map"):
    shard_map = jax.shard_map
else:  # 0.6.0
    from jax.experimental.shard_map import shard_map as experimental

    def shard_map(f, *, mesh, in_specs, out_specs, check_vma=True):
        return experimental(f, mesh, in_specs, out_specs, check_rep=check_vma)
