"""Handmade reports about source code that exists only in `linecache`, like that of a notebook."""

from __future__ import annotations

import linecache

from jaxrng_doctor.model.findings import (
    Comparison,
    Draw,
    Evidence,
    Failure,
    Finding,
    Gap,
    Help,
    Leaf,
    Pairs,
    Place,
    Related,
    RuleText,
    Scope,
    Suppressed,
)
from jaxrng_doctor.model.report import Report, TargetReport

ROOT = "/project"

LONG_LINE = (
    "    return jax.vmap(lambda state, key: jax.vmap(lambda row: add_noise(row, key) + "
    "0.1 * jax.random.normal(key, row.shape))(state))(states, keys)"
)

SOURCES = {
    "/project/noise.py": '''\
"""Noise for a batch."""

import jax


def add_noise(x, key):
    return x + jax.random.normal(key, x.shape)


def noisy_batch(x, key):
    return jax.vmap(add_noise, in_axes=(0, None))(x, key)


def good_batch(x, key):
    keys = jax.random.split(key, x.shape[0])
    return jax.vmap(add_noise)(x, keys)
''',
    "/project/train/loop.py": f"""\
import jax
from noise import add_noise


def dropout(x, key):
\tmask = jax.random.bernoulli(key, 0.5, x.shape)  # jaxrng: ignore[RNG001] one mask a batch
\treturn x * mask


def chains(states, keys):
{LONG_LINE}


def walk(x, key):
    step = lambda x, _: (x + jax.random.normal(key), x)
    return jax.lax.scan(
        step,
        x,
        length=1000,
    )
""",
}


def install() -> None:
    """Put the sources into `linecache`, from which jaxrng-doctor reads them."""
    for path, text in SOURCES.items():
        put_source(path, text)


def put_source(path: str, text: str) -> None:
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)


def at(path: str, line: int, text: str, function: str | None = None) -> Place:
    """The place of `text` on a line of one of the sources, with columns in bytes, as in Python."""
    source = linecache.getlines(path)[line - 1]
    start = source.index(text)
    column = len(source[:start].encode()) + 1
    return Place(path, line, column, line, column + len(text.encode()), function)


def report(*targets: TargetReport) -> Report:
    return Report(targets, tool_version="0.1.0", jax_version="0.10.2")


def shared_finding() -> Finding:
    noise, loop = "/project/noise.py", "/project/train/loop.py"
    vmap = at(noise, 11, "jax.vmap(add_noise, in_axes=(0, None))(x, key)", "noisy_batch")
    return Finding(
        code="RNG001",
        name="shared-key-under-vmap",
        severity="error",
        confidence="proven",
        message="all 32 examples of vmap(add_noise) draw the same numbers",
        place=at(noise, 7, "jax.random.normal(key, x.shape)", "add_noise"),
        scopes=(
            Scope("vmap", 4, "chain", "chains", at(loop, 11, "jax.vmap"), True, 4),
            Scope("vmap", 32, "add_noise", None, vmap, False, 1),
        ),
        related=(Related(vmap, "`key` is not mapped: in_axes is None for it"),),
        evidence=Evidence(32, 1, (0,) * 32, (0, 31), "00000000 0000002a", "chain 0"),
        help=(
            Help(
                "give each example its own key, where each example needs its own stream",
                "keys = jax.random.split(key, x.shape[0])\n"
                "jax.vmap(add_noise, in_axes=(0, 0))(x, keys)",
            ),
            Help(
                "or draw once for the whole batch, outside the vmap: faster, but other numbers",
                "noise = jax.random.normal(key, x.shape)",
            ),
        ),
        notes=("the inner vmap (32) shares its noise; the outer (4) does not",),
    )


def loop_finding() -> Finding:
    loop = "/project/train/loop.py"
    scan = Place(loop, 16, 12, 20, 6, "walk")
    return Finding(
        code="RNG003",
        name="same-key-every-iteration",
        severity="error",
        confidence="inferred",
        message="all 1,000 steps of scan(step) draw the same numbers",
        place=at(loop, 15, "jax.random.normal(key)", "walk.<locals>.step"),
        scopes=(Scope("scan", 1000, "step", None, scan, False, None),),
        related=(Related(scan, "the loop"),),
        help=(Help("fold the step into the key", "jax.random.fold_in(key, step)"),),
    )


def million_finding() -> Finding:
    """Two alternating keys over a million examples, on a line too long for most terminals."""
    loop = "/project/train/loop.py"
    return Finding(
        code="RNG002",
        name="duplicate-keys-in-batch",
        severity="warning",
        confidence="proven",
        message="1,000,000 examples of vmap(<lambda>) draw from only 2 distinct keys",
        place=at(loop, 11, "jax.random.normal(key, row.shape)", "chains"),
        scopes=(Scope("vmap", 1_000_000, "<lambda>", None, None, False, 2),),
        related=(
            Related(at("/project/noise.py", 15, "jax.random.split(key, x.shape[0])"), "made here"),
            Related(Place("/elsewhere/gone.py", 140, 3), "and repeated here, out of sight"),
        ),
        evidence=Evidence(1_000_000, 2, (0, 1) * 128, (0, 2)),
    )


def refuted_finding() -> Finding:
    return Finding(
        code="RNG001",
        name="shared-key-under-vmap",
        severity="note",
        confidence="refuted",
        message="all 8 examples of vmap(f) draw the same numbers",
        place=None,
        scopes=(Scope("vmap", 8, "f", None, None, None, None),),
    )


def comparison() -> Comparison:
    return Comparison(
        size=32,
        leaves=(
            Leaf("['loss']", (), "float32", None),
            Leaf(
                "['noisy']",
                (32, 10),
                "float32",
                0,
                given=Pairs(False, 3.42177, 0, 496, 32),
                replicated=Pairs(True, 0.0, 496, 496, 1),
            ),
        ),
    )


