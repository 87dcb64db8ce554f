"""Haiku: `hk.vmap(split_rng=…)`, `hk.scan`, and a transformed function under `jax.vmap`."""

import jax
import jax.numpy as jnp
import pytest

import jaxrng_doctor

hk = pytest.importorskip("haiku")

X = jnp.ones((8, 4))
KEY = jax.random.key(0)


def net(x):
    x = hk.Linear(5)(x)
    x = hk.dropout(hk.next_rng_key(), 0.5, x)  # draws
    return hk.Linear(3)(x)


def mapped(split):
    def forward(x):
        return hk.vmap(net, split_rng=split and not hk.running_init())(x)

    return hk.transform(forward)


def applied(function):
    params = function.init(KEY, X)
    return lambda x, key: function.apply(params, key, x)


def test_a_vmap_that_does_not_split(flagged, clean):
    finding = flagged("RNG001", applied(mapped(split=False)), X, KEY)

    assert "hk.vmap(..., split_rng=True)" in finding.help[0].code
    clean(applied(mapped(split=True)), X, KEY)


def test_parameters_that_all_examples_share_are_meant_to_be_one(clean):
    clean(lambda x, key: mapped(split=True).init(key, x), X, KEY)


def test_a_transformed_function_under_vmap(flagged, clean):
    function = hk.transform(net)
    params = function.init(KEY, X)

    def shared(x, key):
        return jax.vmap(function.apply, (None, None, 0))(params, key, x)

    def split(x, key):
        return jax.vmap(function.apply, (None, 0, 0))(params, jax.random.split(key, 8), x)

    flagged("RNG001", shared, X, KEY)
    clean(split, X, KEY)


def test_a_scan_over_a_key_from_outside(flagged, clean):
    def shared(x):
        key = hk.next_rng_key()

        def step(carry, row):
            carry = hk.dropout(key, 0.5, carry + row)  # draws
            return carry, carry

        return hk.scan(step, jnp.zeros(4), x)[1]

    def own(x):
        def step(carry, row):
            carry = hk.dropout(hk.next_rng_key(), 0.5, carry + row)
            return carry, carry

        return hk.scan(step, jnp.zeros(4), x)[1]

    finding = flagged("RNG003", applied(hk.transform(shared)), X, KEY)
    assert "hk.next_rng_key()" in finding.help[0].code
    clean(applied(hk.transform(own)), X, KEY)


def test_one_key_of_haikus_for_two_draws(flagged, clean):
    def shared(x):
        key = hk.next_rng_key()
        return hk.dropout(key, 0.5, x) + hk.dropout(key, 0.1, x)  # draws

    def own(x):
        return hk.dropout(hk.next_rng_key(), 0.5, x) + hk.dropout(hk.next_rng_key(), 0.1, x)

    def codes(function):
        return {f.code for f in jaxrng_doctor.check(applied(function), (X, KEY)).findings}

    flagged("RNG005", applied(hk.transform(shared)), X, KEY)
    assert codes(hk.transform(shared)) == {"RNG005"}  # no RNG009: Haiku itself splits
    clean(applied(hk.transform(own)), X, KEY)


def test_training(clean):
    function = hk.transform(net)

    def train(x, key):
        key, init_key = jax.random.split(key)
        params = function.init(init_key, x)

        @jax.jit
        def step(params, key):
            gradients = jax.grad(lambda p: (function.apply(p, key, x) ** 2).mean())(params)
            return jax.tree.map(lambda p, g: p - 0.1 * g, params, gradients)

        for i in range(2):
            params = step(params, jax.random.fold_in(key, i))
        return params

    clean(train, X, KEY)
