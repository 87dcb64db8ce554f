"""A traced program as `inspect` shows it, as plain data: no JAX, no files, no printing.

`inspection.listing` makes a `Listing` of a trace, `doctor.inspect` of a target; `reports/listing/`
and the HTML report turn it into text. All text in it may be the user's own: names, paths, types.
A renderer escapes it.

How to read a `Listing`: `rows` are the program's equations in order, each a `Line`, a `Box` (an
equation that holds other equations: its `rows`), or a `Fold` (equations that no key touches, shown
as a count). Every variable has a `name`, unique in the listing, and each `Atom` that is a variable
says it, so that a use can be tied to where the variable is made. `KeyMark.strip` numbers keys:
one number is one key everywhere in the listing, and its letter and colour are those of
`reports/_strip.py`, with `Listing.colors` as the count. `over` has an entry for each scope around a
variable, outermost first; the scopes around a row are those that the boxes around it open.
`findings` of a row or a node are indices into `Listing.findings`. `tree` has the nodes of the key
tree, each after its parent and before the next child of its parent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from jaxrng_doctor.model.facts import Variation
from jaxrng_doctor.model.findings import Finding, Gap, Place, Scope

Over = tuple[Variation, ...]
"""How a value varies over each scope around it, outermost first; `()` where it was not followed."""

LineKind = Literal["draw", "split", "fold_in", "seed", "key", "other"]
"""What an equation does with a key: `"key"` hands one on, `"other"` makes what a key is made of."""

NodeKind = Literal[
    "input", "captured", "seed", "split", "fold_in", "index", "loop", "chosen", "other",
    "draw", "returned",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyMark:
    """Which keys a variable holds, or a draw uses: over all scopes and axes, in row-major order.

    strip: the numbers of the first of them. `computed`: the keys were computed, `count` of them,
    and `distinct` of these differ. Without, both are `None`, and `strip` has one number, that of
    the derivation: equal numbers are equal keys, at equal indices of their scopes and axes.
    """

    strip: tuple[int, ...]
    computed: bool
    count: int | None = None
    distinct: int | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable where it is made. `label` is what the user calls it, `params['w']`, else `""`.

    `type` is JAX's short form: `f32[32,10]`, `key<fry>[]`. `key` is there for keys alone.
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
    """A scope that a box opens. `index` is the letter of its index, as in `split(key, 32)[i]`.

    `number` is unique in the listing. `called` is what the user called: `shard_map`, `fori_loop`.
    `scope.varies` and `scope.distinct` are `None`.
    """

    number: int
    index: str
    scope: Scope
    called: str


@dataclass(frozen=True, slots=True)
class Line:
    """One equation. `what` is its primitive, for a draw the sampler: `jax.random.normal`.

    `params` are its short parameters, `shape=(32,)`, as text. `key`: of a draw or a split, the
    keys that it uses. `equations` is how many it stands for: itself, and those inside of a sampler,
    which `inside` has where all were asked for.
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
    """What goes into a box: the variable inside, what it is outside, and how it goes in.

    `how` is a phrase: `"axis 0"`, `"the same for all"`, `"carry"`, `"each step's"`, `""`. Of the
    index that chooses a branch, there is no variable inside.
    """

    inner: Variable | None
    outer: Atom | None
    how: str


@dataclass(frozen=True, slots=True)
class Box:
    """An equation that holds others. `scopes` are those it opens: none for a jit or a branch.

    `title` says what it is in a word or two: `vmap`, `scan`, `jit`, `cond`, `branch 0`. `name` is
    the function's, or `""`. `equations` counts its own and all inside. `results` are what its
    rows end with; `outputs` are the variables that they become outside.
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
    """`equations` equations in a row that no key touches; `rows` has them where all were asked for.

    `first` and `last` are where the first and the last one stand.
    """

    equations: int
    first: Place | None
    last: Place | None
    rows: tuple[Row, ...] = ()


Row = Line | Box | Fold


@dataclass(frozen=True, slots=True)
class KeyNode:
    """A node of the key tree: a key, an array of keys, or (a leaf) a draw from one.

    `parent` is the index in `Listing.tree` of what it is made from, `None` for a root; `also` has
    those of further parents, of a key that is now one, now the other. `label` says the step from
    the parent: `split(32)`, `fold_in(i)`, `[0]`, `jax.random.normal`. `variable` is the name of
    the listing's variable that it is (of a draw: that holds its result), `""` where none shows it.
    `scopes` are those around it, outermost first, and `over` how it varies over each of them.
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
    """One target's program. `lines` are those of its function, if known.

    `colors` is how many keys have a number. `not_computed` says why the keys were not computed, and
    is empty where they were. `equations` counts all, nested ones too, each as often as it is shown.
    `gaps` are what could not be followed: what is shown there promises nothing.
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
    """All rows at any depth, each before those inside of it."""
    waiting = list(reversed(rows))
    while waiting:
        row = waiting.pop()
        yield row
        waiting += reversed(row.inside if isinstance(row, Line) else row.rows)
