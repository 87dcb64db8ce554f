"""The report as a self-contained HTML page.

Imports Jinja2 only when a page is rendered, because it is an optional dependency.
"""

from __future__ import annotations

import html
import importlib.util
from collections.abc import Sequence

from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.model.listing import Listing
from jaxrng_doctor.model.report import Report
from jaxrng_doctor.reports import terminal
from jaxrng_doctor.reports.options import RenderOptions

_HEIGHT, _PER_FINDING, _TALLEST = 260, 640, 900
"""The height of the frame in a notebook, in pixels; the reader can resize it."""


def render(report: Report, options: RenderOptions) -> str:
    """The complete page. Ignores `options.color` and `options.width`.

    Raises `UsageError` if Jinja2 is not installed.
    """
    check_installed()
    from jaxrng_doctor.reports.html import page

    return page.of_report(report, options)


def render_listings(listings: Sequence[Listing], options: RenderOptions, *, lineage: bool) -> str:
    """A page of programs, or with `lineage` of their key trees. Raises like `render`."""
    check_installed()
    from jaxrng_doctor.reports.html import page

    return page.of_listings(listings, options, lineage=lineage)


def check_installed() -> None:
    """Raise `UsageError` if Jinja2 is not installed."""
    if importlib.util.find_spec("jinja2") is None:
        raise UsageError(
            "HTML pages need Jinja2, which is not installed",
            "run: pip install 'jaxrng-doctor[html]'",
        )


def framed(report: Report, options: RenderOptions) -> str:
    """The page in a frame, to embed it in another page, such as a notebook.

    Without Jinja2, the terminal report and how to install Jinja2.
    """
    try:
        page = render(report, options)
    except UsageError as error:
        text = terminal.render(report, options)
        return f"<pre>{html.escape(f'{text}{error}')}</pre>"
    tall = min(_HEIGHT + _PER_FINDING * len(report.findings), _TALLEST)
    # The sandbox allows the page's script, but no access to the notebook.
    return (
        f'<iframe title="jaxrng-doctor" sandbox="allow-scripts" srcdoc="{html.escape(page)}" '
        f'style="width:100%;height:{tall}px;border:1px solid #8888;resize:vertical"></iframe>'
    )
