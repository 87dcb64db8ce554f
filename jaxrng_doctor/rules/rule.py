"""What a rule is: a code, a name, and a question about one draw."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from jaxrng_doctor.facts import DrawFacts
from jaxrng_doctor.findings import Finding, Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `check` is a pure function; `doc` is the module's docstring, in Markdown.

    The docstring's first paragraph is the summary that lists show.
    """

    code: str
    name: str
    severity: Severity
    check: Callable[[DrawFacts], Finding | None]
    doc: str

    @property
    def summary(self) -> str:
        return " ".join(inspect.cleandoc(self.doc).split("\n\n")[0].split())
