"""What becomes of the findings of today: in comes a report, out it comes without the known ones.

On demand they become known: by comments in the source, or in a baseline.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
class Settling:
    """`project` is the folder that paths in a baseline are relative to. All paths are absolute.

    `known` are the entries of the baseline at `path`; `new` is where to write one.
    """

    project: Path
    path: Path | None = None
    known: Mapping[str, baseline.Entry] = field(default_factory=dict)
    new: Path | None = None
    adds_ignores: bool = False

    @property
    def writes(self) -> bool:
        """What is found today is to be known from now on."""
        return self.new is not None or self.adds_ignores

    def reading_only(self) -> Settling:
        """The same for one of several processes, another of which does the writing."""
        return replace(self, new=None, adds_ignores=False)

    def new_among(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        """Those that the baseline does not know."""
        return baseline.new_among(findings, self.known, str(self.project))

    def settle(self, report: AnyReport, *, complete: bool) -> AnyReport:
        """The report without what is known; writes the comments or the baseline asked for.

        What was written, and what could not be, is told on stderr. `complete`: what the baseline
        has and the report has not is not there any more.
        """
        folder = str(self.project)
        report, gone = baseline.apply(report, self.known, folder)
        if gone and complete and self.path is not None and not report.failures:
            shown = _shown(self.path)
            _tell(
                f"{counted(len(gone), 'finding')} known from {shown} did not come up again: "
                f"to take out what is gone, add --write-baseline {shown}"
            )
        if self.adds_ignores:
            report, told = add_ignores(report, self.project)
            for line in told:
                _tell(line)
        if self.new is not None and report.failures:
            _tell(f"{_shown(self.new)} was not written, because not all could be examined")
        elif self.new is not None:
            write_file(self.new, baseline.text(report, folder), f"--write-baseline {self.new}")
            entries = baseline.read(self.new, _shown(self.new))
            report, _ = baseline.apply(report, entries, folder)
            _tell(f"{counted(len(entries), 'finding')} written to {_shown(self.new)}")
        return report


def settling(
    project: Path,
    path: Path | None,
    *,
    new: Path | None = None,
    adds_ignores: bool = False,
) -> Settling:
    """Reads the baseline at `path`, unless a `new` one is to be written.

    Raises `UsageError` where that cannot be read, or the new one would overwrite another file.
    """
    if new is not None:
        check_writable(new, f"--write-baseline {new}")
        if new.exists() and not baseline.is_one(new):
            raise UsageError(
                f"--write-baseline {new} would overwrite a file that is no baseline",
                "give another name",
            )
        return Settling(project, new=new.absolute(), adds_ignores=adds_ignores)
    if path is None:
        return Settling(project, adds_ignores=adds_ignores)
    known = baseline.read(path, _shown(path))
    return Settling(project, path.absolute(), known, adds_ignores=adds_ignores)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)


def _tell(line: str) -> None:
    print(f"jaxrng-doctor: {line}", file=sys.stderr)
