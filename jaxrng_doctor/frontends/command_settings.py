"""The effective settings of one command: its flags combined with `pyproject.toml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from jaxrng_doctor._util.suggest import choose
from jaxrng_doctor.config.per_target import TargetSettings
from jaxrng_doctor.config.pyproject import FAIL_ON, read_config
from jaxrng_doctor.config.validators import known_codes
from jaxrng_doctor.frontends.report_files import Destination, destinations, keep_apart, publish
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.model.report import Report
from jaxrng_doctor.model.target import Overrides
from jaxrng_doctor.reports.formats import DETAILED, FORMATS
from jaxrng_doctor.reports.options import Verbosity
from jaxrng_doctor.reports.statistics import STATISTICS
from jaxrng_doctor.rules import CODES, RULES
from jaxrng_doctor.suppression.accept import Acceptance, load_acceptance


@dataclass(frozen=True)
class Settings(TargetSettings):
    """The settings that `check` and `run` share. Flags take precedence over `pyproject.toml`."""

    reports: tuple[Destination, ...]
    acceptance: Acceptance
    verbosity: Verbosity

    @property
    def detail(self) -> bool:
        """Whether some format shows data that is collected only with `detail`."""
        return any(one.render in DETAILED for one in self.reports)

    def to_stream(self) -> Settings:
        """The same without files, for a process whose report files another process writes."""
        return replace(self, reports=destinations([], None))

    def publish(self, report: Report, out: TextIO, **options: Any) -> None:
        """Write the report in each format to its file, or to `out` if it has none."""
        rules = tuple(rule.text for rule in RULES)
        publish(self.reports, report, out, rules=rules, verbosity=self.verbosity, **options)


def settings_of(
    select: list[str] | None,
    ignore: list[str] | None,
    fail_on: str | None,
    formats: list[str] | None,
    output: Path | None,
    *,
    timeout: float | None = None,
    no_run: bool | None = None,
    strict: bool | None = None,
    baseline: Path | None = None,
    write_baseline: Path | None = None,
    add_ignores: bool = False,
    statistics: bool = False,
    verbose: bool = False,
    quiet: bool = False,
) -> Settings:
    if verbose and quiet:
        raise UsageError("--verbose and --quiet contradict each other", "use one of them")
    config = read_config(Path.cwd(), CODES)
    reports = destinations(formats or [], output, STATISTICS if statistics else FORMATS)
    acceptance = load_acceptance(
        config.folder, baseline or config.baseline, new=write_baseline, adds_ignores=add_ignores
    )
    keep_apart(reports, acceptance.new, f"--write-baseline {write_baseline}")
    keep_apart(reports, acceptance.path, "the baseline")
    return Settings(
        config,
        Overrides(
            known_codes(_listed(select), CODES, "--select") if select else None,
            known_codes(_listed(ignore), CODES, "--ignore") if ignore else None,
            None if fail_on is None else choose("--fail-on", fail_on, FAIL_ON),
            timeout,
            no_run,
            strict,
        ),
        reports,
        acceptance,
        "verbose" if verbose else "quiet" if quiet else "normal",
    )


def _listed(options: Sequence[str]) -> list[str]:
    return [item for option in options for item in option.split(",") if item.strip()]
