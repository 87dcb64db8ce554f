"""Bugs fixed in public projects: constant keys, carried keys that never advance, equal keys."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from meshes import shard_map

# -- the state of a library is created from a constant key -------------------------------


def optimizer_state_bad(x, key):
    @jax.jit
    def update(gradient):
        probe = jax.random.rademacher(jax.random.PRNGKey(0), gradient.shape)  # RNG011
        return gradient * probe

    return update(x)


def optimizer_state_good(x, key):
    @jax.jit
    def update(gradient, key):
        key, own = jax.random.split(key)
        return gradient * jax.random.rademacher(own, gradient.shape), key

    return update(x, key)


def default_key_bad(x, key):
    @jax.jit
    def sample(mean, key, fallback=None):
        used = jax.random.key(42) if fallback is None else fallback
        return mean + jax.random.normal(used, mean.shape)  # RNG011

    return sample(x, key)


def default_key_good(x, key):
    @jax.jit
    def sample(mean, key):
        return mean + jax.random.normal(key, mean.shape)

    return sample(x, key)


# -- the key in the state is split, but the old one is returned --------------------------


def train_state_bad(x, key):
    def step(state, _):
        _, dropout_key = jax.random.split(state["key"])  # RNG008
        mask = jax.random.bernoulli(dropout_key, 0.5, x.shape)  # RNG003
        return {**state, "x": state["x"] * mask}, None

    return lax.scan(step, {"x": x, "key": key}, length=3)[0]


def train_state_good(x, key):
    def step(state, _):
        left, dropout_key = jax.random.split(state["key"])
        mask = jax.random.bernoulli(dropout_key, 0.5, x.shape)
        return {"x": state["x"] * mask, "key": left}, None

    return lax.scan(step, {"x": x, "key": key}, length=3)[0]


def sampler_state_bad(x, key):
    key, own = jax.random.split(key)
    samples = x + jax.random.normal(own, x.shape)  # RNG008
    return {"samples": samples, "key": own}


def sampler_state_good(x, key):
    key, own = jax.random.split(key)
    samples = x + jax.random.normal(own, x.shape)
    return {"samples": samples, "key": key}


# -- keys that are equal by value --------------------------------------------------------


def repeated_per_sample_bad(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002 (run)

    return jax.vmap(f)(x, jnp.repeat(jax.random.split(key), 2, axis=0))


def repeated_per_sample_good(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)

    parents = jax.random.split(key)
    return jax.vmap(f)(x, jnp.concatenate([jax.random.split(p) for p in parents]))


def resampled_particles_bad(x, key):
    def move(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002 (run)

    choose_key, move_key = jax.random.split(key)
    keys = jax.random.split(move_key, 4)
    parents = jax.random.categorical(choose_key, jnp.array([9.0, 0.0, 0.0, 0.0]), shape=(4,))
    return jax.vmap(move)(x[parents], keys[parents])


def resampled_particles_good(x, key):
    def move(row, key):
        return row + jax.random.normal(key, row.shape)

    choose_key, move_key = jax.random.split(key)
    parents = jax.random.categorical(choose_key, jnp.array([9.0, 0.0, 0.0, 0.0]), shape=(4,))
    return jax.vmap(move)(x[parents], jax.random.split(move_key, 4))


def seed_from_state_bad(x, key):
    def f(row):
        own = jax.random.key(jnp.int32(row[0] * 0))
        return row + jax.random.normal(own, row.shape)  # RNG002 (run)

    return jax.vmap(f)(x)


def seed_from_state_good(x, key):
    def f(row, index):
        return row + jax.random.normal(jax.random.fold_in(key, index), row.shape)

    return jax.vmap(f)(x, jnp.arange(4))


# -- draws of host generators become constants -------------------------------------------


def numpy_noise_bad(x, key):
    @jax.jit
    def corrupt(x):
        return x + np.random.normal(size=x.shape)  # RNG010

    return corrupt(x)


def numpy_noise_good(x, key):
    @jax.jit
    def corrupt(x, key):
        return x + jax.random.normal(key, x.shape)

    return corrupt(x, key)


def numpy_shuffle_bad(x, key):
    def epoch(x, _):
        return x[np.random.permutation(4)], None  # RNG010

    return lax.scan(epoch, x, length=3)[0]


def numpy_shuffle_good(x, key):
    def epoch(x, key):
        return jax.random.permutation(key, x), None

    return lax.scan(epoch, x, jax.random.split(key, 3))[0]


# -- one key is replicated on all devices ------------------------------------------------


def data_parallel_bad(x, key):
    def step(x, key):
        return x * jax.random.bernoulli(key, 0.5, x.shape)  # RNG004

    mesh, cut = Mesh(jax.devices()[:4], ("batch",)), P("batch")
    return shard_map(step, mesh=mesh, in_specs=(cut, P()), out_specs=cut)(x, key)


def data_parallel_good(x, key):
    def step(x, key):
        own = jax.random.fold_in(key, lax.axis_index("batch"))
        return x * jax.random.bernoulli(own, 0.5, x.shape)

    mesh, cut = Mesh(jax.devices()[:4], ("batch",)), P("batch")
    return shard_map(step, mesh=mesh, in_specs=(cut, P()), out_specs=cut)(x, key)


def replicated_state_bad(x, key):
    def step(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG004

    return jax.pmap(step, in_axes=(0, None))(x, key)


def replicated_state_good(x, key):
    def step(row, key):
        return row + jax.random.normal(key, row.shape)

    return jax.pmap(step)(x, jax.random.split(key, 4))


# -- rbg under vmap ----------------------------------------------------------------------


def fast_dropout_bad(x, key):
    keys = jax.random.split(jax.random.key(1, impl="rbg"), 4)
    return jax.vmap(lambda row, k: row * jax.random.bernoulli(k, 0.5, row.shape))(x, keys)  # RNG012


def fast_dropout_good(x, key):
    return x * jax.random.bernoulli(jax.random.key(1, impl="rbg"), 0.5, x.shape)


def fast_chains_bad(x, key):
    def chain(row, key):
        def step(row, key):
            return row + jax.random.normal(key, row.shape), None  # RNG012

        return lax.scan(step, row, jax.random.split(key, 3))[0]

    return jax.vmap(chain)(x, jax.random.split(jax.random.key(1, impl="unsafe_rbg"), 4))


def fast_chains_good(x, key):
    def chain(row, key):
        def step(row, key):
            return row + jax.random.normal(key, row.shape), None

        return lax.scan(step, row, jax.random.split(key, 3))[0]

    return jax.vmap(chain)(x, jax.random.split(key, 4))
