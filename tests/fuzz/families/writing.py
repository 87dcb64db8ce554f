"""Writes the programs of `keys`, `control`, `devices` and `refs`: integers, keys and scopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.fuzz.families import impls
from tests.fuzz.families.lanes import Array, AxisIndex, Block, Case, Draw, Env, Let, Writer
from tests.fuzz.families.scopes import Argument, Batches, Branches, Loop, Mapped, RuleOfOnesOwn
from tests.fuzz.tree import Var

MOST_DEPTH = 2
Choice = tuple[int, Callable[[], Any]]


class ProgramWriter(Writer):
    """Writes one program with keys of `impl`; `statements` are the possible next ones, weighted."""

    def __init__(self, seed: str, impl: str, *, legacy: bool) -> None:
        super().__init__(seed)
        self.impl, self.legacy = impl, legacy
        self.out: Block = []
        self.env: list[Var] = []
        self.axes: list[str] = []
        self.depth = 0
        self.mapped = False
        self.left = self.rng.choice((1, 2, 3))

    # -- the program -----------------------------------------------------------------------

    def case(self) -> Case:
        words = impls.seed(self.impl, self.rng.randrange(3))
        self.env += [Var("key", "key"), Var("data", "int", (4,))]
        data = np.array([self.rng.randrange(4) for _ in range(4)], np.int32)
        typed = {} if self.legacy else {"key": self.impl}
        inputs: dict[str, Array] = {"key": words, "data": data}
        while self.left > 0:
            self.statement()
        return Case(self.out, inputs, typed)

    def statements(self) -> list[Choice]:
        raise NotImplementedError

    def statement(self) -> None:
        self.left -= 1
        self.choose(self.statements())

    def choose(self, choices: list[Choice]) -> Any:
        return self.rng.choices(choices, [weight for weight, _ in choices])[0][1]()

    def draw(self) -> None:
        self.out.append(Draw(self.id(), self.key().name))

    def block(self, write: Callable[[], Any], *, mapped: bool = False) -> tuple[Block, Any]:
        """The block that `write` adds, and its result; the names bound in it are not kept."""
        out, env, depth, before = self.out, list(self.env), self.depth, self.mapped
        self.out, self.depth, self.mapped = [], self.depth + 1, before or mapped
        result = write()
        block, self.out = self.out, out
        self.env, self.depth, self.mapped = env, depth, before
        return block, result

    def inside(self) -> None:
        """Add one or two draws or, if not too deep, other statements."""
        for _ in range(self.rng.choice((1, 1, 2))):
            if self.depth < MOST_DEPTH and self.chance(0.4):
                self.statement()
            else:
                self.draw()

    # -- names -----------------------------------------------------------------------------

    def visible(self, kind: str, rank: int = 0) -> list[Var]:
        return [v for v in self.env if v.kind == kind and len(v.shape) == rank]

    def pick(self, found: list[Var]) -> Var:
        return found[max(self.rng.randrange(len(found)), self.rng.randrange(len(found)))]

    def let(
        self, kind: str, text: str, value: Callable[[Env], Any], shape: tuple[int, ...] = ()
    ) -> Var:
        var = Var(self.name("k" if kind == "key" else "n"), kind, shape)
        self.out.append(Let(var.name, text, value))
        self.env.append(var)
        return var

    # -- integers --------------------------------------------------------------------------

    def integer(self) -> Var:
        """A small integer: an axis index, an element of an array, or derived from others."""
        rng, found, rows = self.rng, self.visible("int"), self.visible("int", 1)
        number = rng.randrange(4)
        if self.axes and self.chance(0.4):
            var = Var(self.name("n"), "int")
            self.out.append(AxisIndex(var.name, rng.choice(self.axes)))
            self.env.append(var)
            return var
        if not found:
            row = self.pick(rows)
            i = rng.randrange(row.shape[0])
            return self.let("int", f"{row.name}[{i}]", lambda e, n=row.name: e[n][i])
        a, b = self.pick(found).name, self.pick(found).name
        return self.choose(
            [
                (5, lambda: self.pick(found)),
                (1, lambda: self.let("int", f"{a} % 2", lambda e: e[a] % 2)),
                (1, lambda: self.let("int", f"{a} + {b}", lambda e: e[a] + e[b])),
                (1, lambda: self.let("int", f"{a} * 4 + {b}", lambda e: e[a] % 64 * 4 + e[b]))
                if number > 3
                else (1, lambda: self.let("int", f"{a} + {number}", lambda e: e[a] + number)),
            ]
        )

    def integers(self, n: int) -> Var:
        """Integers of shape (n,)."""
        found = [v for v in self.visible("int", 1) if v.shape == (n,)]
        if found and self.chance(0.4):
            return self.pick(found)
        numbers = [self.rng.randrange(4) for _ in range(n)]
        start = self.rng.randrange(3)
        summed = "lax.associative_scan(jnp.add, jnp.array({}))"
        return self.choose(
            [
                (3, lambda: self.let("int", f"jnp.arange({n})", lambda e: np.arange(n), (n,))),
                (
                    1,
                    lambda: self.let(
                        "int",
                        f"jnp.arange({n}) + {start}",
                        lambda e: np.arange(n) + start,
                        (n,),
                    ),
                ),
                (1, lambda: self.let("int", f"jnp.array({numbers})", lambda e: numbers, (n,))),
                (
                    1,
                    lambda: self.let(
                        "int", summed.format(numbers), lambda e: np.cumsum(numbers), (n,)
                    ),
                ),
            ]
        )

    # -- keys ------------------------------------------------------------------------------

    def words(self, key: str) -> str:
        return key if self.legacy else f"jax.random.key_data({key})"

    def wrapped(self, words: str) -> str:
        return words if self.legacy else f"jax.random.wrap_key_data({words}, impl={self.impl!r})"

    @property
    def may_derive(self) -> bool:
        """Whether keys can be derived; `unsafe_rbg` derives others in a batch than one by one."""
        return not (self.mapped and self.impl == "unsafe_rbg")

    def key(self) -> Var:
        found, impl = self.visible("key"), self.impl
        a = self.pick(found).name
        choices: list[Choice] = [(4, lambda: self.pick(found))]
        if self.may_derive:
            choices += [(6, lambda: self.folded(a)), (2, lambda: self.child(a))]
        choices += self.keys_of_rows()
        if not self.mapped:
            seed = self.rng.randrange(3)
            make = f"jax.random.{'PRNGKey' if self.legacy else 'key'}({seed}, impl={impl!r})"
            choices.append((1, lambda: self.let("key", make, lambda e: impls.seed(impl, seed))))
        return self.choose(choices + self.more_keys(a))

    def more_keys(self, a: str) -> list[Choice]:
        return []

    def more_rows(self, n: int) -> list[Choice]:
        return []

    def folded(self, a: str) -> Var:
        impl, n = self.impl, self.integer().name
        return self.let(
            "key", f"jax.random.fold_in({a}, {n})", lambda e: impls.fold_in(impl, e[a], e[n])
        )

    def child(self, a: str) -> Var:
        impl, count = self.impl, self.rng.randrange(2, 4)
        i = self.rng.randrange(count)
        return self.let(
            "key",
            f"jax.random.split({a}, {count})[{i}]",
            lambda e: impls.split(impl, e[a], count)[i],
        )

    def keys_of_rows(self) -> list[Choice]:
        rows = self.visible("key", 1)
        if not rows:
            return []
        row = self.pick(rows)
        name, size = row.name, row.shape[0]
        i = self.rng.randrange(-size, size)

        def at() -> Var:
            n = self.integer().name
            return self.let("key", f"{name}[{n} % {size}]", lambda e: e[name][int(e[n]) % size])

        return [(2, lambda: self.let("key", f"{name}[{i}]", lambda e: e[name][i])), (2, at)]

    def row(self, n: int) -> Var:
        """Keys of shape (n,)."""
        found = [v for v in self.visible("key", 1) if v.shape == (n,)]
        if found and self.chance(0.4):
            return self.pick(found)
        choices: list[Choice] = [(1, lambda: self.stacked(n)), *self.more_rows(n)]
        if self.may_derive:
            choices += [(4, lambda: self.split(n)), (2, lambda: self.folded_many(n))]
        return self.choose(choices)

    def split(self, n: int) -> Var:
        impl, a = self.impl, self.key().name
        return self.let(
            "key", f"jax.random.split({a}, {n})", lambda e: impls.split(impl, e[a], n), (n,)
        )

    def folded_many(self, n: int) -> Var:
        if self.impl == "unsafe_rbg":
            return self.split(n)
        impl, a, ints = self.impl, self.key().name, self.integers(n).name
        return self.let(
            "key",
            f"jax.vmap(jax.random.fold_in, in_axes=(None, 0))({a}, {ints})",
            lambda e: np.stack([impls.fold_in(impl, e[a], i) for i in e[ints]]),
            (n,),
        )

    def stacked(self, n: int) -> Var:
        few = [self.key().name for _ in range(self.rng.choice((1, 2, n)))]
        names = [few[i % len(few)] for i in range(n)]
        return self.let(
            "key",
            f"jnp.stack([{', '.join(names)}])",
            lambda e: np.stack([e[k] for k in names]),
            (n,),
        )

    # -- scopes ----------------------------------------------------------------------------

    def arguments(self, n: int, kinds: tuple[str, ...]) -> tuple[list[Argument], list[Var]]:
        """Arguments of a map over n examples, and their inner names; the first are integers."""
        found, inner = [], []
        for kind in ("int", *kinds):
            unmapped = kind == "one"
            source = self.integers(n) if kind == "int" else self.key() if unmapped else self.row(n)
            var = Var(self.name("n" if kind == "int" else "k"), "int" if kind == "int" else "key")
            # The last axis of legacy keys has the words.
            last = -2 if self.legacy and kind == "row" else -1
            axis = last if self.chance(0.3) else 0
            text = "None" if unmapped else str(axis)
            found.append(Argument(var.name, source.name, None if unmapped else 0, text))
            inner.append(var)
        return found, inner

    def map(self, how: str, n: int | None = None) -> None:
        n = n or self.rng.choice((2, 3, 4))
        kinds = self.rng.choice(((), ("row",), ("row",), ("one",), ("row", "one")))
        if how == "vectorize" and self.legacy:
            kinds = ()  # otherwise each word would be an example
        arguments, inner = self.arguments(n, kinds)
        identity = self.id()
        name = (
            f"axis{identity}"
            if how == "pmap" or (how != "vectorize" and self.chance(0.3))
            else None
        )
        self.axes += [name] if name else []
        block, _ = self.block(lambda: (self.env.extend(inner), self.inside()), mapped=True)
        if name:
            self.axes.remove(name)
        self.out.append(Mapped(identity, n, arguments, block, how, name))

    def batches(self) -> None:
        n = self.rng.choice((2, 3, 4))
        arguments, inner = self.arguments(n, self.rng.choice(((), ("row",))))
        block, _ = self.block(lambda: (self.env.extend(inner), self.draw()), mapped=True)
        batch = self.rng.choice([b for b in (1, 2, 3) if b < n])
        self.out.append(Batches(self.id(), n, batch, arguments, block))

    def loop(self, how: str) -> None:
        n = self.rng.choice((2, 3))
        count: int | str = n
        if how != "scan" and self.chance(0.3):
            number = self.integer().name
            count = self.let("int", f"{number} % 4", lambda e: e[number] % 4).name
        index = Var(self.name("n"), "int")
        carried = Var(self.name("k"), "key")
        start, xs, inner = self.key().name, [], [index]
        if how == "scan" and self.chance(0.6):
            row, x = self.row(n), Var(self.name("k"), "key")
            xs.append(Argument(x.name, row.name, 0, "0"))
            inner.append(x)
        carries = self.chance(0.6)

        def write() -> str:
            self.env.extend([*inner, carried] if carries else inner)
            self.inside()
            return self.key().name if self.chance(0.8) else carried.name

        block, after = self.block(write)
        outer = Var(self.name("k"), "key")
        carry = [(carried.name, start, after, outer.name)] if carries else []
        reverse = how == "scan" and self.chance(0.3)
        self.out.append(Loop(self.id(), how, count, index.name, carry, block, xs, reverse))
        if carries:
            self.env.append(outer)

    def branches(self) -> None:
        index = self.integer().name
        outs = [self.name("k")] if self.chance(0.4) else []

        def write() -> list[str]:
            if self.chance(0.7):
                self.inside()
            return [self.key().name for _ in outs]

        branches = [self.block(write) for _ in range(self.rng.choice((2, 2, 3)))]
        self.out.append(Branches(self.id(), index, branches, outs))
        self.env += [Var(name, "key") for name in outs]

    def rule(self) -> None:
        """A `custom_vjp` function of a key, whose rules draw from keys derived from it."""
        key = self.key()

        def write(sampler: str) -> None:
            axes, self.axes, self.env = self.axes, [], [key, Var("data", "int", (4,))]
            self.out.append(Draw(self.id(), self.key().name, sampler))
            self.axes = axes

        forward, _ = self.block(lambda: write("jax.random.bits({key}, (2,))"))
        # With the same sampler, the draw could count as a repetition of that in the forward rule.
        backward, _ = self.block(lambda: write("jax.random.uniform({key}, (2,))"))
        backward = [] if self.chance(0.25) else backward
        self.out.append(RuleOfOnesOwn(self.id(), key.name, forward, backward))
