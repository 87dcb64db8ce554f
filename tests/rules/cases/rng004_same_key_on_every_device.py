"""RNG004: one key on all devices, laid over each one's own data; and keys alike on purpose."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from meshes import shard_map


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


def mesh():
    return Mesh(jax.devices()[:4], ("data",))


CUT = P("data")


def grid():
    return Mesh(np.array(jax.devices()[:4]).reshape(2, 2), ("data", "model"))


def over_data(f, *ins, out=CUT, check_vma=True):
    return shard_map(f, mesh=mesh(), in_specs=ins, out_specs=out, check_vma=check_vma)


# -- bad ---------------------------------------------------------------------------------


def replicated(x, key):
    def f(x, key):
        return x + jax.random.normal(key, x.shape)  # RNG004

    return over_data(f, P("data"), P())(x, key)


def replicated_unchecked(x, key):
    def f(x, key):
        return x + jax.random.normal(key, x.shape)  # RNG004

    return over_data(f, P("data"), P(), check_vma=False)(x, key)


def captured(x, key):
    def f(x):
        return x * jax.random.bernoulli(key, 0.5, x.shape)  # RNG004

    return over_data(f, P("data"))(x)


def made_inside(x, key):
    def f(x):
        return x + jax.random.normal(jax.random.key(0), x.shape)  # RNG004

    return over_data(f, P("data"))(x)


def split_inside(x, key):
    def f(x, key):
        first, second = jax.random.split(key)
        x = x + jax.random.normal(first, x.shape)  # RNG004
        return x * jax.random.uniform(second)  # RNG004

    return over_data(f, P("data"), P())(x, key)


def folded_with_a_constant(x, key):
    def f(x, key):
        return x + jax.random.normal(jax.random.fold_in(key, 3), x.shape)  # RNG004

    return over_data(f, P("data"), P())(x, key)


def gathered_as_they_are(x, key):
    def f(key):
        return jax.random.normal(key, (1, 3))  # RNG004

    return x + over_data(f, P())(key)


def dropout_in_a_loss(x, key):
    def loss(w, x, key):
        return jnp.mean((x * jax.random.bernoulli(key, 0.5, x.shape)) @ w)  # RNG004

    def gradient(w, x, key):
        return jax.lax.pmean(jax.grad(loss)(w, x, key), "data")

    return over_data(gradient, P(), P("data"), P(), out=P(), check_vma=False)(jnp.ones(3), x, key)


def hidden_behind_a_mean(x, key):
    def f(x, key):
        noise = jax.random.normal(key, x.shape)  # RNG004
        return jax.lax.psum(jnp.sum(x * noise), "data")

    return over_data(f, P("data"), P(), out=P())(x, key)


def shuffled_alike(x, key):
    def f(x, key):
        return jax.random.permutation(key, x, axis=1)  # RNG004

    return over_data(f, P("data"), P())(x, key)


def vmap_over_each_part(x, key):
    def f(x, key):
        keys = jax.random.split(key, 2)
        return jax.vmap(lambda row, key: row + jax.random.normal(key, row.shape))(  # RNG004
            x, keys
        )

    return over_data(f, P("data"), P())(jnp.concatenate([x, x]), key)


def along_one_of_two_axes(x, key):
    def f(x, key):
        key = jax.random.fold_in(key, jax.lax.axis_index("model"))
        return x + jax.random.normal(key, x.shape)  # RNG004

    both = P("data", "model")
    return shard_map(f, mesh=grid(), in_specs=(both, P()), out_specs=both)(x[:, :2], key)


def pmap_unmapped(x, key):
    def f(x, key):
        return x + jax.random.normal(key, x.shape)  # RNG004

    return jax.pmap(f, in_axes=(0, None))(x, key)


def pmap_captured(x, key):
    def f(x):
        return x + jax.random.normal(key, x.shape)  # RNG004

    return jax.pmap(f)(x)


def pmap_broadcast(x, key):
    def f(x, key):
        return x + jax.random.normal(key, x.shape)  # RNG004

    return jax.pmap(f)(x, jnp.broadcast_to(key, (4, *key.shape)))


# -- good --------------------------------------------------------------------------------


def folded_with_the_device(x, key):
    def f(x, key):
        return noisy(x, jax.random.fold_in(key, jax.lax.axis_index("data")))

    return over_data(f, P("data"), P())(x, key)


def folded_with_the_device_unchecked(x, key):
    def f(x, key):
        return noisy(x, jax.random.fold_in(key, jax.lax.axis_index("data")))

    return over_data(f, P("data"), P(), check_vma=False)(x, key)


def sharded_keys(x, key):
    def f(x, keys):
        return noisy(x, keys[0])

    return over_data(f, P("data"), P("data"))(x, jax.random.split(key, 4))


def one_draw_outside(x, key):
    noise = jax.random.normal(key, x.shape)
    return over_data(jnp.add, P("data"), P("data"))(x, noise)


def parameters_made_alike(x, key):
    def f(key):
        return jax.random.normal(key, (3, 3))

    return x @ over_data(f, P(), out=P())(key)


def parameters_made_alike_beside_data(x, key):
    def f(x, key):
        scale = jnp.exp(jax.random.normal(key, (3,)))
        return jax.lax.psum(jnp.sum(x), "data"), scale

    return over_data(f, P("data"), P(), out=P())(x, key)


def statistics_alike_and_noise_on_them(x, key):
    def f(x, key):
        mean = jax.lax.pmean(jnp.mean(x, axis=0), "data")
        return noisy(mean, key)

    return over_data(f, P("data"), P(), out=P())(x, key)


def statistics_alike_and_noise_on_them_unchecked(x, key):
    def f(x, key):
        mean = jax.lax.pmean(jnp.mean(x, axis=0), "data")
        return noisy(mean, key)

    return over_data(f, P("data"), P(), out=P(), check_vma=False)(x, key)


def noisy_gradient_step_made_alike(x, key):
    def step(w, x, key):
        gradient = jax.lax.pmean(jax.grad(lambda w: jnp.mean((x @ w) ** 2))(w), "data")
        return w - noisy(gradient, key)

    return over_data(step, P(), P("data"), P(), out=P(), check_vma=False)(jnp.ones(3), x, key)


def along_both_axes(x, key):
    def f(x, key):
        for axis in ("data", "model"):
            key = jax.random.fold_in(key, jax.lax.axis_index(axis))
        return noisy(x, key)

    both = P("data", "model")
    return shard_map(f, mesh=grid(), in_specs=(both, P()), out_specs=both)(x[:, :2], key)


def replicated_where_the_data_are_too(x, key):
    def f(x, key):
        return noisy(x, jax.random.fold_in(key, jax.lax.axis_index("data")))

    rows = P("data", None)
    return shard_map(f, mesh=grid(), in_specs=(rows, P()), out_specs=rows)(x, key)


def pmap_over_keys(x, key):
    return jax.pmap(noisy)(x, jax.random.split(key, 4))


def pmap_with_the_device(x, key):
    def f(x, key):
        return noisy(x, jax.random.fold_in(key, jax.lax.axis_index("devices")))

    return jax.pmap(f, axis_name="devices", in_axes=(0, None))(x, key)


def one_device(x, key):
    one = Mesh(jax.devices()[:1], ("data",))
    return shard_map(noisy, mesh=one, in_specs=(P("data"), P()), out_specs=P("data"))(x, key)


def automatic_parallelism(x, key):
    cut = jax.sharding.NamedSharding(mesh(), P("data"))
    return noisy(jax.lax.with_sharding_constraint(x, cut), key)
