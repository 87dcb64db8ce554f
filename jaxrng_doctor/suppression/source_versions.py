"""Notes which version of each source file Python imported, so that no later one is changed.

A report has the lines of the imported version. If an editor has saved the file since, they may be
other lines.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from typing import Any

from jaxrng_doctor.jax_internals.patches import attribute
from jaxrng_doctor.model.findings import Place
from jaxrng_doctor.model.report import SourceVersion, TargetReport
from jaxrng_doctor.suppression.comments import marked_places

_imported: dict[str, SourceVersion] = {}


def note(path: str) -> None:
    """Note the present version of a file, which Python reads now."""
    with contextlib.suppress(OSError, ValueError):
        _imported[os.path.abspath(path)] = version(path)


def version(path: str) -> SourceVersion:
    """The present version of a file. Raises `OSError` if there is none."""
    status = os.stat(path)
    return SourceVersion(os.path.abspath(path), status.st_mtime_ns, status.st_size)


def _noting(original: Any) -> Callable[..., Any]:
    def path_stats(loader: SourceFileLoader, path: Any) -> Any:
        note(os.fsdecode(path))
        return original(loader, path)

    return path_stats


noting_imports = attribute(SourceFileLoader, "path_stats", _noting)
"""`with noting_imports:` notes the version of each source file that is imported.

Python asks for the time of a source file before it reads the file or its cached bytecode.
"""


def with_versions(report: TargetReport) -> TargetReport:
    """The report with the imported versions of the files in which it has findings."""
    places: list[Place] = []
    for finding in report.findings:
        for part in finding.each_part:
            places += marked_places(part)
    found = dict.fromkeys(_imported[p.path] for p in places if p.path in _imported)
    return replace(report, sources=tuple(found))
