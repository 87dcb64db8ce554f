"""Whole scripts under `watch()`: Python loops, closures, classes, generators, donated buffers.

Each script is written twice: as text, and as Python on NumPy keys that notes each draw.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from jaxrng_doctor import watch
from jaxrng_doctor.rules.by_cause import ungrouped
from tests.fuzz.families import impls
from tests.fuzz.families.judge import Verdict
from tests.fuzz.families.lanes import Array, Writer
from tests.fuzz.tree import Source

IMPL = "threefry2x32"
WITHIN = frozenset({"RNG001", "RNG002", "RNG003"})
TWO_DRAWS = frozenset({"RNG005", "RNG007"})
EAGER = frozenset({"RNG005"})
CALLS = frozenset({"RNG014"})
CODES = tuple(sorted(WITHIN | TWO_DRAWS | CALLS))

PREAMBLE = """\
import functools
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
"""
CAREFUL = """\
class {name}:
    def __init__(self, key):
        self.key = key

    def next(self):
        self.key, own = jax.random.split(self.key)
        return own
"""
CARELESS = """\
class {name}:
    def __init__(self, key):
        self.key = key

    def next(self):
        _, own = jax.random.split(self.key)
        return own
"""
GENERATOR = """\
def {name}(key):
    while True:
        key, own = jax.random.split(key)
        yield own
"""
NUMBERED = """\
def {name}(key):
    number = 0
    while True:
        yield jax.random.fold_in(key, number % {turn})
        number += 1
"""


def split(key: Array) -> tuple[Array, Array]:
    first, second = impls.split(IMPL, key, 2)
    return first, second


@dataclass(frozen=True)
class Event:
    """A draw from a key, at the draw `mark` and in the call `call`.

    `eager`: the draw is outside of the script's functions, and counts as a call.
    """

    mark: int
    call: int
    key: tuple[int, ...]
    eager: bool


@dataclass
class World:
    """The values of a script's variables, and its draws so far."""

    env: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    calls: int = 0

    def draw(self, mark: int, key: Array, *, eager: bool = False) -> None:
        self.events.append(Event(mark, self.calls, tuple(key.tolist()), eager))


Step = tuple[list[tuple[str, int | None]], Callable[[World], None]]
"""Lines, each with the mark of its draw if it has one, and a function that does the same."""


@dataclass
class Script:
    """Definitions, as lines with marks, and steps."""

    definitions: list[tuple[str, int | None]]
    steps: list[Step]

    def source(self) -> Source:
        out = Source()
        for line in PREAMBLE.splitlines():
            out.add(0, line)
        for line, mark in self.definitions:
            out.add(0, line, mark)
        for lines, _ in self.steps:
            for line, mark in lines:
                out.add(0, line, mark)
        return out

    def events(self) -> list[Event]:
        world = World()
        for _, act in self.steps:
            act(world)
        return world.events

    @property
    def is_faulty(self) -> bool:
        """Whether a key is drawn from twice."""
        return bool(expected(self.events()))


def case(seed: int) -> Script:
    """The script of this seed."""
    return _Writer(f"scripts {seed}").script()


def verdict(seed: int) -> Verdict:
    """Run the script under `watch()`, and compare the findings."""
    script = case(seed)
    source, events = script.source(), script.events()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"fuzz_script_{seed}.py"
        path.write_text(source.text, encoding="utf-8")
        code = compile(source.text, str(path), "exec")
        with watch(select=CODES) as report:
            exec(code, {"__name__": f"fuzz_script_{seed}"})
    reported = [f"failure: {failure.message}" for failure in report.failures]
    reported += [f"gap: {gap.message}" for gap in report.gaps]
    wanted = expected(events)
    found: dict[int, set[str]] = {}
    for finding in (f for f in ungrouped(report.findings) if f.severity != "note"):
        line = finding.place.line if finding.place else 0
        found.setdefault(line, set()).add(finding.code)
        if not any(
            finding.code in codes for marks, codes in wanted if line in _lines(marks, source)
        ):
            reported.append(f"line {line}: {finding.code} is a false alarm: {finding.message}")
    for marks, codes in wanted:
        lines = _lines(marks, source)
        if not any(codes & found.get(line, set()) for line in lines):
            reported.append(f"{' or '.join(sorted(codes))} is missing on one of the lines {lines}")
    return Verdict(reported, script.is_faulty)


def _lines(marks: frozenset[int], source: Source) -> list[int]:
    return sorted(source.at[mark] for mark in marks)


Wanted = tuple[frozenset[int], frozenset[str]]
"""At one of these draws, one of these codes must be reported."""


