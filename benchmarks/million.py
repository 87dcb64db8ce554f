"""Cost of `jaxrng-doctor check` on a million examples, compared with the bare call of `jax.vmap`.

Prints the median seconds and peak megabytes of each way, and their differences. Each run is a
separate process, and the runs of the two ways are interleaved. The peak is the largest resident
set of the process or of a child process that it waited for.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNS = 5
EXAMPLES = 1_000_000

TARGET = f"""
import jax
import jax.numpy as jnp

def add_noise(x, key):
    return x + jax.random.normal(key, x.shape)

if __name__ == "__main__":
    keys = jax.random.split(jax.random.key(0), {EXAMPLES})
    x = jnp.ones(({EXAMPLES}, 10))
    jax.block_until_ready(jax.vmap(add_noise)(x, keys))
"""

DOCTOR = ("-m", "jaxrng_doctor", "check", "million_target.py:add_noise", "--in-axes", "0,0")
WAYS = {
    "bare": ("million_target.py",),
    "doctor": (*DOCTOR, "--arg", f"x=f32[{EXAMPLES},10]", "--arg", f"key=key[{EXAMPLES}]"),
}


def measure(arguments, folder):
    """Seconds and megabytes of one run of Python with `arguments` in `folder`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = process.stdout.read()
    # wait4, because RUSAGE_CHILDREN would give the peak of all runs so far.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{arguments} ended with exit code {process.returncode}:\n{output}")
    in_a_megabyte = 1e6 if sys.platform == "darwin" else 1e6 / 1024
    return seconds, usage.ru_maxrss / in_a_megabyte


def main():
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "million_target.py").write_text(TARGET, encoding="utf-8")
        runs = [{way: measure(args, folder) for way, args in WAYS.items()} for _ in range(RUNS)]
    print(f"{EXAMPLES:,} examples of 10 floats, medians of {RUNS} runs")
    medians = {}
    for way in WAYS:
        seconds, megabytes = zip(*(run[way] for run in runs), strict=True)
        medians[way] = statistics.median(seconds), statistics.median(megabytes)
        print(f"{way:>18}: {medians[way][0]:7.2f} s  {medians[way][1]:8.1f} MB")
    more_seconds, more_megabytes = (
        doctor - bare for doctor, bare in zip(medians["doctor"], medians["bare"], strict=True)
    )
    print(f"{'doctor minus bare':>18}: {more_seconds:7.2f} s  {more_megabytes:8.1f} MB")


if __name__ == "__main__":
    main()
