"""The XLA settings of the tests and of `python -m tests.fuzz`, made before JAX is first used."""

from __future__ import annotations

import os
from importlib.metadata import version

# Four devices for shard_map and pmap, in this process and its child processes.
FOUR = "--xla_force_host_platform_device_count=4"
SLOW = "--xla_cpu_use_fusion_emitters=false"


def set_flags() -> None:
    """Set up four devices, and make compilation fast, as most programs run only once and briefly.

    Most of the time of these tests is spent compiling. The flags halve that with jaxlib 0.10. They
    save nothing with 0.6, and 0.12 no longer has the one in `SLOW`.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    wanted = [FOUR, *([SLOW] if version("jaxlib").startswith("0.10.") else [])]
    more = [flag for flag in wanted if flag not in flags]
    os.environ["XLA_FLAGS"] = " ".join([flags, *more]).strip()
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


def share_compiled(folder: str) -> None:
    """Share compiled programs among the workers of a test run, if equal including line numbers.

    This saves a sixth of the time with jaxlib 0.10. With 0.6, a few programs compute different
    numbers.
    """
    if not version("jaxlib").startswith("0.10."):
        return
    import jax

    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_compilation_cache_include_metadata_in_key", True)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
