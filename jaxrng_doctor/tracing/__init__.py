"""Traces a `Target`. The `Trace` has one jaxpr of the whole call, in which every vmap is visible.

This is the only step of a check that patches JAX. It removes its patches afterwards.
"""

from jaxrng_doctor.tracing.vmap_sites import recording_vmaps

__all__ = ["recording_vmaps"]
