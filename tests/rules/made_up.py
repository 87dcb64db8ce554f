"""Hand-made facts for tests of rules: nothing is traced."""

from __future__ import annotations

from typing import Any

from jaxrng_doctor.model.facts import DrawFacts, Joint, ScopeFacts, Variation
from jaxrng_doctor.model.findings import Evidence, Place, Scope, ScopeKind


def at(line: int) -> Place:
    return Place("/no/such/file.py", line)


def counted(examples: int, distinct: int) -> Evidence:
    return Evidence(examples, distinct, key="0 7")


def scope(
    kind: ScopeKind = "vmap",
    size: int | None = 4,
    name: str | None = "f",
    *,
    axis_name: str | None = None,
    place: Place | None = None,
    varies: bool | None = False,
    variation: Variation = Variation.CONSTANT,
    **more: Any,
) -> ScopeFacts:
    """A scope over which the key is the same, if nothing else is said."""
    written = Scope(kind, size, name, axis_name, place, varies)
    return ScopeFacts(written, variation, **{"meets": True, **more})


def draw(*scopes: ScopeFacts, joint: tuple[Joint, ...] = (), **more: Any) -> DrawFacts:
    return DrawFacts("jax.random.normal", (3,), at(9), "key", scopes, joint, **more)
