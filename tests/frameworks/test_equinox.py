"""Equinox: keys that are captured, or not mapped, under `jax.vmap` and `filter_vmap`."""

import jax
import jax.numpy as jnp
import pytest

eqx = pytest.importorskip("equinox")

X = jnp.ones((8, 4))
KEY = jax.random.key(0)


class Net(eqx.Module):
    linear: eqx.nn.Linear
    dropout: eqx.nn.Dropout

    def __init__(self, key):
        self.linear = eqx.nn.Linear(4, 3, key=key)  # draws
        self.dropout = eqx.nn.Dropout(0.5)

    def __call__(self, x, key):
        return self.dropout(self.linear(x), key=key)  # draws


NET = Net(KEY)


def split(x, key):
    return jax.vmap(NET)(x, jax.random.split(key, 8))


def test_a_captured_key(flagged, clean):
    def captured(x, key):
        return jax.vmap(lambda row: NET(row, key))(x)

    finding = flagged("RNG001", captured, X, KEY)

    assert finding.help[0].code.startswith("keys = jax.random.split(key, 8)\njax.vmap(")
    clean(split, X, KEY)


@pytest.mark.parametrize("vmap", [jax.vmap, eqx.filter_vmap])
def test_a_key_that_is_not_mapped(flagged, clean, vmap):
    flagged("RNG001", lambda x, key: vmap(NET, in_axes=(0, None))(x, key), X, KEY)
    clean(lambda x, key: vmap(NET)(x, jax.random.split(key, 8)), X, KEY)


def test_filter_vmap_is_reported_by_its_name(flagged):
    def captured(x, key):
        return eqx.filter_vmap(lambda row: NET(row, key))(x)

    [help] = flagged("RNG001", captured, X, KEY).help

    assert "eqx.filter_vmap(..., in_axes=(0, 0))(x, keys)" in help.code


def test_an_ensemble_from_one_key(flagged, clean):
    def from_one(key):
        return eqx.filter_vmap(Net, in_axes=None, axis_size=4)(key).linear

    flagged("RNG001", from_one, KEY)
    clean(lambda key: eqx.filter_vmap(Net)(jax.random.split(key, 4)).linear, KEY)


def test_the_gradient_of_a_shared_mask(flagged, clean):
    def gradient(forward):
        def loss(net, x, key):
            return forward(net, x, key).sum()

        return lambda x, key: eqx.filter_jit(eqx.filter_grad(loss))(NET, x, key)

    def mapped(net, x, key):
        return jax.vmap(net)(x, jax.random.split(key, 8))

    flagged("RNG001", gradient(lambda net, x, key: jax.vmap(net, (0, None))(x, key)), X, KEY)
    clean(gradient(mapped), X, KEY)


def test_a_checkpointed_loop_does_its_steps_again(flagged, clean):
    internal = pytest.importorskip("equinox.internal")

    def trained(step, xs):
        def loss(x):
            loop = internal.scan(step, x, xs, kind="checkpointed", checkpoints=2)
            return (loop[0] ** 2).sum()

        return jax.value_and_grad(loss)

    def noisy(x, key):
        return jnp.sin(x * jax.random.normal(key, x.shape)), None  # draws

    def shared(x, key):
        return trained(lambda x, _: noisy(x, key), jnp.arange(8))(x)

    flagged("RNG003", shared, X, KEY)
    clean(lambda x, key: trained(noisy, jax.random.split(key, 8))(x), X, KEY)


@pytest.mark.parametrize("kind", ["lax", "checkpointed"])
def test_a_key_in_the_carry_of_a_loop_of_equinoxs(flagged, clean, kind):
    internal = pytest.importorskip("equinox.internal")

    def walk(advance):
        def step(carry):
            x, key = carry
            key, own = jax.random.split(key) if advance else (key, key)
            return x + jax.random.normal(own, x.shape), key  # draws

        def goes_on(carry):
            return carry[0].sum() < 1e3

        return lambda x, key: internal.while_loop(goes_on, step, (x, key), max_steps=8, kind=kind)[
            0
        ]

    flagged("RNG003", walk(advance=False), X, KEY)
    clean(walk(advance=True), X, KEY)


def test_a_batch_norm_beside_dropout(flagged, clean):
    norm, state = eqx.nn.make_with_state(eqx.nn.BatchNorm)(4, axis_name="batch", mode="batch")

    def forward(axes):
        def one(row, state, key):
            row, state = norm(row, state)
            return eqx.nn.Dropout(0.5)(row, key=key), state  # draws

        return jax.vmap(one, axis_name="batch", in_axes=axes, out_axes=(0, None))

    flagged("RNG001", lambda x, key: forward((0, None, None))(x, state, key)[0], X, KEY)
    clean(lambda x, key: forward((0, None, 0))(x, state, jax.random.split(key, 8))[0], X, KEY)


def test_training(clean):
    def train(x, key):
        key, net_key = jax.random.split(key)
        net = Net(net_key)

        def loss(net, x, key):
            return (jax.vmap(net)(x, jax.random.split(key, 8)) ** 2).mean()

        @eqx.filter_jit
        def step(net, x, key):
            gradients = eqx.filter_grad(loss)(net, x, key)
            return eqx.apply_updates(net, jax.tree.map(lambda g: -0.1 * g, gradients))

        for i in range(2):
            net = step(net, x, jax.random.fold_in(key, i))
        return net.linear

    clean(train, X, KEY)
