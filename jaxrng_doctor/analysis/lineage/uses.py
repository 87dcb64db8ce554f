"""What lineage notes: the uses of keys, and the scopes around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxrng_doctor.analysis.lineage.values import Value
from jaxrng_doctor.model.findings import ScopeKind
from jaxrng_doctor.tracing.places import At
from jaxrng_doctor.tracing.subprograms import EqnPath

Guard = tuple[Value | None, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class ScopeRef:
    """One scope as it is entered: a kept vmap, a loop, or one axis of a device map.

    `operands` are the values that go in unchanged for every example, step or device,
    each with the name of the argument that it is, or `None` for a captured one.
    """

    kind: ScopeKind
    size: int | None
    at: At
    axis_name: Any
    operands: tuple[tuple[Value, str | None], ...]


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a key, a draw or a split: where, in which scopes (outermost first), of what.

    `guards` are the branches around it: the value that chooses, `None` where it was not followed,
    and the branch's number of so many.
    """

    path: EqnPath
    at: At
    scopes: tuple[ScopeRef, ...]
    keys: tuple[Value, ...]
    guards: tuple[Guard, ...] = ()

    def into(self, depth: int) -> EqnPath:
        """As much of the path as leads into the scope of this depth."""
        return self.path[: len(self.scopes[depth].at.above())]


@dataclass(frozen=True, slots=True)
class Visit:
    """One jaxpr as it was followed: the value of each of its variables, and the scopes around."""

    values: Mapping[Any, Value]
    scopes: tuple[ScopeRef, ...]
