"""Flax NNX: a model whose random streams are shared, split, or carried."""

import jax
import jax.numpy as jnp
import pytest

nnx = pytest.importorskip("flax.nnx")

X = jnp.ones((8, 4))
KEY = jax.random.key(0)


class Net(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(4, 5, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.last = nnx.Linear(5, 3, rngs=rngs)

    def __call__(self, x):
        return self.last(self.dropout(self.first(x)))  # draws


def streams(axis):
    return nnx.StateAxes({nnx.RngState: axis, ...: None})


@nnx.vmap(in_axes=(streams(None), 0))
def shared(model, row):
    return model(row)


@nnx.split_rngs(splits=8)
@nnx.vmap(in_axes=(streams(0), 0))
def split(model, row):
    return model(row)


SETTING = (
    "@nnx.split_rngs(splits=8)\n@nnx.vmap(in_axes=(nnx.StateAxes({nnx.RngState: 0, ...: None}), 0))"
)


def test_a_model_with_dropout_that_is_not_mapped(flagged, clean):
    unmapped = nnx.vmap(lambda model, row: model(row), in_axes=(None, 0))
    finding = flagged("RNG001", lambda model, x: unmapped(model, x), Net(nnx.Rngs(0)), X)

    assert [h.code for h in finding.help] == [SETTING]
    clean(lambda model, x: split(model, x), Net(nnx.Rngs(0)), X)


def test_streams_that_are_not_mapped(flagged):
    finding = flagged("RNG001", lambda x, key: shared(Net(nnx.Rngs(key)), x), X, KEY)

    assert [h.code for h in finding.help] == [SETTING]


def test_the_gradient_of_a_shared_model(flagged, clean):
    def gradient(forward):
        return lambda model, x: nnx.grad(lambda model: forward(model, x).sum())(model)

    flagged("RNG001", gradient(shared), Net(nnx.Rngs(0)), X)
    clean(gradient(split), Net(nnx.Rngs(0)), X)


def test_an_ensemble_from_one_key(flagged, clean):
    def make(rngs):
        return nnx.Linear(4, 3, rngs=rngs)  # draws

    def from_one(key):
        return nnx.state(nnx.vmap(make, in_axes=None, axis_size=4)(nnx.Rngs(key)))

    def from_many(key):
        return nnx.state(nnx.split_rngs(splits=4)(nnx.vmap(make))(nnx.Rngs(key)))

    finding = flagged("RNG001", from_one, KEY)
    assert "nnx.split_rngs(splits=4)" in finding.help[0].code
    clean(from_many, KEY)


def test_a_scan_whose_streams_are_not_carried(flagged, clean):
    def scanned(axis):
        forward = nnx.scan(lambda model, row: model(row), in_axes=(streams(axis), 0), out_axes=0)
        return lambda x, key: forward(Net(nnx.Rngs(key)), x)

    finding = flagged("RNG003", scanned(None), X, KEY)
    assert "@nnx.split_rngs(splits=8)\n@nnx.scan(" in finding.help[0].code
    clean(scanned(nnx.Carry), X, KEY)


def test_training(clean):
    def train(x, key):
        model = Net(nnx.Rngs(key))

        @nnx.jit
        def step(model, x):
            gradients = nnx.grad(lambda model: (model(x) ** 2).mean())(model)
            params = nnx.state(model, nnx.Param)
            nnx.update(model, jax.tree.map(lambda p, g: p - 0.1 * g, params, gradients))

        for _ in range(2):
            step(model, x)
        return nnx.state(model, nnx.Param)

    clean(train, X, KEY)
