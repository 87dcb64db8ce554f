"""Keys that are at fault for one cause each, and keys that are not, in one program.

The writer of a program knows which keys it uses wrongly, and which lines use each key. So it knows
which findings are right: one for each cause, with no place that belongs to another key.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jax
import jax.numpy as jnp

from jaxrng_doctor import check, watch
from jaxrng_doctor.model.findings import Finding
from jaxrng_doctor.rules.by_cause import ungrouped
from tests.fuzz.compare import NOT_COMPARED, load
from tests.fuzz.families.judge import Verdict
from tests.fuzz.families.lanes import Writer
from tests.fuzz.tree import Source

SIZE = 3
"""The number of examples of a vmap, and of steps of a loop."""

SAMPLERS = (
    "jax.random.normal({key}, {shape})",
    "jax.random.uniform({key}, {shape})",
    "jax.random.gumbel({key}, {shape})",
    "jax.random.bernoulli({key}, 0.5, {shape})",
    "jax.random.truncated_normal({key}, -1.0, 1.0, {shape})",
)


@dataclass(frozen=True)
class Fault:
    """A cause: the code of its finding, and how many uses of the key it counts, if it does."""

    code: str
    uses: int = 0


@dataclass
class Line:
    """A line of a program, and the ids of the causes or correct keys that it belongs to."""

    text: str
    owners: set[int]


@dataclass
class Program:
    """The lines of a program, and its faults by the id of their cause.

    `how`: it is checked, or it is watched, either compiled (`jit`) or not (`eager`).
    """

    lines: list[Line]
    faults: dict[int, Fault]
    legacy: bool
    how: str

    def source(self) -> Source:
        out = Source()
        for line in self.lines:
            out.add(0, line.text)
        return out

    def owners(self, line: int) -> set[int]:
        return self.lines[line - 1].owners

    @property
    def is_faulty(self) -> bool:
        """Whether some key is at fault."""
        return bool(self.faults)


def case(seed: int) -> Program:
    """The program of this seed."""
    return _Writer(seed).program()


def verdict(seed: int) -> Verdict:
    """Check the program, and compare the findings with its faults."""
    program = case(seed)
    with tempfile.TemporaryDirectory() as folder:
        fn = load(program.source(), Path(folder))
        key = (jax.random.PRNGKey if program.legacy else jax.random.key)(7)
        args = [jnp.arange(float(SIZE)), key]
        if program.how == "check":
            with NOT_COMPARED:
                report = check(fn, args)
        else:
            with watch() as report:
                (jax.jit(fn) if program.how == "jit" else fn)(*args)
    reported = [f"failure: {failure.message}" for failure in report.failures]
    reported += [f"gap: {gap.message}" for gap in report.gaps]
    reported += _disagreements(program, report.findings)
    return Verdict(reported, program.is_faulty)


def _disagreements(program: Program, findings: Sequence[Finding]) -> list[str]:
    reported = []
    missing = dict(program.faults)
    # A line may belong to several causes. The findings with the fewest possible ones come first.
    possible = [(finding, _causes(program, finding)) for finding in findings]
    for finding, causes in sorted(possible, key=lambda each: len(each[1])):
        at = f"line {finding.place.line if finding.place else 0}: {finding.code}"
        of_code = [i for i in causes if i in missing and missing[i].code == finding.code]
        if not causes:
            reported.append(f"{at} has places of several keys: {_lines(finding)}")
        elif not of_code:
            known = [program.faults[i].code for i in causes if i in program.faults]
            what = f"should be {known}" if known else "is a false alarm"
            reported.append(f"{at} {what}, or is one of several of a cause: {finding.message}")
        else:
            fault = missing.pop(of_code[0])
            uses = finding.evidence.examples if finding.evidence else 0
            if fault.uses and fault.uses != uses:
                reported.append(f"{at} counts {uses} uses, not {fault.uses}: {finding.message}")
    for cause, fault in missing.items():
        lines = [n for n, line in enumerate(program.lines, 1) if cause in line.owners]
        reported.append(f"{fault.code} is missing on the lines {lines}")
    return reported


def _causes(program: Program, finding: Finding) -> set[int]:
    """The causes and keys to which all places of the finding and of its parts belong."""
    owners = [program.owners(line) for line in _lines(finding)]
    return set.intersection(*filter(None, owners)) if any(owners) else set()


def _lines(finding: Finding) -> list[int]:
    places = {part.place for part in ungrouped([finding])}
    places |= {related.place for part in ungrouped([finding]) for related in part.related}
    return sorted(place.line for place in places if place is not None)


@dataclass
class _Part:
    """Statements, each a list of lines, that use one key; `owner` is its id."""

    key: str
    owner: int
    statements: list[list[Line]] = field(default_factory=list)
    may_wrap: bool = True
    may_jit: bool = True

    def say(self, *lines: str, owners: dict[str, set[int]] | None = None) -> None:
        """Add a statement. `owners` has those of the lines that start with a text, if not `owner`.

        The other lines belong to `owner`.
        """
        found = []
        for text in lines:
            named = [ids for start, ids in (owners or {}).items() if text.strip().startswith(start)]
            found.append(Line(text, set(named[0] if named else {self.owner})))
        self.statements.append(found)


Kind = Callable[[_Part], None]


class _Writer(Writer):
    def __init__(self, seed: int) -> None:
        super().__init__(f"causes {seed}")
        self.legacy = seed % 4 == 3
        self.how = ("check", "jit", "check", "eager")[seed // 4 % 4]
        self.definitions: list[Line] = []
        self.helpers: dict[str, list[Line]] = {}
        self.faults: dict[int, Fault] = {}
        self.returned: list[str] = []

    def program(self) -> Program:
        rng = self.rng
        count = rng.choice((1, 2, 3, 4, 5))
        share = rng.choice((0.0, 0.3, 0.7, 1.0))  # of the keys that are at fault
        tree = ", ".join(f"'k{i}': keys[{i}]" for i in range(count))
        first = [
            f"keys = jax.random.split(key, {count})",
            "pair = (keys[0], keys[-1])",
            f"tree = {{{tree}}}",
        ]
        kinds = (
            (self.correct_and_eager, self.at_fault_and_eager)
            if self.how == "eager"
            else (self.correct, self.at_fault)
        )
        parts = []
        for i in range(count):
            part = _Part("", self.id())
            part.key = self.base(part, i, count)
            rng.choice(kinds[self.chance(share)])(part)
            parts.append(self.wrapped(part))
        body = [*(Line(text, set()) for text in first), *self.interleaved(parts)]
        body.append(Line(f"return {', '.join(['x', *self.returned])}", set()))
        lines = [
            Line(text, set())
            for text in ("import jax", "import jax.numpy as jnp", "from jax import lax")
        ]
        lines += self.definitions
        lines += [line for found in self.helpers.values() for line in found]
        lines.append(Line("def program(x, key):", set()))
        lines += [Line(f"    {line.text}", line.owners) for line in body]
        if self.how == "eager":  # the values of keys say that they are equal, not how they are made
            found = {"RNG007": "RNG005"}
            faults = {i: Fault(found.get(f.code, f.code)) for i, f in self.faults.items()}
            return Program(lines, faults, self.legacy, self.how)
        return Program(lines, self.faults, self.legacy, self.how)

    def base(self, part: _Part, i: int, count: int) -> str:
        """An expression for one of the keys, maybe after a statement that names it."""
        every = [f"keys[{i}]", f"tree['k{i}']"]
        every += ["pair[0]"] if i == 0 else ["pair[1]"] if i == count - 1 else []
        text = self.rng.choice(every)
        if self.chance(0.4):
            return text
        name = self.name("k")
        more = (text, text, f"jax.random.fold_in({text}, 900)", f"jax.random.split({text}, 2)[1]")
        part.say(f"{name} = {self.rng.choice(more)}")
        return name

    def interleaved(self, parts: list[_Part]) -> list[Line]:
        waiting = [list(part.statements) for part in parts]
        found: list[Line] = []
        while waiting := [statements for statements in waiting if statements]:
            found += self.rng.choice(waiting).pop(0)
        return found

    def wrapped(self, part: _Part) -> _Part:
        """The part as one call of a function that has its statements, maybe of a jitted one."""
        while part.may_wrap and self.chance(0.25):
            name, owner = self.name("part"), {part.owner}
            may_jit = part.may_jit and self.how != "eager"
            inner = [line for statement in part.statements for line in statement]
            head = [Line("@jax.jit", set())] if may_jit and self.chance(0.5) else []
            everyone = set[int]().union(*(line.owners for line in inner))
            body = [Line(f"    {line.text}", line.owners) for line in inner]
            part = _Part(part.key, part.owner, may_jit=part.may_jit)
            called = self.rng.choice((name, name, f"jax.checkpoint({name})"))
            called = called if self.how != "eager" else name
            part.statements = [
                [
                    *head,
                    Line(f"def {name}(x, keys, tree, pair):", set()),
                    *body,
                    Line("    return x", set()),
                ],
                [Line(f"x = {called}(x, keys, tree, pair)", everyone | owner)],
            ]
        return part

    # -- pieces ----------------------------------------------------------------------------

    def few(self) -> int:
        return self.rng.choice((1, 1, 2, 3, 4))

    def fault(self, part: _Part, code: str, uses: int = 0) -> None:
        self.faults[part.owner] = Fault(code, uses)

    def draw(self, key: str, shape: str = f"({SIZE},)") -> str:
        return self.rng.choice(SAMPLERS).format(key=key, shape=shape)

    def more(self, key: str) -> str:
        return f"x = x + {self.draw(key)}"

    def names(self, count: int) -> list[str]:
        return [self.name("c") for _ in range(count)]

    def split(self, key: str, names: list[str], count: int = 0) -> str:
        """A statement that splits a key into `count` children; the last ones may have no name."""
        left = ", ".join(names) + ("," if count <= len(names) else ", *_")
        return f"{left} = jax.random.split({key}, {max(count, len(names))})"

    def derived(self, key: str, count: int) -> tuple[list[str], list[str]]:
        """Statements that derive keys from a key, and expressions for distinct keys."""
        if count == 1 and self.chance(0.5):
            return [], [key]
        folds = [f"jax.random.fold_in({key}, {100 + i})" for i in range(count)]
        if self.chance(0.3):
            return [], folds
        split = self.rng.randrange(1, count + 1)
        names = self.names(split)
        return [self.split(key, names)], [*names, *folds[split:]]

    def draws(self, key: str, count: int, to: str = "x", shape: str = f"({SIZE},)") -> list[str]:
        """Statements that add draws from distinct keys, all derived from this one."""
        lines, keys = self.derived(key, count)
        return [*lines, *(f"{to} = {to} + {self.draw(each, shape)}" for each in keys)]

    def function(self, head: str, body: list[str], result: str) -> tuple[str, list[str]]:
        """The name of a local function, and its lines; `head` has its parameters."""
        name = self.name("f")
        return name, [f"def {name}({head}):", *(f"    {s}" for s in body), f"    return {result}"]

    def helper(self, part: _Part, kind: str) -> str:
        """A function of the module, which other keys may use, too.

        Of eager draws only the innermost line is recorded, so all keys that are drawn from again on
        one line are one finding. There, each key has its own helper.
        """
        shared = self.chance(0.5) and self.how != "eager"
        name = kind if shared else self.name(kind)
        if name not in self.helpers:
            noise = [f"def {name}(key):", f"    return {self.draw('key')}"]
            both = [
                f"def {name}(key):",
                "    one, two = jax.random.split(key)",
                f"    noise = {self.draw('one')}",
                f"    return noise * {self.draw('two')}",
            ]
            folded = [
                f"def {name}(key, number):",
                "    key = jax.random.fold_in(key, number)",
                f"    return {self.draw('key')}",
            ]
            texts = {"noise": noise, "both": both, "folded": folded}[kind]
            self.helpers[name] = [Line(text, set()) for text in texts]
        for line in self.helpers[name][1:]:
            line.owners.add(part.owner)
        return name

    # -- correct uses ----------------------------------------------------------------------

    @property
    def correct(self) -> list[Kind]:
        return [
            *self.correct_and_eager,
            self.mapped,
            self.scanned,
            self.threaded,
            self.folded_steps,
            self.branches,
        ]

    @property
    def correct_and_eager(self) -> list[Kind]:
        return [self.drawn_once, self.split_once, self.python_loop, self.helper_once]

    def drawn_once(self, part: _Part) -> None:
        part.say(self.more(part.key))

    def split_once(self, part: _Part) -> None:
        lines, keys = self.derived(part.key, self.rng.choice((2, 3, 4)))
        for line in (*lines, *map(self.more, keys)):
            part.say(line)

    def mapped(self, part: _Part) -> None:
        keys = self.name("ks")
        name, lines = self.function("row, key", self.draws("key", self.few(), "row", "()"), "row")
        part.say(f"{keys} = jax.random.split({part.key}, {SIZE})")
        part.say(*lines, f"x = jax.vmap({name})(x, {keys})")

    def scanned(self, part: _Part) -> None:
        name, lines = self.function("x, key", self.draws("key", self.few()), "x, None")
        part.say(*lines, f"x, _ = lax.scan({name}, x, jax.random.split({part.key}, {SIZE}))")

    def threaded(self, part: _Part) -> None:
        self.carry(part, ["key, own = jax.random.split(key)", *self.draws("own", self.few())])

    def carry(self, part: _Part, body: list[str], result: str = "key") -> None:
        """A loop that carries a key from step to step."""
        last = self.rng.choice(("x, _", f"x, {self.name('k')}"))
        how = self.rng.choice(("scan", "fori", "while"))
        if how == "scan":
            name, lines = self.function("c, _", ["x, key = c", *body], f"(x, {result}), None")
            call = f"({last}), _ = lax.scan({name}, (x, {part.key}), None, {SIZE})"
        elif how == "fori":
            name, lines = self.function("i, c", ["x, key = c", *body], f"x, {result}")
            call = f"{last} = lax.fori_loop(0, {SIZE}, {name}, (x, {part.key}))"
        else:
            name, lines = self.function("c", ["i, x, key = c", *body], f"i + 1, x, {result}")
            until = f"lambda c: c[0] < {SIZE}"
            call = f"_, {last} = lax.while_loop({until}, {name}, (0, x, {part.key}))"
        part.say(*lines, call)

    def python_loop(self, part: _Part) -> None:
        key, own = self.name("k"), self.name("k")
        part.say(f"{key} = {part.key}")
        part.say(
            f"for _ in range({self.rng.choice((2, 3))}):",
            f"    {key}, {own} = jax.random.split({key})",
            f"    {self.more(own)}",
        )

    def folded_steps(self, part: _Part) -> None:
        own = f"jax.random.fold_in({part.key}, i)"
        name, lines = self.function("i, x", [self.more(own)], "x")
        part.say(*lines, f"x = lax.fori_loop(0, {SIZE}, {name}, x)")

    def branches(self, part: _Part) -> None:
        one, lines = self.function("x", [self.more(part.key)], "x")
        two, others = self.function("x", self.draws(part.key, 1), "x")
        part.say(*lines, *others, f"x = lax.cond(x[0] > 0, {one}, {two}, x)")

    def helper_once(self, part: _Part) -> None:
        name = self.helper(part, self.rng.choice(("noise", "both")))
        part.say(f"x = x + {name}({part.key})")

    # -- one cause -------------------------------------------------------------------------

    @property
    def at_fault(self) -> list[Kind]:
        return [
            *self.at_fault_and_eager,
            self.unmapped,
            self.unmapped_tree,
            self.captured,
            self.seed_inside,
            self.constant_of_a_loop,
            self.stale_carry,
            self.unchanged_carry,
            self.examples_and_steps,
            self.broadcast,
            self.array_again,
            self.consumed_and_returned,
            self.shared_and_drawn_again,
            self.two_shared,
        ]

    @property
    def at_fault_and_eager(self) -> list[Kind]:
        return [
            self.drawn_again,
            self.drawn_in_a_loop,
            self.helper_again,
            self.parent_drawn,
            self.split_twice,
            self.split_in_a_loop,
            self.both_used_in_a_loop,
            self.equal_folds,
            self.few_folds,
            self.equal_seeds,
        ]

    def drawn_again(self, part: _Part) -> None:
        count = self.rng.choice((2, 2, 3, 4, 9, 12))
        self.fault(part, "RNG005", count)
        for _ in range(count):
            part.say(self.more(part.key))

    def drawn_in_a_loop(self, part: _Part) -> None:
        count = self.rng.choice((2, 3))
        self.fault(part, "RNG005", count)
        part.say(f"for _ in range({count}):", f"    {self.more(part.key)}")

    def helper_again(self, part: _Part) -> None:
        kind = self.rng.choice(("noise", "both"))
        name, count = self.helper(part, kind), self.rng.choice((2, 3))
        self.fault(part, "RNG005", count if kind == "noise" else 0)
        if self.chance(0.3):
            part.say(f"for _ in range({count}):", f"    x = x + {name}({part.key})")
            return
        for _ in range(count):
            part.say(f"x = x + {name}({part.key})")

    def parent_drawn(self, part: _Part) -> None:
        count, names = self.rng.choice((1, 1, 2, 3)), self.names(self.rng.choice((1, 2, 3)))
        self.fault(part, "RNG006" if count == 1 else "RNG005", 0 if count == 1 else count)
        statements = [self.split(part.key, names, max(2, len(names))), *map(self.more, names)]
        for _ in range(count):
            statements.insert(self.rng.randrange(len(statements) + 1), self.more(part.key))
        for statement in statements:
            part.say(statement)

    def split_twice(self, part: _Part) -> None:
        drawn: list[set[int]] = []
        statements = []
        for _ in range(2):
            names = self.names(self.rng.choice((2, 3)))
            drawn.append({i for i in range(len(names)) if self.chance(0.6)} or {0})
            own = [self.more(names[i]) for i in sorted(drawn[-1])]
            statements.append([self.split(part.key, names), *own])
        self.fault(part, "RNG007" if drawn[0] & drawn[1] else "RNG006")
        if self.chance(0.5):  # both splits before all draws
            (first, *some), (second, *others) = statements
            statements = [[first, second], some, others]
        for statement in (s for one in statements for s in one):
            part.say(statement)

    def split_in_a_loop(self, part: _Part) -> None:
        self.fault(part, "RNG005")
        names = self.names(self.rng.choice((1, 2, 3)))
        part.say(
            f"for _ in range({self.rng.choice((2, 3))}):",
            f"    {self.split(part.key, names, max(2, len(names)))}",
            *(f"    {self.more(name)}" for name in names),
        )

    def both_used_in_a_loop(self, part: _Part) -> None:
        """Each round draws from both children, and goes on with one of them."""
        self.fault(part, "RNG006")
        key, (one, two) = self.name("k"), self.names(2)
        again = self.chance(0.5)
        part.say(f"{key} = {part.key}")
        part.say(
            f"for _ in range({self.rng.choice((2, 3))}):",
            f"    {self.split(key, [one, two])}",
            f"    {self.more(one)}",
            f"    {self.more(two)}",
            f"    {key} = {f'jax.random.split({key})[0]' if again else one}",
        )

    def unmapped(self, part: _Part) -> None:
        self.fault(part, "RNG001")
        name, lines = self.function("row, key", self.draws("key", self.few(), "row", "()"), "row")
        part.say(*lines, f"x = jax.vmap({name}, (0, None))(x, {part.key})")

    def unmapped_tree(self, part: _Part) -> None:
        self.fault(part, "RNG001")
        names = self.names(2)
        body = [s for i in range(2) for s in self.draws(f"both['{i}']", self.few(), "row", "()")]
        name, lines = self.function("row, both", body, "row")
        both = f"{{'0': {names[0]}, '1': {names[1]}}}"
        part.say(self.split(part.key, names))
        part.say(*lines, f"x = jax.vmap({name}, (0, None))(x, {both})")

    def captured(self, part: _Part) -> None:
        self.fault(part, "RNG001")
        name, lines = self.function("row", self.draws(part.key, self.few(), "row", "()"), "row")
        part.say(*lines, f"x = jax.vmap({name})(x)")

    def seed_inside(self, part: _Part) -> None:
        self.fault(part, "RNG001")
        part.may_jit = False  # RNG011 is about such a key in a jitted function
        made = f"key = jax.random.{'PRNGKey' if self.legacy else 'key'}({1000 + part.owner})"
        body = [made, *self.draws("key", self.few(), "row", "()")]
        name, lines = self.function("row", body, "row")
        part.say(*lines, f"x = jax.vmap({name})(x)")

    def constant_of_a_loop(self, part: _Part) -> None:
        self.fault(part, "RNG003")
        body = self.draws(part.key, self.few())
        if self.chance(0.5):
            name, lines = self.function("x, _", body, "x, None")
            part.say(*lines, f"x, _ = lax.scan({name}, x, None, {SIZE})")
        else:
            name, lines = self.function("i, x", body, "x")
            part.say(*lines, f"x = lax.fori_loop(0, {SIZE}, {name}, x)")

    def stale_carry(self, part: _Part) -> None:
        self.fault(part, "RNG006")
        text = self.rng.choice(("key, _ = {}", "key = {}[0]", "_, key = {}"))
        body = [text.format("jax.random.split(key)"), self.more("key")]
        self.carry(part, body if self.chance(0.5) else body[::-1])

    def unchanged_carry(self, part: _Part) -> None:
        self.fault(part, "RNG003")
        self.carry(part, self.draws("key", self.few()))

    def examples_and_steps(self, part: _Part) -> None:
        """A key is the same for all examples and steps."""
        self.fault(part, "RNG001")
        count, vmap_first, given = self.few(), self.chance(0.6), self.chance(0.5)
        key = "key" if given else part.key
        head, axes = ("row, key", "(0, None)") if given else ("row", "0")
        argument = f", {part.key}" if given else ""
        draws = self.draws(key, count, "row", "()")
        if vmap_first:
            body, inner = self.function("row, _", draws, "row, None")
            loop = [*inner, f"row, _ = lax.scan({body}, row, None, {SIZE + 1})"]
            name, lines = self.function(head, loop, "row")
            part.say(*lines, f"x = jax.vmap({name}, {axes})(x{argument})")
        else:
            body, inner = self.function(head, draws, "row")
            loop = [*inner, f"x = jax.vmap({body}, {axes})(x{argument})"]
            name, lines = self.function("x, _", loop, "x, None")
            part.say(*lines, f"x, _ = lax.scan({name}, x, None, {SIZE + 1})")

    def broadcast(self, part: _Part) -> None:
        in_vmap, keys, count = self.chance(0.6), self.name("ks"), self.few()
        self.fault(part, "RNG002" if in_vmap else "RNG003")
        other = f"jax.random.fold_in({part.key}, 500)"
        texts = [
            f"jnp.stack([{part.key}] * {SIZE})",
            f"jnp.stack([{part.key}, {other}, {part.key}])",
            f"jnp.concatenate([{part.key}[None]] * {SIZE})",
        ]
        if not self.legacy:
            texts.append(f"jnp.broadcast_to({part.key}, ({SIZE},))")
        part.say(f"{keys} = {self.rng.choice(texts)}")
        if in_vmap:
            name, lines = self.function("row, key", self.draws("key", count, "row", "()"), "row")
            part.say(*lines, f"x = jax.vmap({name})(x, {keys})")
        else:
            name, lines = self.function("x, key", self.draws("key", count), "x, None")
            part.say(*lines, f"x, _ = lax.scan({name}, x, {keys})")

    def equal_folds(self, part: _Part) -> None:
        """Data that is folded in twice or three times: each is a cause."""
        through_helper = self.chance(0.4) and self.how != "eager"
        name = self.helper(part, "folded") if through_helper else ""
        statements = []
        owners: set[int] = set()
        for i in range(self.rng.choice((1, 2, 3))):
            cause, count = self.id(), self.rng.choice((1, 2, 2, 3))
            owners.add(cause)
            if count > 1:
                self.faults[cause] = Fault("RNG005" if name else "RNG007", count)
            own = f"jax.random.fold_in({part.key}, {200 + i})"
            text = f"x = x + {name}({part.key}, {200 + i})" if name else ""
            statements += [(text or self.more(own), cause) for _ in range(count)]
        self.rng.shuffle(statements)
        for lines in (*part.statements, *([self.helpers[name][1:]] if name else [])):
            for line in lines:
                line.owners |= owners
        for text, cause in statements:
            part.say(text, owners={"": {cause}})

    def few_folds(self, part: _Part) -> None:
        """A loop on one line that folds in each number twice."""
        self.fault(part, "RNG005")
        own = f"jax.random.fold_in({part.key}, 300 + i // 2)"
        part.say("for i in range(4):", f"    {self.more(own)}")

    def equal_seeds(self, part: _Part) -> None:
        """Two keys are made from one seed, and children of both are drawn from.

        In a jitted program, each of the two is also a constant key.
        """
        self.fault(part, "RNG007")
        part.may_jit = False
        seed = f"jax.random.{'PRNGKey' if self.legacy else 'key'}({2000 + part.owner})"
        count = self.few()
        split = self.chance(0.5)
        for _ in range(2):
            owners = {part.owner}
            if self.how == "jit":
                owners.add(self.another("RNG011"))
            key = self.name("k")
            part.say(f"{key} = {seed}", owners={"": owners})
            names = self.names(count)
            if split:
                part.say(self.split(key, names), owners={"": owners})
            for name in names if split else [key]:
                part.say(self.more(name), owners={"": owners})

    def array_again(self, part: _Part) -> None:
        """An array of keys is mapped or scanned over twice, or made twice."""
        keys, again = self.name("ks"), self.chance(0.5)
        self.fault(part, "RNG007" if again else "RNG005")
        for number in range(2):
            if number == 0 or again:
                part.say(f"{keys} = jax.random.split({part.key}, {SIZE})")
            if self.chance(0.5):
                own = f"row = row + {self.draw('key', '()')}"
                name, lines = self.function("row, key", [own], "row")
                part.say(*lines, f"x = jax.vmap({name})(x, {keys})")
            else:
                name, lines = self.function("x, key", [self.more("key")], "x, None")
                part.say(*lines, f"x, _ = lax.scan({name}, x, {keys})")

    def consumed_and_returned(self, part: _Part) -> None:
        count = self.rng.choice((0, 1, 1, 2, 3))  # of draws; or it is split
        self.fault(part, "RNG005" if count > 1 else "RNG008", count if count > 1 else 0)
        part.may_wrap = False
        self.returned.append(part.key)
        if not count:
            names = self.names(2)
            part.say(self.split(part.key, names))
            for name in names:
                part.say(self.more(name))
        for _ in range(count):
            part.say(self.more(part.key))

    # -- two causes ------------------------------------------------------------------------

    def another(self, code: str, uses: int = 0) -> int:
        cause = self.id()
        self.faults[cause] = Fault(code, uses)
        return cause

    def shared_and_drawn_again(self, part: _Part) -> None:
        """A key that examples or steps share, and each of them draws from it twice."""
        in_vmap = self.chance(0.5)
        self.fault(part, "RNG001" if in_vmap else "RNG003")
        both = {part.owner, self.another("RNG005")}
        for line in (line for statement in part.statements for line in statement):
            line.owners |= both
        if in_vmap:
            draws = [f"row = row + {self.draw('key', '()')}" for _ in range(2)]
            name, lines = self.function("row, key", draws, "row")
            call = f"x = jax.vmap({name}, (0, None))(x, {part.key})"
        else:
            draws = [self.more(part.key) for _ in range(2)]
            name, lines = self.function("x, _", draws, "x, None")
            call = f"x, _ = lax.scan({name}, x, None, {SIZE})"
        part.say(*lines, call, owners={"": both})

    def two_shared(self, part: _Part) -> None:
        """Two keys that one vmap or loop shares, by two arguments or two captured names."""
        code, how = self.rng.choice(
            (("RNG001", "unmapped"), ("RNG001", "captured"), ("RNG003", "scan"))
        )
        self.fault(part, code)
        other, names = self.another(code), self.names(2)
        both = {part.owner, other}
        for line in (line for statement in part.statements for line in statement):
            line.owners |= both
        to, shape = ("x", f"({SIZE},)") if how == "scan" else ("row", "()")
        bodies = [self.draws(name, self.few(), to, shape) for name in names]
        head = {"unmapped": f"row, {', '.join(names)}", "captured": "row", "scan": "x, _"}[how]
        result = "x, None" if how == "scan" else "row"
        name, lines = self.function(head, [*bodies[0], *bodies[1]], result)
        call = {
            "unmapped": f"x = jax.vmap({name}, (0, None, None))(x, {', '.join(names)})",
            "captured": f"x = jax.vmap({name})(x)",
            "scan": f"x, _ = lax.scan({name}, x, None, {SIZE})",
        }[how]
        part.say(self.split(part.key, names), owners={"": both})
        only_two = {line: {other} for line in bodies[1]}
        part.say(*lines, call, owners={"def ": both, "return": both, call: both, **only_two})
