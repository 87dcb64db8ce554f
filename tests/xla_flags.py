"""What XLA is told before JAX is first used, by the tests and by `python -m tests.fuzz`."""

from __future__ import annotations

import os
from importlib.metadata import version

# Four devices for shard_map and pmap, in this process and in those that it starts.
FOUR = "--xla_force_host_platform_device_count=4"
SLOW = "--xla_cpu_use_fusion_emitters=false"


def set_flags() -> None:
    """Have four devices, and compile fast what runs once, for a moment.

    Most of the time of these tests goes into compiling. The flags halve that for jaxlib 0.10;
    0.6 takes no less with them, and 0.12 has the second no more.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    wanted = [FOUR, *([SLOW] if version("jaxlib").startswith("0.10.") else [])]
    more = [flag for flag in wanted if flag not in flags]
    os.environ["XLA_FLAGS"] = " ".join([flags, *more]).strip()
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


def share_compiled(folder: str) -> None:
    """Have all workers of a test run compile once what is the same, to the last line number.

    It saves a sixth of the time with jaxlib 0.10. With 0.6 a few programs compute other numbers.
    """
    if not version("jaxlib").startswith("0.10."):
        return
    import jax

    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_compilation_cache_include_metadata_in_key", True)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
