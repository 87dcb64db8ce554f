"""Time of checking 100 targets with one worker, with two, and as 100 commands of one target.

Prints the wall-clock seconds of each way, and the ratios. Of the 100 commands only ten are timed;
their median is multiplied by 100.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES = 10
EACH = 10
ROUNDS = 3

MODULE = """
import jax
from jaxrng_doctor import example
"""

FUNCTION = """

@example(x="f32[{size},10]", key="key")
def noisy_{number}(x, key):
    keys = jax.random.split(key, len(x))
    return jax.vmap(lambda row, key: row + jax.random.normal(key, row.shape))(x, keys)
"""


def seconds(folder, *arguments):
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "jaxrng_doctor", "check", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [f"part_{n}.py" for n in range(FILES)]
        for n, file in enumerate(files):
            numbers = range(n * EACH, (n + 1) * EACH)
            text = "".join(FUNCTION.format(number=i, size=i + 2) for i in numbers)
            (folder / file).write_text(MODULE + text, encoding="utf-8")
        one, two = [], []
        for _ in range(ROUNDS):
            one.append(seconds(folder, *files))
            two.append(seconds(folder, *files, "--jobs", "2"))
        apart = [seconds(folder, f"{file}:noisy_{n * EACH}") for n, file in enumerate(files)]
    targets = FILES * EACH
    print(f"{targets} targets in {FILES} files, medians of {ROUNDS}")
    single = statistics.median(one)
    ways = {
        "one worker": single,
        "two workers": statistics.median(two),
        f"{targets} commands": targets * statistics.median(apart),
    }
    for way, took in ways.items():
        print(f"  {way:14} {took:7.1f} s   {took / single:.2f} times one worker")


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    main()
