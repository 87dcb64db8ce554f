"""`--statistics`: the number of findings per rule, most frequent first, as text or JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

from jaxrng_doctor.model.report import Report
from jaxrng_doctor.reports._verdict import counts
from jaxrng_doctor.reports.options import RenderOptions


def _counted(report: Report) -> list[tuple[int, str, str]]:
    found = Counter((finding.code, finding.name) for finding in report.findings)
    return sorted(((n, *rule) for rule, n in found.items()), key=lambda row: (-row[0], row[1]))


def _terminal(report: Report, options: RenderOptions) -> str:
    rows = _counted(report)
    width = max((len(f"{n:,}") for n, _, _ in rows), default=0)
    lines = [f"{n:>{width},}  {code}  {name}\n" for n, code, name in rows]
    lines += [
        f"error: {target.target}: {target.failure.message}\n"
        for target in report.targets
        if target.failure is not None
    ]
    return "".join([*lines, "\n" * bool(lines), " · ".join(counts(report)), "\n"])


def _json(report: Report, options: RenderOptions) -> str:
    rows = [{"code": code, "name": name, "count": n} for n, code, name in _counted(report)]
    return json.dumps(rows, indent=2) + "\n"


STATISTICS: dict[str, Callable[[Report, RenderOptions], str]] = {
    "terminal": _terminal,
    "json": _json,
}
