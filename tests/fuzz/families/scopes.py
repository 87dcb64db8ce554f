"""Statements that contain others: maps, loops, branches and rules for derivatives."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tests.fuzz.families.lanes import (
    Block,
    Lane,
    Run,
    Scopes,
    outline_all,
    run_all,
    write_all,
)
from tests.fuzz.tree import Source, Where


@dataclass
class Argument:
    """`inner` is the name inside, `outer` outside; `axis` counts the axes of keys, not of words."""

    inner: str
    outer: str
    axis: int | None
    text: str

    def of(self, lane: Lane, i: int) -> np.ndarray:
        value = lane.env[self.outer]
        return value if self.axis is None else np.take(value, i, axis=self.axis)


CALLS = {
    "vmap": "jax.vmap(f_{id}, in_axes=({axes},){name})({args})",
    "tree": "jax.vmap(f_{id}, in_axes=([{axes}],){name})([{args}])",
    "vectorize": "jnp.vectorize(f_{id})({args})",
    "pmap": "jax.pmap(f_{id}, in_axes=({axes},){name})({args})",
}


@dataclass
class Mapped:
    """A map over examples, or over devices for `pmap`; `how` is a key of `CALLS`."""

    id: int
    size: int
    arguments: list[Argument]
    body: Block
    how: str
    axis_name: str | None = None

    @property
    def kind(self) -> str:
        return "device" if self.how == "pmap" else "vmap"

    def write(self, out: Source, depth: int) -> None:
        inner = ", ".join(a.inner for a in self.arguments)
        if self.how == "tree":
            out.add(depth, f"def f_{self.id}(tree):")
            out.add(depth + 1, f"[{inner}] = tree")
        else:
            out.add(depth, f"def f_{self.id}({inner}):")
        out.add(depth + 1, "acc = jnp.float32(0)")
        # Combine the draws with data that differs between devices, as RNG004 requires.
        if self.how == "pmap":
            out.add(depth + 1, f"acc = acc + {self.arguments[0].inner}")
        write_all(self.body, out, depth + 1)
        out.add(depth + 1, "return acc")
        call = CALLS[self.how].format(
            id=self.id,
            axes=", ".join(a.text for a in self.arguments),
            name=f", axis_name={self.axis_name!r}" if self.axis_name else "",
            args=", ".join(a.outer for a in self.arguments),
        )
        out.add(depth, f"acc = acc + jnp.sum({call})", self.id)

    def outline(self, run: Run, where: Where, scopes: Scopes) -> None:
        inner = (*scopes, (self.kind, self.id, self.size))
        outline_all(self.body, run, (*where, ("scope", self.id, 0)), inner)

    def run(self, run: Run, where: Where, lanes: list[Lane]) -> None:
        within = []
        for lane in lanes:
            for i in range(self.size):
                new = lane.inner(i, {self.axis_name or str(self.id): i})
                for argument in self.arguments:
                    new.env[argument.inner] = argument.of(lane, i)
                within.append(new)
        run_all(self.body, run, (*where, ("scope", self.id, 0)), within)


@dataclass
class Batches:
    """`lax.map(f, xs, batch_size=…)`: a loop over whole batches, and a vmap over the remainder."""

    id: int
    size: int
    batch: int
    arguments: list[Argument]
    body: Block

    def write(self, out: Source, depth: int) -> None:
        out.add(depth, f"def f_{self.id}(xs):")
        out.add(depth + 1, f"[{', '.join(a.inner for a in self.arguments)}] = xs")
        out.add(depth + 1, "acc = jnp.float32(0)")
        write_all(self.body, out, depth + 1)
        out.add(depth + 1, "return acc")
        xs = ", ".join(a.outer for a in self.arguments)
        call = f"lax.map(f_{self.id}, [{xs}], batch_size={self.batch})"
        out.add(depth, f"acc = acc + jnp.sum({call})", self.id)

    def outline(self, run: Run, where: Where, scopes: Scopes) -> None:
        steps = self.size // self.batch
        whole = (*scopes, ("loop", self.id, steps), ("vmap", self.id, self.batch))
        outline_all(self.body, run, (*where, ("scope", self.id, 0)), whole)
        if rest := self.size % self.batch:
            over = (*scopes, ("vmap", self.id, rest))
            outline_all(self.body, run, (*where, ("scope", self.id, 1)), over)

    def run(self, run: Run, where: Where, lanes: list[Lane]) -> None:
        for i in range(self.size):
            step, place = divmod(i, self.batch)
            rest = step == self.size // self.batch
            within = []
            for lane in lanes:
                new = lane.inner(place) if rest else lane.inner(step).inner(place)
                for argument in self.arguments:
                    new.env[argument.inner] = argument.of(lane, i)
                within.append(new)
            run_all(self.body, run, (*where, ("scope", self.id, int(rest))), within)


@dataclass
class Loop:
    """`how` is `scan`, `fori` or `while`; `count` is a number or the name of one.

    `carry` has (inner, initial, next, outer). Only `scan` has `xs`.
    """

    id: int
    how: str
    count: int | str
    index: str
    carry: list[tuple[str, str, str, str]]
    body: Block
    xs: list[Argument] = field(default_factory=list)
    reverse: bool = False

    def write(self, out: Source, depth: int) -> None:
        inner, first, after, last = (
            ", ".join(["acc", *(c[part] for c in self.carry)]) for part in range(4)
        )
        f, index = f"f_{self.id}", self.index
        if self.how == "scan":
            out.add(depth, f"def {f}(c, x):")
            out.add(depth + 1, f"[{', '.join([index, *(a.inner for a in self.xs)])}] = x")
        elif self.how == "fori":
            out.add(depth, f"def {f}({index}, c):")
        else:
            out.add(depth, f"def {f}(c):")
            out.add(depth + 1, f"{index}, c = c")
        out.add(depth + 1, f"[{inner}] = c")
        write_all(self.body, out, depth + 1)
        result = {"scan": "[{}], None", "fori": "[{}]", "while": f"({index} + 1, [{{}}])"}[self.how]
        out.add(depth + 1, f"return {result.format(after)}")
        if self.how == "scan":
            xs = ", ".join([f"jnp.arange({self.count})", *(a.outer for a in self.xs)])
            call = f"[{last}], _ = lax.scan({f}, [{first}], [{xs}], reverse={self.reverse})"
        elif self.how == "fori":
            call = f"[{last}] = lax.fori_loop(0, {self.count}, {f}, [{first}])"
        else:
            call = (
                f"_, [{last}] = lax.while_loop(lambda c: c[0] < {self.count}, {f}, "
                f"(jnp.int32(0), [{first}]))"
            )
        out.add(depth, call, self.id)

    def outline(self, run: Run, where: Where, scopes: Scopes) -> None:
        size = self.count if isinstance(self.count, int) and self.how != "while" else None
        inner = (*scopes, ("loop", self.id, size))
        outline_all(self.body, run, (*where, ("scope", self.id, 0)), inner)

    def run(self, run: Run, where: Where, lanes: list[Lane]) -> None:
        if isinstance(self.count, str) and len(lanes) > 1:
            for lane in lanes:  # each lane has its own number of steps
                self.run(run, where, [lane])
            return
        count = self.count if isinstance(self.count, int) else int(lanes[0].env[self.count])
        carries = [[lane.env[c[1]] for c in self.carry] for lane in lanes]
        for step in range(count):
            i = count - 1 - step if self.reverse else step
            within = []
            for lane, carry in zip(lanes, carries, strict=True):
                new = lane.inner(step)
                new.env[self.index] = np.array(i)
                new.env.update(zip((c[0] for c in self.carry), carry, strict=True))
                new.env.update((a.inner, lane.env[a.outer][i]) for a in self.xs)
                within.append(new)
            run_all(self.body, run, (*where, ("scope", self.id, 0)), within)
            carries = [[new.env[c[2]] for c in self.carry] for new in within]
        for lane, carry in zip(lanes, carries, strict=True):
            lane.env.update(zip((c[3] for c in self.carry), carry, strict=True))


@dataclass
class Branches:
    """`cond` for two branches, `switch` for more; `outs` are the keys that they return."""

    id: int
    index: str
    branches: list[tuple[Block, list[str]]]
    outs: list[str]

    def write(self, out: Source, depth: int) -> None:
        names = [f"f_{self.id}_{number}" for number in range(len(self.branches))]
        for name, (body, results) in zip(names, self.branches, strict=True):
            out.add(depth, f"def {name}(acc):")
            write_all(body, out, depth + 1)
            out.add(depth + 1, f"return [{', '.join(['acc', *results])}]")
        left = ", ".join(["acc", *self.outs])
        if len(names) == 2:
            call = f"lax.cond({self.index} % 2 == 1, {names[1]}, {names[0]}, acc)"
        else:
            call = f"lax.switch({self.index} % {len(names)}, [{', '.join(names)}], acc)"
        out.add(depth, f"[{left}] = {call}")

    def outline(self, run: Run, where: Where, scopes: Scopes) -> None:
        for number, (body, _) in enumerate(self.branches):
            outline_all(body, run, (*where, ("branch", self.id, number)), scopes)

    def run(self, run: Run, where: Where, lanes: list[Lane]) -> None:
        for lane in lanes:
            number = int(lane.env[self.index]) % len(self.branches)
            body, results = self.branches[number]
            new = Lane(dict(lane.env), lane.index, lane.axes)
            run_all(body, run, (*where, ("branch", self.id, number)), [new])
            for outer, name in zip(self.outs, results, strict=True):
                lane.env[outer] = new.env[name]


@dataclass
class RuleOfOnesOwn:
    """The derivative of a `custom_vjp` function: its forward rule draws, then its backward rule.

    Without its own block, the backward rule repeats the draws of the forward rule. It does so on
    purpose, to get the same numbers, so they do not count as draws.
    """

    id: int
    key: str
    forward: Block
    backward: Block

    def write(self, out: Source, depth: int) -> None:
        f, key = f"f_{self.id}", self.key
        out.add(depth, "@jax.custom_vjp")
        out.add(depth, f"def {f}(w, {key}):")
        out.add(depth + 1, "return w")
        out.add(depth, f"def {f}_fwd(w, {key}):")
        out.add(depth + 1, "acc = w")
        write_all(self.forward, out, depth + 1)
        out.add(depth + 1, f"return acc, {key}")
        out.add(depth, f"def {f}_bwd({key}, t):")
        out.add(depth + 1, "acc = t")
        again = Source(lines=out.lines)  # its marks are discarded
        write_all(self.backward or self.forward, out if self.backward else again, depth + 1)
        out.add(depth + 1, "return acc, None")
        out.add(depth, f"{f}.defvjp({f}_fwd, {f}_bwd)")
        call = f"jax.value_and_grad({f})(jnp.float32(1.5), {key})"
        out.add(depth, f"acc = acc + sum({call})")

    def outline(self, run: Run, where: Where, scopes: Scopes) -> None:
        outline_all(self.forward, run, (*where, ("scope", self.id, 0)), scopes)
        outline_all(self.backward, run, (*where, ("scope", self.id, 1)), scopes)

    def run(self, run: Run, where: Where, lanes: list[Lane]) -> None:
        run_all(self.forward, run, (*where, ("scope", self.id, 0)), lanes)
        run_all(self.backward, run, (*where, ("scope", self.id, 1)), lanes)
