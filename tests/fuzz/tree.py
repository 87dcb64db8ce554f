"""A random program as a tree of statements, and as Python source with one draw per line.

Names are unique in a program, so a statement may use any name bound before it or around it.
Every draw is added to `acc`, which every scope returns, so that no code is dead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.ops import OPS

Block = list["Statement"]

Where = tuple[tuple[str, int, int], ...]
"""The path to a draw through the program: scopes, branches and calls, each with its id."""


@dataclass(frozen=True)
class Var:
    """The name of a key or an integer, or of an array of them with this logical shape."""

    name: str
    kind: str
    shape: tuple[int, ...] = ()
    legacy: bool = False


@dataclass
class Assign:
    out: str
    op: str
    args: list[str]
    params: dict[str, Any]


@dataclass
class AxisIndex:
    out: str
    axis_name: str


@dataclass
class Draw:
    """Adds the sum of a draw to `acc`."""

    id: int
    sampler: str
    key: str


@dataclass
class DrawInt:
    """Draws an integer below `bound`, so that keys can depend on draws."""

    id: int
    out: str
    key: str
    bound: int


@dataclass
class Vmap:
    """`arguments`: (inner, outer, axis, in_axes as text); `outs`: (inner, outer, axis)."""

    id: int
    size: int
    arguments: list[tuple[str, str, int | None, str]]
    outs: list[tuple[str, str, int | None]]
    axis_name: str | None
    body: Block


@dataclass
class Loop:
    """`how` is `scan`, `map`, `fori` or `while`; `count` is a number or the name of one.

    `index` is the name of the step's number, `carry` has (inner, initial, next, outer), `xs` has
    (inner, outer), `ys` has (inner, outer).
    """

    id: int
    how: str
    count: int | str
    reverse: bool
    index: str
    carry: list[tuple[str, str, str, str]]
    xs: list[tuple[str, str]]
    ys: list[tuple[str, str]]
    body: Block


@dataclass
class Cond:
    """Runs `branches[index % len(branches)]`; each has statements and the names it returns."""

    id: int
    index: str
    branches: list[tuple[Block, list[str]]]
    outs: list[str]


@dataclass
class Call:
    id: int
    helper: str
    args: list[str]
    outs: list[str]


@dataclass
class Wrapped:
    """A block as a function of a number, which `WRAPPERS[how]` calls.

    `outs` are the names that it returns. Its `acc` starts with that number, so that all of it has
    a derivative.
    """

    id: int
    how: str
    body: Block
    outs: list[str]


Statement = Assign | AxisIndex | Draw | DrawInt | Vmap | Loop | Cond | Call | Wrapped


@dataclass
class Helper:
    """A jitted function of the module."""

    name: str
    params: list[str]
    body: Block
    outs: list[str]


@dataclass
class Program:
    """`module`: statements at import; `inputs`: the arguments of `program` with their values."""

    module: list[Assign]
    helpers: list[Helper]
    body: Block
    inputs: list[tuple[Var, Any]]


SAMPLERS = {
    "bits": "jax.random.bits({key}, (2,))",
    "uniform": "jax.random.uniform({key})",
    "normal": "jax.random.normal({key}, (2,))",
    "bernoulli": "jax.random.bernoulli({key}, 0.5, (3,))",
    "randint": "jax.random.randint({key}, (2,), 0, 9)",
    "permutation": "jax.random.permutation({key}, 4)",
    "choice": "jax.random.choice({key}, 5, (2,))",
    "gumbel": "jax.random.gumbel({key})",
    "categorical": "jax.random.categorical({key}, jnp.zeros(3))",
    "gamma": "jax.random.gamma({key}, 1.5)",
    "truncated_normal": "jax.random.truncated_normal({key}, -1.0, 1.0)",
    "laplace": "jax.random.laplace({key})",
}


# Ways to call `f(w)`, which returns `acc` and an auxiliary output: the names to bind, the call.
WRAPPERS = {
    "jit": ("{acc}, {outs}", "jax.jit({f})({w})"),
    "checkpoint": ("{acc}, {outs}", "jax.checkpoint({f})({w})"),
    "jvp": ("{acc}, {d}, {outs}", "jax.jvp({f}, ({w},), (jnp.float32(1),), has_aux=True)"),
    "jvp of checkpoint": (
        "{acc}, {d}, {outs}",
        "jax.jvp(jax.checkpoint({f}), ({w},), (jnp.float32(1),), has_aux=True)",
    ),
    "grad": ("({acc}, {outs}), {d}", "jax.value_and_grad({f}, has_aux=True)({w})"),
    "grad of checkpoint": (
        "({acc}, {outs}), {d}",
        "jax.value_and_grad(jax.checkpoint({f}), has_aux=True)({w})",
    ),
    "grad of jit": ("({acc}, {outs}), {d}", "jax.value_and_grad(jax.jit({f}), has_aux=True)({w})"),
    "vjp": ("{acc}, {d}, {outs}", "jax.vjp({f}, {w}, has_aux=True)"),
}
FORWARD = ("jit", "checkpoint", "jvp", "jvp of checkpoint")
"""The wrappers that need no reverse-mode derivative."""


@dataclass
class Source:
    """The text of a program, and the line of each draw and scope by its id.

    `start` is the initial value of `acc` in the body of a scope.
    """

    lines: list[str] = field(default_factory=list)
    at: dict[int, int] = field(default_factory=dict)
    start: str = "jnp.float32(0)"

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def add(self, depth: int, text: str, mark: int | None = None) -> None:
        self.lines.append("    " * depth + text)
        if mark is not None:
            self.at[mark] = len(self.lines)


def render(program: Program) -> Source:
    out = Source()
    for line in ("import jax", "import jax.numpy as jnp", "from jax import lax"):
        out.add(0, line)
    for statement in program.module:
        _statement(out, 0, statement)
    for helper in program.helpers:
        out.add(0, "@jax.jit")
        out.add(0, f"def {helper.name}({', '.join(helper.params)}):")
        _block(out, helper.body)
        out.add(1, f"return {_row('acc', *helper.outs)}")
    out.add(0, f"def program({', '.join(var.name for var, _ in program.inputs)}):")
    _block(out, program.body)
    out.add(1, "return acc")
    return out


def _row(*names: str) -> str:
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def _block(out: Source, body: Block, depth: int = 1, *, fresh: bool = True) -> None:
    if fresh:
        out.add(depth, f"acc = {out.start}")
    for statement in body:
        _statement(out, depth, statement)


def _statement(out: Source, depth: int, s: Statement) -> None:
    match s:
        case Assign():
            out.add(depth, f"{s.out} = {OPS[s.op].text(s.args, s.params)}")
        case AxisIndex():
            out.add(depth, f"{s.out} = lax.axis_index({s.axis_name!r})")
        case Draw():
            drawn = SAMPLERS[s.sampler].format(key=s.key)
            out.add(depth, f"acc = acc + jnp.sum({drawn}).astype(jnp.float32)", s.id)
        case DrawInt():
            out.add(depth, f"{s.out} = jax.random.randint({s.key}, (), 0, {s.bound})", s.id)
            out.add(depth, f"acc = acc + {s.out}")
        case Vmap():
            _vmap(out, depth, s)
        case Loop(how="scan" | "map"):
            _scan(out, depth, s)
        case Loop():
            _counted(out, depth, s)
        case Cond():
            _cond(out, depth, s)
        case Call():
            out.add(depth, f"acc_{s.id}, {_names(s.outs)}= {s.helper}({', '.join(s.args)})")
            out.add(depth, f"acc = acc + acc_{s.id}")
        case Wrapped():
            _wrapped(out, depth, s)


def _wrapped(out: Source, depth: int, s: Wrapped) -> None:
    left, call = WRAPPERS[s.how]
    out.add(depth, f"def f_{s.id}(w_{s.id}):")
    outer, out.start = out.start, f"w_{s.id}"
    _block(out, s.body, depth + 1)
    out.start = outer
    out.add(depth + 1, f"return acc, {_row(*s.outs)}")
    names = {"f": f"f_{s.id}", "acc": f"acc_{s.id}", "d": f"d_{s.id}", "outs": _row(*s.outs)}
    weight = outer if outer.startswith("w_") else "jnp.float32(1.5)"
    out.add(depth, f"{left} = {call}".format(w=weight, **names))
    derivative = ""
    if "{d}" in left:
        derivative = f" + d_{s.id}" + ("(jnp.float32(1))[0]" if s.how == "vjp" else "")
    out.add(depth, f"acc = acc + acc_{s.id}{derivative}")


def _names(names: list[str]) -> str:
    return "".join(f"{name}, " for name in names)


def _vmap(out: Source, depth: int, s: Vmap) -> None:
    out.add(depth, f"def f_{s.id}({', '.join(a[0] for a in s.arguments)}):")
    _block(out, s.body, depth + 1)
    out.add(depth + 1, f"return {_row('acc', *(inner for inner, _, _ in s.outs))}")
    in_axes = _row(*(a[3] for a in s.arguments))
    out_axes = _row("0", *(str(axis) for _, _, axis in s.outs))
    name = f", axis_name={s.axis_name!r}" if s.axis_name else ""
    out.add(
        depth,
        f"acc_{s.id}, {_names([outer for _, outer, _ in s.outs])}= jax.vmap(f_{s.id}, "
        f"in_axes={in_axes}, out_axes={out_axes}{name})({', '.join(a[1] for a in s.arguments)})",
        s.id,
    )
    out.add(depth, f"acc = acc + jnp.sum(acc_{s.id})")


def _scan(out: Source, depth: int, s: Loop) -> None:
    out.add(depth, f"def f_{s.id}({'x' if s.how == 'map' else 'c, x'}):")
    if s.how == "scan":
        out.add(depth + 1, f"{_row('acc', *(c[0] for c in s.carry))} = c")
    if s.xs:
        out.add(depth + 1, f"{_row(*(inner for inner, _ in s.xs))} = x")
    _block(out, s.body, depth + 1, fresh=s.how == "map")
    ys, xs = [inner for inner, _ in s.ys], _row(*(x[1] for x in s.xs)) if s.xs else "None"
    outer = _names([outer for _, outer in s.ys])
    if s.how == "map":
        out.add(depth + 1, f"return {_row('acc', *ys)}")
        out.add(depth, f"acc_{s.id}, {outer}= lax.map(f_{s.id}, {xs})", s.id)
        out.add(depth, f"acc = acc + jnp.sum(acc_{s.id})")
        return
    out.add(depth + 1, f"return {_row('acc', *(c[2] for c in s.carry))}, ({_names(ys)})")
    out.add(
        depth,
        f"{_row('acc', *(c[3] for c in s.carry))}, ({outer}) = lax.scan(f_{s.id}, "
        f"{_row('acc', *(c[1] for c in s.carry))}, {xs}, length={s.count}, reverse={s.reverse})",
        s.id,
    )


def _counted(out: Source, depth: int, s: Loop) -> None:
    first = _row("acc", *(c[1] for c in s.carry))
    last = _row("acc", *(c[3] for c in s.carry))
    if s.how == "fori":
        out.add(depth, f"def f_{s.id}({s.index}, c):")
        out.add(depth + 1, f"{_row('acc', *(c[0] for c in s.carry))} = c")
        _block(out, s.body, depth + 1, fresh=False)
        out.add(depth + 1, f"return {_row('acc', *(c[2] for c in s.carry))}")
        call = f"lax.fori_loop(0, {s.count}, f_{s.id}, {first})"
        out.add(depth, f"{last} = {call}", s.id)
        return
    out.add(depth, f"def f_{s.id}(c):")
    out.add(depth + 1, f"{_row(s.index, 'acc', *(c[0] for c in s.carry))} = c")
    _block(out, s.body, depth + 1, fresh=False)
    out.add(depth + 1, f"return {_row(f'{s.index} + 1', 'acc', *(c[2] for c in s.carry))}")
    inner = _row("jnp.int32(0)", "acc", *(c[1] for c in s.carry))
    out.add(
        depth,
        f"_, {last[1:-1]} = lax.while_loop(lambda c: c[0] < {s.count}, f_{s.id}, {inner})",
        s.id,
    )


def _cond(out: Source, depth: int, s: Cond) -> None:
    names = []
    for number, (body, results) in enumerate(s.branches):
        names.append(f"f_{s.id}_{number}")
        out.add(depth, f"def {names[-1]}(acc):")
        _block(out, body, depth + 1, fresh=False)
        out.add(depth + 1, f"return {_row('acc', *results)}")
    left = f"acc, {_names(s.outs)}"
    if len(names) == 2:
        out.add(depth, f"{left}= lax.cond({s.index} % 2 == 1, {names[1]}, {names[0]}, acc)")
    else:
        out.add(depth, f"{left}= lax.switch({s.index} % {len(names)}, {_row(*names)}, acc)")
