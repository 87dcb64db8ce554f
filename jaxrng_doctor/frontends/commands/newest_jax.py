"""A note if the installed JAX is newer than the newest tested one."""

from __future__ import annotations

import contextlib
import importlib.metadata
from typing import TextIO

NEWEST_JAX = (0, 12)
"""The newest JAX version that jaxrng-doctor is tested with."""


def warn_about_newer_jax(stream: TextIO | None) -> None:
    """Write a line to `stream` that recommends `selfcheck`, if JAX is newer than `NEWEST_JAX`."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError, OSError, ValueError):
        version = importlib.metadata.version("jax")
        if tuple(map(int, version.split(".")[:2])) > NEWEST_JAX:
            tested = ".".join(map(str, NEWEST_JAX))
            print(
                f"note: JAX {version} is newer than {tested}, the newest version that "
                "jaxrng-doctor was tested with; run: jaxrng-doctor selfcheck",
                file=stream,
            )
