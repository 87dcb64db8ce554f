"""Time and memory of one draw for the whole batch, compared with a split key for each example.

Prints a table with one line per batch size: milliseconds of each way, as medians of interleaved
runs in this process, and megabytes of XLA's buffers without the arguments (outputs and temporaries
of the compiled program). The ratios are split keys over one draw.
"""

import statistics
import time
from functools import partial

import jax

FEATURES = 10
SIZES = (32, 1_000, 10_000, 100_000, 1_000_000)
RUNS = 11


@partial(jax.jit, static_argnums=1)
def one_draw(key, n):
    return jax.random.normal(key, (n, FEATURES))


@partial(jax.jit, static_argnums=1)
def split_keys(key, n):
    return jax.vmap(lambda key: jax.random.normal(key, (FEATURES,)))(jax.random.split(key, n))


def milliseconds(compiled, key):
    start = time.perf_counter()
    jax.block_until_ready(compiled(key))
    return 1e3 * (time.perf_counter() - start)


def megabytes(compiled):
    needs = compiled.memory_analysis()
    return (needs.output_size_in_bytes + needs.temp_size_in_bytes) / 1e6


def measure(n):
    """One line of the table, for a batch of `n` examples."""
    key = jax.random.key(0)
    batch, split = (way.lower(key, n).compile() for way in (one_draw, split_keys))
    for warm in (batch, split):
        milliseconds(warm, key)
    times = [(milliseconds(batch, key), milliseconds(split, key)) for _ in range(RUNS)]
    batch_ms, split_ms = (statistics.median(way) for way in zip(*times, strict=True))
    batch_mb, split_mb = megabytes(batch), megabytes(split)
    return (
        f"{n:>9,} {batch_ms:>10.3f} {split_ms:>10.3f} {split_ms / batch_ms:>7.2f}"
        f" {batch_mb:>10.3f} {split_mb:>10.3f} {split_mb / batch_mb:>7.2f}"
    )


def main():
    print(f"jax {jax.__version__} on {jax.devices()[0].platform}, (n, {FEATURES}) normal numbers")
    print(f"{'':>9} {'one draw':>10} {'split':>10} {'':>7} {'one draw':>10} {'split':>10}")
    print(f"{'n':>9} {'ms':>10} {'ms':>10} {'ratio':>7} {'MB':>10} {'MB':>10} {'ratio':>7}")
    for n in SIZES:
        print(measure(n))


if __name__ == "__main__":
    main()
