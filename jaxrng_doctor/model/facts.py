"""Facts about a traced program: the plain data that rules work on. No JAX.

A rule reads a `ProgramFacts` and nothing else.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from jaxrng_doctor.model.findings import STRIP_LENGTH, Evidence, KeyUses, Place, Scope


class Variation(IntEnum):
    """How a value varies over the examples or steps of one scope, or along one axis.

    `CONSTANT` and `EQUAL` both mean one value for all: `CONSTANT` because none of its inputs
    is mapped, `EQUAL` although some input is. `DISTINCT` values differ pairwise. `UNKNOWN`
    guarantees nothing. Arrays are compared element by element: an array is `DISTINCT` if at
    every position its elements differ pairwise.
    """

    CONSTANT = 0
    EQUAL = 1
    DISTINCT = 2
    UNKNOWN = 3

    @property
    def is_same(self) -> bool:
        return self in (Variation.CONSTANT, Variation.EQUAL)


def repeats(evidence: Evidence | None) -> bool:
    """Whether there are fewer keys than draws."""
    return evidence is not None and evidence.distinct_keys < evidence.examples


UNNAMED_KEY = "a captured key"
"""The description of a captured key whose variable is unknown."""

RBG = {"rbg": "rbg", "urbg": "unsafe_rbg"}
"""Key implementations whose batched draws use only the first key, by the name of their dtype."""

Reach = Literal["one", "one this time", "many"]

CauseKind = Literal["unmapped", "captured", "seed", "loop constant", "equal values"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a key's derivation, such as `fold_in`, and its location.

    `through` lists the library functions between the user's line and this step, such as
    `Scope.make_rng`, innermost first.
    """

    op: str
    place: Place | None
    through: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a key is the same over a scope.

    `name` is the unmapped argument's name. `key` describes how the key is derived, such as
    `split(key, 4)[0]`. `made` is the step that created it, if known. `steps` are the splits and
    fold_ins *inside* the scope whose inputs do not vary over it.
    """

    kind: CauseKind
    key: str
    name: str = ""
    made: Step | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Joint:
    """Draws that share a key only across several scopes together.

    `scopes` are the depths of these scopes; no subset of them shares these keys. `evidence`
    counts over all of them. `pair` describes two draws with the same key.
    """

    scopes: tuple[int, ...]
    evidence: Evidence
    pair: tuple[str, str]


@dataclass(frozen=True, slots=True)
class VmapSource:
    """A vmap as written by the user: the function's name, and the axis of each argument."""

    function: str
    in_axes: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class ScopeFacts:
    """One scope of one draw. `evidence` comes from the key table, `None` if it has no keys.

    `reach`: how many examples, steps or devices draw at a time. `one`: at most one, for any
    inputs; `one this time`: at most one for the given inputs; `many`: otherwise.
    `called`: the JAX function that the user called; a scan may be a `fori_loop`.
    `basis`: the scope is a vmap over a Jacobian's basis. `meets`: on a device axis, the draw is
    combined with data that varies over it. `declared`: the draw leaves the vmap through an
    output with `out_axes=None`, so one draw for all examples is intended. `words`: the vmap maps
    over the words of a legacy key, not over keys. `via`: the library module that created the
    scope for the user, such as `flax.core.lift`; `""` if the user called JAX directly. `array`:
    a description of the array that each example or step takes one element of for its key. `cut`:
    the loop made more steps than `evidence` covers. `cause_id`: equal for draws that share a key
    for one reason, in this scope or in another one.
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
    cut: bool = False
    cause_id: Hashable = None

    @property
    def is_checked(self) -> bool:
        """Whether sharing a key over this scope is a fault.

        It is not for a Jacobian's basis, for declared sharing, or for fewer than two examples.
        Devices may share a key if the draw is not combined with data that differs per device.
        """
        if self.basis or self.declared or self.scope.size in (0, 1):
            return False
        one_key = self.variation.is_same or (
            self.evidence is not None and self.evidence.distinct_keys == 1
        )
        return self.scope.kind != "device" or self.meets or not one_key

    @property
    def repeats(self) -> bool:
        """Whether some computed keys over this scope alone are equal."""
        return repeats(self.evidence)


@dataclass(frozen=True, slots=True)
class DrawFacts:
    """One draw with its scopes, outermost first.

    `shape`: the shape drawn per example. `origin`: how its key is derived. `joint`: the scopes
    that share keys only together, as counted in the key table. `impl`: the key's implementation,
    `fry`, `rbg` or `urbg`. `jitted`: the innermost jitted function around it; `jit_takes_key`:
    that function receives a key. `constant`: where the key was created from a constant seed or
    captured as a constant, with the op in `Step.op`; `constant_id` is equal for draws from keys
    that are derived from it. `decides`: a loop condition or another key depends on the drawn
    values. `redone`: the draw only repeats, for a backward pass, a draw of the forward pass.
    `library_line`: the line that draws, if it is in a library; `place` is the user's that leads to
    it.
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
    constant_id: Hashable = None
    decides: bool = False
    redone: bool = False
    library_line: Place | None = None


