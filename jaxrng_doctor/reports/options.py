"""How a report is to look, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass

from jaxrng_doctor.model.findings import RuleText


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """`width` is in terminal cells. Paths under the absolute folder `root` are shown from there.

    `brief`: leave out the targets of which there is nothing to say. `rules`: those that were
    asked, for formats that carry their texts.
    """

    color: bool = False
    width: int = 100
    root: str = ""
    brief: bool = False
    rules: tuple[RuleText, ...] = ()
