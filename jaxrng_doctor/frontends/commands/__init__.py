"""What the subcommands do, one file each: in come flags that were read, out comes an exit code."""

from __future__ import annotations

CLEAN, FOUND, USAGE, FAILED, INTERRUPTED = 0, 1, 2, 3, 130
"""The exit codes; `jaxrng_doctor.frontends.cli` says what each is for."""
