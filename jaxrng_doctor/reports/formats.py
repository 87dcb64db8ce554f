"""The list of report formats. Each renders a `Report` as text that ends with a newline.

To add one, see "an output format" in CONTRIBUTING.md: the help and the documentation list them too.
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
