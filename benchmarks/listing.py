"""Time of `jaxrng-doctor inspect`, compared with the trace that it reads.

Measures flat and deeply nested programs of increasing size. Prints the CPU seconds of the trace,
and the additional CPU seconds until the listing is rendered, for each format, folded and with all
equations. All are medians of several runs in one process. The additional time should stay below a
second.
"""

import statistics
import sys
import time

import jax
import jax.numpy as jnp
from lineage import flat, nested

from jaxrng_doctor._util.gc_pause import gc_paused
from jaxrng_doctor.checking import examine
from jaxrng_doctor.model.target import Target
from jaxrng_doctor.reports.listing import FORMATS
from jaxrng_doctor.reports.options import RenderOptions
from jaxrng_doctor.tracing.array_call import array_call
from jaxrng_doctor.tracing.program import trace_program

SIZES = (100, 1_000, 10_000)


def seconds(work):
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def measure(program, every, runs):
    """The number of equations, and median seconds of the trace and of the output in each format."""
    arguments = (jnp.ones(3), jax.random.key(0))
    traces, answers, equations = [], {name: [] for name in FORMATS}, 0
    for _ in range(runs):
        # A new function each time, because JAX caches the trace of a function.
        target = Target("program", lambda *a: program(*a), arguments)
        spent, _ = seconds(lambda target=target: trace_program(array_call(target)))
        traces.append(spent)
        jax.clear_caches()
        target = Target("program", lambda *a: program(*a), arguments)
        listed, listing = seconds(lambda target=target: examine.inspect(target, every=every))
        for name, render in FORMATS.items():
            with gc_paused():  # like the command
                spent, _ = seconds(
                    lambda render=render, listing=listing: render(
                        [listing], RenderOptions(), lineage=False
                    )
                )
            answers[name].append(listed + spent)
        equations = listing.equations
        jax.clear_caches()
    medians = {name: statistics.median(each) for name, each in answers.items()}
    return equations, statistics.median(traces), medians


def main():
    sizes = [int(a) for a in sys.argv[1:]] or SIZES
    print("equations   trace s   later by s:", *(f"{name:>6}" for name in FORMATS))
    for name, make in (("flat", flat), ("nested", nested)):
        for every in (False, True):
            print(f"{name}{', --all' if every else ''}")
            for size in sizes:
                equations, trace, answers = measure(make(size), every, runs=3)
                later = (f"{answer - trace:6.3f}" for answer in answers.values())
                print(f"{equations:9,}   {trace:7.3f}              ", *later)


if __name__ == "__main__":
    main()
