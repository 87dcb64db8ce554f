"""What lineage and ledger found out about each draw: the plain data that rules judge.

No JAX here. A rule asks questions of a `DrawFacts` and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from jaxrng_doctor.findings import Evidence, Place, Scope


class Variation(IntEnum):
    """How a value behaves over the examples or steps of one scope, or along one axis.

    `CONSTANT` and `EQUAL` are one value for all; `CONSTANT` because nothing that it
    is made of is mapped, `EQUAL` although something is. `DISTINCT` values differ
    pairwise. `UNKNOWN` promises nothing. An array is judged element by element: it
    is `DISTINCT` if at every position its elements differ pairwise.
    """

    CONSTANT = 0
    EQUAL = 1
    DISTINCT = 2
    UNKNOWN = 3

    @property
    def is_same(self) -> bool:
        return self in (Variation.CONSTANT, Variation.EQUAL)


CauseKind = Literal["unmapped", "captured", "seed", "loop constant", "equal values"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a key's derivation, such as `fold_in`, and where it was made."""

    op: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a key is the same over a scope.

    `name` is the unmapped argument's name. `key` says in a phrase what the key is
    made of, such as `split(key, 4)[0]`. `made` is where it came into being, where
    that is known. `steps` are the splits and fold_ins made *inside* the scope
    from values that do not vary over it.
    """

    kind: CauseKind
    key: str
    name: str = ""
    made: Step | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class VmapSource:
    """What the user wrote at a vmap: the function's name, and each argument with its axis."""

    function: str
    in_axes: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class ScopeFacts:
    """One scope of one draw. `evidence` is the ledger's, `None` where it computed nothing.

    `called` is the function of JAX that the user wrote: a scan may be a `fori_loop`.
    """

    scope: Scope
    variation: Variation
    cause: Cause | None = None
    evidence: Evidence | None = None
    vmap: VmapSource | None = None
    basis: bool = False
    called: str = ""


@dataclass(frozen=True, slots=True)
class DrawFacts:
    """One draw with its scopes, the outermost first.

    `shape` is the shape that it draws for one example. `origin` says what its key is
    made of. `joint` is the ledger's count over all scopes together, `None` where it
    computed nothing.
    """

    sampler: str
    shape: tuple[int, ...]
    place: Place | None
    origin: str
    scopes: tuple[ScopeFacts, ...]
    joint: Evidence | None = None
