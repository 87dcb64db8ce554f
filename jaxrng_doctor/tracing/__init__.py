"""From a `Target` to a `Trace`: one jaxpr of the whole call in which every vmap is visible.

The only step that patches anything in JAX, and it puts back what it patched.
"""

from jaxrng_doctor.tracing.vmap_sites import recording_vmaps

__all__ = ["recording_vmaps"]
