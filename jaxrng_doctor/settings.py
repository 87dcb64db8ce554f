"""The settings of one command: in come its flags and the project's, out come those that hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from jaxrng_doctor.config import FAIL_ON, Config, FailOn, expand_codes, read_config
from jaxrng_doctor.findings import Report
from jaxrng_doctor.nearest import choose
from jaxrng_doctor.publish import Destination, destinations, publish
from jaxrng_doctor.report import DETAILED
from jaxrng_doctor.rules import CODES, RULES


@dataclass(frozen=True)
class Settings:
    """What `check` and `run` have in common: flags where they were given, else `pyproject.toml`."""

    config: Config
    threshold: FailOn
    select: Sequence[str] | None
    ignore: Sequence[str]
    reports: tuple[Destination, ...]

    @property
    def detail(self) -> bool:
        """Some format shows what is found out with `detail` only."""
        return any(one.format in DETAILED for one in self.reports)

    def publish(self, report: Report, out: TextIO, **options: Any) -> None:
        """Write the report in each format to its file, or else to `out`."""
        rules = tuple(rule.text for rule in RULES)
        publish(self.reports, report, out, fail_on=self.threshold, rules=rules, **options)

    def fails(self, report: Report) -> bool:
        """Whether there are findings at or over `--fail-on`."""
        return self.threshold != "never" and bool(report.at_or_over(self.threshold))


def settings_of(
    select: list[str] | None,
    ignore: list[str] | None,
    fail_on: str | None,
    formats: list[str] | None,
    output: Path | None,
) -> Settings:
    config = read_config(Path.cwd(), CODES)
    return Settings(
        config,
        config.fail_on if fail_on is None else choose("--fail-on", fail_on, FAIL_ON),
        expand_codes(_listed(select), CODES, "--select") if select else config.select,
        expand_codes(_listed(ignore), CODES, "--ignore") if ignore else config.ignore,
        destinations(formats or [], output),
    )


def _listed(options: Sequence[str]) -> list[str]:
    return [item for option in options for item in option.split(",") if item.strip()]
