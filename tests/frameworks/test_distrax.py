"""Distrax: samples of distributions, each of which needs its own seed."""

import warnings

import jax
import jax.numpy as jnp
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its dependencies are outdated
    distrax = pytest.importorskip("distrax")

X = jnp.arange(8.0)
KEY = jax.random.key(0)


def sampled(mean, key):
    return distrax.Normal(mean, 1.0).sample(seed=key)  # draws


def split(x, key):
    return jax.vmap(sampled)(x, jax.random.split(key, 8))


def test_a_seed_that_is_not_mapped(flagged, clean):
    flagged("RNG001", lambda x, key: jax.vmap(sampled, (0, None))(x, key), X, KEY)
    clean(split, X, KEY)


def test_one_seed_for_two_samples(flagged, clean):
    def apart(x, key):
        first, second = jax.random.split(key)
        return sampled(x, first) + sampled(x, second)

    flagged("RNG005", lambda x, key: sampled(x, key) + sampled(x, key), X, KEY)
    clean(apart, X, KEY)


def test_distributions_made_of_others(clean):
    def both(x, key):
        first, second = jax.random.split(key)
        kinds = distrax.Categorical(logits=x)
        mixture = distrax.MixtureSameFamily(kinds, distrax.Normal(x, 1.0))
        joint = distrax.Joint([distrax.Normal(0.0, 1.0), distrax.Normal(1.0, 1.0)])
        return mixture.sample(seed=first), joint.sample(seed=second)

    clean(both, X, KEY)


def test_training(clean):
    clean(lambda x, key: jax.grad(lambda x: (split(x, key) ** 2).mean())(x), X, KEY)
