"""`python -m tests.fuzz --count 10000 --seed 0`: check many programs, and shrink disagreements.

With `--family NAME` (or `all`), check the programs of a family; disagreements are not shrunk.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time

import jax

from tests.fuzz.compare import disagreements
from tests.fuzz.derived import derived
from tests.fuzz.families import FAMILIES
from tests.fuzz.oracle import TooLong
from tests.fuzz.programs import program
from tests.fuzz.shrink import shrunk
from tests.fuzz.tree import render
from tests.xla_flags import set_flags


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="how many programs")
    parser.add_argument("--seed", type=int, default=0, help="the first program's seed")
    parser.add_argument("--no-shrink", action="store_true", help="only name the disagreements")
    parser.add_argument(
        "--derived", action="store_true", help="parts are within derivatives and checkpoints"
    )
    parser.add_argument("--family", choices=["all", *FAMILIES], help="programs of a family")
    options = parser.parse_args()
    set_flags()
    jax.config.update("jax_disable_most_optimizations", True)  # each program runs once
    gc.freeze()  # so that checks do not search the imported objects for generators
    if options.family:
        names = FAMILIES if options.family == "all" else [options.family]
        seeds = range(options.seed, options.seed + options.count)
        return 1 if sum([_family(name, seeds) for name in names]) else 0
    wrong, skipped, start = [], 0, time.monotonic()
    for done, seed in enumerate(range(options.seed, options.seed + options.count), start=1):
        found = program(seed)
        if options.derived:
            found = derived(found, seed)
        try:
            reported = disagreements(found)
        except TooLong:
            skipped += 1
            continue
        if reported:
            wrong.append(seed)
            print(f"seed {seed}:", *reported, sep="\n  ")
            if not options.no_shrink:
                small, reported = shrunk(found, reported)
                print("shrunk:", *reported, sep="\n  ")
                print(render(small).text, flush=True)
        if done % 50 == 0:
            jax.clear_caches()  # otherwise compiled programs fill the memory
            rate = (time.monotonic() - start) / done
            print(f"{done} programs, {len(wrong)} wrong, {rate:.2f} s each", file=sys.stderr)
    print(f"{options.count} programs, {skipped} too long, {len(wrong)} disagreements: {wrong}")
    return 1 if wrong else 0


def _family(name: str, seeds: range) -> int:
    """Check the programs of a family, print the results, and return how many disagree."""
    wrong, faulty, gaps, start = [], 0, 0, time.monotonic()
    for done, seed in enumerate(seeds, start=1):
        verdict = FAMILIES[name].verdict(seed)
        faulty += verdict.faulty
        gaps += verdict.gap
        if verdict.reported:
            wrong.append(seed)
            print(f"{name}, seed {seed}:", *verdict.reported, sep="\n  ")
            print(FAMILIES[name].case(seed).source().text, flush=True)
        if done % 50 == 0:
            jax.clear_caches()
    each = (time.monotonic() - start) / max(len(seeds), 1)
    print(
        f"{name}: {len(seeds)} programs, {faulty} truly faulty, {gaps} with a gap that is right, "
        f"{len(wrong)} disagreements: {wrong}; {each:.2f} s each",
        flush=True,
    )
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
