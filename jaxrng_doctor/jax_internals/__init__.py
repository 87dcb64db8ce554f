"""Everything that depends on JAX's private API: only this package imports `jax._src`."""
