"""The report as JSON, in the format of `docs/report.schema.json`.

The output is deterministic, with a fixed order of keys and no times, and pure ASCII, so that it
is independent of the encoding of a pipe.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from jaxrng_doctor._util import paths, source
from jaxrng_doctor.model.findings import (
    SEVERITIES,
    Comparison,
    Draw,
    Evidence,
    Failure,
    Finding,
    Gap,
    Leaf,
    Pairs,
    Place,
    Scope,
)
from jaxrng_doctor.model.report import Report, TargetReport
from jaxrng_doctor.reports.options import RenderOptions

SCHEMA_VERSION = 1
"""Incremented by changes that could break readers."""

_Json = dict[str, Any]


def render(report: Report, options: RenderOptions) -> str:
    """The complete report. Ignores `options.color` and `options.width`."""
    writer = Writer(options.root)
    document = {
        "schema_version": SCHEMA_VERSION,
        "tool_version": report.tool_version,
        "jax_version": report.jax_version,
        "targets": [writer.target(t) for t in report.targets],
        "summary": _summary(report),
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _summary(report: Report) -> _Json:
    by_severity = {
        f"{severity}s": sum(f.severity == severity for f in report.findings)
        for severity in SEVERITIES
    }
    return {
        "ok": report.ok,
        "complete": report.complete,
        **by_severity,
        "draws": len(report.draws),
        "gaps": len(report.gaps),
        "suppressed": len(report.suppressed),
        "failures": len(report.failures),
    }


@dataclass(frozen=True, slots=True)
class Writer:
    """Converts the parts of a report to JSON. Paths are relative to `root`."""

    root: str

    def target(self, target: TargetReport) -> _Json:
        return {
            "target": target.target,
            "complete": target.complete,
            "findings": [self.finding(f) for f in target.findings],
            "comparison": _comparison(target.comparison),
            "draws": [self.draw(d) for d in target.draws],
            "gaps": [self.gap(g) for g in target.gaps],
            "suppressed": [
                {"by": s.by, "reason": s.reason, "finding": self.finding(s.finding)}
                for s in target.suppressed
            ],
            "failure": _failure(target.failure),
        }

    def finding(self, finding: Finding) -> _Json:
        return {
            **headline(finding),
            **self.place(finding.place),
            "scopes": [self.scope(s) for s in finding.scopes],
            "related": [{**self.place(r.place), "message": r.message} for r in finding.related],
            "evidence": _evidence(finding.evidence),
            "help": [{"message": h.message, "code": h.code} for h in finding.help],
            "notes": list(finding.notes),
            "also": list(finding.also),
        }

    def draw(self, draw: Draw) -> _Json:
        return {
            "sampler": draw.sampler,
            "origin": draw.origin,
            **self.place(draw.place),
            "scopes": [self.scope(s) for s in draw.scopes],
        }

    def gap(self, gap: Gap) -> _Json:
        return {"message": gap.message, **self.place(gap.place)}

    def scope(self, scope: Scope) -> _Json:
        return {
            "kind": scope.kind,
            "size": scope.size,
            "name": scope.name,
            "axis_name": scope.axis_name,
            **self.place(scope.place),
            "varies": scope.varies,
            "distinct": scope.distinct,
        }

    def place(self, place: Place | None) -> _Json:
        """A place's fields, all `None` if there is no place."""
        if place is None:
            fields = ("path", "line", "column", "end_line", "end_column", "function")
            return dict.fromkeys(fields)
        return {
            "path": paths.shown(place.path, self.root),
            "line": place.line,
            "column": _column(place.path, place.line, place.column),
            "end_line": place.end_line,
            "end_column": _column(place.path, place.end_line or place.line, place.end_column),
            "function": place.function,
        }


def headline(finding: Finding) -> _Json:
    """What identifies a finding, without its place."""
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "message": finding.message,
    }


def _column(path: str, line: int, column: int | None) -> int | None:
    return None if column is None else source.char_column(path, line, column)


def _evidence(evidence: Evidence | None) -> _Json | None:
    if evidence is None:
        return None
    return {
        "examples": evidence.examples,
        "distinct_keys": evidence.distinct_keys,
        "strip": list(evidence.strip),
        "equal_pair": None if evidence.equal_pair is None else list(evidence.equal_pair),
        "key": evidence.key,
        "fixed": evidence.fixed,
        "unit": evidence.unit,
    }


def _comparison(comparison: Comparison | None) -> _Json | None:
    if comparison is None:
        return None
    return {
        "size": comparison.size,
        "unavailable": comparison.unavailable,
        "leaves": [_leaf(leaf) for leaf in comparison.leaves],
    }


def _leaf(leaf: Leaf) -> _Json:
    return {
        "path": leaf.path,
        "shape": list(leaf.shape),
        "dtype": leaf.dtype,
        "axis": leaf.axis,
        "given": _pairs(leaf.given),
        "replicated": _pairs(leaf.replicated),
    }


def _pairs(pairs: Pairs | None) -> _Json | None:
    if pairs is None:
        return None
    return {
        "first_equals_last": pairs.first_equals_last,
        "max_difference": _number(pairs.max_difference),
        "equal_pairs": pairs.equal_pairs,
        "pairs": pairs.pairs,
        "distinct": pairs.distinct,
    }


def _number(value: float | None) -> float | str | None:
    """`value` with NaN and infinities as strings: JSON has none, and `null` has another meaning."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _failure(failure: Failure | None) -> _Json | None:
    if failure is None:
        return None
    return {
        "stage": failure.stage,
        "message": failure.message,
        "traceback": failure.traceback,
    }
