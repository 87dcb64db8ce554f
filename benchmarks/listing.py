"""What `jaxrng-doctor inspect` costs, beside the trace that it reads.

Nothing comes in. For flat and for deeply nested programs of growing size, the processor seconds of
the trace, and of the whole answer in text, folded and with all equations, go out: medians of
several runs that take turns in one process. What counts is the last column: by how much the answer
comes later than the trace. Folded, it should stay below a second.
"""

import statistics
import sys
import time

import jax
import jax.numpy as jnp
from lineage import flat, nested

from jaxrng_doctor import doctor
from jaxrng_doctor.report import RenderOptions
from jaxrng_doctor.report.listing import FORMATS
from jaxrng_doctor.target import Target
from jaxrng_doctor.trace.call import array_call
from jaxrng_doctor.trace.program import trace_program

SIZES = (100, 1_000, 10_000)


def seconds(work):
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def measure(program, every, runs):
    """The equations, and medians of the seconds of the trace, and of the whole answer."""
    arguments = (jnp.ones(3), jax.random.key(0))
    traces, answers, equations = [], [], 0
    for _ in range(runs):
        # A new function each time: JAX would remember the trace of the same one.
        target = Target("program", lambda *a: program(*a), arguments)
        spent, _ = seconds(lambda target=target: trace_program(array_call(target)))
        traces.append(spent)
        jax.clear_caches()
        target = Target("program", lambda *a: program(*a), arguments)

        def answer(target=target):
            listing = doctor.inspect(target, every=every)
            FORMATS["text"]([listing], RenderOptions(), lineage=False)
            return listing

        spent, listing = seconds(answer)
        answers.append(spent)
        equations = listing.equations
        jax.clear_caches()
    return equations, statistics.median(traces), statistics.median(answers)


def main():
    sizes = [int(a) for a in sys.argv[1:]] or SIZES
    print("equations   trace s   answer s   later by s")
    for name, make in (("flat", flat), ("nested", nested)):
        for every in (False, True):
            print(f"{name}{', --all' if every else ''}")
            for size in sizes:
                equations, trace, answer = measure(make(size), every, runs=3)
                print(f"{equations:9,}   {trace:7.3f}   {answer:8.3f}   {answer - trace:10.3f}")


if __name__ == "__main__":
    main()
