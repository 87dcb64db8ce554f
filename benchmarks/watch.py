"""Overhead of watching a program: in a steady training loop, and for a whole small program.

Prints two kinds of ratios of wall-clock times. The first is of a loop of compiled steps of about a
millisecond, watched with and without the keys of each call, to the same loop unwatched, in
interleaved pairs in one process. The second is of a whole small program under `jaxrng-doctor run`
to `python`.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp

import jaxrng_doctor

STEPS = 1_000
PAIRS = 9

PROGRAM = """
import jax
import jax.numpy as jnp


@jax.jit
def step(w, x, key):
    def loss(w):
        keep = jax.vmap(lambda k: jax.random.bernoulli(k, 0.5, (64,)))(jax.random.split(key, 32))
        return (jnp.tanh((x * keep) @ w) ** 2).sum()

    return w - 0.01 * jax.grad(loss)(w)


key, w, x = jax.random.key(0), jnp.ones((64, 64)), jnp.ones((32, 64))
for _ in range(100):
    key, own = jax.random.split(key)
    w = step(w, x, own)
w.block_until_ready()
"""


def make_step(size):
    @jax.jit
    def step(w, key):
        noise = jax.vmap(lambda k: jax.random.normal(k, (4,)))(jax.random.split(key, 8))
        return jnp.tanh(w @ w / size) + noise.mean()

    return step


def loop(step, size, keys):
    """The seconds of one pass, after a first step, which compiles and is examined."""
    w = step(jnp.eye(size), keys[0]).block_until_ready()
    start = time.perf_counter()
    for key in keys[1:]:
        w = step(w, key)
    w.block_until_ready()
    return time.perf_counter() - start


def a_millisecond(keys):
    """A step that takes about a millisecond on this machine, and its size."""
    for size in range(64, 2048, 32):
        step = make_step(size)
        if loop(step, size, keys[:50]) / 49 > 1e-3:
            break
    return step, size


def steady():
    keys = list(jax.random.split(jax.random.key(0), STEPS + 1))
    step, size = a_millisecond(keys)
    ratios = {True: [], False: []}
    alone = 0.0
    for _ in range(PAIRS):
        for key_values in ratios:
            alone = loop(step, size, keys)
            with jaxrng_doctor.watch(key_values=key_values) as report:
                seen = loop(step, size, keys)
            if report.findings or report.gaps:
                raise RuntimeError(f"the program should be clean:\n{report}")
            ratios[key_values].append(seen / alone)
    each_step = 1e3 * alone / STEPS
    print(f"{STEPS:,} steps of {each_step:.2f} ms: watched / alone, median of {PAIRS} pairs")
    for key_values, each in ratios.items():
        words = "with the keys of each call" if key_values else "without"
        print(f"  {words:28} {statistics.median(each):.3f}   ({min(each):.3f} to {max(each):.3f})")


def start():
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "program.py"
        script.write_text(PROGRAM, encoding="utf-8")
        ratios = []
        for _ in range(PAIRS):
            times = []
            for command in (
                [sys.executable, script],
                [sys.executable, "-m", "jaxrng_doctor", "run", script],
            ):
                began = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                times.append(time.perf_counter() - began)
            ratios.append(times[1] / times[0])
    print(f"a program of {times[0]:.1f} s: jaxrng-doctor run / python, median of {PAIRS} pairs")
    print(f"  {statistics.median(ratios):.3f}   ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    steady()
    start()
