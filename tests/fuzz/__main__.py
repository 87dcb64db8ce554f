"""`python -m tests.fuzz --count 10000 --seed 0`: many programs, and each disagreement shrunk."""

from __future__ import annotations

import argparse
import gc
import sys
import time

import jax

from tests.fuzz.compare import disagreements
from tests.fuzz.derived import derived
from tests.fuzz.oracle import TooLong
from tests.fuzz.programs import program
from tests.fuzz.shrink import shrunk
from tests.fuzz.tree import render


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="how many programs")
    parser.add_argument("--seed", type=int, default=0, help="the first program's seed")
    parser.add_argument("--no-shrink", action="store_true", help="only name the disagreements")
    parser.add_argument(
        "--derived", action="store_true", help="parts are within derivatives and checkpoints"
    )
    options = parser.parse_args()
    jax.config.update("jax_disable_most_optimizations", True)  # each is compiled to run once
    gc.freeze()  # what is imported need not be searched for generators by each check
    wrong, skipped, start = [], 0, time.monotonic()
    for done, seed in enumerate(range(options.seed, options.seed + options.count), start=1):
        found = program(seed)
        if options.derived:
            found = derived(found, seed)
        try:
            told = disagreements(found)
        except TooLong:
            skipped += 1
            continue
        if told:
            wrong.append(seed)
            print(f"seed {seed}:", *told, sep="\n  ")
            if not options.no_shrink:
                small, told = shrunk(found, told)
                print("shrunk:", *told, sep="\n  ")
                print(render(small).text, flush=True)
        if done % 50 == 0:
            jax.clear_caches()  # or compiled programs fill the memory
            rate = (time.monotonic() - start) / done
            print(f"{done} programs, {len(wrong)} wrong, {rate:.2f} s each", file=sys.stderr)
    print(f"{options.count} programs, {skipped} too long, {len(wrong)} disagreements: {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
