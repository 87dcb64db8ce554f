"""The subcommands, one file each. Each returns an exit code."""

from __future__ import annotations

CLEAN, FOUND, USAGE, FAILED, INTERRUPTED = 0, 1, 2, 3, 130
"""The exit codes, documented in `jaxrng_doctor.frontends.cli`."""
