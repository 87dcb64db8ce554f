"""Writes `docs/key_reuse.md`: what the doctor and JAX's own checker say of 34 programs.

Every word in the table comes from running the programs of `tests/rules/known_programs.py`,
with four CPU devices. `--check` writes nothing, and fails where the page would change.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "key_reuse.md"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "rules")]

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from jax.errors import KeyReuseError  # noqa: E402
from known_programs import CODE, PROGRAMS  # noqa: E402

import jaxrng_doctor  # noqa: E402

HEAD = """\
<!-- Made by docs/make_key_reuse.py from tests/rules/known_programs.py. -->
# Beside JAX's own checker

JAX has a checker of its own, `jax_debug_key_reuse`. It looks for keys that are consumed
twice in one trace; the doctor computes the keys of every draw. {counts}

| program | doctor, typed key | doctor, legacy key | JAX, typed key | JAX, legacy key |
|---|---|---|---|---|
"""

Program = Callable[[Any, Any], Any]


def doctor(fn: Program, key: Any) -> str:
    report = jaxrng_doctor.check(fn, (jnp.ones((4, 3)), key))
    codes = sorted({f.code for f in report.findings if f.severity != "note"})
    return ", ".join(codes) or "clean"


def key_reuse(fn: Program, key: Any) -> str:
    jax.clear_caches()
    with jax.debug_key_reuse(True):
        try:
            jax.block_until_ready(jax.jit(fn)(jnp.ones((4, 3)), key))
        except KeyReuseError:
            return "raises"
    return "nothing"


def page() -> str:
    rows = []
    for what, fn in PROGRAMS.items():
        keys = jax.random.key(0), jax.random.PRNGKey(0)
        said = [doctor(fn, key) for key in keys] + [key_reuse(fn, key) for key in keys]
        rows.append((what, *said))
    faulty = [row for row in rows if CODE[row[0]]]
    healthy = [row for row in rows if not CODE[row[0]]]
    found = [
        sum(row[column] not in ("clean", "nothing") for row in faulty) for column in (1, 2, 3, 4)
    ]
    alarms = [
        sum(row[column] not in ("clean", "nothing") for row in healthy) for column in (1, 2, 3, 4)
    ]
    counts = (
        f"Of the {len(faulty)} faulty\nprograms below, the doctor finds {found[0]} with typed and "
        f"{found[1]} with legacy keys, JAX {jax.__version__}\nfinds {found[2]} and {found[3]}; of "
        f"the {len(healthy)} healthy ones at the end the doctor reports {max(alarms[:2])}, JAX "
        f"{max(alarms[2:])}."
    )
    return HEAD.format(counts=counts) + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main(arguments: list[str]) -> int:
    made = page()
    stale = not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != made
    if arguments == ["--check"]:
        print("stale: docs/key_reuse.md" if stale else "docs/key_reuse.md is up to date")
        return int(stale)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
