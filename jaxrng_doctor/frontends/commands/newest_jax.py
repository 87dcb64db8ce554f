"""A word where the installed JAX is newer than any that the doctor was tried on."""

from __future__ import annotations

import contextlib
import importlib.metadata
from typing import TextIO

NEWEST_JAX = (0, 12)
"""The newest JAX that the doctor's tests have run on."""


def tell_of_newer_jax(stream: TextIO | None) -> None:
    """Write one line to `stream` that names the command which tries the doctor on this JAX."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError, OSError, ValueError):
        version = importlib.metadata.version("jax")
        if tuple(map(int, version.split(".")[:2])) > NEWEST_JAX:
            tried = ".".join(map(str, NEWEST_JAX))
            print(
                f"note: JAX {version} is newer than {tried}, the newest that this version was "
                "tried on; run: jaxrng-doctor selfcheck",
                file=stream,
            )
