"""The formats of `inspect`: each turns `Listing`s into text that ends with a newline, no more.

To add one: a file here, a line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jaxrng_doctor.model.listing import Listing
from jaxrng_doctor.reports import html
from jaxrng_doctor.reports.listing import dot, json, text
from jaxrng_doctor.reports.options import RenderOptions


class Render(Protocol):
    """With `lineage`, the tree of keys; else the equations."""

    def __call__(
        self, listings: Sequence[Listing], options: RenderOptions, *, lineage: bool
    ) -> str: ...


FORMATS: dict[str, Render] = {
    "text": text.render,
    "json": json.render,
    "dot": dot.render,
    "html": html.render_listings,
}
