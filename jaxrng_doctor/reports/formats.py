"""The list of report formats. To add one, add a module to this package and an entry here.

Each renders a `Report` as text that ends with a newline.
"""

from __future__ import annotations

from collections.abc import Callable

from jaxrng_doctor.model.report import Report
from jaxrng_doctor.reports import concise, github, html, json, junit, markdown, sarif, terminal
from jaxrng_doctor.reports.options import RenderOptions

FORMATS: dict[str, Callable[[Report, RenderOptions], str]] = {
    "terminal": terminal.render,
    "concise": concise.render,
    "json": json.render,
    "html": html.render,
    "sarif": sarif.render,
    "github": github.render,
    "junit": junit.render,
    "markdown": markdown.render,
}

DETAILED = frozenset({html.render})
"""The formats that show data which `examine` collects only with `detail`."""
