"""`jaxrng-doctor rules`: list the rules."""

from __future__ import annotations

import sys

from jaxrng_doctor.commands import CLEAN
from jaxrng_doctor.output import write
from jaxrng_doctor.rules import RULES


def rules() -> int:
    """One line a rule: code, name, severity, summary."""
    name_width = max(len(rule.name) for rule in RULES)
    lines = [
        f"{rule.code}  {rule.name:<{name_width}}  {rule.severity:<7}  {rule.summary}\n"
        for rule in RULES
    ]
    write(sys.stdout, "".join(lines))
    return CLEAN
