"""What the doctor says, as plain data: no JAX, no files, no printing.

Every other module either makes these values or turns them into text. They are
frozen, so that a report means the same wherever it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
Confidence = Literal["proven", "inferred", "refuted"]
ScopeKind = Literal["vmap", "scan", "while", "device"]
Stage = Literal["import", "trace", "analysis", "run"]
Expect = Literal["different", "same"]
FailOn = Literal["error", "warning", "note", "never"]
SuppressedBy = Literal["comment", "file-comment", "expect", "per-file-ignores", "baseline"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""From the gravest to the lightest."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user wants to hear of a target, and what of it is to fail a check.

    `select` and `ignore` hold codes or beginnings of codes (`"RNG001"`, `"RNG0"`, `"ALL"`): the
    longest match decides, and `ignore` where both match alike. No `select` is all of them. With
    `strict` a gap fails a check too, whatever `fail_on` says of findings. Of
    files that match a pattern of `exclude` nothing is told; `per_file_ignores` are pairs of a
    pattern and the codes that it suppresses. Patterns are relative to the absolute `folder`.
    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    expect: Expect = "different"
    fail_on: FailOn = "warning"
    strict: bool = False
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    exclude: tuple[str, ...] = ()
    folder: str = ""


EVERYTHING = Choices()


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of somebody's source. `path` is absolute; lines and columns count from 1.

    Columns are `None` where Python recorded none; `end_column` is exclusive.
    """

    path: str
    line: int
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    function: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """One `vmap` or loop around a draw, and whether the draw's key varies over it.

    `size` is the number of examples or steps, `None` where only the run can tell
    (a `while_loop`). `name` is the mapped function's name, or the loop's body's.
    `varies`: `True` when the keys are pairwise distinct over this scope, the
    others held fixed; `False` when at least two are equal; `None` when unknown.
    `distinct` counts the distinct keys, at the index of the outer scopes where
    they are fewest; `None` when no key was computed.
    """

    kind: ScopeKind
    size: int | None
    name: str | None = None
    axis_name: str | None = None
    place: Place | None = None
    varies: bool | None = None
    distinct: int | None = None


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that explains a finding, with its own words."""

    place: Place
    message: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the ledger counted along the convicted scope.

    `examples` draws were looked at, and they used `distinct_keys` keys. `strip`
    numbers the keys in the order in which they first appear, one entry an
    example, for the first `len(strip)` examples: `(0, 1, 0, 1)` is two keys that
    take turns. `equal_pair` names two examples that got one key. `key` is the
    shared key's words in hexadecimal. `fixed` says which index of the other
    scopes this is about, such as `"scan step 0"`; it is empty where there are none.
    """

    examples: int
    distinct_keys: int
    strip: tuple[int, ...] = ()
    equal_pair: tuple[int, int] | None = None
    key: str | None = None
    fixed: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a convicted draw gives, and what it would give with a key of its own for each example.

    A row of `shared` or `healed` is an example, its numbers up to 32 of those drawn, cut
    evenly; `examples` says which of `size` examples the rows are, cut evenly too, and `keys`
    numbers their keys as a strip does. `drawn` is how many numbers the draw has. `distinct`
    counts the different rows of each, whole rows. `sampler` made the numbers: the draw's own
    one, or if `stands_in` another one with the same keys.
    """

    size: int
    drawn: int
    examples: tuple[int, ...]
    keys: tuple[int, ...]
    shared: tuple[tuple[float, ...], ...]
    healed: tuple[tuple[float, ...], ...]
    distinct: tuple[int, int]
    sampler: str
    stands_in: bool = False


@dataclass(frozen=True, slots=True)
class Help:
    """One way to write it instead: when it suits, and the code."""

    message: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault, at one place: mostly the draw's in the user's code, where there is one.

    `label` says what is at `place`, `proof` what the confidence rests on; without it
    the confidence speaks for itself: computed keys, or the trace alone. `picture` is there
    where details were asked for, and the keys of the draw convict it.
    """

    code: str
    name: str
    severity: Severity
    confidence: Confidence
    message: str
    place: Place | None
    scopes: tuple[Scope, ...] = ()
    related: tuple[Related, ...] = ()
    evidence: Evidence | None = None
    help: tuple[Help, ...] = ()
    notes: tuple[str, ...] = ()
    label: str = "drawn here"
    proof: str = ""
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding that somebody called intended or known, and how.

    `by`: a comment at the draw or the scope, or one for the file, whose place is `comment`;
    `expect="same"`; the `per-file-ignores` of the settings; or a baseline.
    """

    finding: Finding
    by: SuppressedBy
    reason: str = ""
    comment: Place | None = None


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw that the program makes. `origin` tells how its key was made, in a phrase."""

    sampler: str
    place: Place | None
    origin: str
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """Something the doctor could not follow. Never silent: gaps are shown and counted."""

    message: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Pairs:
    """The examples of one output leaf against each other, in one run.

    `max_difference` is the largest absolute difference of first and last (NaN
    equal to NaN), `None` where the dtype has no difference (keys). `equal_pairs`
    of `pairs` unordered pairs of examples are equal bit for bit.
    """

    first_equals_last: bool
    max_difference: float | None
    equal_pairs: int
    pairs: int
    distinct: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """One output leaf, by its tree path (`""` for a lone array).

    `axis` is its batch axis, `None` where it has none, and then there is nothing
    to compare. `given` compares on the inputs as they are, `replicated` on inputs
    repeated from the first example, where any difference comes from the noise.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    axis: int | None
    given: Pairs | None = None
    replicated: Pairs | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """First against last. `unavailable` says why there is none, and is empty otherwise."""

    size: int | None = None
    leaves: tuple[Leaf, ...] = ()
    unavailable: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a target could not be examined: its exit code 3.

    `traceback` has the user's frames only; at the stage `"analysis"` the fault is the
    doctor's own, and it has every frame.
    """

    stage: Stage
    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class RuleText:
    """What there is to read about a rule: `doc` is Markdown, `uri` its page on the web, or `""`."""

    code: str
    name: str
    severity: Severity
    summary: str
    doc: str
    uri: str = ""
