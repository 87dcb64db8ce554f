"""Start-up time of jaxrng-doctor: commands that do not need JAX, and a check of one small target.

Prints wall-clock seconds of whole processes: of `--help`, `rules` and `explain` compared with a
Python that does nothing, and of `check` compared with a bare script that imports JAX, traces the
same function and runs it. The runs are interleaved.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 15

FUNCTION = """
import jax


def add_noise(x, key):
    return x + jax.random.normal(key, x.shape)


def noisy(x, key):
    return jax.vmap(add_noise)(x, jax.random.split(key, len(x)))
"""

BARE = """
import jax
import jax.numpy as jnp
from noisy import noisy

x, key = jnp.zeros((32, 10)), jax.random.key(0)
print(jax.make_jaxpr(noisy)(x, key))
print(noisy(x, key))
"""

# What the installed script does.
DOCTOR = [sys.executable, "-c", "from jaxrng_doctor.__main__ import main; main()"]


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "noisy.py").write_text(FUNCTION, encoding="utf-8")
        (folder / "bare.py").write_text(BARE, encoding="utf-8")
        idle = [sys.executable, "-c", "pass"]
        reported = {
            word: [*DOCTOR, *word.split()] for word in ("--help", "rules", "explain RNG001")
        }
        side_by_side(folder, "a Python that does nothing", idle, reported)
        bare = [sys.executable, "bare.py"]
        check = {"check": [*DOCTOR, "check", "noisy.py:noisy", "--arg", "x=f32[32,10]"]}
        side_by_side(folder, "a bare script that imports JAX, traces and runs", bare, check)


def side_by_side(folder, what, base, commands):
    seconds = {name: [] for name in ("", *commands)}
    for _ in range(ROUNDS):
        for name, command in {"": base, **commands}.items():
            start = time.perf_counter()
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - start)
    median = statistics.median(seconds.pop(""))
    print(f"{what}: {median:.3f} s, median of {ROUNDS}")
    for name, each in seconds.items():
        own = statistics.median(each)
        print(
            f"  {name:16} {own:.3f} s   (fastest {min(each):.3f})   {own / median:.2f} times that"
        )


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    main()