def mixed_comparison() -> Comparison:
    """A leaf that differs, one that agrees by chance, keys, NaNs, and more leaves than fit."""
    return Comparison(
        size=4,
        leaves=(
            Leaf("[0]", (4,), "float32", 0, None, Pairs(False, float("nan"), 0, 6, 4)),
            Leaf("[1]", (4,), "bool", 0, None, Pairs(False, 1.0, 2, 6, 2)),
            Leaf("[2]", (4,), "key<fry>", 0, None, Pairs(False, None, 0, 6, 4)),
            *(Leaf(f"[{n}]", (3, n), "float32", None) for n in range(3, 20)),
        ),
    )


def shared_target() -> TargetReport:
    draw = Draw("normal", shared_finding().place, "argument key", shared_finding().scopes)
    loop = "/project/train/loop.py"
    mask = Finding(
        "RNG001",
        "shared-key-under-vmap",
        "error",
        "proven",
        "all 8 examples of vmap(dropout) drop the same units",
        at(loop, 6, "jax.random.bernoulli(key, 0.5, x.shape)"),
    )
    return TargetReport(
        target="noise.py:noisy_batch",
        findings=(shared_finding(),),
        comparison=comparison(),
        draws=(draw, draw, draw),
        suppressed=(Suppressed(mask, "comment", "one mask a batch"), Suppressed(mask, "expect")),
    )


def clean_target() -> TargetReport:
    vmap = at("/project/noise.py", 16, "jax.vmap(add_noise)(x, keys)", "good_batch")
    draw = Draw(
        "normal",
        at("/project/noise.py", 7, "jax.random.normal(key, x.shape)", "add_noise"),
        "split of argument key",
        (Scope("vmap", 32, "add_noise", None, vmap, True, 32),),
    )
    return TargetReport("noise.py:good_batch", comparison=mixed_comparison(), draws=(draw,))


def gap_target() -> TargetReport:
    gap = Gap("a key flows into `pure_callback`", at("/project/train/loop.py", 11, "jax.vmap"))
    return TargetReport(
        "train/loop.py:chains",
        findings=(million_finding(), loop_finding(), refuted_finding()),
        comparison=Comparison(unavailable="the function was stopped after 60 s"),
        gaps=(gap, Gap("a vmap could not be kept")),
    )


def failed_target() -> TargetReport:
    traceback = (
        "Traceback (most recent call last):\n"
        '  File "noise.py", line 7, in add_noise\n'
        "    return x + jax.random.normal(key, x.shape)\n"
        "TypeError: unsupported"
    )
    return TargetReport("noise.py:broken", failure=Failure("trace", "TypeError: bad", traceback))


REPORTS = {
    "shared": lambda: report(shared_target()),
    "clean": lambda: report(clean_target()),
    "many": lambda: report(gap_target(), failed_target()),
    "empty": lambda: report(TargetReport("noise.py:nothing")),
}

RULES = (
    RuleText(
        "RNG001",
        "shared-key-under-vmap",
        "error",
        "Inside a vmap, a draw uses one key for every example.",
        "Inside a vmap, a draw uses one key for every example.\n\n"
        "## Example\n```python\njax.vmap(add_noise, in_axes=(0, None))(x, key)\n```\n",
        "https://docs.example/rules/RNG001.md",
    ),
    RuleText("RNG002", "duplicate-keys-in-batch", "error", "Some are equal.", "Some are equal."),
)

HOSTILE = (
    "a\nb\r\nc,d:e=f%0A%3A\n::error file=x::y\n"
    "]]> </details> <script>1</script> &amp; \" ' | \\| \\\n"
    "`x` ~~~~\n`````\n# h\n- i\n[l](http://evil.example) ![p](q) <http://evil.example> "
    "http://evil.example www.evil.example @ghost #1 :tada: **b** _e_ ~~s~~ $m$ {0} {{ [x](0)\n"
    "\x1b[31m \x00 \x07 \x85 \ufffe \u2028 \u202e \udc80 é 日本 🎲"
)
"""Text with something that each format could mistake for its own syntax."""


def hostile_targets() -> tuple[TargetReport, ...]:
    """Targets with hostile text in every field, even in the file name."""
    path = f"/project/{HOSTILE.replace('/', '|')}.py"
    put_source(path, "x = f(key)  # ``` `````` </details> ]]> ::error::z 🎲\n")
    place = Place(path, 1, 5, 1, 11, HOSTILE)
    finding = Finding(
        code="RNG001",
        name="shared-key-under-vmap",
        severity="error",
        confidence="proven",
        message=HOSTILE,
        place=place,
        scopes=(Scope("vmap", 4, HOSTILE, HOSTILE, place, False, 1),),
        related=(Related(place, HOSTILE),),
        evidence=Evidence(4, 1, (0,) * 4, None, HOSTILE, HOSTILE),
        help=(Help(HOSTILE, HOSTILE),),
        notes=(HOSTILE,),
    )
    pairs = Pairs(True, 0.0, 6, 6, 1)
    return (
        TargetReport(
            target=HOSTILE,
            findings=(finding,),
            comparison=Comparison(4, (Leaf(HOSTILE, (4,), HOSTILE, 0, pairs, pairs),)),
            gaps=(Gap(HOSTILE, place), Gap(f"and {HOSTILE}")),
            suppressed=(Suppressed(finding, "comment", HOSTILE, place),),
            lines=place,
        ),
        TargetReport(HOSTILE, draws=(Draw(HOSTILE, place, HOSTILE),)),
        TargetReport(HOSTILE, failure=Failure("run", HOSTILE, HOSTILE)),
    )
