"""The report as SARIF 2.1.0, for code scanning and editors.

Findings, including suppressed ones, are results; failures and gaps are notifications of the single
invocation. Paths inside the root are relative to `%SRCROOT%`. The output is deterministic ASCII.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from jaxrng_doctor._util.paths import shown
from jaxrng_doctor.model.findings import Finding, Place, RuleText, Suppressed
from jaxrng_doctor.model.report import Report, TargetReport
from jaxrng_doctor.reports._gap_text import failed, suppression_text
from jaxrng_doctor.reports._region import region
from jaxrng_doctor.reports.options import RenderOptions
from jaxrng_doctor.suppression.fingerprints import VERSION, fingerprints

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

_ROOT = "%SRCROOT%"
_NOTIFICATIONS = {
    "failure": "A target could not be checked.",
    "gap": "Part of the program could not be followed.",
}

_Json = dict[str, Any]


def render(report: Report, options: RenderOptions) -> str:
    """The complete report; its results refer to `options.rules`."""
    writer = _Writer(options.root, {rule.code: n for n, rule in enumerate(options.rules)})
    run: _Json = {
        "tool": {"driver": _driver(report, options.rules)},
        "invocations": [
            {
                "executionSuccessful": not report.failures,
                "toolExecutionNotifications": [
                    note for target in report.targets for note in writer.notifications(target)
                ],
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": writer.results(report),
        "properties": {
            "jaxVersion": report.jax_version,
            "targets": [target.target for target in report.targets],
            "draws": len(report.draws),
        },
    }
    if options.root:
        within = PurePath(options.root, "_").as_uri()  # keeps the trailing slash of the folder
        run["originalUriBaseIds"] = {_ROOT: {"uri": within.removesuffix("_")}}
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    # Replace lone surrogates, which file names may contain and strict readers reject.
    document = json.loads(json.dumps(document, ensure_ascii=False).encode(errors="replace"))
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _driver(report: Report, rules: tuple[RuleText, ...]) -> _Json:
    return {
        "name": "jaxrng-doctor",
        "version": report.tool_version,
        "rules": [_rule(rule) for rule in rules],
        "notifications": [
            {"id": name, "shortDescription": {"text": text}}
            for name, text in _NOTIFICATIONS.items()
        ],
    }


def _rule(rule: RuleText) -> _Json:
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.summary},
        "help": {"text": _plain(rule.doc), "markdown": rule.doc},
        **({"helpUri": rule.uri} if rule.uri else {}),
        "defaultConfiguration": {"level": rule.severity},
    }


def _plain(markdown: str) -> str:
    """The text without the markup of headings and code blocks."""
    return re.sub(r"^(#+ |```.*\n?)", "", markdown, flags=re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Writer:
    root: str
    rules: dict[str, int]

    def results(self, report: Report) -> list[_Json]:
        found: list[tuple[TargetReport, Finding, Suppressed | None]] = []
        for target in report.targets:
            found += [(target, finding, None) for finding in target.findings]
            found += [(target, one.finding, one) for one in target.suppressed]
        prints = fingerprints([finding for _, finding, _ in found], self.root)
        return [self.result(*one, known) for one, known in zip(found, prints, strict=True)]

    def result(
        self, target: TargetReport, finding: Finding, suppressed: Suppressed | None, known: str
    ) -> _Json:
        # Code scanning requires a location; fall back to that of the checked function.
        place = finding.place or target.lines
        rule = self.rules.get(finding.code)
        return {
            "ruleId": finding.code,
            **({} if rule is None else {"ruleIndex": rule}),
            "level": finding.severity,
            "message": _message(_full_text(finding)),
            "locations": [] if place is None else [self.location(place)],
            "relatedLocations": [
                {"id": n, **self.location(related.place), "message": _message(related.message)}
                for n, related in enumerate(finding.related)
            ],
            "partialFingerprints": {f"jaxrngDoctor/v{VERSION}": known},
            # An empty list means not suppressed. Either all results of a run have a list or none.
            "suppressions": [] if suppressed is None else [self.suppression(suppressed)],
            "properties": {
                "target": target.target,
                "confidence": finding.confidence,
                **_counted(finding),
            },
        }

    def suppression(self, suppressed: Suppressed) -> _Json:
        in_source = suppressed.by in ("comment", "file-comment")
        comment = suppressed.comment
        return {
            "kind": "inSource" if in_source else "external",
            "justification": (suppressed.reason if in_source else "")
            or suppression_text(suppressed),
            **({} if comment is None else {"location": self.location(comment)}),
        }

    def notifications(self, target: TargetReport) -> Iterator[_Json]:
        if target.failure is not None:
            text = f"{target.target} {failed(target.failure)}"
            note = self.notification("failure", "error", text, target.lines, target)
            if target.failure.traceback:
                note["exception"] = {"message": target.failure.traceback}
            yield note
        for gap in target.gaps:
            yield self.notification("gap", "warning", gap.message, gap.place, target)

    def notification(
        self, name: str, level: str, text: str, place: Place | None, target: TargetReport
    ) -> _Json:
        index = list(_NOTIFICATIONS).index(name)
        return {
            "descriptor": {"id": name, "index": index},
            "level": level,
            "message": _message(text),
            "locations": [] if place is None else [self.location(place)],
            "properties": {"target": target.target},
        }

    def location(self, place: Place) -> _Json:
        at = region(place)
        span = {
            "startLine": at.line,
            "startColumn": at.column,
            "endLine": at.end_line,
            "endColumn": at.end_column,
        }
        function = place.function
        return {
            "physicalLocation": {
                "artifactLocation": self.artifact(place.path),
                "region": {key: value for key, value in span.items() if value is not None},
            },
            **(
                {"logicalLocations": [{"fullyQualifiedName": function, "kind": "function"}]}
                if function
                else {}
            ),
        }

    def artifact(self, path: str) -> _Json:
        relative = shown(path, self.root)
        if relative != path:
            return {"uri": _quoted(relative), "uriBaseId": _ROOT}
        if PurePath(path).is_absolute():
            return {"uri": PurePath(path).as_uri()}
        return {"uri": _quoted(path)}  # such as a notebook cell


def _quoted(path: str) -> str:
    # Quotes colons, too: the first segment of a relative reference must not contain one.
    return quote(os.fsencode(path), safe="/")


def _full_text(finding: Finding) -> str:
    ways = [f"help: {way.message}" for way in finding.help]
    return "\n".join([finding.message, *finding.notes, *ways])


def _message(text: str) -> _Json:
    """A message with braces doubled, as SARIF requires, and without links."""
    literal = text.replace("{", "{{").replace("}", "}}")
    return {"text": literal.replace("](", "] (")}


def _counted(finding: Finding) -> _Json:
    seen = finding.evidence
    return {} if seen is None else {"examples": seen.examples, "distinctKeys": seen.distinct_keys}
