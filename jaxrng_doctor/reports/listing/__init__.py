"""The formats of `inspect`. Each renders `Listing`s as text that ends with a newline.

To add one, add a module here and an entry in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jaxrng_doctor.model.listing import Listing
from jaxrng_doctor.reports import html
from jaxrng_doctor.reports.listing import dot, json, text
from jaxrng_doctor.reports.options import RenderOptions


class Render(Protocol):
    """Renders the equations, or with `lineage` the key tree."""

    def __call__(
        self, listings: Sequence[Listing], options: RenderOptions, *, lineage: bool
    ) -> str: ...


FORMATS: dict[str, Render] = {
    "text": text.render,
    "json": json.render,
    "dot": dot.render,
    "html": html.render_listings,
}
