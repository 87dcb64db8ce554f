"""Time of lineage and rules, compared with the trace that they read and JAX's key-reuse checker.

Measures flat and deeply nested programs of increasing size: the CPU seconds of `jax.make_jaxpr`,
of lineage and rules on the same program, and of `key_reuse` on the same jaxpr. Prints the seconds
of the trace and the ratios, as medians of several interleaved runs in one process.
"""

import contextlib
import gc
import statistics
import sys
import time

import jax
import jax.numpy as jnp
from jax.experimental.key_reuse._core import check_key_reuse_jaxpr

from jaxrng_doctor.analysis.facts.build import program_facts
from jaxrng_doctor.analysis.keys.tables import Ledger
from jaxrng_doctor.analysis.lineage.engine import Engine
from jaxrng_doctor.model.target import Target
from jaxrng_doctor.rules import judge
from jaxrng_doctor.tracing.array_call import array_call
from jaxrng_doctor.tracing.draws import Draws
from jaxrng_doctor.tracing.program import trace_program
from jaxrng_doctor.tracing.slices import Slice

SIZES = (100, 1_000, 10_000, 100_000)
DRAWS_EVERY = 100
"""The number of equations per split and draw: most equations have nothing to do with a key."""


def flat(size):
    def program(x, key):
        for i in range(size):
            if i % DRAWS_EVERY == 0:
                key, subkey = jax.random.split(key)
                x = x + jax.random.normal(subkey, x.shape)
            x = jax.lax.sin(x)
        return x

    return program


def nested(size):
    """Loops in conditionals in jits in loops, eight deep, with the equations at the bottom."""

    def program(x, key):
        inner = flat(size)
        for _ in range(2):
            inner = _deeper(inner)
        return inner(x, key)

    return program


def _deeper(inner):
    def scanned(x, key):
        return jax.lax.scan(lambda c, k: (inner(c, k), None), x, jax.random.split(key, 2))[0]

    def chosen(x, key):
        return jax.lax.cond(x.sum() > 0, scanned, lambda x, key: x, x, key)

    mapped = jax.vmap(jax.jit(chosen))

    def outer(x, key):
        return mapped(jnp.stack([x, x]), jax.random.split(key, 2)).sum(axis=0)

    return outer


def seconds(work):
    gc.collect()  # else `work` would pay for the garbage of earlier runs
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def measure(program, runs):
    """The number of equations, and median CPU seconds of trace, lineage and rules, `key_reuse`."""
    arguments = (jnp.ones(3), jax.random.key(0))
    taken = {"trace": [], "doctor": [], "key_reuse": []}
    equations = 0
    for _ in range(runs):
        # A new function each time, because JAX caches the trace of a function.
        spent, jaxpr = seconds(lambda: jax.make_jaxpr(lambda *a: program(*a))(*arguments))
        taken["trace"].append(spent)
        trace = trace_program(array_call(Target("program", program, arguments)))

        def analyse(trace=trace):
            Slice(Draws(), trace.jaxpr, trace.key_outputs, to_run=False)
            engine = Engine(trace)
            engine.run()
            return judge(program_facts(trace, engine, Ledger()))

        spent, judged = seconds(analyse)
        if any(judged):
            raise RuntimeError(f"the program should be clean, and has {judged}")
        taken["doctor"].append(spent)
        spent, _ = seconds(lambda jaxpr=jaxpr: key_reuse(jaxpr))
        taken["key_reuse"].append(spent)
        equations = count(jaxpr.jaxpr)
        jax.clear_caches()
    return equations, {name: statistics.median(each) for name, each in taken.items()}


def key_reuse(jaxpr):
    """Run JAX's own checker. It stops at the first error, and then takes little time."""
    with contextlib.suppress(jax.errors.KeyReuseError):
        check_key_reuse_jaxpr(jaxpr.jaxpr)


def count(jaxpr):
    """The number of equations of a jaxpr and of the jaxprs inside it."""
    total = 0
    for eqn in jaxpr.eqns:
        total += 1
        for value in eqn.params.values():
            for sub in value if isinstance(value, (tuple, list)) else (value,):
                if hasattr(sub, "eqns") or hasattr(sub, "jaxpr"):
                    total += count(getattr(sub, "jaxpr", sub))
    return total


def main():
    sizes = [int(a) for a in sys.argv[1:]] or SIZES
    print("equations   trace s   doctor/trace   doctor/key_reuse   doctor µs an equation")
    for name, make in (("flat", flat), ("nested", nested)):
        print(name)
        for size in sizes:
            equations, spent = measure(make(size), runs=5 if size <= 10_000 else 3)
            doctor = spent["doctor"]
            print(
                f"{equations:9,}   {spent['trace']:7.3f}   {doctor / spent['trace']:12.3f}"
                f"   {doctor / spent['key_reuse']:16.3f}   {1e6 * doctor / equations:21.2f}"
            )


if __name__ == "__main__":
    main()
