"""The report: what was found of each target, and of all together. Plain data, no JAX."""

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
class TargetReport:
    """All that was found out about one target. `lines` are those of its function, if known.

    `listing` is its program, where details were asked for.
    `choices` decided what is among `findings`, and what is among `suppressed`.
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

    @property
    def failing(self) -> tuple[Finding, ...]:
        """The findings at least as grave as `choices.fail_on`."""
        return tuple(f for f in self.findings if _reaches(f.severity, self.choices.fail_on))

    @property
    def complete(self) -> bool:
        """The target was examined, and all of it could be followed: no failure and no gap."""
        return self.failure is None and not self.gaps

    @property
    def fails(self) -> bool:
        """It has findings, or with `choices.strict` gaps, that are to fail a check."""
        return bool(self.failing or (self.choices.strict and self.gaps))


@dataclass(frozen=True)
class Report:
    """The targets of one consultation; `jaxrng-doctor check` sorts them by name."""

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

    @property
    def failures(self) -> tuple[Failure, ...]:
        return tuple(t.failure for t in self.targets if t.failure is not None)

    @property
    def ok(self) -> bool:
        """No error and no warning was found, and every target could be examined."""
        return not self.failures and not self.at_or_over("warning")

    @property
    def complete(self) -> bool:
        """Every target was examined, and all of it could be followed: no failure and no gap."""
        return all(target.complete for target in self.targets)

    @property
    def fails(self) -> bool:
        """A target has findings, or with `strict` gaps, that it was asked to fail for."""
        return any(target.fails for target in self.targets)

    def at_or_over(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings at least as grave as `severity`."""
        return tuple(f for f in self.findings if _reaches(f.severity, severity))


def _reaches(severity: Severity, threshold: FailOn) -> bool:
    return threshold != "never" and SEVERITIES.index(severity) <= SEVERITIES.index(threshold)
