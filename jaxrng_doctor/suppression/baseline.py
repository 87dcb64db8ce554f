"""The baseline: a file of accepted findings, which are then suppressed.

It identifies findings by their fingerprints, so they stay accepted when lines move. It has no line
numbers and a fixed order, so its diff shows which findings were fixed and which are new.

Version 1 had an entry for each part of a finding (`Finding.parts`). There, a finding is accepted if
all its parts are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from jaxrng_doctor._util import paths
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.model.findings import Finding, Suppressed
from jaxrng_doctor.model.report import Report
from jaxrng_doctor.rules.by_cause import ungrouped
from jaxrng_doctor.suppression import fingerprints

VERSION = 2
"""Increases when a reader of the previous version could break."""

_FORM = {"version": VERSION, "fingerprints": fingerprints.VERSION}

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Baseline:
    """The entries of a baseline by fingerprint. `of_parts`: it is one of version 1."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    of_parts: bool = False

    def accepts(self, finding: Finding, known_by: Mapping[Finding, str]) -> bool:
        """Whether the finding is accepted; `known_by` is what `fingerprints` returned."""
        each = finding.each_part if self.of_parts else (finding,)
        return all(known_by[part] in self.entries for part in each)

    def fingerprints(self, findings: Sequence[Finding], folder: str) -> dict[Finding, str]:
        """The fingerprint of each finding, or of each part of one."""
        each = tuple(ungrouped(findings)) if self.of_parts else findings
        return dict(zip(each, fingerprints.fingerprints(each, folder), strict=True))


EMPTY = Baseline()

AnyReport = TypeVar("AnyReport", bound=Report)


def text(report: Report, folder: str) -> str:
    """The file's text: all findings of the report, with paths relative to `folder`."""
    entries = {
        fingerprint: _entry(finding, fingerprint, folder)
        for finding, fingerprint in EMPTY.fingerprints(report.findings, folder).items()
    }
    listed = sorted(entries.values(), key=lambda entry: tuple(entry.values()))
    return json.dumps({**_FORM, "findings": listed}, indent=2) + "\n"


def is_one(path: Path) -> bool:
    """Whether the file is a baseline of any version, which a new one may overwrite."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and _FORM.keys() < document.keys()


def read(path: Path, shown: str) -> Baseline:
    """The baseline at `path`; `shown` is its path for messages.

    Raises `UsageError` if there is no such file, or it is not a baseline of a known version.
    """
    again = f"run: jaxrng-doctor check --write-baseline {shown}"
    if not path.is_file():
        raise UsageError(f"no such baseline: {shown}", again)
    if not is_one(path):
        raise UsageError(f"{shown} is not a baseline", "--write-baseline writes one")
    document = json.loads(path.read_text(encoding="utf-8"))
    is_old = document["version"] == 1
    expected = {**_FORM, "version": 1} if is_old else _FORM
    if any(document[key] != value for key, value in expected.items()):
        raise UsageError(f"{shown} is the baseline of another version of jaxrng-doctor", again)
    listed = document["findings"]
    if not isinstance(listed, list) or not all(map(_is_entry, listed)):
        raise UsageError(f"the baseline {shown} is damaged", again)
    return Baseline({entry["fingerprint"]: entry for entry in listed}, of_parts=is_old)


def apply(report: AnyReport, accepted: Baseline, folder: str) -> tuple[AnyReport, list[Entry]]:
    """The report with the accepted findings suppressed, and the entries without a finding."""
    found = accepted.fingerprints(report.findings, folder)
    targets = []
    for target in report.targets:
        known = [f for f in target.findings if accepted.accepts(f, found)]
        targets.append(
            replace(
                target,
                findings=tuple(f for f in target.findings if f not in known),
                suppressed=(*target.suppressed, *(Suppressed(f, "baseline") for f in known)),
            )
        )
    stale = [entry for key, entry in accepted.entries.items() if key not in found.values()]
    return replace(report, targets=tuple(targets)), stale


def new_among(findings: Sequence[Finding], accepted: Baseline, folder: str) -> Sequence[Finding]:
    """The findings that are not accepted."""
    found = accepted.fingerprints(findings, folder)
    return [finding for finding in findings if not accepted.accepts(finding, found)]


def _is_entry(found: Any) -> bool:
    return isinstance(found, dict) and isinstance(found.get("fingerprint"), str)


def _entry(finding: Finding, fingerprint: str, folder: str) -> dict[str, Any]:
    place = finding.place
    return {
        "path": "" if place is None else paths.shown(place.path, folder),
        "function": (place.function or "") if place else "",
        "code": finding.code,
        "message": finding.message,
        "fingerprint": fingerprint,
    }
