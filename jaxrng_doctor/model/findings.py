"""Findings and everything else in a report, as plain data: no JAX, no files, no printing.

Every other module either creates these values or renders them. They are frozen: no reader can
change a report.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
Confidence = Literal["proven", "inferred", "refuted"]
ScopeKind = Literal["vmap", "scan", "while", "device"]
Stage = Literal["import", "trace", "analysis", "run"]
Expect = Literal["different", "same"]
FailOn = Literal["error", "warning", "note", "never"]
SuppressedBy = Literal["comment", "file-comment", "expect", "per-file-ignores", "baseline"]

UNITS: dict[ScopeKind, str] = {
    "vmap": "example",
    "scan": "step",
    "while": "step",
    "device": "device",
}
"""What a scope of each kind repeats its body for."""

LOOPS = frozenset(kind for kind, unit in UNITS.items() if unit == "step")
"""The kinds of scope whose steps run one after the other."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""Most severe first."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Which findings of a target are reported, and which of them fail the check.

    `select` and `ignore` contain codes or code prefixes (`"RNG001"`, `"RNG0"`, `"ALL"`): the
    longest match wins, `ignore` wins a tie, and without `select` every rule is selected. With
    `strict`, gaps also fail the check, whatever `fail_on` is. Nothing is reported in files that
    match a pattern in `exclude`; `per_file_ignores` pairs a pattern with the codes that it
    suppresses. Patterns are relative to `folder`, which is absolute.
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
    """A source range. `path` is absolute; lines and columns count from 1.

    Columns are `None` if Python recorded none; `end_column` is exclusive.
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

    `size`: the number of examples or steps, `None` if it is only known at run time (a
    `while_loop`). `name`: the name of the mapped function or of the loop body. `varies`: `True`
    if the keys are pairwise distinct over this scope, with the other scopes fixed; `False` if at
    least two are equal; `None` if unknown. `distinct`: the number of distinct keys, at the index
    of the outer scopes where it is lowest; `None` if no key was computed.
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
    """A second place that explains a finding, with a message.

    `accepts`: an ignore comment that names the rule suppresses the finding here, too. `is_call`:
    it is the call that leads to the use at the finding's place.
    """

    place: Place
    message: str
    accepts: bool = False
    is_call: bool = False


STRIP_LENGTH = 256
"""At most this many examples are shown one by one in `Evidence.strip`."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Keys counted over the flagged scope.

    `examples` draws use `distinct_keys` keys. `strip` numbers the keys in order of first
    appearance, one entry per example, for at most the first 256 examples: `(0, 1, 0, 1)` means
    two alternating keys. `equal_pair`: two examples with the same key. `key`: the words of the
    shared key in hexadecimal. `fixed`: the index in the other scopes at which the keys were
    counted, such as `"scan step 0"`; empty if there are no other scopes. `unit`: what `examples`
    counts, a value of `UNITS`; empty for uses at several places or draws over several scopes.
    """

    examples: int
    distinct_keys: int
    strip: tuple[int, ...] = ()
    equal_pair: tuple[int, int] | None = None
    key: str | None = None
    fixed: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """The numbers of a flagged draw, and what it would give with a separate key per example.

    Each row of `shared` or `separate` is an example and has up to 32 of its numbers, sampled
    evenly; `examples` are the indices of the rows among `size` examples, sampled evenly too, and
    `keys` numbers their keys like `Evidence.strip`. `drawn`: the number of values per draw.
    `distinct`: the number of distinct full rows in each. `sampler`: the sampler used, which is
    the draw's own, or with `stands_in` another one with the same keys.
    """

    size: int
    drawn: int
    examples: tuple[int, ...]
    keys: tuple[int, ...]
    shared: tuple[tuple[float, ...], ...]
    separate: tuple[tuple[float, ...], ...]
    distinct: tuple[int, int]
    sampler: str
    stands_in: bool = False


@dataclass(frozen=True, slots=True)
class Help:
    """One way to fix a finding: when it applies, and the code."""

    message: str
    code: str = ""


KeyUses = tuple[Hashable, frozenset[Hashable]]
"""A key and its uses, as ids that are unique within one program."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem at one place, usually that of the draw in the user's code.

    `label`: what is at `place`. `proof`: what the confidence is based on, if that is more
    specific than computed keys or the trace alone. `picture`: only with details, and only if
    computed keys prove the finding.

    Findings of one program with equal `cause_id` have one cause, and are reported as one finding.
    Its `parts` are these findings, if there are several, and `also` has the codes of those with
    another code. `uses`: for a key that is used several times, its uses. `derived`: a finding
    about another key is the reason for this one.
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
    cause_id: Hashable = None
    uses: tuple[KeyUses, ...] = ()
    derived: bool = False
    parts: tuple[Finding, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def each_part(self) -> tuple[Finding, ...]:
        """The parts, or the finding itself if it has only one."""
        return self.parts or (self,)


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A suppressed finding, and what suppressed it.

    `by`: a comment at the draw or the scope, or one for the file, located at `comment`;
    `expect="same"`; the `per-file-ignores` setting; or a baseline.
    """

    finding: Finding
    by: SuppressedBy
    reason: str = ""
    comment: Place | None = None


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw of the program. `origin` describes how its key was derived."""

    sampler: str
    place: Place | None
    origin: str
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """Part of the program that could not be followed. Gaps are always shown and counted."""

    message: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Pairs:
    """Comparison of the examples of one output leaf, in one run.

    `max_difference`: the largest absolute difference between the first and the last example
    (NaN equals NaN), `None` for dtypes without subtraction (keys). Of `pairs` unordered pairs of
    examples, `equal_pairs` are bitwise equal.
    """

    first_equals_last: bool
    max_difference: float | None
    equal_pairs: int
    pairs: int
    distinct: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """One output leaf, by its tree path (`""` for a lone array).

    `axis`: its batch axis, `None` if it has none; then there is nothing to compare. `given`
    compares the outputs for the given inputs, `replicated` for inputs repeated from the first
    example, where every difference comes from the noise.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    axis: int | None
    given: Pairs | None = None
    replicated: Pairs | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outputs of the examples, compared. `unavailable`: why they were not, else `""`."""

    size: int | None = None
    leaves: tuple[Leaf, ...] = ()
    unavailable: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a target could not be checked (exit code 3).

    `traceback` contains only the user's frames, except at stage `"analysis"`: then the error is
    internal to jaxrng-doctor, and it contains all frames.
    """

    stage: Stage
    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class RuleText:
    """The documentation of a rule: `doc` is Markdown, `uri` the rule's web page or `""`."""

    code: str
    name: str
    severity: Severity
    summary: str
    doc: str
    uri: str = ""
