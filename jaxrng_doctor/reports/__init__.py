"""The formats: each turns a `Report` into text that ends with a newline, and does nothing else.

A format prints nothing and decides nothing. To add one: a file here, a line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable

from jaxrng_doctor.model.report import Report
from jaxrng_doctor.reports import github, html, json, junit, markdown, sarif, terminal
from jaxrng_doctor.reports.options import RenderOptions

FORMATS: dict[str, Callable[[Report, RenderOptions], str]] = {
    "terminal": terminal.render,
    "json": json.render,
    "html": html.render,
    "sarif": sarif.render,
    "github": github.render,
    "junit": junit.render,
    "markdown": markdown.render,
}

DETAILED = frozenset({html.render})
"""The formats that show what `examine` finds out with `detail` only."""

__all__ = ["DETAILED", "FORMATS", "RenderOptions"]
