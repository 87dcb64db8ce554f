"""Families of random programs: one module each, whose `verdict(seed)` checks one program."""

from __future__ import annotations

import jax

from tests.fuzz.families import causes, control, devices, keys, refs, scripts

FAMILIES = {
    "causes": causes,
    "keys": keys,
    "control": control,
    "devices": devices,
    "scripts": scripts,
}
if hasattr(jax, "new_ref"):
    FAMILIES["refs"] = refs
