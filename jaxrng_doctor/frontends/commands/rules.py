"""`jaxrng-doctor rules`: list the rules."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from jaxrng_doctor._util.output import write
from jaxrng_doctor._util.suggest import choose
from jaxrng_doctor.frontends.commands import CLEAN
from jaxrng_doctor.rules import RULES


def rules(format: str) -> int:
    """Print one line per rule (code, name, severity, summary), or everything as JSON."""
    if choose("--format", format, ("terminal", "json")) == "json":
        write(sys.stdout, json.dumps([asdict(rule.text) for rule in RULES], indent=2) + "\n")
        return CLEAN
    name_width = max(len(rule.name) for rule in RULES)
    lines = [
        f"{rule.code}  {rule.name:<{name_width}}  {rule.severity:<7}  {rule.summary}\n"
        for rule in RULES
    ]
    write(sys.stdout, "".join(lines))
    return CLEAN
