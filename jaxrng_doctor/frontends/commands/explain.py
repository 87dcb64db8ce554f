"""`jaxrng-doctor explain`: what a rule finds, why it matters, and how to fix it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict

from jaxrng_doctor._util.output import write
from jaxrng_doctor._util.suggest import choose
from jaxrng_doctor.frontends.commands import CLEAN
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.reports.options import options_for
from jaxrng_doctor.rules import RULES
from jaxrng_doctor.rules.rule import Rule


def explain(codes: Sequence[str], *, every: bool, format: str) -> int:
    """Print the docs of the rules with these codes, or of `every` rule.

    Raises `UsageError` for an unknown rule or format.
    """
    rules = [
        _KNOWN.get(_code(word)) or _KNOWN[choose("explain", word, tuple(_KNOWN))] for word in codes
    ]
    if every:
        rules = list(RULES)
    if not rules:
        raise UsageError("missing rule code", "run: jaxrng-doctor explain RNG001")
    show = _FORMATS[choose("--format", format, tuple(_FORMATS))]
    write(sys.stdout, show(rules))
    return CLEAN


def is_code(word: str) -> bool:
    """Whether `word` is a rule's code or name."""
    return _code(word) in _KNOWN


def _code(word: str) -> str:
    """The code for a rule's code or name."""
    typed = word.strip().lower()
    return next((rule.code for rule in RULES if rule.name == typed), typed.upper())


def _terminal(rules: Sequence[Rule]) -> str:
    if not sys.stdout.isatty() and not os.environ.get("FORCE_COLOR"):
        return "\n\n".join(
            f"{rule.code} {rule.name} ({rule.severity})\n\n{rule.text.doc}\n" for rule in rules
        )
    from jaxrng_doctor.frontends.terminal_markdown import rendered

    return rendered(_markdown(rules), options_for(sys.stdout))


def _markdown(rules: Sequence[Rule]) -> str:
    return "\n".join(
        f"# {rule.code} {rule.name}\n\nSeverity: {rule.severity}.\n\n{rule.text.doc}\n"
        for rule in rules
    )


def _json(rules: Sequence[Rule]) -> str:
    return json.dumps([asdict(rule.text) for rule in rules], indent=2) + "\n"


_KNOWN = {rule.code: rule for rule in RULES}

_FORMATS: dict[str, Callable[[Sequence[Rule]], str]] = {
    "terminal": _terminal,
    "markdown": _markdown,
    "json": _json,
}
