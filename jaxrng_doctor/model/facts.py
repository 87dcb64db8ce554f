"""What trace, lineage and ledger found out about a program: the plain data that rules judge.

No JAX here. A rule asks questions of a `ProgramFacts` and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from jaxrng_doctor.model.findings import Evidence, Place, Scope


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


def repeats(evidence: Evidence | None) -> bool:
    """Fewer keys than draws."""
    return evidence is not None and evidence.distinct_keys < evidence.examples


RBG = {"rbg": "rbg", "urbg": "unsafe_rbg"}
"""Implementations whose draws use only the first key of a batch, by their dtype's name."""

Reach = Literal["one", "one this time", "many"]

CauseKind = Literal["unmapped", "captured", "seed", "loop constant", "equal values"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a key's derivation, such as `fold_in`, and where it was made.

    `through` names the functions of a library that led there from the user's line, such as
    `Scope.make_rng`, the innermost first.
    """

    op: str
    place: Place | None
    through: tuple[str, ...] = ()


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
class Joint:
    """Draws at different indices of several scopes at once that have one key.

    `scopes` are these scopes, by depth; no fewer of them share these keys. `evidence` counts
    over them together. `pair` says in words which two draws have one key.
    """

    scopes: tuple[int, ...]
    evidence: Evidence
    pair: tuple[str, str]


@dataclass(frozen=True, slots=True)
class VmapSource:
    """What the user wrote at a vmap: the function's name, and each argument with its axis."""

    function: str
    in_axes: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class ScopeFacts:
    """One scope of one draw. `evidence` is the ledger's, `None` where it computed nothing.

    `reach` says how many of its examples, steps or devices draw at a time: at most `one`, whatever
    the program is given; `one this time`, of the inputs that it was given; or else `many`.
    `called` is the function of JAX that the user wrote: a scan may be a `fori_loop`.
    `basis`: the scope is a vmap over a Jacobian's basis. `meets`: on a device axis,
    the draw meets data that vary over it. `declared`: the draw leaves the vmap by an
    output with `out_axes=None`, as one for all examples. `words`: the vmap maps over
    the words of the legacy key rather than over keys. `via` is the module of the library that made
    the scope for the user, such as `flax.core.lift`; `""` where the user called JAX. `array` says
    in a phrase of which array each example or step has an element that its key is made of.
    """

    scope: Scope
    variation: Variation
    cause: Cause | None = None
    evidence: Evidence | None = None
    vmap: VmapSource | None = None
    called: str = ""
    basis: bool = False
    meets: bool = False
    declared: bool = False
    words: bool = False
    via: str = ""
    array: str = ""
    reach: Reach = "many"

    @property
    def is_judged(self) -> bool:
        """Examples are not to share: no Jacobian's basis, none or one, or meant to be alike.

        Devices may, where what they draw alike meets no data of their own.
        """
        if self.basis or self.declared or self.scope.size in (0, 1):
            return False
        alike = self.variation.is_same or (
            self.evidence is not None and self.evidence.distinct_keys == 1
        )
        return self.scope.kind != "device" or self.meets or not alike

    @property
    def repeats(self) -> bool:
        """The computed keys over this scope alone are not all different."""
        return repeats(self.evidence)


@dataclass(frozen=True, slots=True)
class DrawFacts:
    """One draw with its scopes, the outermost first.

    `shape` is the shape that it draws for one example. `origin` says what its key is
    made of. `joint` has the scopes that share keys only together, as the ledger counted them.
    `impl` is the key's implementation: `fry`, `rbg`, `urbg`.
    `jitted` names the innermost jitted function around it, and `jit_takes_key` tells
    whether that function is given a key. `constant` is where its key was made from a
    literal seed or captured as a constant, with the op in `Step.op`.
    `decides`: a loop's condition or another key depends on what it draws. `redone`: it only
    draws again, for a backward pass, what the forward pass has drawn.
    """

    sampler: str
    shape: tuple[int, ...]
    place: Place | None
    origin: str
    scopes: tuple[ScopeFacts, ...]
    joint: tuple[Joint, ...] = ()
    impl: str = "fry"
    jitted: str | None = None
    jit_takes_key: bool = False
    constant: Step | None = None
    decides: bool = False
    redone: bool = False


@dataclass(frozen=True, slots=True)
class UseFacts:
    """One use of a key: a draw's sampler or `split`, where, and what the key is made of.

    `made` is where the key was last split, folded or seeded, where that is known.
    `unused` has, for a split, the children that nothing uses; `siblings` has those of
    the split that made this key. `in_vain` marks a split of which nothing uses any child.
    `rule` says of which rule for a derivative it is, such as "the rule `bwd` of `f`"; else `""`.
    """

    op: str
    place: Place | None
    origin: str
    made: Place | None
    unused: tuple[int, ...] = ()
    siblings: tuple[int, ...] = ()
    in_vain: bool = False
    rule: str = ""

    @property
    def is_split(self) -> bool:
        return self.op == "split"


@dataclass(frozen=True, slots=True)
class Shared:
    """Two uses of one key, `first` before `second` in the program.

    `times` counts the uses at both places that share the key.
    `calls` are the places where the ways to the two uses part, where both are at one place, or
    others with another key are at the same two. `unreached`: of the inputs that were given, one
    of the two is not made. `evidence` is the ledger's, `None` if only the trace says so.
    `library` names a library that makes both uses in one call of the user's.
    """

    first: UseFacts
    second: UseFacts
    times: int = 1
    calls: tuple[Place, ...] = ()
    evidence: Evidence | None = None
    library: str = ""
    unreached: bool = False


@dataclass(frozen=True, slots=True)
class Returned:
    """A key that was used and comes back among the outputs, at tree path `output`.

    `unreached`: of the inputs that were given, the use is not made.
    """

    use: UseFacts
    output: str
    evidence: Evidence | None = None
    unreached: bool = False


@dataclass(frozen=True, slots=True)
class CallUse:
    """A use of a key in one call: `op` is a draw's sampler or `split`.

    `function` is the compiled function that holds it, `""` for one made at once. `call` is where
    the user called, and `number` counts the program's calls.
    """

    op: str
    place: Place | None
    function: str
    call: Place | None
    number: int

    @property
    def is_split(self) -> bool:
        return self.op == "split"


@dataclass(frozen=True, slots=True)
class Repeated:
    """Key values that are used in different calls, in two places or in one.

    `calls` says for each such key in how many calls; `key` is the first one's words.
    `library` names a library that makes all of them in one call of the user's.
    """

    first: CallUse
    second: CallUse
    calls: tuple[int, ...]
    key: str
    library: str = ""

    @property
    def evidence(self) -> Evidence:
        """All uses of these keys, of which the strip shows the first."""
        used = tuple(key for key, calls in enumerate(self.calls) for _ in range(calls))
        return Evidence(len(used), len(self.calls), used[:_STRIP], key=self.key)


_STRIP = 256  # so many uses are shown one by one


@dataclass(frozen=True, slots=True)
class Alike:
    """A draw with the same keys in several `processes`, whose numbers meet data of their own.

    `data` names what differs between the processes. It was so in `calls` of the first
    `compared` calls; `draw` is in the first of them, and `key` is the words of its first key.
    """

    draw: CallUse
    processes: tuple[int, ...]
    data: tuple[str, ...]
    calls: int
    compared: int
    key: str


@dataclass(frozen=True, slots=True)
class HostDrawFacts:
    """A draw from NumPy's or Python's generators while the function was traced."""

    library: str
    function: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class ProgramFacts:
    """All that rules may know of one program."""

    draws: tuple[DrawFacts, ...] = ()
    shared: tuple[Shared, ...] = ()
    returned: tuple[Returned, ...] = ()
    host_draws: tuple[HostDrawFacts, ...] = ()
    repeated: tuple[Repeated, ...] = ()
    alike: tuple[Alike, ...] = ()
