"""Accepted findings: applies the baseline to a report, and writes a baseline or ignore comments."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from jaxrng_doctor._util.output import check_writable, write_file
from jaxrng_doctor._util.text import counted
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.model.findings import Finding
from jaxrng_doctor.model.report import Report
from jaxrng_doctor.suppression import baseline
from jaxrng_doctor.suppression.write_comments import add_ignores

AnyReport = TypeVar("AnyReport", bound=Report)


@dataclass(frozen=True)
class Acceptance:
    """How a command treats accepted findings.

    `project` is the folder that paths in a baseline are relative to. `known` is the baseline at
    `path`; `new` is where to write one. All paths are absolute.
    """

    project: Path
    path: Path | None = None
    known: baseline.Baseline = baseline.EMPTY
    new: Path | None = None
    adds_ignores: bool = False

    @property
    def writes(self) -> bool:
        """Whether the current findings are to be accepted."""
        return self.new is not None or self.adds_ignores

    def reading_only(self) -> Acceptance:
        """A copy that writes nothing, for a process of several of which another one writes."""
        return replace(self, new=None, adds_ignores=False)

    def new_among(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        """The findings that are not in the baseline."""
        return baseline.new_among(findings, self.known, str(self.project))

    def apply(self, report: AnyReport, *, complete: bool) -> AnyReport:
        """The report with the accepted findings suppressed. Also writes what was requested.

        What was written, and what could not be, is printed to stderr. `complete`: the report is of
        the whole program, so an entry of the baseline without a finding is stale.
        """
        folder = str(self.project)
        report, stale = baseline.apply(report, self.known, folder)
        if self.path is not None and self.known.of_parts:
            shown = _shown(self.path)
            _print(
                f"{shown} has an entry for each place of a finding, as earlier versions wrote: "
                f"to have one for each finding, add --write-baseline {shown}"
            )
        elif stale and complete and self.path is not None and not report.failures:
            shown = _shown(self.path)
            findings = counted(len(stale), "finding")
            _print(
                f"{findings} of {shown} did not occur: "
                f"to remove stale entries, add --write-baseline {shown}"
            )
        if self.adds_ignores:
            report, lines = add_ignores(report, self.project)
            for line in lines:
                _print(line)
        if self.new is not None and report.failures:
            _print(f"{_shown(self.new)} was not written, because some targets could not be checked")
        elif self.new is not None:
            write_file(self.new, baseline.text(report, folder), f"--write-baseline {self.new}")
            written = baseline.read(self.new, _shown(self.new))
            report, _ = baseline.apply(report, written, folder)
            findings = counted(len(written.entries), "finding")
            _print(f"{findings} written to {_shown(self.new)}")
        return report


def load_acceptance(
    project: Path,
    path: Path | None,
    *,
    new: Path | None = None,
    adds_ignores: bool = False,
) -> Acceptance:
    """Read the baseline at `path`, unless a `new` one is to be written.

    Raises `UsageError` if it cannot be read, or if the new one cannot be written or would overwrite
    a file that is not a baseline.
    """
    if new is not None:
        check_writable(new, f"--write-baseline {new}")
        if new.exists() and not baseline.is_one(new):
            raise UsageError(
                f"--write-baseline {new} would overwrite a file that is not a baseline",
                "choose another file",
            )
        return Acceptance(project, new=new.absolute(), adds_ignores=adds_ignores)
    if path is None:
        return Acceptance(project, adds_ignores=adds_ignores)
    known = baseline.read(path, _shown(path))
    return Acceptance(project, path.absolute(), known, adds_ignores=adds_ignores)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)


def _print(line: str) -> None:
    print(f"jaxrng-doctor: {line}", file=sys.stderr)
