"""The baseline: a file of accepted findings, which are then suppressed.

It identifies findings by their fingerprints, so they stay accepted when lines move. It has no line
numbers and a fixed order, so its diff shows which findings were fixed and which are new.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from jaxrng_doctor._util import paths
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.model.findings import Finding, Suppressed
from jaxrng_doctor.model.report import Report
from jaxrng_doctor.suppression import fingerprints

VERSION = 1
"""Increases when a reader of the previous version could break."""

_FORM = {"version": VERSION, "fingerprints": fingerprints.VERSION}

Entry = Mapping[str, Any]
AnyReport = TypeVar("AnyReport", bound=Report)


def text(report: Report, folder: str) -> str:
    """The file's text: all findings of the report, with paths relative to `folder`."""
    entries = {
        fingerprint: _entry(finding, fingerprint, folder)
        for finding, fingerprint in zip(*_known_by(report, folder), strict=True)
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


def read(path: Path, shown: str) -> dict[str, Entry]:
    """The entries of a baseline by fingerprint; `shown` is its path for messages.

    Raises `UsageError` if there is no such file, or it is not a baseline of this version.
    """
    again = f"run: jaxrng-doctor check --write-baseline {shown}"
    if not path.is_file():
        raise UsageError(f"no such baseline: {shown}", again)
    if not is_one(path):
        raise UsageError(f"{shown} is not a baseline", "--write-baseline writes one")
    document = json.loads(path.read_text(encoding="utf-8"))
    if any(document[key] != value for key, value in _FORM.items()):
        raise UsageError(f"{shown} is the baseline of another version of jaxrng-doctor", again)
    listed = document["findings"]
    if not isinstance(listed, list) or not all(map(_is_entry, listed)):
        raise UsageError(f"the baseline {shown} is damaged", again)
    return {entry["fingerprint"]: entry for entry in listed}


def apply(
    report: AnyReport, entries: Mapping[str, Entry], folder: str
) -> tuple[AnyReport, list[Entry]]:
    """The report with the accepted findings suppressed, and the entries without a finding."""
    found = dict(zip(*_known_by(report, folder), strict=True))
    targets = []
    for target in report.targets:
        known = [f for f in target.findings if found[f] in entries]
        targets.append(
            replace(
                target,
                findings=tuple(f for f in target.findings if f not in known),
                suppressed=(*target.suppressed, *(Suppressed(f, "baseline") for f in known)),
            )
        )
    stale = [entry for key, entry in entries.items() if key not in found.values()]
    return replace(report, targets=tuple(targets)), stale


def new_among(
    findings: Sequence[Finding], entries: Mapping[str, Entry], folder: str
) -> Sequence[Finding]:
    """The findings that have no entry."""
    known_by = fingerprints.fingerprints(findings, folder)
    return [f for f, by in zip(findings, known_by, strict=True) if by not in entries]


def _is_entry(found: Any) -> bool:
    return isinstance(found, dict) and isinstance(found.get("fingerprint"), str)


def _known_by(report: Report, folder: str) -> tuple[Sequence[Finding], Sequence[str]]:
    return report.findings, fingerprints.fingerprints(report.findings, folder)


def _entry(finding: Finding, fingerprint: str, folder: str) -> dict[str, Any]:
    place = finding.place
    return {
        "path": "" if place is None else paths.shown(place.path, folder),
        "function": (place.function or "") if place else "",
        "code": finding.code,
        "message": finding.message,
        "fingerprint": fingerprint,
    }
