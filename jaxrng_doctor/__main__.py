"""Entry point of `jaxrng-doctor` and `python -m jaxrng_doctor`, with shortcuts for fast starts.

Importing typer and pydantic takes a fifth of a second. `rules` and `explain CODE` run without
them, and the worker of a `check` starts before them, so that it imports JAX meanwhile.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxrng_doctor.frontends.jobs.pool import WorkerPool


def main() -> None:
    """Run the command line. Exits, except after a shortcut command."""
    words = sys.argv[1:]
    if _answered(words):
        return
    pool = _start_pool(words)
    try:
        from jaxrng_doctor.frontends import cli

        cli.main(pool)
    finally:
        if pool is not None:  # unused after a usage error
            pool.dismiss()


def _answered(words: list[str]) -> bool:
    """Run a valid `rules` or `explain` command without options; return whether it was one."""
    if words == ["rules"]:
        from jaxrng_doctor.frontends.commands.rules import rules

        rules("terminal")
        return True
    if words[:1] == ["explain"] and words[1:]:
        from jaxrng_doctor.frontends.commands.explain import explain, is_code

        if all(map(is_code, words[1:])):
            explain(words[1:], every=False, format="terminal")
            return True
    return False


def _start_pool(words: list[str]) -> WorkerPool | None:
    if words[:1] != ["check"] or {"-h", "--help"} & set(words):
        return None
    from jaxrng_doctor.frontends.jobs.pool import WorkerPool

    pool = WorkerPool()
    pool.start()
    return pool


if __name__ == "__main__":
    main()
