"""The records that lineage makes: uses of keys, and the scopes around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxrng_doctor.analysis.lineage.values import Value
from jaxrng_doctor.model.findings import ScopeKind
from jaxrng_doctor.tracing.places import At
from jaxrng_doctor.tracing.scopes import EqnPath

Guard = tuple[Value | None, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class ScopeRef:
    """One scope around a use: a kept vmap, a loop, or one axis of a device map.

    `operands`: the values that enter unchanged for every example, step or device, each with the
    name of its argument, or `None` for a captured value.
    """

    kind: ScopeKind
    size: int | None
    at: At
    axis_name: Any
    operands: tuple[tuple[Value, str | None], ...]


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a key, a draw or a split, with its scopes, outermost first.

    `guards`: for each branch around it, the value that selects the branch (`None` if it was not
    followed), the number of the branch, and the number of branches.
    """

    path: EqnPath
    at: At
    scopes: tuple[ScopeRef, ...]
    keys: tuple[Value, ...]
    guards: tuple[Guard, ...] = ()

    def into(self, depth: int) -> EqnPath:
        """The part of the path that leads into the scope at this depth."""
        return self.path[: len(self.scopes[depth].at.above())]


@dataclass(frozen=True, slots=True)
class Visit:
    """A jaxpr that was followed: the values of its variables, and the scopes around it."""

    values: Mapping[Any, Value]
    scopes: tuple[ScopeRef, ...]
