"""Shows the parameters of an equation as text."""

from __future__ import annotations

from typing import Any

from jaxrng_doctor.jax_internals.equations import Eqn, subjaxprs
from jaxrng_doctor.tracing.derivatives import is_tangent

_LONGEST = 40
_PLAIN = (bool, int, float, str)


def params_of(eqn: Eqn) -> str:
    """The short parameters of an equation, `shape=(32,), axis=0`; `""` if it holds a jaxpr.

    Numbers, strings, dtypes and tuples of these are shown.
    """
    if is_tangent(eqn) or subjaxprs(eqn):
        return ""
    texts = []
    for name, value in eqn.params.items():
        text = _shown(value)
        if text and len(text) <= _LONGEST:
            texts.append(f"{name}={text}")
    return ", ".join(texts)


def _shown(value: Any) -> str:
    if isinstance(value, _PLAIN):
        return str(value)
    if isinstance(value, tuple):
        parts = [_shown(part) for part in value]
        if not all(parts):
            return ""
        return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
    return str(value) if hasattr(value, "itemsize") and hasattr(value, "kind") else ""
