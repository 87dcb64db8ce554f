"""Writes `docs/key_reuse.md`: what the doctor and JAX's own checker say of the same programs.

Every word in the tables comes from running the programs of `tests/rules/known_programs.py` and
`reuse_programs.py`, with four CPU devices, in a process for each of JAX's settings. `--check`
writes nothing, and fails where the page would change.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "key_reuse.md"
FLAGS = ("JAX_SCAN3", "JAX_REMAT3", "JAX_CUSTOM_VJP3")
NONE = ()
SETTINGS = (NONE, *((flag,) for flag in FLAGS), FLAGS)

HEAD = """\
<!-- Made by docs/make_key_reuse.py from tests/rules/known_programs.py and reuse_programs.py. -->
# Beside JAX's own checker

JAX has a checker of its own, `jax_debug_key_reuse`. It looks for keys that are consumed
twice in one trace; the doctor computes the keys of every draw. Of the {faulty} faulty
programs below, the doctor finds {found[0]} with typed and {found[1]} with legacy keys, JAX {jax}
finds {found[2]} and {found[3]}; of the {healthy} healthy ones at the end the doctor reports
{alarms[0]}, JAX {alarms[1]}.

| program | doctor, typed key | doctor, legacy key | JAX, typed key | JAX, legacy key |
|---|---|---|---|---|
"""
OF_JAX = """
## The programs of JAX's own tests

These are the kinds of programs of `KeyReuseIntegrationTest` in JAX's `tests/key_reuse_test.py`, in
other words and with typed keys. Of the {faulty} that JAX's tests call reuse, the doctor finds
{doctor}, and JAX {jax}; of the {healthy} that they allow, the doctor reports {alarms}. A split of
which nothing is used is a use for JAX; here it is a note.

| program | doctor | JAX |
|---|---|---|
"""
COMING = """
## With JAX's coming defaults

The same programs under the settings that carry JAX's rewrites of `scan`, `checkpoint` and
`custom_vjp`: what is found of the {first} and of the {second} faulty programs above, and the
programs of which anything else is said than without. Refused is what JAX itself cannot run there,
as a `scan` under `vmap`.

| settings | found of the {first} | of the {second} | JAX, of the {first} | of the {second} | \
healthy and reported | said otherwise |
|---|---|---|---|---|---|---|
"""
Row = list[str]


def rows() -> dict[str, Any]:
    """What is said of each program, under the settings that this process has."""
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "rules")]
    import jax
    import jax.numpy as jnp
    from jax.errors import KeyReuseError
    from known_programs import CODE, PROGRAMS
    from reuse_programs import ALLOWED, FAULTY

    import jaxrng_doctor

    # Each program gets a key of its own: JAX remembers which ones were consumed.
    def arguments(fn: Callable[..., Any], make: Callable[[int], Any]) -> tuple[Any, ...]:
        return (jnp.ones((4, 3)), make(0))[-len(inspect.signature(fn).parameters) :]

    def doctor(fn: Callable[..., Any], make: Callable[[int], Any]) -> str:
        report = jaxrng_doctor.check(fn, arguments(fn, make))
        if report.failures:
            refused = all("NotImplementedError" in f.message for f in report.failures)
            return "refused" if refused else "failed"
        notes = sorted({f"note {f.code}" for f in report.findings if f.severity == "note"})
        codes = sorted({f.code for f in report.findings if f.severity != "note"})
        return ", ".join(codes or notes) or ("clean" if report.complete else "gap")

    def key_reuse(fn: Callable[..., Any], make: Callable[[int], Any]) -> str:
        jax.clear_caches()
        args = arguments(fn, make)
        with jax.debug_key_reuse(True):
            try:
                jax.block_until_ready(jax.jit(fn)(*args))
            except KeyReuseError:
                return "raises"
            except NotImplementedError:
                return "refused"
        return "nothing"

    def of_jax(name: str, fn: Callable[..., Any]) -> Row:
        return [name.replace("_", " "), doctor(fn, jax.random.key), key_reuse(fn, jax.random.key)]

    kinds = (jax.random.key, jax.random.PRNGKey)
    known: dict[bool, list[Row]] = {True: [], False: []}
    for what, fn in PROGRAMS.items():
        said = [say(fn, make) for say in (doctor, key_reuse) for make in kinds]
        known[bool(CODE[what])].append([what, *said])
    return {
        "jax": jax.__version__,
        "faulty": known[True],
        "healthy": known[False],
        "reuse": [of_jax(name, fn) for name, (fn, _) in FAULTY.items()],
        "allowed": [of_jax(name, fn) for name, fn in ALLOWED.items()],
    }


def said(rows: Iterable[Row], column: int) -> int:
    """In how many of the rows something is found, more than a note, in this column."""
    return sum(row[column].startswith(("RNG", "raises")) for row in rows)


def under(settings: tuple[str, ...]) -> dict[str, Any]:
    """The `rows` of a process with these settings."""
    env = {**os.environ, **dict.fromkeys(FLAGS, "0"), **dict.fromkeys(settings, "1")}
    command = [sys.executable, __file__, "--rows"]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(rows: Iterable[Row]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def coming(settings: tuple[str, ...], now: dict[str, Any], then: dict[str, Any]) -> Row:
    kinds = ("faulty", "healthy", "reuse", "allowed")
    other = [
        f"{new[0]}: {', '.join(new[1:])}"
        for kind in kinds
        for old, new in zip(now[kind], then[kind], strict=True)
        if old != new
    ]
    healthy = said(then["healthy"], 1) + said(then["allowed"], 1)
    counts = [
        said(then[kind], column)
        for kind, column in (("faulty", 1), ("reuse", 1), ("faulty", 3), ("reuse", 2))
    ]
    names = " ".join(f"`{name}=1`" for name in settings)
    return [names, *map(str, counts), str(healthy), "; ".join(other)]


def page() -> str:
    found = {settings: under(settings) for settings in SETTINGS}
    now = found[NONE]
    sizes = {"faulty": len(now["faulty"]), "healthy": len(now["healthy"])}
    alarms = [max(said(now["healthy"], c) for c in columns) for columns in ((1, 2), (3, 4))]
    head = HEAD.format(
        **sizes, found=[said(now["faulty"], c) for c in (1, 2, 3, 4)], jax=now["jax"], alarms=alarms
    )
    of_jax = OF_JAX.format(
        faulty=len(now["reuse"]),
        healthy=len(now["allowed"]),
        doctor=said(now["reuse"], 1),
        jax=said(now["reuse"], 2),
        alarms=said(now["allowed"], 1),
    )
    then = COMING.format(first=sizes["faulty"], second=len(now["reuse"]))
    return (
        f"{head}{table([*now['faulty'], *now['healthy']])}"
        f"{of_jax}{table([*now['reuse'], *now['allowed']])}"
        f"{then}{table(coming(s, now, found[s]) for s in SETTINGS[1:])}"
    )


def main(arguments: list[str]) -> int:
    if arguments == ["--rows"]:
        print(json.dumps(rows()))
        return 0
    made = page()
    stale = not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != made
    if arguments == ["--check"]:
        print("stale: docs/key_reuse.md" if stale else "docs/key_reuse.md is up to date")
        return int(stale)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