@dataclass(frozen=True, slots=True)
class UseFacts:
    """One use of a key: the sampler or `split`, its location, and how the key is derived.

    `made`: where the key was last split, folded or seeded, if known. `unused`: for a split, the
    children that nothing uses; `siblings`: the unused children of the split that made this key.
    `is_unused`: no child of this split is used. `rule`: the derivative rule that contains the use,
    such as "the rule `bwd` of `f`"; else `""`. `numbers`: the dtype and shape that a draw gives,
    such as `float32[3]`; `""` for a split. `library_line` as in `DrawFacts`.
    """

    op: str
    place: Place | None
    origin: str
    made: Place | None
    unused: tuple[int, ...] = ()
    siblings: tuple[int, ...] = ()
    is_unused: bool = False
    rule: str = ""
    numbers: str = ""
    library_line: Place | None = None

    @property
    def is_split(self) -> bool:
        return self.op == "split"


@dataclass(frozen=True, slots=True)
class Shared:
    """Two uses of one key, `first` before `second`.

    `counts`: for each key that is shared at both places in this way, how many uses share it.
    `calls`: the calls at which the paths to the two uses diverge, if both are at one place or if
    the same two places are also used with another key. `unreached`: with the given inputs, one of
    the two is not executed. `evidence`: from the key table, `None` if only the trace shows it.
    `library`: the library that makes both uses within one call of the user's.
    `cause_id`: equal for pairs that share keys for one reason. `uses`: the keys of `counts`, each
    with its uses. `derived`: the keys are equal only because a key from which both derive is used
    twice. `later_step`: a loop makes the second use in a later step than the first.
    """

    first: UseFacts
    second: UseFacts
    counts: tuple[int, ...] = (2,)
    calls: tuple[Place, ...] = ()
    evidence: Evidence | None = None
    library: str = ""
    unreached: bool = False
    cause_id: Hashable = None
    uses: tuple[KeyUses, ...] = ()
    derived: bool = False
    later_step: bool = False


@dataclass(frozen=True, slots=True)
class Returned:
    """A used key that the function also returns, at tree path `output`.

    `unreached`: with the given inputs, the use is not executed. `cause_id` as in `Shared`.
    """

    use: UseFacts
    output: str
    evidence: Evidence | None = None
    unreached: bool = False
    cause_id: Hashable = None


@dataclass(frozen=True, slots=True)
class CallUse:
    """A use of a key in one call: `op` is a draw's sampler or `split`.

    `function`: the compiled function that contains the use, `""` for an eager one. `call`: where
    the user called it; `number`: the running number of the call in the program. `library`: the
    library that calls `jax.random` for the user, `""` if none does; `in_library`: `place` is in it.
    `is_callback`: `place` is in a function that a library calls within `call`.
    """

    op: str
    place: Place | None
    function: str
    call: Place | None
    number: int
    library: str = ""
    in_library: bool = False
    is_callback: bool = False

    @property
    def is_split(self) -> bool:
        return self.op == "split"


@dataclass(frozen=True, slots=True)
class Repeated:
    """Key values used in several calls, at two places or at one.

    The `call` of `first` and `second` are the places at which the ways to them diverge.
    `calls`: for each such key, the number of calls that use it; `key`: the words of the first
    key. `library`: the library that makes all these uses within one call of the user's.
    `cause_id` and `uses` as in `Shared`.
    """

    first: CallUse
    second: CallUse
    calls: tuple[int, ...]
    key: str
    library: str = ""
    cause_id: Hashable = None
    uses: tuple[KeyUses, ...] = ()

    @property
    def evidence(self) -> Evidence:
        """All uses of these keys; the strip shows the first ones."""
        used = tuple(key for key, calls in enumerate(self.calls) for _ in range(calls))
        return Evidence(len(used), len(self.calls), used[:STRIP_LENGTH], key=self.key)


@dataclass(frozen=True, slots=True)
class EqualKeysInProcesses:
    """A draw with equal keys in several `processes` whose data differs.

    `data` names what differs between the processes. Seen in `calls` of the first `compared`
    calls; `draw` is in the first of these, and `key` has the words of its first key.
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
    """Everything that rules may know about one program."""

    draws: tuple[DrawFacts, ...] = ()
    shared: tuple[Shared, ...] = ()
    returned: tuple[Returned, ...] = ()
    host_draws: tuple[HostDrawFacts, ...] = ()
    repeated: tuple[Repeated, ...] = ()
    equal_in_processes: tuple[EqualKeysInProcesses, ...] = ()
