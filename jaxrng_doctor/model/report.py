"""The report: the results for each target and for all of them. Plain data, no JAX."""

from __future__ import annotations

from dataclasses import dataclass, field

from jaxrng_doctor.model.findings import (
    EVERYTHING,
    SEVERITIES,
    Choices,
    Comparison,
    Draw,
    FailOn,
    Failure,
    Finding,
    Gap,
    Place,
    Severity,
    Suppressed,
)
from jaxrng_doctor.model.listing import Listing


@dataclass(frozen=True, slots=True)
class SourceVersion:
    """The version of a source file: when it was `modified`, in nanoseconds, and its size in bytes.

    `path` is absolute.
    """

    path: str
    modified: int
    size: int


@dataclass(frozen=True, slots=True)
class TargetReport:
    """The results for one target. `lines`: the source range of its function, if known.

    `listing`: its program, only with details. `choices` determined what is in `findings` and what
    is in `suppressed`. `sources`: the imported versions of the files with findings, where known.
    """

    target: str
    findings: tuple[Finding, ...] = ()
    comparison: Comparison | None = None
    draws: tuple[Draw, ...] = ()
    gaps: tuple[Gap, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    failure: Failure | None = None
    lines: Place | None = None
    listing: Listing | None = None
    choices: Choices = EVERYTHING
    sources: tuple[SourceVersion, ...] = ()

    @property
    def failing(self) -> tuple[Finding, ...]:
        """The findings at least as severe as `choices.fail_on`."""
        return tuple(f for f in self.findings if _reaches(f.severity, self.choices.fail_on))

    @property
    def complete(self) -> bool:
        """Whether the target was checked completely: no failure and no gap."""
        return self.failure is None and not self.gaps

    @property
    def fails(self) -> bool:
        """Whether its findings, or with `choices.strict` its gaps, fail the check."""
        return bool(self.failing or (self.choices.strict and self.gaps))


@dataclass(frozen=True)
class Report:
    """The results of one check; `jaxrng-doctor check` sorts the targets by name."""

    targets: tuple[TargetReport, ...]
    tool_version: str
    jax_version: str
    findings: tuple[Finding, ...] = field(init=False)
    draws: tuple[Draw, ...] = field(init=False)
    gaps: tuple[Gap, ...] = field(init=False)
    suppressed: tuple[Suppressed, ...] = field(init=False)

    def __post_init__(self) -> None:
        for name in ("findings", "draws", "gaps", "suppressed"):
            together = tuple(x for target in self.targets for x in getattr(target, name))
            object.__setattr__(self, name, together)

    def _fill(self, targets: tuple[TargetReport, ...]) -> None:
        """Set the results of a report that `watch` yielded before they were known."""
        object.__setattr__(self, "targets", targets)
        self.__post_init__()

    @property
    def failures(self) -> tuple[Failure, ...]:
        return tuple(t.failure for t in self.targets if t.failure is not None)

    @property
    def ok(self) -> bool:
        """Whether there is no error, no warning and no failure."""
        return not self.failures and not self.at_or_over("warning")

    @property
    def complete(self) -> bool:
        """Whether every target was checked completely: no failure and no gap."""
        return all(target.complete for target in self.targets)

    @property
    def fails(self) -> bool:
        """Whether the findings of a target, or with `strict` its gaps, fail the check."""
        return any(target.fails for target in self.targets)

    def at_or_over(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings at least as severe as `severity`."""
        return tuple(f for f in self.findings if _reaches(f.severity, severity))


def _reaches(severity: Severity, threshold: FailOn) -> bool:
    return threshold != "never" and SEVERITIES.index(severity) <= SEVERITIES.index(threshold)
