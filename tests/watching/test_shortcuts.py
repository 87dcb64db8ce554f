"""Repeated calls are each noted with their own key, and JAX behaves as usual."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrng_doctor


def codes(report):
    assert report.gaps == ()
    return [finding.code for finding in report.findings]


def draws_of(report):
    [finding] = report.findings
    return finding.evidence.examples


def keys(n, seed=0):
    return list(jax.random.split(jax.random.key(seed), n))


def test_the_one_call_of_many_that_repeats_a_key():
    step = jax.jit(lambda x, key: x + jax.random.normal(key, x.shape))
    given = keys(50)
    with jaxrng_doctor.watch() as report:
        for key in [*given, given[20]]:
            step(jnp.ones(3), key)

    assert codes(report) == ["RNG014"]
    assert draws_of(report) == 2


def test_signatures_that_take_turns():
    step = jax.jit(lambda x, key: x + jax.random.normal(key, x.shape))
    given = keys(30)
    with jaxrng_doctor.watch() as report:
        for i, key in enumerate(given):
            step(jnp.ones(2 + i % 3), key)
        step(jnp.ones(2), given[0])
        step(jnp.ones(3), given[1])

    assert set(codes(report)) == {"RNG014"}
    assert sorted(f.evidence.examples for f in report.findings) in ([2, 2], [4])


def test_a_static_argument_that_changes():
    step = jax.jit(lambda x, key, n: x + jax.random.normal(key, (n,)).sum(), static_argnums=2)
    given = keys(12)
    with jaxrng_doctor.watch() as report:
        for i, key in enumerate(given):
            step(1.0, key, 1 + i // 4)
        step(1.0, given[-1], 3)

    assert codes(report) == ["RNG014"]
    assert draws_of(report) == 2


def test_arguments_by_name_in_another_order():
    step = jax.jit(lambda x, key, other: x + jax.random.normal(key) + 0 * other.size)
    one, *rest = keys(9)
    with jaxrng_doctor.watch() as report:
        for i, key in enumerate(rest):
            if i % 2:
                step(1.0, key=key, other=one)
            else:
                step(1.0, other=one, key=key)

    assert codes(report) == []


@pytest.mark.parametrize("forget", [jax.clear_caches, None])
def test_a_function_that_jax_has_forgotten_is_traced_again(forget):
    scale, traced = 1.0, []

    @jax.jit
    def step(x, key):
        traced.append(scale)
        return scale * x + 0 * jax.random.normal(key)

    given = keys(10)
    with jaxrng_doctor.watch() as report:
        before = [float(step(1.0, key)) for key in given[:5]]
        scale = 3.0
        (forget or step.clear_cache)()
        after = [float(step(1.0, key)) for key in given[5:]]

    assert before == [1.0] * 5
    assert after == [3.0] * 5
    assert set(traced) == {1.0, 3.0}
    assert codes(report) == []


def test_settings_that_change_between_calls():
    step = jax.jit(lambda x, key: x + jax.random.normal(key, dtype=None))
    given = keys(6)
    with jaxrng_doctor.watch() as report:
        short = [step(np.float32(1), key).dtype for key in given[:3]]
        jax.config.update("jax_enable_x64", True)
        try:
            long = [step(np.float64(1), key).dtype for key in given[3:]]
        finally:
            jax.config.update("jax_enable_x64", False)

    assert {str(d) for d in short} == {"float32"}
    assert {str(d) for d in long} == {"float64"}
    assert codes(report) == []


def test_a_call_that_fails_is_not_noted():
    step = jax.jit(lambda x, key: x + jax.random.normal(key, x.shape))
    given = keys(5)
    with jaxrng_doctor.watch() as report:
        for key in given:
            step(jnp.ones(3), key)
        with pytest.raises(TypeError):
            step("a string", given[0])

    assert codes(report) == []


def test_keys_whose_memory_the_call_takes():
    step = jax.jit(
        lambda x, key: (x + jax.random.normal(key), jax.random.split(key, 1)[0]),
        donate_argnums=1,
    )
    key = jax.random.key(0)
    with jaxrng_doctor.watch() as report:
        for _ in range(6):
            _, key = step(1.0, key)

    # Each key is drawn from once and then split.
    assert "RNG014" not in codes(report)
