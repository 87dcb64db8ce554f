"""`jaxrng-doctor run`: run a program as `python` would, watch it, and report at its end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from jaxrng_doctor.api import watch
from jaxrng_doctor.commands import CLEAN, FOUND
from jaxrng_doctor.settings import Settings
from jaxrng_doctor.watching import script


def run(
    program: str, arguments: Sequence[str], settings: Settings, *, is_module: bool, key_values: bool
) -> int:
    """Run the script or module; returns its own exit code, or that of the findings if it is 0."""
    folder = str(Path.cwd())
    started = script.program(program, arguments, is_module=is_module)
    with watch(
        key_values=key_values,
        select=settings.select,
        ignore=settings.ignore,
        detail=settings.detail,
    ) as report:
        code = started()
    settings.publish(report, sys.stderr, brief=True, root=folder)
    return code or (FOUND if settings.fails(report) else CLEAN)