def expected(events: list[Event]) -> set[Wanted]:
    """The findings that are required for draws from a key that was already drawn from.

    If several draws of a call use a key that another call has used, one finding is enough. Each
    call is compared with the first one and with the one before it: two eager draws are a reused
    key, like two draws of one call.
    """
    wanted: set[Wanted] = set()
    by_key: dict[tuple[int, ...], list[Event]] = {}
    for event in events:
        by_key.setdefault(event.key, []).append(event)
    for equal in by_key.values():
        firsts = {event.call: event for event in reversed(equal)}
        calls = sorted(firsts.values(), key=equal.index)
        for before, event in {*((calls[0], each) for each in calls[1:]), *pairwise(calls)}:
            marks = frozenset(other.mark for other in equal if other.call == event.call)
            wanted.add((marks, EAGER if before.eager and event.eager else CALLS))
        for before, event in combinations(equal, 2):
            if before.call != event.call:
                continue
            if before.mark != event.mark:
                wanted.add((frozenset({event.mark}), TWO_DRAWS))
            else:
                wanted.add((frozenset({event.mark}), WITHIN))
    return wanted


@dataclass(frozen=True)
class _Function:
    """A function of the script; `act(world, key)` draws and returns the next key or `None`."""

    name: str
    act: Callable[[World, Array], Array | None]
    threads: bool
    donates: bool = False


