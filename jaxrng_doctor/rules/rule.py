"""What a rule is: a code, a name, and a question about a program."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from jaxrng_doctor.facts import DrawFacts, ProgramFacts
from jaxrng_doctor.findings import Finding, Severity

Check = Callable[[ProgramFacts], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `check` is a pure function; `doc` is the module's docstring, in Markdown.

    The docstring's first paragraph is the summary that lists show. `severity` is
    that of its findings, where the rule does not say otherwise.
    """

    code: str
    name: str
    severity: Severity
    check: Check
    doc: str

    @property
    def explanation(self) -> str:
        """The docstring without its indentation and outer blank lines."""
        return inspect.cleandoc(self.doc)

    @property
    def summary(self) -> str:
        return " ".join(self.explanation.split("\n\n")[0].split())

    def as_json(self) -> dict[str, str]:
        """The rule for programs, each text in Markdown."""
        return {
            "code": self.code,
            "name": self.name,
            "severity": self.severity,
            "summary": self.summary,
            "explanation": self.explanation,
        }


def of_each_draw(check: Callable[[DrawFacts], Finding | None]) -> Check:
    """The check of a rule that looks at one draw at a time."""

    def check_all(program: ProgramFacts) -> Iterator[Finding]:
        return (found for draw in program.draws if (found := check(draw)) is not None)

    return check_all
