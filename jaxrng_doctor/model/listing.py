"""A traced program as `inspect` shows it, as plain data: no JAX, no files, no printing.

`analysis.listing` makes a `Listing` from a trace; `reports/listing/` and the HTML report render
it. Any text in it may come from the user (names, paths, types), so renderers must escape it.

`rows` are the program's equations in order: a `Line`, a `Box` (an equation that contains other
equations, its `rows`) or a `Fold` (equations without keys, shown as a count). Each variable has a
`name` that is unique in the listing; an `Atom` that is a variable has the same text, which links a
use to its definition. `KeyMark.strip` numbers keys: equal numbers are equal keys everywhere in the
listing, and `reports/_strip.py` gives each number its letter and colour, with `Listing.colors` as
the count. `over` has one entry per scope around a variable, outermost first; the scopes around a
row are those opened by the boxes around it. The `findings` of a row or node are indices into
`Listing.findings`. `tree` lists the nodes of the key tree in depth-first order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from jaxrng_doctor.model.facts import Variation
from jaxrng_doctor.model.findings import Finding, Gap, Place, Scope

Over = tuple[Variation, ...]
"""How a value varies over each scope around it, outermost first; `()` if it was not followed."""

LineKind = Literal["draw", "split", "fold_in", "seed", "key", "other"]
"""What an equation does with a key. `"key"` passes it on; `"other"` computes data for a key."""

NodeKind = Literal[
    "input", "captured", "seed", "split", "fold_in", "index", "loop", "chosen", "other",
    "draw", "returned",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyMark:
    """The keys of a variable or a draw, over all scopes and axes in row-major order.

    `strip`: the numbers of the first keys. `computed`: the keys were computed; there are `count`
    of them, `distinct` of which differ. Otherwise both are `None` and `strip` has one number, that
    of the derivation: equal numbers mean equal keys at equal indices of their scopes and axes.
    """

    strip: tuple[int, ...]
    computed: bool
    count: int | None = None
    distinct: int | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable at its definition. `label`: the user's name for it, `params['w']`, or `""`.

    `type` is JAX's short form: `f32[32,10]`, `key<fry>[]`. `key` is set only for keys.
    """

    name: str
    type: str
    over: Over = ()
    key: KeyMark | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Atom:
    """An operand or a result: a variable's name, or a literal as text."""

    text: str
    is_variable: bool


@dataclass(frozen=True, slots=True)
class ScopeMark:
    """A scope opened by a box. `index` is the letter of its index, as in `split(key, 32)[i]`.

    `number` is unique in the listing. `called`: what the user called, `shard_map`, `fori_loop`.
    `scope.varies` and `scope.distinct` are `None`.
    """

    number: int
    index: str
    scope: Scope
    called: str


@dataclass(frozen=True, slots=True)
class Line:
    """One equation. `what`: its primitive, or the sampler of a draw, `jax.random.normal`.

    `params`: its short parameters as text, `shape=(32,)`. `key`: the keys that a draw or split
    uses. `equations`: how many it stands for, itself and those inside a sampler; `inside` has
    these if all equations are shown.
    """

    kind: LineKind
    what: str
    params: str
    outputs: tuple[Variable, ...]
    operands: tuple[Atom, ...]
    place: Place | None
    key: KeyMark | None = None
    findings: tuple[int, ...] = ()
    equations: int = 1
    inside: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """An input of a box: the variable inside, its value outside, and how it is passed.

    `how`: `"axis 0"`, `"the same for all"`, `"carry"`, `"each step's"` or `""`. The index that
    selects a branch has no variable inside.
    """

    inner: Variable | None
    outer: Atom | None
    how: str


@dataclass(frozen=True, slots=True)
class Box:
    """An equation that contains others. `scopes`: the scopes it opens, none for a jit or a branch.

    `title`: its kind, `vmap`, `scan`, `jit`, `cond`, `branch 0`. `name`: the function's name or
    `""`. `equations` counts itself and all equations inside. `results`: the outputs of its rows;
    `outputs`: the corresponding variables outside.
    """

    title: str
    name: str
    scopes: tuple[ScopeMark, ...]
    entries: tuple[Entry, ...]
    rows: tuple[Row, ...]
    results: tuple[Atom, ...]
    outputs: tuple[Variable, ...]
    place: Place | None
    equations: int
    findings: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Fold:
    """`equations` consecutive equations without keys; `rows` has them if all are shown.

    `first` and `last` are the locations of the first and the last one.
    """

    equations: int
    first: Place | None
    last: Place | None
    rows: tuple[Row, ...] = ()


Row = Line | Box | Fold


@dataclass(frozen=True, slots=True)
class KeyNode:
    """A node of the key tree: a key, an array of keys, or (a leaf) a draw from one.

    `parent`: the index in `Listing.tree` of the key it is derived from, `None` for a root; `also`:
    further parents, if the key depends on a branch or step. `label`: the step from the parent,
    `split(32)`, `fold_in(i)`, `[0]`, `jax.random.normal`. `variable`: the variable in the listing
    that holds it (for a draw, its result), `""` if there is none. `scopes`: the scopes around it,
    outermost first; `over`: how it varies over each of them.
    """

    kind: NodeKind
    label: str
    parent: int | None
    also: tuple[int, ...]
    variable: str
    type: str
    place: Place | None
    scopes: tuple[ScopeMark, ...]
    over: Over
    key: KeyMark | None
    findings: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """One target's program. `lines`: the source range of its function, if known.

    `colors`: the number of numbered keys. `not_computed`: why the keys were not computed, `""` if
    they were. `equations` counts all equations, including nested ones. Rows affected by `gaps`
    guarantee nothing.
    """

    target: str
    lines: Place | None
    inputs: tuple[Variable, ...]
    rows: tuple[Row, ...]
    results: tuple[tuple[str, Atom], ...]
    tree: tuple[KeyNode, ...]
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    colors: int
    equations: int
    not_computed: str = ""


def walk(rows: tuple[Row, ...]) -> Iterator[Row]:
    """All rows at any depth, each before the rows inside it."""
    waiting = list(reversed(rows))
    while waiting:
        row = waiting.pop()
        yield row
        waiting += reversed(row.inside if isinstance(row, Line) else row.rows)
