"""Training loops and chains of the frameworks compute the same when they are watched."""

import importlib

import jax
import jax.numpy as jnp
import pytest

from tests.watching.same_results import assert_same_results

X = jnp.arange(32.0).reshape(8, 4) / 32
STEPS = 4


def library(name):
    return pytest.importorskip(name)


def linen():
    nn, optax = library("flax.linen"), library("optax")

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.relu(nn.Dense(8)(x))
            x = nn.Dropout(0.5, deterministic=False)(x)
            return nn.Dense(1)(x)

    net, optimizer = Net(), optax.adam(1e-2)
    key, start = jax.random.split(jax.random.key(0))
    params = net.init({"params": start, "dropout": start}, X)
    state = optimizer.init(params)

    @jax.jit
    def step(params, state, key):
        def loss(params):
            return (net.apply(params, X, rngs={"dropout": key}) ** 2).mean()

        value, gradient = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state, value

    for _ in range(STEPS):
        key, own = jax.random.split(key)
        params, state, value = step(params, state, own)
    return step.lower(params, state, key), (params, value)


def nnx():
    nnx = library("flax.nnx")

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.first = nnx.Linear(4, 8, rngs=rngs)
            self.dropout = nnx.Dropout(0.5, rngs=rngs)
            self.last = nnx.Linear(8, 1, rngs=rngs)

        def __call__(self, x):
            return self.last(self.dropout(nnx.relu(self.first(x))))

    graph, state = nnx.split(Net(nnx.Rngs(0)))

    @jax.jit
    def step(state):
        def loss(state):
            model = nnx.merge(graph, state)
            value = (model(X) ** 2).mean()
            return value, nnx.state(model)

        gradient, new = jax.grad(loss, has_aux=True, allow_int=True)(state)

        def moved(x, g):
            return x - 0.1 * g if g.dtype == x.dtype else x

        return jax.tree.map(moved, new, gradient)

    for _ in range(STEPS):
        state = step(state)
    return step.lower(state), state


def equinox():
    eqx = library("equinox")
    first, second, key = jax.random.split(jax.random.key(0), 3)
    model = eqx.nn.Sequential(
        [eqx.nn.Linear(4, 8, key=first), eqx.nn.Dropout(0.5), eqx.nn.Linear(8, 1, key=second)]
    )

    @eqx.filter_jit
    def step(model, key):
        @eqx.filter_grad
        def gradient(model):
            keys = jax.random.split(key, len(X))
            return (jax.vmap(lambda x, k: model(x, key=k))(X, keys) ** 2).mean()

        return eqx.apply_updates(model, jax.tree.map(lambda g: -0.1 * g, gradient(model)))

    for _ in range(STEPS):
        key, own = jax.random.split(key)
        model = step(model, own)
    return step.lower(model, key).lowered, eqx.filter(model, eqx.is_array)


def haiku():
    hk = library("haiku")

    def forward(x):
        x = jax.nn.relu(hk.Linear(8)(x))
        return hk.Linear(1)(hk.dropout(hk.next_rng_key(), 0.5, x))

    net = hk.transform(forward)
    key, start = jax.random.split(jax.random.PRNGKey(0))
    params = net.init(start, X)

    @jax.jit
    def step(params, key):
        gradient = jax.grad(lambda p: (net.apply(p, key, X) ** 2).mean())(params)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient)

    for _ in range(STEPS):
        key, own = jax.random.split(key)
        params = step(params, own)
    return step.lower(params, key), params


def blackjax():
    blackjax = library("blackjax")
    nuts = blackjax.nuts(lambda x: -0.5 * jnp.sum(x**2), 0.5, jnp.ones(2))

    @jax.jit
    def chain(key, state):
        def move(state, key):
            state, _ = nuts.step(key, state)
            return state, state.position

        return jax.lax.scan(move, state, jax.random.split(key, 5))

    state = nuts.init(jnp.zeros(2))
    key = jax.random.key(3)
    return chain.lower(key, state), chain(key, state)


def numpyro():
    numpyro = library("numpyro")
    distributions = importlib.import_module("numpyro.distributions")
    infer = importlib.import_module("numpyro.infer")

    def model(y):
        mean = numpyro.sample("mean", distributions.Normal(0.0, 1.0))
        numpyro.sample("y", distributions.Normal(mean, 1.0), obs=y)

    mcmc = infer.MCMC(infer.NUTS(model), num_warmup=5, num_samples=5, progress_bar=False)
    mcmc.run(jax.random.PRNGKey(0), y=X[:, 0])
    return None, mcmc.get_samples()


@pytest.mark.parametrize(
    "program", [linen, nnx, equinox, haiku, blackjax, numpyro], ids=lambda p: p.__name__
)
def test_numbers_and_compiled_code_are_the_same(program):
    report = assert_same_results(program)

    assert report.draws
    assert report.failures == ()
