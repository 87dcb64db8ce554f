"""Flax linen: lifted vmap and scan, dropout under `jax.vmap`, one key for all streams."""

import jax
import jax.numpy as jnp
import pytest

nn = pytest.importorskip("flax.linen")

X = jnp.ones((8, 4))
KEY = jax.random.key(0)


class Net(nn.Module):
    broadcast_dims: tuple = ()

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(5)(x)
        x = nn.Dropout(0.5, self.broadcast_dims, deterministic=False)(x)  # draws
        return nn.Dense(3)(x)


class Cell(nn.Module):
    @nn.compact
    def __call__(self, carry, x):
        y = nn.Dense(4)(carry + x)
        y = nn.Dropout(0.5, deterministic=False)(y)  # draws
        return y, y


class Mapped(nn.Module):
    split: bool

    @nn.compact
    def __call__(self, x):
        rngs = {"params": False, "dropout": self.split}
        return nn.vmap(Net, variable_axes={"params": None}, split_rngs=rngs)()(x)


class Scanned(nn.Module):
    split: bool

    @nn.compact
    def __call__(self, x):
        rngs = {"params": False, "dropout": self.split}
        cell = nn.scan(Cell, variable_broadcast="params", split_rngs=rngs)()
        return cell(jnp.zeros(4), x)[1]


class Ensemble(nn.Module):
    split: bool

    @nn.compact
    def __call__(self, x):
        member = nn.vmap(
            nn.Dense,
            variable_axes={"params": 0},
            split_rngs={"params": self.split},
            in_axes=None,
            axis_size=4,
        )
        return member(3)(x)  # draws


def variables(model):
    return model.init({"params": KEY, "dropout": KEY}, X)


def applied(model):
    fixed = variables(model)
    return lambda x, key: model.apply(fixed, x, rngs={"dropout": key})


def gradient(model):
    fixed = variables(model)

    def loss(params, x, key):
        return model.apply(params, x, rngs={"dropout": key}).sum()

    return lambda x, key: jax.grad(loss)(fixed, x, key)


@pytest.mark.parametrize("program", [applied, gradient])
def test_a_lifted_vmap_that_does_not_split(flagged, clean, program):
    finding = flagged("RNG001", program(Mapped(split=False)), X, KEY)

    assert [h.code for h in finding.help] == ['nn.vmap(..., split_rngs={"dropout": True})']
    clean(program(Mapped(split=True)), X, KEY)


@pytest.mark.parametrize("program", [applied, gradient])
def test_a_lifted_scan_that_does_not_split(flagged, clean, program):
    finding = flagged("RNG003", program(Scanned(split=False)), X, KEY)

    assert [h.code for h in finding.help] == ['nn.scan(..., split_rngs={"dropout": True})']
    clean(program(Scanned(split=True)), X, KEY)


def test_layers_that_a_scan_initialises_equally(flagged, clean):
    class Layer(nn.Module):
        @nn.compact
        def __call__(self, x, _):
            return nn.relu(nn.Dense(4)(x)), None  # draws

    def layers(split):
        return nn.scan(Layer, variable_axes={"params": 0}, split_rngs={"params": split}, length=3)()

    finding = flagged("RNG003", lambda x, key: layers(False).init(key, x, None), X, KEY)

    assert [h.code for h in finding.help] == ['nn.scan(..., split_rngs={"params": True})']
    clean(lambda x, key: layers(True).init(key, x, None), X, KEY)


def test_a_lifted_while_loop_with_a_stream_of_the_users_own(flagged, clean):
    class Walk(nn.Module):
        split: bool

        @nn.compact
        def __call__(self, x):
            def step(module, carry):
                i, x = carry
                key = module.make_rng("walk")
                return i + 1, x + jax.random.normal(key, x.shape)  # draws

            return nn.while_loop(
                lambda _, carry: carry[0] < 3, step, self, (0, x), split_rngs={"walk": self.split}
            )[1]

    def walked(split):
        return lambda x, key: Walk(split).apply({}, x, rngs={"walk": key})

    finding = flagged("RNG003", walked(False), X, KEY)

    assert [h.code for h in finding.help] == ['nn.while_loop(..., split_rngs={"walk": True})']
    clean(walked(True), X, KEY)


def test_an_ensemble_initialised_from_one_key(flagged, clean):
    finding = flagged("RNG001", lambda x, key: Ensemble(split=False).init(key, x), X, KEY)

    assert [h.code for h in finding.help] == ['nn.vmap(..., split_rngs={"params": True})']
    clean(lambda x, key: Ensemble(split=True).init(key, x), X, KEY)


def test_parameters_that_all_examples_share_are_meant_to_be_one(clean):
    clean(lambda x, key: Mapped(split=True).init({"params": key, "dropout": key}, x), X, KEY)


def test_dropout_in_an_apply_under_vmap(flagged, clean):
    def apply(x, key):
        return Net().apply(fixed, x, rngs={"dropout": key})

    fixed = variables(Net())
    finding = flagged("RNG001", lambda x, key: jax.vmap(apply, (0, None))(x, key), X, KEY)

    assert "jax.vmap(apply, in_axes=(0, 0))(x, keys)" in finding.help[0].code
    clean(lambda x, key: jax.vmap(apply)(x, jax.random.split(key, 8)), X, KEY)


def test_a_lone_key_from_which_all_streams_fall_back(flagged, clean):
    fixed = variables(Net())

    def captured(x, key):
        return jax.vmap(lambda row: Net().apply(fixed, row, rngs=key))(x)

    def mapped(x, key):
        keys = jax.random.split(key, 8)
        return jax.vmap(lambda row, k: Net().apply(fixed, row, rngs=k))(x, keys)

    flagged("RNG001", captured, X, KEY)
    clean(mapped, X, KEY)


def test_broadcast_dims_say_that_a_mask_is_shared(clean):
    clean(applied(Net(broadcast_dims=(0,))), X, KEY)


def test_training(clean):
    net = Net()

    def train(x, key):
        params_key, dropout_key = jax.random.split(key)
        params = net.init({"params": params_key, "dropout": dropout_key}, x)

        def loss(params, key):
            return (net.apply(params, x, rngs={"dropout": key}) ** 2).mean()

        @jax.jit
        def step(params, key):
            gradients = jax.grad(loss)(params, key)
            return jax.tree.map(lambda p, g: p - 0.1 * g, params, gradients)

        for i in range(2):
            params = step(params, jax.random.fold_in(dropout_key, i))
        return params

    clean(train, X, KEY)
