"""`jaxrng-doctor explain`: what a rule finds, why that is bad, and what to write instead."""

from __future__ import annotations

import inspect
import sys

from jaxrng_doctor.commands import CLEAN
from jaxrng_doctor.nearest import choose
from jaxrng_doctor.output import write
from jaxrng_doctor.rules import RULES


def explain(code: str) -> int:
    """Print the doc of the rule with this code; raises `UsageError` where there is none."""
    known = {rule.code: rule for rule in RULES}
    rule = known[choose("explain", code.strip().upper(), tuple(known))]
    text = inspect.cleandoc(rule.doc)
    write(sys.stdout, f"{rule.code} {rule.name} ({rule.severity})\n\n{text}\n")
    return CLEAN
