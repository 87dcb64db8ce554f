"""Renders Markdown for a terminal."""

from __future__ import annotations

import io

from rich.console import Console
from rich.markdown import Markdown

from jaxrng_doctor.reports.options import RenderOptions


def rendered(markdown: str, options: RenderOptions) -> str:
    """The text for a terminal of `options.width`, at most 100, in colour if `options.color`."""
    console = Console(
        file=io.StringIO(),
        width=min(options.width, 100),
        force_terminal=options.color,
        color_system="256" if options.color else None,
        no_color=not options.color,
        legacy_windows=False,
    )
    with console.capture() as captured:
        console.print(Markdown(markdown))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
