"""All that the doctor knows of JAX's private parts: only this package imports `jax._src`."""
