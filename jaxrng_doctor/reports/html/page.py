"""The page: in come data, out come the filled templates, with styles and script inside of it.

Whatever comes from the user's program is escaped by Jinja2, and characters that would reorder
or hide text are spelled out. The page's own policy lets it load nothing, and run no script but
ours.
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
from jaxrng_doctor.reports._verdict import counts, says_something, verdict
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
        targets=[t for t in report.targets if not options.brief or says_something(t)],
    )


def of_listings(listings: Sequence[Listing], options: RenderOptions, *, lineage: bool) -> str:
    """The page of some programs, or with `lineage` of the trees of their keys."""
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
    # Plain ASCII, so that no pipe's encoding can spoil it.
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
    """The text of a file that lies beside the templates; it is ASCII."""
    folder = resources.files("jaxrng_doctor.reports.html").joinpath("templates")
    return folder.joinpath(name).read_text(encoding="ascii")
