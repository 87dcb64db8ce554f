"""Rendering options for all formats."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

from jaxrng_doctor.model.findings import RuleText

Verbosity = Literal["quiet", "normal", "verbose"]
"""How much the terminal format shows.

`quiet`: the summary. `normal`: also a line for each target that passes, and the whole report of
each other target. `verbose`: the whole report of each target.
"""


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """`width` is in terminal cells. Paths inside the absolute folder `root` are shown relative.

    `brief`: omit targets with nothing to report. `verbosity` is for the terminal format. `rules`:
    the rules in use, for formats that include their documentation.
    """

    color: bool = False
    width: int = 100
    root: str = ""
    brief: bool = False
    verbosity: Verbosity = "normal"
    rules: tuple[RuleText, ...] = ()


def options_for(out: TextIO | None) -> RenderOptions:
    """The options for the stream `out`, or for a file if `out` is `None`."""
    environment = os.environ
    terminal = out is not None and out.isatty()
    color = terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    if out is not None and environment.get("FORCE_COLOR"):
        color = True
    width = 100
    if out is not None and terminal:
        with contextlib.suppress(OSError):
            width = os.get_terminal_size(out.fileno()).columns or width
    if out is not None and environment.get("COLUMNS", "").isdecimal():
        width = int(environment["COLUMNS"]) or width
    return RenderOptions(color=color, width=width, root=str(Path.cwd()))
