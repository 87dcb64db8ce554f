"""Makes random programs: a `Program` for each seed, always the same for the same seed.

Scopes are nested up to 4 deep and have few steps; keys are made by all operations of `ops.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from tests.fuzz import ops
from tests.fuzz.tree import (
    SAMPLERS,
    Assign,
    AxisIndex,
    Block,
    Call,
    Cond,
    Draw,
    DrawInt,
    Helper,
    Loop,
    Program,
    Var,
    Vmap,
)

MAX_DEPTH = 4
_INT_LIMIT = 100_000

_CHEAP = ("bits", "uniform", "randint", "bernoulli", "normal")


def program(seed: int, *, small: bool = False) -> Program:
    """The program of this seed; a `small` one has few statements, so checking it is faster."""
    rng = random.Random(seed)
    statements = rng.choice((1, 2, 3) if small else (2, 4, 7, 11))
    return _Writer(rng, statements, 70 if small else 250).program()


class _Writer:
    """Writes one program. `env` has the variables that are visible, innermost last."""

    def __init__(self, rng: random.Random, statements: int, most_names: int) -> None:
        self.rng = rng
        self.left = statements
        self.most_names = most_names
        self.legacy = rng.random() < 0.4
        self.count = 0
        self.env: list[Var] = []
        self.bound: dict[str, int] = {}
        self.axes: list[str] = []
        self.depth = 0
        self.helpers: list[tuple[Helper, list[Var], list[Var]]] = []
        self.out: Block = []
        self.product = 1

    # -- names and statements --------------------------------------------------------------

    def id(self) -> int:
        self.count += 1
        return self.count

    def name(self, letter: str) -> str:
        return f"{letter}{self.id()}"

    def bind(self, var: Var, bound: int = 0) -> Var:
        self.env.append(var)
        if var.kind == "int":
            self.bound[var.name] = bound
        return var

    def assign(
        self,
        op: str,
        args: list[Var],
        kind: str = "key",
        shape: tuple[int, ...] = (),
        legacy: bool | None = None,
        bound: int = 0,
        **params: object,
    ) -> Var:
        legacy = self.legacy if legacy is None else legacy
        var = Var(self.name("k" if kind == "key" else "n"), kind, shape, legacy and kind == "key")
        params |= {"legacy": legacy, "shape": shape}
        self.out.append(Assign(var.name, op, [a.name for a in args], params))
        return self.bind(var, bound)

    def visible(self, kind: str, rank: int | None = None) -> list[Var]:
        return [v for v in self.env if v.kind == kind and (rank is None or len(v.shape) == rank)]

    def pick(self, found: list[Var]) -> Var:
        """A random one of them, more often one that was bound late."""
        return found[max(self.rng.randrange(len(found)), self.rng.randrange(len(found)))]

    # -- integers ---------------------------------------------------------------------------

    def integer(self) -> Var:
        found = self.visible("int", 0)
        if not found or self.rng.random() < 0.1:
            number = self.rng.randrange(5)
            return self.assign("int", [], "int", bound=number + 1, number=number)
        if self.rng.random() < 0.55:
            return self.pick(found)
        a, b, c = self.pick(found), self.pick(found), self.pick(found)
        top, number = self.bound[a.name], self.rng.randrange(1, 5)
        arrays = self.visible("int", 1)
        choices: list[Callable[[], Var]] = [
            lambda: self.assign("half", [a], "int", number=number, bound=top),
            lambda: self.assign("rest", [a], "int", number=number, bound=number),
            lambda: self.assign("difference", [a, b], "int", bound=max(top, self.bound[b.name])),
            lambda: self.assign("larger", [a, b], "int", bound=max(top, self.bound[b.name])),
            lambda: self.assign("choose", [c, a, b], "int", bound=max(top, self.bound[b.name])),
            lambda: self.assign("byte", [a], "int", bound=256),
        ]
        if top < _INT_LIMIT and self.bound[b.name] < _INT_LIMIT:
            choices += [
                lambda: self.assign("plus", [a], "int", number=number, bound=top + number),
                lambda: self.assign("times", [a], "int", number=number - 1, bound=top * 4 + 1),
                lambda: self.assign("sum", [a, b], "int", bound=top + self.bound[b.name]),
                lambda: self.assign(
                    "join", [a, b], "int", number=number, bound=4 * top + self.bound[b.name]
                ),
                lambda: self.assign("narrow", [a], "int", bound=top),
            ]
        if arrays:
            row = self.pick(arrays)
            inside = self.bound[row.name]
            choices += [
                lambda: self.assign(
                    "int_item_at", [row, a], "int", size=row.shape[0], bound=inside
                ),
                lambda: self.assign(
                    "int_item", [row], "int", index=self.rng.randrange(row.shape[0]), bound=inside
                ),
                lambda: self.assign("total", [row], "int", bound=inside * 6),
            ]
        if self.visible("key", 0):
            key = self.pick(self.visible("key", 0))
            choices.append(
                lambda: self.assign(
                    "word", [key], "int", legacy=key.legacy, bound=1024, index=self.rng.randrange(2)
                )
            )
            choices.append(lambda: self.drawn(key))
        return self.rng.choice(choices)()

    def drawn(self, key: Var) -> Var:
        var = Var(self.name("n"), "int")
        bound = self.rng.randrange(2, 6)
        self.out.append(DrawInt(self.id(), var.name, key.name, bound))
        return self.bind(var, bound)

    def integers(self, size: int) -> Var:
        found = [v for v in self.visible("int", 1) if v.shape == (size,)]
        if found and self.rng.random() < 0.4:
            return self.pick(found)
        match self.rng.randrange(4):
            case 0 | 1:
                return self.assign("arange", [], "int", (size,), count=size, bound=size)
            case 2:
                numbers = [self.rng.randrange(4) for _ in range(size)]
                return self.assign("array", [], "int", (size,), numbers=numbers, bound=5)
            case _:
                number = self.integer()
                return self.assign(
                    "spread", [number], "int", (size,), count=size, bound=self.bound[number.name]
                )

    # -- keys --------------------------------------------------------------------------------

    def styled(self, key: Var, legacy: bool) -> Var:
        if key.legacy == legacy:
            return key
        return self.assign("to_legacy" if legacy else "to_typed", [key], "key", key.shape, legacy)

    def key(self) -> Var:
        """Any key; sometimes a legacy key in a program of typed keys, or the reverse."""
        found = self.visible("key", 0)
        if found and self.rng.random() < 0.35:
            return self.pick(found)
        if not found:
            return self.assign("key", [], seed=self.rng.randrange(4))
        a, b = self.pick(found), self.pick(found)
        count = self.rng.randrange(1, 4)
        old, number = a.legacy, self.rng.randrange(4)
        choices: list[tuple[int, Callable[[], Var]]] = [
            (3, lambda: self.assign("fold", [a, self.integer()], legacy=old)),
            (
                2,
                lambda: self.assign(
                    "child", [a], legacy=old, count=count, index=self.rng.randrange(count)
                ),
            ),
            (1, lambda: self.assign("fold_const", [a], legacy=old, number=number)),
            (1, lambda: self.assign("round_trip", [a], legacy=old)),
            (1, lambda: self.assign("same" if old else "clone", [a], legacy=old)),
            (1, lambda: self.assign("to_typed" if old else "to_legacy", [a], legacy=not old)),
            (1, lambda: self.assign("key", [], seed=self.rng.randrange(4))),
            (1, lambda: self.assign("key_of", [self.integer()])),
            (1, lambda: self.assign("words_plus", [a], legacy=old, number=number)),
            (1, lambda: self.assign("words_plus_int", [a, self.integer()], legacy=old)),
            (1, lambda: self.assign("words_mixed", [a, self.styled(b, old)], legacy=old)),
            (1, lambda: self.folded_word(a, b)),
            (1, lambda: self.assign("words_of_ints", [self.integer(), self.integer()])),
            (
                2,
                lambda: self.assign(
                    "where",
                    [self.integer(), a, self.styled(b, old)],
                    legacy=old,
                    modulus=self.rng.choice((1, 2, 3)),
                ),
            ),
        ]
        if rows := self.visible("key", 1):
            row = self.pick(rows)
            size = row.shape[0]
            choices += [
                (
                    3,
                    lambda: self.assign(
                        "item", [row], legacy=row.legacy, index=self.rng.randrange(-size, size)
                    ),
                ),
                (
                    3,
                    lambda: self.assign(
                        "item_at", [row, self.integer()], legacy=row.legacy, size=size
                    ),
                ),
                (1, lambda: self.assign("dynamic_item", [row, self.integer()], legacy=row.legacy)),
            ]
        weights = [weight for weight, _ in choices]
        return self.rng.choices(choices, weights)[0][1]()

    def folded_word(self, key: Var, other: Var) -> Var:
        other, index = self.styled(other, key.legacy), self.rng.randrange(2)
        return self.assign("fold_word", [key, other], legacy=key.legacy, index=index)

    def keys(self, shape: tuple[int, ...]) -> Var:
        """An array of keys, of rank 1 or 2."""
        found = [v for v in self.visible("key") if v.shape == shape]
        if found and self.rng.random() < 0.4:
            return self.pick(found)
        return self.row(shape[0]) if len(shape) == 1 else self.table(shape)

    def row(self, n: int) -> Var:
        """Keys of shape (n,)."""
        rng, base = self.rng, self.key()
        old, equal = base.legacy, [v for v in self.visible("key", 1) if v.legacy == base.legacy]
        choices: list[tuple[int, Callable[[], Var]]] = [
            (5, lambda: self.assign("split", [base], shape=(n,), legacy=old)),
            (1, lambda: self.assign("broadcast", [base], shape=(n,), legacy=old)),
            (2, lambda: self.assign("stack", self.some(n, old), shape=(n,), legacy=old)),
            (2, lambda: self.assign("fold_many", [base, self.integers(n)], shape=(n,), legacy=old)),
            (1, lambda: self.assign("keys_of", [self.integers(n)], shape=(n,))),
        ]
        if equal:
            source = self.pick(equal)
            size = source.shape[0]
            choices += [
                (
                    2,
                    lambda: self.assign(
                        "gather",
                        [source],
                        shape=(n,),
                        legacy=old,
                        indices=[rng.randrange(size) for _ in range(n)],
                    ),
                ),
                (
                    1,
                    lambda: self.assign(
                        "gather_at", [source, self.integers(n)], shape=(n,), legacy=old, size=size
                    ),
                ),
            ]
        same = [v for v in equal if v.shape == (n,)]
        if same:
            a, b = self.pick(same), self.pick(same)
            mask = [rng.random() < 0.5 for _ in range(n)]
            choices += [
                (
                    2,
                    lambda: self.assign(
                        "fold_pairs", [a, self.integers(n)], shape=(n,), legacy=old
                    ),
                ),
                (2, lambda: self.assign("fold_each", [a, self.integer()], shape=(n,), legacy=old)),
                (1, lambda: self.assign("part", [a], shape=(n,), legacy=old, slice="::-1")),
                (1, lambda: self.assign("roll", [a], shape=(n,), legacy=old, count=1)),
                (1, lambda: self.assign("round_trip", [a], shape=(n,), legacy=old)),
                (2, lambda: self.assign("where_mask", [a, b], shape=(n,), legacy=old, mask=mask)),
                (
                    2,
                    lambda: self.assign(
                        "where", [self.integer(), a, b], shape=(n,), legacy=old, modulus=2
                    ),
                ),
                (
                    1,
                    lambda: self.assign(
                        "set",
                        [a, self.styled(base, old)],
                        shape=(n,),
                        legacy=old,
                        index=rng.randrange(n),
                    ),
                ),
            ]
        longer = [v for v in equal if v.shape[0] > n]
        if longer:
            whole = self.pick(longer)
            start = rng.randrange(whole.shape[0] - n + 1)
            choices += [
                (
                    2,
                    lambda: self.assign(
                        "part", [whole], shape=(n,), legacy=old, slice=f"{start}:{start + n}"
                    ),
                ),
                (
                    1,
                    lambda: self.assign(
                        "window", [whole, self.integer()], shape=(n,), legacy=old, count=n
                    ),
                ),
            ]
        if n > 1:
            cut = rng.randrange(1, n)
            choices.append(
                (
                    2,
                    lambda: self.assign(
                        "concatenate",
                        [
                            self.styled(self.keys((cut,)), old),
                            self.styled(self.keys((n - cut,)), old),
                        ],
                        shape=(n,),
                        legacy=old,
                    ),
                )
            )
        if n in (2, 4):
            choices.append((1, lambda: self.repeated(n)))
        if tables := [v for v in self.visible("key", 2) if v.shape[1] == n]:
            table = self.pick(tables)
            choices += [
                (
                    3,
                    lambda: self.assign(
                        "item",
                        [table],
                        shape=(n,),
                        legacy=table.legacy,
                        index=rng.randrange(table.shape[0]),
                    ),
                ),
                (
                    3,
                    lambda: self.assign(
                        "item_at",
                        [table, self.integer()],
                        shape=(n,),
                        legacy=table.legacy,
                        size=table.shape[0],
                    ),
                ),
            ]
        if tables := [v for v in self.visible("key", 2) if v.shape[0] * v.shape[1] == n]:
            flat = self.pick(tables)
            choices.append(
                (2, lambda: self.assign("reshape", [flat], shape=(n,), legacy=flat.legacy))
            )
        return rng.choices(choices, [w for w, _ in choices])[0][1]()

    def repeated(self, n: int) -> Var:
        half = self.keys((n // 2,))
        return self.assign("repeat", [half], shape=(n,), legacy=half.legacy, count=2)

    def some(self, n: int, legacy: bool) -> list[Var]:
        """`n` keys, often repeated ones."""
        few = [self.styled(self.key(), legacy) for _ in range(self.rng.choice((1, 2, n)))]
        return [few[i % len(few)] for i in range(n)]

    def table(self, shape: tuple[int, ...]) -> Var:
        """Keys of shape (n, m)."""
        n, m = shape
        base = self.key()
        match self.rng.randrange(8):
            case 0:
                return self.assign("split", [base], shape=shape, legacy=base.legacy)
            case 1:
                row = self.keys((m,))
                return self.assign("broadcast", [row], shape=shape, legacy=row.legacy)
            case 2:
                row = self.keys((n,))
                return self.assign("broadcast_inner", [row], shape=shape, legacy=row.legacy)
            case 3:
                rows = [
                    self.styled(self.keys((m,)), base.legacy)
                    for _ in range(self.rng.choice((1, n)))
                ]
                return self.assign(
                    "stack",
                    [rows[i % len(rows)] for i in range(n)],
                    shape=shape,
                    legacy=base.legacy,
                )
            case 4:
                rows = [
                    self.styled(self.keys((n,)), base.legacy)
                    for _ in range(self.rng.choice((1, m)))
                ]
                return self.assign(
                    "stack_inner",
                    [rows[i % len(rows)] for i in range(m)],
                    shape=shape,
                    legacy=base.legacy,
                )
            case 5:
                row = self.keys((n * m,))
                return self.assign("reshape", [row], shape=shape, legacy=row.legacy)
            case 6:
                table = self.keys((m, n))
                return self.assign("swap", [table], shape=shape, legacy=table.legacy)
            case _:
                row = self.keys((n,))
                return self.assign("split_each", [row], shape=shape, legacy=row.legacy, count=m)

    # -- statements --------------------------------------------------------------------------

    def program(self) -> Program:
        module: list[Assign] = []
        self.out = module  # type: ignore[assignment]
        if self.rng.random() < 0.5:
            root = self.assign("key", [], seed=self.rng.randrange(4))
            if self.rng.random() < 0.5:
                self.assign("split", [root], shape=(3,))
        top = list(self.env)
        for _ in range(self.rng.choice((0, 0, 1, 2))):
            self.helper(top)
        self.env = list(top)
        inputs = [
            (self.bind(Var("key", "key", (), self.legacy)), self.rng.randrange(4)),
            (self.bind(Var("keys", "key", (3,), self.legacy)), self.rng.choice((0, 1, 2))),
            (
                self.bind(Var("data", "int", (4,)), 8),
                [self.rng.randrange(self.rng.choice((1, 3, 8))) for _ in range(4)],
            ),
        ]
        body = self.block()
        given = [(var, _given(var, choice)) for var, choice in inputs]
        return Program(module, [helper for helper, _, _ in self.helpers], body, given)

    def helper(self, top: list[Var]) -> None:
        self.env = list(top)
        params = [self.bind(Var(self.name("k"), "key", (), self.legacy))]
        if self.rng.random() < 0.5:
            params.append(self.bind(Var(self.name("n"), "int"), 1000))
        self.depth += 2
        left, self.left = self.left, 3
        body, outs = self.block_with(lambda: [self.key()] if self.rng.random() < 0.4 else [])
        self.left = left
        self.depth -= 2
        helper = Helper(self.name("helper"), [p.name for p in params], body, [o.name for o in outs])
        self.helpers.append((helper, params, outs))

    def block(self) -> Block:
        return self.block_with(list)[0]

    def block_with(self, results: Callable[[], list[Var]]) -> tuple[Block, list[Var]]:
        """A block, and the variables that `results` binds at its end."""
        outer, self.out = self.out, []
        for _ in range(self.rng.choice((1, 2, 2, 3)) + (self.depth == 0)):
            self.statement()
        if not any(not isinstance(s, (Assign, AxisIndex)) for s in self.out):
            self.draw()
        found = results()
        body, self.out = self.out, outer
        return body, found

    def statement(self) -> None:
        if self.count > self.most_names:
            return self.draw()
        deep = self.depth >= MAX_DEPTH or self.left <= 0 or self.product > 64
        self.left -= 1
        choices: list[tuple[float, Callable[[], object]]] = [
            (3.0, self.draw),
            (1.0, self.key),
            (1.0, lambda: self.keys((self.size(),))),
        ]
        if self.axes and self.rng.random() < 0.5:
            choices.append((2.0, self.axis_index))
        if not deep:
            choices += [
                (4.0, self.vmap),
                (2.5, self.scan),
                (1.2, self.fori),
                (0.8, self.whiles),
                (0.8, self.map),
                (1.5, self.cond),
            ]
        elif self.left > -8:
            choices.append((0.5, self.cond))
        if self.helpers:
            choices.append((2.5, self.call))
        self.rng.choices(choices, [w for w, _ in choices])[0][1]()
        return None

    def size(self) -> int:
        return self.rng.choice((1, 2, 2, 3, 3, 4))

    def draw(self) -> None:
        rare = self.rng.random() < 0.1
        sampler = self.rng.choice(list(SAMPLERS) if rare else _CHEAP)
        self.out.append(Draw(self.id(), sampler, self.key().name))

    def axis_index(self) -> None:
        var = Var(self.name("n"), "int")
        self.out.append(AxisIndex(var.name, self.rng.choice(self.axes)))
        self.bind(var, 4)

    def inside(
        self, size: int, inner: list[tuple[Var, int]], results: Callable[[], list[Var]]
    ) -> tuple[Block, list[Var]]:
        """A block inside one more scope of `size`, in which the `inner` variables are bound."""
        outer, product = list(self.env), self.product
        for var, bound in inner:
            self.bind(var, bound)
        self.depth += 1
        self.product *= max(size, 1)
        body, found = self.block_with(results)
        self.product = product
        self.depth -= 1
        self.env = outer
        return body, found

    def vmap(self) -> None:
        size, named = self.size(), self.rng.random() < 0.35
        arguments: list[tuple[str, str, int | None, str]] = []
        inner: list[tuple[Var, int]] = []
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            outer, axis = self.operand(size)
            shape = outer.shape if axis is None else (*outer.shape[:axis], *outer.shape[axis + 1 :])
            var = Var(
                self.name("k" if outer.kind == "key" else "n"), outer.kind, shape, outer.legacy
            )
            rank = len(outer.shape) + outer.legacy
            text = str(axis if axis is None or self.rng.random() < 0.8 else axis - rank)
            arguments.append((var.name, outer.name, axis, text))
            inner.append((var, self.bound.get(outer.name, 0)))
        if all(axis is None for _, _, axis, _ in arguments):
            data = self.assign("arange", [], "int", (size,), count=size, bound=size)
            var = Var(self.name("n"), "int")
            arguments.append((var.name, data.name, 0, "0"))
            inner.append((var, size))
        identity = self.id()
        name = f"axis{identity}" if named else None
        if name:
            self.axes.append(name)
        body, found = self.inside(size, inner, self.results)
        if name:
            self.axes.remove(name)
        outs: list[tuple[str, str, int | None]] = []
        for var in found:
            axis = self.rng.randrange(len(var.shape) + 1)
            out = Var(
                self.name("k" if var.kind == "key" else "n"),
                var.kind,
                (*var.shape[:axis], size, *var.shape[axis:]),
                var.legacy,
            )
            outs.append((var.name, out.name, axis))
            self.bind(out, self.bound.get(var.name, 0))
        self.out.append(Vmap(identity, size, arguments, outs, name, body))

    def results(self) -> list[Var]:
        """What a vmap or the steps of a loop return besides `acc`."""
        if self.rng.random() < 0.6:
            return []
        if self.rng.random() < 0.15:
            return [self.integer()]
        return [self.key()] if self.rng.random() < 0.75 else [self.keys((self.size(),))]

    def operand(self, size: int) -> tuple[Var, int | None]:
        """An argument of a vmap and its axis, usually mapped keys."""
        chance = self.rng.random()
        if chance < 0.25:
            found = self.visible("key")
            return (self.pick(found), None) if found else (self.key(), None)
        if chance < 0.42:
            return self.integers(size), 0
        found = [v for v in self.env if v.kind == "key" and size in v.shape]
        if found and self.rng.random() < 0.5:
            var = self.pick(found)
            return var, self.rng.choice([a for a, n in enumerate(var.shape) if n == size])
        if self.rng.random() < 0.7:
            return self.keys((size,)), 0
        other, axis = self.size(), self.rng.randrange(2)
        return self.keys((size, other) if axis == 0 else (other, size)), axis

    def carried(self) -> list[tuple[Var, Var, int]]:
        """The variables that a loop carries: (inner, initial, bound)."""
        found = []
        for _ in range(self.rng.choice((0, 1, 1, 2))):
            if self.rng.random() < 0.8:
                initial = self.key() if self.rng.random() < 0.8 else self.keys((self.size(),))
                inner = Var(self.name("k"), "key", initial.shape, initial.legacy)
            else:
                initial = self.integer()
                inner = Var(self.name("n"), "int")
            found.append((inner, initial, _INT_LIMIT))
        return found

    def next(self, inner: Var) -> Var:
        """The value of a carried variable for the next step."""
        if self.rng.random() < 0.2:
            return inner
        if inner.kind == "int":
            if self.rng.random() < 0.6:
                return self.assign(
                    "plus", [inner], "int", number=self.rng.randrange(1, 3), bound=_INT_LIMIT
                )
            return self.assign("rest", [self.integer()], "int", number=7, bound=7)
        if inner.shape:
            if self.rng.random() < 0.5:
                return self.assign(
                    "fold_each", [inner, self.integer()], shape=inner.shape, legacy=inner.legacy
                )
            return self.styled(self.keys(inner.shape), inner.legacy)
        if self.rng.random() < 0.5:
            return self.assign(
                "child", [inner], legacy=inner.legacy, count=2, index=self.rng.randrange(2)
            )
        return self.styled(self.key(), inner.legacy)

    def loop(
        self,
        how: str,
        count: int | str,
        size: int,
        index: tuple[Var, int] | None,
        carried: list[tuple[Var, Var, int]],
        xs: list[tuple[Var, Var]],
        *,
        reverse: bool = False,
        stacks: bool = False,
    ) -> None:
        inner = [(var, bound) for var, _, bound in carried]
        inner += [(var, self.bound.get(source.name, 0)) for var, source in xs]
        inner += [index] if index else []
        ys: list[Var] = []

        def results() -> list[Var]:
            after = [self.next(var) for var, _, _ in carried]
            if stacks and size > 0:
                ys.extend(self.results())
            return after

        identity = self.id()
        body, after = self.inside(size, inner, results)
        carry = []
        for (var, initial, bound), following in zip(carried, after, strict=True):
            out = Var(self.name(var.name[0]), var.kind, var.shape, var.legacy)
            carry.append((var.name, initial.name, following.name, out.name))
            self.bind(out, bound)
        stacked = []
        for y in ys:
            out = Var(self.name(y.name[0]), y.kind, (size, *y.shape), y.legacy)
            stacked.append((y.name, out.name))
            self.bind(out, self.bound.get(y.name, 0))
        self.out.append(
            Loop(
                identity,
                how,
                count,
                reverse,
                index[0].name if index else "_",
                carry,
                [(var.name, source.name) for var, source in xs],
                stacked,
                body,
            )
        )

    def steps(self) -> int:
        return 0 if self.rng.random() < 0.04 else self.size()

    def sources(self, size: int, least: int) -> list[tuple[Var, Var]]:
        found = []
        for _ in range(self.rng.choice((least, 1, 1, 2)) if size else 0):
            source = (
                self.integers(size)
                if self.rng.random() < 0.25
                else self.keys((size,) if self.rng.random() < 0.75 else (size, self.size()))
            )
            letter = "k" if source.kind == "key" else "n"
            found.append(
                (Var(self.name(letter), source.kind, source.shape[1:], source.legacy), source)
            )
        return found

    def scan(self) -> None:
        size = self.steps()
        self.loop(
            "scan",
            size,
            size,
            None,
            self.carried(),
            self.sources(size, 0),
            reverse=self.rng.random() < 0.25,
            stacks=True,
        )

    def map(self) -> None:
        size = self.size()
        self.loop("map", size, size, None, [], self.sources(size, 1), stacks=True)

    def fori(self) -> None:
        index = (Var(self.name("n"), "int"), 6)
        if self.rng.random() < 0.25:
            count = self.assign("rest", [self.integer()], "int", number=4, bound=4)
            self.loop("fori", count.name, 3, index, self.carried(), [])
        else:
            size = self.steps()
            self.loop("fori", size, size, index, self.carried(), [])

    def whiles(self) -> None:
        index = (Var(self.name("n"), "int"), 6)
        if self.rng.random() < 0.5:
            count = self.assign("rest", [self.integer()], "int", number=4, bound=4)
            self.loop("while", count.name, 3, index, self.carried(), [])
        else:
            size = self.steps()
            self.loop("while", size, size, index, self.carried(), [])

    def cond(self) -> None:
        index = self.integer()
        outs: list[Var] = []
        if self.rng.random() < 0.5:
            outs = [Var(self.name("k"), "key", (), self.legacy)]
        branches = []
        for _ in range(self.rng.choice((2, 2, 3))):
            visible, depth = list(self.env), self.depth
            self.depth = max(depth, MAX_DEPTH - 1)
            body, found = self.block_with(
                lambda: [self.styled(self.key(), self.legacy) for _ in outs]
            )
            branches.append((body, [v.name for v in found]))
            self.env, self.depth = visible, depth
        self.out.append(Cond(self.id(), index.name, branches, [v.name for v in outs]))
        for out in outs:
            self.bind(out)

    def call(self) -> None:
        helper, params, results = self.rng.choice(self.helpers)
        for _ in range(self.rng.choice((1, 1, 2))):
            args = [
                self.styled(self.key(), p.legacy) if p.kind == "key" else self.integer()
                for p in params
            ]
            outs = [Var(self.name("k"), "key", (), v.legacy) for v in results]
            self.out.append(
                Call(self.id(), helper.name, [a.name for a in args], [v.name for v in outs])
            )
            for out in outs:
                self.bind(out)


def _given(var: Var, choice: object) -> np.ndarray:
    """The words of a key argument, or the numbers of an array argument."""
    if var.kind == "int":
        return np.array(choice)
    if not var.shape:
        return ops.words((0, choice), ())
    # Keys that are all equal, alternating, or all different.
    seeds = {0: [5, 5, 5], 1: [5, 6, 5], 2: [5, 6, 7]}[choice]  # type: ignore[index]
    return ops.words([(0, seed) for seed in seeds], var.shape)
