"""Checks and watches under JAX settings that could interfere with them."""

import subprocess
import sys

import pytest

from tests.coming import SCAN3

pytestmark = pytest.mark.slow

PROGRAM = """
import jax, jax.numpy as jnp, jaxrng_doctor

def shared(x, key):
    return jax.vmap(lambda a, k: a + jax.random.normal(k), (0, None))(x, key)

def split(x, key):
    return jax.vmap(lambda a, k: a + jax.random.normal(k))(x, jax.random.split(key, 4))

def captured(x):
    key = jax.random.key(0)
    return jax.vmap(lambda a: a + jax.random.normal(key))(x)

x = jnp.zeros(4)
for function, args in (
    (shared, (x, jax.random.key(0))), (split, (x, jax.random.key(1))), (captured, (x,))
):
    report = jaxrng_doctor.check(function, args)
    print(*sorted({f.code for f in report.findings})[:1], report.complete, len(report.failures))

with jaxrng_doctor.watch() as report:
    captured(x)
print(*sorted({f.code for f in report.findings})[:1], report.complete)

def loop(_, c):
    return c + jax.random.normal(key)

key = jax.random.key(2)
with jaxrng_doctor.watch() as report:
    jax.lax.fori_loop(0, 3, loop, 0.0)
print(*sorted({f.code for f in report.findings})[:1], report.complete)
"""
CHECKED = ["RNG001 True 0", "True 0", "RNG001 True 0"]

# For each watch, the first code and whether it is complete. With JAX_DISABLE_JIT, a loop calls its
# body once per step. With JAX_DEBUG_KEY_REUSE, JAX raises in the loop.
SETTINGS = {
    "JAX_DEFAULT_MATMUL_PRECISION=high": ["RNG001 True", "RNG003 True"],
    "EAGER_CONSTANT_FOLDING=1": ["RNG001 True", "RNG003 True"],
    "JAX_DISABLE_JIT=1": ["RNG001 True", "RNG005 True"],
    "JAX_CHECK_TRACER_LEAKS=1": ["RNG001 False", "RNG003 True"],
    "JAX_DEBUG_KEY_REUSE=1": ["RNG001 True"],
    "JAX_ENABLE_X64=1": ["RNG001 True", "RNG003 True"],
    "JAX_ENABLE_CHECKS=1": ["RNG001 True", "RNG003 True"],
    "JAX_NUMPY_RANK_PROMOTION=raise": ["RNG001 True", "RNG003 True"],
    "JAX_NUMPY_DTYPE_PROMOTION=strict": ["RNG001 True", "RNG003 True"],
    "JAX_DEBUG_NANS=1": ["RNG001 True", "RNG003 True"],
    "JAX_RANDOM_SEED_OFFSET=7": ["RNG001 True", "RNG003 True"],
    "JAX_CUSTOM_JVP3=1": ["RNG001 True", "RNG003 True"],
    "JAX_USE_DIRECT_LINEARIZE=0": ["RNG001 True", "RNG003 True"],
}


if SCAN3:  # its loops are followed only in part, which is reported
    SETTINGS["EAGER_CONSTANT_FOLDING=1"] = ["RNG001 True", "RNG003 False"]
    SETTINGS["JAX_DISABLE_JIT=1"] = ["RNG001 True", "False"]


@pytest.mark.parametrize("setting", SETTINGS)
def test_verdicts_under_a_setting_of_jax(setting, cli_environment):
    name, _, value = setting.partition("=")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**cli_environment, name: value},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    refused = setting == "JAX_DEBUG_KEY_REUSE=1"  # by JAX, because the loop reuses its key
    assert ("KeyReuseError" in done.stderr) == refused, done.stderr
    assert [line.strip() for line in done.stdout.splitlines()] == CHECKED + SETTINGS[setting]
