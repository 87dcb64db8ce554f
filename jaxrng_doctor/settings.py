"""The settings of one command: in come its flags and the project's, out come those that hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from jaxrng_doctor.config import FAIL_ON, Config, FailOn, expand_codes, read_config
from jaxrng_doctor.findings import Report
from jaxrng_doctor.nearest import choose
from jaxrng_doctor.output import check_writable, deliver
from jaxrng_doctor.report import DETAILED, FORMATS, RenderOptions, html
from jaxrng_doctor.rules import CODES


@dataclass(frozen=True)
class Settings:
    """What `check` and `run` have in common: flags where they were given, else `pyproject.toml`.

    `detail`: the format shows what is found out with `detail` only.
    """

    config: Config
    threshold: FailOn
    render: Callable[[Report, RenderOptions], str]
    select: Sequence[str] | None
    ignore: Sequence[str]
    output: Path | None
    detail: bool = False

    def publish(self, report: Report, out: TextIO, **options: Any) -> None:
        """Write the report to `--output`, or else to `out`."""
        deliver(lambda how: self.render(report, replace(how, **options)), out, self.output)

    def fails(self, report: Report) -> bool:
        """Whether there are findings at or over `--fail-on`."""
        return self.threshold != "never" and bool(report.at_or_over(self.threshold))


def settings_of(
    select: list[str] | None,
    ignore: list[str] | None,
    fail_on: str | None,
    format: str,
    output: Path | None,
) -> Settings:
    config = read_config(Path.cwd(), CODES)
    found = Settings(
        config,
        config.fail_on if fail_on is None else choose("--fail-on", fail_on, FAIL_ON),
        FORMATS[choose("--format", format, tuple(FORMATS))],
        expand_codes(_listed(select), CODES, "--select") if select else config.select,
        expand_codes(_listed(ignore), CODES, "--ignore") if ignore else config.ignore,
        output,
        detail=format in DETAILED,
    )
    if format == "html":
        html.check_installed()
    if output is not None:
        check_writable(output)
    return found


def _listed(options: Sequence[str]) -> list[str]:
    return [item for option in options for item in option.split(",") if item.strip()]
