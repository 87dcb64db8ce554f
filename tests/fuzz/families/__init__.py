"""Families of random programs: a module each, in which `verdict(seed)` judges one program."""

from __future__ import annotations

import jax

from tests.fuzz.families import control, devices, keys, refs, scripts

FAMILIES = {"keys": keys, "control": control, "devices": devices, "scripts": scripts}
if hasattr(jax, "new_ref"):
    FAMILIES["refs"] = refs
