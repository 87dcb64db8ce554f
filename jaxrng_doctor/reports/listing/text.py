"""Listings as text: the equations of each target, or its key tree."""

from __future__ import annotations

from collections.abc import Sequence

from jaxrng_doctor.model.listing import Listing
from jaxrng_doctor.reports._console import Page
from jaxrng_doctor.reports._gap_text import gap_rows
from jaxrng_doctor.reports.listing._key_tree import tree_rows
from jaxrng_doctor.reports.listing._rows import Writer
from jaxrng_doctor.reports.options import RenderOptions


def render(listings: Sequence[Listing], options: RenderOptions, *, lineage: bool) -> str:
    """The equations, or with `lineage` the key trees."""
    page = Page(options)
    for number, listing in enumerate(listings):
        if number:
            page.blank()
        page.put([page.rule(listing.target)])
        page.blank()
        writer = Writer(listing, page.layout)
        page.put(tree_rows(writer) if lineage else writer.program())
        page.blank()
        if listing.gaps:
            page.put(gap_rows(listing.gaps, page.layout))
            page.blank()
        page.put(writer.closing())
    return page.text()
