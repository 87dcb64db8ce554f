"""Renders the page templates, with inline styles and script.

Jinja2 escapes text from the user's program, and characters that reorder or hide text are written
as escapes. The page's content security policy forbids loading anything, and any other script.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from jaxrng_doctor.model.listing import Listing
from jaxrng_doctor.model.report import Report
from jaxrng_doctor.reports._verdict import counts, has_content, verdict
from jaxrng_doctor.reports.html.views import Views, legible
from jaxrng_doctor.reports.options import RenderOptions


def of_report(report: Report, options: RenderOptions) -> str:
    """The page of a report."""
    sentence, good = verdict(report)
    return _filled(
        "report.html.j2",
        options,
        report=report,
        sentence=sentence,
        good=good,
        counts=counts(report),
        targets=[t for t in report.targets if not options.brief or has_content(t)],
    )


def of_listings(listings: Sequence[Listing], options: RenderOptions, *, lineage: bool) -> str:
    """The page of some programs, or with `lineage` of their key trees."""
    return _filled("inspect.html.j2", options, listings=listings, lineage=lineage)


def _filled(template: str, options: RenderOptions, **data: Any) -> str:
    script = _packaged("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = (
        _environment()
        .get_template(template)
        .render(
            data,
            v=Views(options.root),
            style=Markup(_packaged("page.css")),
            script=Markup(script),
            script_digest=f"sha256-{digest}",
        )
    )
    # ASCII, to be independent of the encoding of a pipe.
    return text.rstrip("\n").encode("ascii", "xmlcharrefreplace").decode() + "\n"


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("jaxrng_doctor.reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=legible,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.cache
def _packaged(name: str) -> str:
    """The text of an ASCII file next to the templates."""
    folder = resources.files("jaxrng_doctor.reports.html").joinpath("templates")
    return folder.joinpath(name).read_text(encoding="ascii")
