"""Every way to draw under vmap: all examples draw the same exactly if the report says so.

The ways are those of PyTorch's tests of its vmap's randomness: factories, `like`,
in place, binary, multinomial, dropout by element, by feature and alpha dropout; with the
batch first, last or nowhere; under chunked vmap and jacfwd.
"""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrng_doctor
from jaxrng_doctor.rules.by_cause import ungrouped

N = 4
ROW = (5, 6)
LOGITS = jnp.zeros((30, 9))


def draws(x, key):
    """All ways to draw, each with its own key and on its own line; `x` is f32[5,6]."""
    k = jax.random.split(key, 12)
    noise = {
        "factory": jax.random.normal(k[0], ROW),  # draw
        "integers": jax.random.randint(k[1], ROW, 0, 1000),  # draw
        "like": jax.random.uniform(k[2], x.shape, x.dtype),  # draw
        "in place": x.at[1:3].set(jax.random.normal(k[3], (2, 6))) - x,  # draw
        "binary": jax.random.bernoulli(k[4], jax.nn.sigmoid(x * 0)),  # draw
        "scaled": x * 0 + jax.random.normal(k[5], x.shape) * 3,  # draw
        "multinomial": jax.random.categorical(k[6], LOGITS),  # draw
        "with replacement": jax.random.choice(k[7], 90, (20,)),  # draw
        "without replacement": jax.random.choice(k[8], 90, (20,), replace=False),  # draw
    }
    keep = jax.random.bernoulli(k[9], 0.5, x.shape)  # draw
    features = jax.random.bernoulli(k[10], 0.5, (x.shape[0], 1))  # draw
    alpha = jax.random.bernoulli(k[11], 0.5, x.shape)  # draw
    one = jnp.ones_like(x)
    return noise | {
        "dropout": jnp.where(keep, one / 0.5, 0.0),
        "feature dropout": jnp.where(features, one / 0.5, 0.0),
        "alpha dropout": jnp.where(alpha, one, -1.7581) * 0.8864 + 0.7791,
    }


SOURCE, FIRST = inspect.getsourcelines(draws)
LINES = {FIRST + i for i, line in enumerate(SOURCE) if line.rstrip().endswith("# draw")}


def parts(report):
    """The parts of the only cause."""
    assert len(report.findings) == 1
    return ungrouped(report.findings)


BATCHED = {"first": 0, "last": -1, "none": None}


def mapped(batched, randomness):
    x = {"first": jnp.ones((N, *ROW)), "last": jnp.ones((*ROW, N)), "none": jnp.ones(ROW)}[batched]
    in_axes = (BATCHED[batched], None if randomness == "same" else 0)

    def f(x, key):
        keys = key if randomness == "same" else jax.random.split(key, N)
        return jax.vmap(draws, in_axes=in_axes, axis_size=N)(x, keys)

    return f, x


def chunked(randomness):
    def f(x, key):
        if randomness == "same":
            return jax.lax.map(lambda row: draws(row, key), x, batch_size=2)
        keys = jax.random.split(key, N)
        return jax.lax.map(lambda pair: draws(*pair), (x, keys), batch_size=2)

    return f, jnp.ones((N, *ROW))


def check(f, x, key):
    report = jaxrng_doctor.check(f, (x, key))
    assert report.gaps == ()
    assert report.failures == ()
    return report


def equal(drawn):
    return {name for name, a in drawn.items() if (np.asarray(a) == np.asarray(a)[:1]).all()}


TYPED, LEGACY = jax.random.key(0), jax.random.PRNGKey(0)

every_batch = pytest.mark.parametrize(
    ("batched", "key"),
    [("first", TYPED), ("last", TYPED), ("none", TYPED), ("first", LEGACY)],
    ids=["first", "last", "none", "first-legacy"],
)


@pytest.mark.sampled(2)
@every_batch
def test_one_key_gives_every_example_the_same(batched, key):
    f, x = mapped(batched, "same")

    found = {(f.place.line, f.code, f.confidence) for f in parts(check(f, x, key))}

    assert found == {(line, "RNG001", "proven") for line in LINES}
    drawn = f(x, key)
    assert equal(drawn) == set(drawn)


@pytest.mark.sampled(2)
@every_batch
def test_split_keys_give_every_example_its_own(batched, key):
    f, x = mapped(batched, "different")

    assert check(f, x, key).findings == ()
    assert equal(f(x, key)) == set()


def test_one_key_in_a_chunked_map():
    f, x = chunked("same")

    found = {(f.place.line, f.code) for f in parts(check(f, x, TYPED))}

    assert {line for line, _ in found} == LINES
    assert {code for _, code in found} <= {"RNG001", "RNG003"}
    drawn = f(x, TYPED)
    assert equal(drawn) == set(drawn)


@pytest.mark.slow
def test_split_keys_in_a_chunked_map():
    f, x = chunked("different")

    assert check(f, x, TYPED).findings == ()
    assert equal(f(x, TYPED)) == set()


def test_the_basis_of_a_jacobian_shares_its_noise():
    def loss(x, key):
        drawn = draws(x, key)
        return x**2 * drawn["like"] + drawn["dropout"] * x + drawn["in place"]

    def f(x, key):
        return jax.jacfwd(loss)(x, key)

    assert check(f, jnp.ones(ROW), TYPED).findings == ()


def test_an_example_that_shares_its_key_inside_a_jacobian_is_reported():
    def f(x, key):
        row = jax.jacfwd(lambda x, key: x**2 * jax.random.uniform(key, x.shape))
        return jax.vmap(row, in_axes=(0, None))(x, key)

    assert [f.code for f in check(f, jnp.ones((N, 3)), TYPED).findings] == ["RNG001"]