class _Writer(Writer):
    def __init__(self, seed: str) -> None:
        super().__init__(seed)
        self.definitions: list[tuple[str, int | None]] = []
        self.steps: list[Step] = []
        self.keys: list[str] = []
        self.sources: list[tuple[str, str]] = []
        self.functions: list[_Function] = []

    def script(self) -> Script:
        rng = self.rng
        for _ in range(rng.choice((1, 2))):
            self.functions.append(self.function())
        self.key(rng.randrange(3))
        self.step("x = jnp.zeros(3)", lambda w: None)
        for _ in range(rng.choice((2, 3, 4))):
            rng.choice(
                (
                    self.call,
                    self.call,
                    self.loop,
                    self.loop,
                    self.split,
                    self.fold,
                    self.through_numpy,
                    self.eager,
                    self.closure,
                    self.taken,
                    self.taken,
                )
            )()
        return Script(self.definitions, self.steps)

    def define(self, text: str, mark: int | None = None) -> None:
        self.definitions += [(line, mark) for line in text.splitlines()]

    def step(self, text: str, act: Callable[[World], None], mark: int | None = None) -> None:
        self.steps.append(([(line, mark) for line in text.splitlines()], act))

    def any_key(self) -> str:
        return self.keys[max(self.rng.randrange(len(self.keys)) for _ in range(2))]

    # -- functions -------------------------------------------------------------------------

    def function(self) -> _Function:
        return self.rng.choice(
            (self.plain, self.threaded, self.threaded, self.twice, self.mapped, self.scanned)
        )()

    def head(self, donates: bool = False) -> str:
        name = self.name("f")
        if donates:
            self.define("@functools.partial(jax.jit, donate_argnums=1)")
        else:
            self.define("@jax.jit")
        self.define(f"def {name}(x, key):")
        return name

    def plain(self) -> _Function:
        name, mark = self.head(), self.id()
        self.define("    return x + jax.random.normal(key, (3,))", mark)
        return _Function(name, lambda w, key: w.draw(mark, key), threads=False)

    def threaded(self) -> _Function:
        donates = self.chance(0.5)
        name, mark, well = self.head(donates), self.id(), self.chance(0.7)
        self.define(f"    {'key' if well else 'after'}, own = jax.random.split(key)")
        self.define("    x = x + jax.random.normal(own, (3,))", mark)
        self.define("    return x, key")

        def act(world: World, key: Array) -> Array:
            after, own = split(key)
            world.draw(mark, own)
            return after if well else key

        return _Function(name, act, threads=True, donates=donates)

    def twice(self) -> _Function:
        name, one, two, well = self.head(), self.id(), self.id(), self.chance(0.5)
        self.define(f"    first, second = {'jax.random.split(key)' if well else 'key, key'}")
        self.define("    x = x + jax.random.normal(first, (3,))", one)
        self.define("    return x * jax.random.uniform(second, (3,))", two)

        def act(world: World, key: Array) -> None:
            first, second = split(key) if well else (key, key)
            world.draw(one, first)
            world.draw(two, second)

        return _Function(name, act, threads=False)

    def mapped(self) -> _Function:
        return self.many("jax.vmap(lambda x, key: {})(x, keys)")

    def scanned(self) -> _Function:
        return self.many("lax.scan(lambda c, key: (c, {}), 0, keys)[1]", of="x[0]")

    def many(self, text: str, of: str = "x") -> _Function:
        """A function of three examples or steps, with distinct keys or one key for two of them."""
        name, mark, well = self.head(), self.id(), self.chance(0.6)
        self.define(
            "    keys = jax.random.split(key, 3)"
            if well
            else "    keys = jnp.stack([key, key, jax.random.fold_in(key, 1)])"
        )
        self.define("    return " + text.format(f"{of} + jax.random.normal(key)"), mark)

        def act(world: World, key: Array) -> None:
            rows = impls.split(IMPL, key, 3) if well else [key, key, impls.fold_in(IMPL, key, 1)]
            for row in rows:
                world.draw(mark, row)

        return _Function(name, act, threads=False)

    def called(self, fn: _Function, key: str) -> tuple[str, Callable[[World], None]]:
        """A call, which also assigns the next key if the function returns one."""

        def act(world: World) -> None:
            world.calls += 1
            after = fn.act(world, world.env[key])
            if after is not None:
                world.env[key] = after

        return f"{f'x, {key}' if fn.threads else 'x'} = {fn.name}(x, {key})", act

    # -- statements ------------------------------------------------------------------------

    def key(self, seed: int) -> None:
        name = self.name("k")
        self.step(
            f"{name} = jax.random.key({seed})",
            lambda w: w.env.update({name: impls.seed(IMPL, seed)}),
        )
        self.keys.append(name)

    def call(self) -> None:
        self.step(*self.called(self.rng.choice(self.functions), self.any_key()))

    def split(self) -> None:
        old, new = self.any_key(), self.name("k")
        kept = old if self.chance(0.7) else "_"

        def act(world: World) -> None:
            after, world.env[new] = split(world.env[old])
            world.env[kept] = after

        self.step(f"{kept}, {new} = jax.random.split({old})", act)
        self.keys.append(new)

    def fold(self) -> None:
        old, new, number = self.any_key(), self.name("k"), self.rng.randrange(3)

        def act(world: World) -> None:
            world.env[new] = impls.fold_in(IMPL, world.env[old], number)

        self.step(f"{new} = jax.random.fold_in({old}, {number})", act)
        self.keys.append(new)

    def through_numpy(self) -> None:
        """A key from words that were in a NumPy array, and maybe changed in place there."""
        old, new, number = self.any_key(), self.name("k"), self.rng.randrange(2)

        def act(world: World) -> None:
            words = np.array(world.env[old])
            words[1] += np.uint32(number)
            world.env[new] = words

        text = (
            f"words = np.array(jax.random.key_data({old}))\n"
            f"words[1] += {number}\n"
            # A copy: on CPU, JAX may keep reading the NumPy array itself if it is aligned.
            f"{new} = jax.random.wrap_key_data(jnp.array(words))\n"
            f"words[:] = 0"
        )
        self.step(text, act)
        self.keys.append(new)

    def eager(self) -> None:
        key, mark = self.any_key(), self.id()

        def act(world: World) -> None:
            world.calls += 1
            world.draw(mark, world.env[key], eager=True)

        self.step(f"x = x + jax.random.normal({key}, (3,))", act, mark)

    def closure(self) -> None:
        """A jitted function that draws from a captured key, called once or twice."""
        key, make, mark = self.any_key(), self.name("make"), self.id()
        own, times = self.chance(0.5), self.rng.choice((1, 2))
        self.define(f"def {make}(key):")
        self.define("    @jax.jit\n    def inner(x, n):")
        used = "jax.random.fold_in(key, n)" if own else "key"
        self.define(f"        return x + jax.random.normal({used}, (3,))", mark)
        self.define("    return inner")
        inner = self.name("g")

        def act(world: World) -> None:
            for n in range(times):
                world.calls += 1
                words = world.env[key]
                world.draw(mark, impls.fold_in(IMPL, words, n) if own else words)

        calls = "\n".join(f"x = {inner}(x, {n})" for n in range(times))
        self.step(f"{inner} = {make}({key})\n{calls}", act)

    def taken(self) -> None:
        """Keys from an object or a generator, for two or three calls of a function."""
        name, old, kind = self.name("Keys"), self.any_key(), self.rng.randrange(4)
        turn = self.rng.choice((1, 2, 5))
        text = (CAREFUL, CARELESS, GENERATOR, NUMBERED)[kind].format(name=name, turn=turn)
        self.define(text)
        source, new = self.name("s"), self.name("k")
        take = f"{source}.next()" if kind < 2 else f"next({source})"
        fn = self.rng.choice(self.functions)
        call, act_of_call = self.called(fn, new)
        times = self.rng.choice((2, 3))

        def act(world: World) -> None:
            key = world.env[old]
            for number in range(times):
                if kind == 3:
                    own = impls.fold_in(IMPL, key, number % turn)
                else:
                    after, own = split(key)
                    key = after if kind != 1 else key
                world.env[new] = own
                act_of_call(world)

        self.step(
            f"{source} = {name}({old})\nfor i in range({times}):\n    {new} = {take}\n    {call}",
            act,
        )
        self.keys.append(new)

    def loop(self) -> None:
        """A Python loop that gets its keys by split or fold_in, some of them repeated."""
        key, own, kind = self.any_key(), self.name("k"), self.rng.randrange(5)
        fn = self.rng.choice(self.functions)
        times = self.rng.choice((2, 3))
        well = f"{key}, {own} = jax.random.split({key})"
        text = (
            well,
            f"{own} = jax.random.fold_in({key}, i)",
            f"{own} = jax.random.fold_in({key}, i // 2)",
            f"_, {own} = jax.random.split({key})",
            well,
        )[kind]
        call, act_of_call = self.called(fn, own)

        def act(world: World) -> None:
            for i in range(times):
                if kind in (1, 2):
                    world.env[own] = impls.fold_in(IMPL, world.env[key], i if kind == 1 else i // 2)
                else:
                    after, world.env[own] = split(world.env[key])
                    world.env[key] = world.env[key] if kind == 3 else after
                act_of_call(world)

        self.step(f"for i in range({times}):\n    {text}\n    {call}", act)
        self.keys.append(own)
