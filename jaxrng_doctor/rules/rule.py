"""What a rule is: a code, a name, and a question about a program."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from jaxrng_doctor.model.facts import DrawFacts, ProgramFacts
from jaxrng_doctor.model.findings import Finding, RuleText, Severity

Check = Callable[[ProgramFacts], Iterable[Finding]]

PAGES = ""
"""Where on the web `docs/rules/` is, with a slash at the end; empty while it is nowhere."""


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
    def summary(self) -> str:
        return " ".join(inspect.cleandoc(self.doc).split("\n\n")[0].split())

    @property
    def text(self) -> RuleText:
        uri = f"{PAGES}{self.code}.md" if PAGES else ""
        doc = inspect.cleandoc(self.doc)
        return RuleText(self.code, self.name, self.severity, self.summary, doc, uri)


def of_each_draw(check: Callable[[DrawFacts], Iterable[Finding] | Finding | None]) -> Check:
    """The check of a rule that looks at one draw at a time, but not at what only redoes another."""

    def check_all(program: ProgramFacts) -> Iterator[Finding]:
        for draw in program.draws:
            found = None if draw.redone else check(draw)
            if isinstance(found, Finding):
                yield found
            elif found is not None:
                yield from found

    return check_all
