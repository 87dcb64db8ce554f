"""The report of a pytest session: each finding, gap and failure with the tests that met it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from jaxrng_doctor._util.text import counted
from jaxrng_doctor.model.findings import Finding
from jaxrng_doctor.model.report import Report
from jaxrng_doctor.reports._finding_text import finding_rows
from jaxrng_doctor.reports._gap_text import failure_rows, gap_rows
from jaxrng_doctor.reports._plain_text import plain, plain_layout

Part = tuple[str, str]
"""What identifies a finding, a gap or a failure, and its text.

Plain strings, because pytest-xdist sends them to the process that reports.
"""

_MOST_TESTS = 5
"""The maximum number of tests shown for a finding, unless all are asked for."""


def parts(report: Report, root: str) -> list[Part]:
    """The findings, gaps and failures of one test. Paths in `root` are shown relative."""
    layout = plain_layout(root)
    findings = [(_identity(f), plain(finding_rows(f, layout))) for f in report.findings]
    failures = (
        f"{target.target}\n{plain(failure_rows(target.failure, layout))}"
        for target in report.targets
        if target.failure is not None
    )
    gaps = (plain(gap_rows([gap], layout)) for gap in report.gaps)
    return [*findings, *((text, text) for text in (*failures, *gaps))]


def lines(tests: Iterable[tuple[str, Sequence[Part]]], *, every: bool = False) -> Iterator[str]:
    """The lines of the report. `tests`: the id of each test and what it met.

    With `every`, all tests that met a finding are shown, otherwise the first few.
    """
    texts: dict[str, str] = {}
    met: dict[str, dict[str, None]] = {}
    for test, found in tests:
        for identity, text in found:
            texts.setdefault(identity, text)
            met.setdefault(identity, {})[test] = None
    for identity, text in texts.items():
        yield from text.splitlines()
        yield from _tests(list(met[identity]), len(met[identity]) if every else _MOST_TESTS)
        yield ""


def _tests(ids: Sequence[str], most: int) -> Iterator[str]:
    if len(ids) == 1:
        yield f"  seen in {ids[0]}"
        return
    yield f"  seen in {counted(len(ids), 'test')}:"
    yield from (f"    {test}" for test in ids[:most])
    if len(ids) > most:
        yield f"    … and {len(ids) - most:,} more"


def _identity(finding: Finding) -> str:
    """The rule and the places: the number of examples or of calls may differ between tests.

    Of a cause with several parts, those of the part that is shown: the others may differ, too.
    """
    shown = (part for part in finding.parts if part.place == finding.place)
    main = next((part for part in shown if part.code == finding.code), finding)
    places = [main.place, *(related.place for related in main.related)]
    where = [place and (place.path, place.line, place.column) for place in places]
    return json.dumps([finding.code, where, "" if finding.place else finding.message])
