"""Defines a rule: a code, a name, a check of a program, and the effects of its findings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from jaxrng_doctor.model.facts import DrawFacts, ProgramFacts
from jaxrng_doctor.model.findings import Finding, RuleText, Severity

Check = Callable[[ProgramFacts], Iterable[Finding]]
Stability = Literal["stable", "preview"]

PREFIX = "RNG"
"""The prefix of every code."""

PAGES = ""
"""The URL of `docs/rules/`, with a slash at the end; empty while the pages are not published."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `check` is a pure function; `doc` is the module's docstring, in Markdown.

    The first paragraph of the docstring is the summary that lists show. `severity` is the
    default for its findings; a finding may have another one.

    `shares`: the rule reports that several draws share a key; `expect="same"` suppresses that.
    `draws_alone`: its evidence without a scope is about draws only, never about a split or an
    output, so the draws can be shown as a picture.
    `forbids_run_with`: a program with keys of one of these implementations (`fry`, `rbg`, `urbg`)
    that this rule reports may not terminate, so it is not run.
    `checks_comments`: it reports the ignore comments themselves, after all programs were checked.
    `with_uses`: adapts a finding about two uses of a key to the number of all its uses.
    A `preview` rule is off unless `select` has its exact code, and forbids no run.
    """

    code: str
    name: str
    severity: Severity
    check: Check
    doc: str
    shares: bool = False
    draws_alone: bool = False
    forbids_run_with: frozenset[str] = frozenset()
    checks_comments: bool = False
    with_uses: Callable[[Finding, int], Finding] | None = None
    stability: Stability = "stable"

    def is_on(self, select: Collection[str] | None) -> bool:
        """Whether the rule is applied: always if stable, else only if `select` has its code."""
        return self.stability == "stable" or self.code in {c.strip().upper() for c in select or ()}

    @property
    def summary(self) -> str:
        first = " ".join(inspect.cleandoc(self.doc).split("\n\n")[0].split())
        return first if self.stability == "stable" else f"Preview: {first}"

    @property
    def text(self) -> RuleText:
        uri = f"{PAGES}{self.code}.md" if PAGES else ""
        doc = inspect.cleandoc(self.doc)
        if self.stability == "preview":
            doc = f"{_IN_PREVIEW.format(code=self.code)}\n\n{doc}"
        return RuleText(self.code, self.name, self.severity, self.summary, doc, uri)


_IN_PREVIEW = (
    "This rule is in preview: it may change or go in any version, and is off unless `select` has "
    "its exact code, as in `--select ALL,{code}`."
)


def of_each_draw(check: Callable[[DrawFacts], Iterable[Finding] | Finding | None]) -> Check:
    """The check of a rule that looks at one draw at a time.

    A draw that a backward pass only repeats is skipped.
    """

    def check_all(program: ProgramFacts) -> Iterator[Finding]:
        for draw in program.draws:
            found = None if draw.redone else check(draw)
            if isinstance(found, Finding):
                yield found
            elif found is not None:
                yield from found

    return check_all
