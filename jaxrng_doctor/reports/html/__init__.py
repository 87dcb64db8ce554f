"""The report as one HTML page: in comes a `Report`, out comes a file that needs no other one.

Nothing here imports Jinja2 before a page is made: it is an extra, and only pages need it.
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
"""How tall the frame in a notebook is, in pixels; the reader can draw it larger."""


def render(report: Report, options: RenderOptions) -> str:
    """The whole page. `options.color` and `options.width` change nothing.

    Raises `UsageError` where Jinja2 is not installed.
    """
    check_installed()
    from jaxrng_doctor.reports.html import page

    return page.of_report(report, options)


def render_listings(listings: Sequence[Listing], options: RenderOptions, *, lineage: bool) -> str:
    """A page of programs alone, with `lineage` of the trees of their keys; raises as `render`."""
    check_installed()
    from jaxrng_doctor.reports.html import page

    return page.of_listings(listings, options, lineage=lineage)


def check_installed() -> None:
    """Raise `UsageError` where pages cannot be made."""
    if importlib.util.find_spec("jinja2") is None:
        raise UsageError(
            "an HTML page is made with Jinja2, which is not installed",
            "type: pip install 'jaxrng-doctor[html]'",
        )


def framed(report: Report, options: RenderOptions) -> str:
    """The page inside of another one, such as a notebook: the styles of neither reach the other.

    Without Jinja2 it is the text of the terminal, with a word on how to get the page.
    """
    try:
        page = render(report, options)
    except UsageError as error:
        text = terminal.render(report, options)
        return f"<pre>{html.escape(f'{text}{error}')}</pre>"
    tall = min(_HEIGHT + _PER_FINDING * len(report.findings), _TALLEST)
    # What is sandboxed without its origin can run its script, and reach nothing of the notebook.
    return (
        f'<iframe title="jaxrng-doctor" sandbox="allow-scripts" srcdoc="{html.escape(page)}" '
        f'style="width:100%;height:{tall}px;border:1px solid #8888;resize:vertical"></iframe>'
    )
