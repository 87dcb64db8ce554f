"""RNG004: one key on all devices for noise on different data, and keys shared on purpose."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from meshes import shard_map


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


def words(key):
    return jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key


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


def shuffled_equal(x, key):
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


def sent_to_some_only(x, key):
    def f(x, keys):
        sent = jax.lax.ppermute(words(keys[0]), "data", [(0, 1), (1, 0)])  # 2 and 3 get zeros
        return x + jax.random.normal(jax.random.wrap_key_data(sent), x.shape)  # RNG004 (run)

    keys = jax.random.split(jax.random.fold_in(key, 1), 4)
    return over_data(f, P("data"), P("data"), check_vma=False)(x, keys)


def gathered_in_pairs(x, key):
    def f(x, keys):
        pairs = [[0, 1], [2, 3]]
        both = jax.lax.all_gather(words(keys[0]), "data", axis_index_groups=pairs)
        return x + jax.random.normal(jax.random.wrap_key_data(both[0]), x.shape)  # RNG004 (run)

    return over_data(f, P("data"), P("data"), check_vma=False)(x, jax.random.split(key, 4))


def in_another_step_on_another_device(x, key):
    def f(x):
        def step(x, i):
            own = jax.random.fold_in(key, i + jax.lax.axis_index("data"))
            return x + jax.random.normal(own, x.shape), None  # RNG004 (run)

        return jax.lax.scan(step, x, jnp.arange(3))[0]

    return over_data(f, P("data"), check_vma=False)(x)


def in_another_step_of_another_pmap_device(x, key):
    def f(row):
        def step(i, row):
            own = jax.random.fold_in(key, i + jax.lax.axis_index("devices"))
            return row + jax.random.normal(own, row.shape)  # RNG004 (run)

        return jax.lax.fori_loop(0, 3, step, row)

    return jax.pmap(f, axis_name="devices")(x)


def of_another_example_on_another_device(x, key):
    def f(x):
        def one(row, i):
            own = jax.random.fold_in(key, i + jax.lax.axis_index("data"))
            return row + jax.random.normal(own, row.shape)  # RNG004 (run)

        return jax.vmap(one)(x, jnp.arange(2))

    return over_data(f, P("data"), check_vma=False)(jnp.concatenate([x, x]))


def along_two_axes_together(x, key):
    def f(x):
        both = jax.lax.axis_index("data") + jax.lax.axis_index("model")
        return x + jax.random.normal(jax.random.fold_in(key, both), x.shape)  # RNG004 (run)

    both = P(("data", "model"))
    return shard_map(f, mesh=grid(), in_specs=both, out_specs=both, check_vma=False)(x)


def on_some_devices_of_two_axes(x, key):
    def f(x):
        number = jax.lax.axis_index(("data", "model")) % 3
        return x + jax.random.normal(jax.random.fold_in(key, number), x.shape)  # RNG004 (run)

    both = P(("data", "model"))
    return shard_map(f, mesh=grid(), in_specs=both, out_specs=both, check_vma=False)(x)


def only_over_three_scopes_together(x, key):
    numbers = np.arange(8).reshape(2, 2, 2)
    numbers[1, 1, 1] = numbers[0, 0, 0]

    def f(x):
        def one(row, i):
            def step(row, t):
                number = jnp.asarray(numbers)[jax.lax.axis_index("data"), i, t]
                noise = jax.random.normal(jax.random.fold_in(key, number), (3,))  # RNG004 (run)
                return row + noise, None

            return jax.lax.scan(step, row, jnp.arange(2))[0]

        return jax.vmap(one)(x, jnp.arange(2))

    two = Mesh(jax.devices()[:2], ("data",))
    return shard_map(f, mesh=two, in_specs=CUT, out_specs=CUT, check_vma=False)(x)


def beside_an_axis_that_has_all_equal(x, key):
    def f(x):
        def step(x, i):
            own = jax.random.fold_in(key, i + jax.lax.axis_index("data"))
            return x + jax.random.normal(own, x.shape), None  # RNG004 (run)

        return jax.lax.scan(step, x, jnp.arange(3))[0]

    return shard_map(f, mesh=grid(), in_specs=CUT, out_specs=CUT, check_vma=False)(x)


def examples_share_on_each_device(x, key):
    def f(x):
        own = jax.random.fold_in(key, jax.lax.axis_index("data"))

        def one(row, i):
            def step(row, t):
                noise = jax.random.normal(jax.random.fold_in(own, i + t), (3,))  # RNG002 (run)
                return row + noise, None

            return jax.lax.scan(step, row, jnp.arange(3))[0]

        return jax.vmap(one)(x, jnp.arange(2))

    return over_data(f, P("data"), check_vma=False)(jnp.concatenate([x, x]))


def devices_share_and_so_do_examples(x, key):
    def f(x):
        def one(row, key):
            return row + jax.random.normal(key, (3,))  # RNG002, RNG004

        return jax.vmap(one)(x, jnp.stack([key, key]))

    return over_data(f, P("data"), check_vma=False)(jnp.concatenate([x, x]))


# -- good --------------------------------------------------------------------------------


def folded_with_the_device(x, key):
    def f(x, key):
        return noisy(x, jax.random.fold_in(key, jax.lax.axis_index("data")))

    return over_data(f, P("data"), P())(x, key)


def folded_with_the_device_unchecked(x, key):
    def f(x, key):
        return noisy(x, jax.random.fold_in(key, jax.lax.axis_index("data")))

    return over_data(f, P("data"), P(), check_vma=False)(x, key)


def sent_to_one_of_two(x, key):
    def f(x):
        sent = jax.lax.ppermute(words(jax.random.fold_in(key, 1)), "model", [(0, 1)])
        row = jax.random.fold_in(jax.random.wrap_key_data(sent), jax.lax.axis_index("data"))
        return noisy(x, row)

    both = P(("data", "model"))
    return shard_map(f, mesh=grid(), in_specs=both, out_specs=both, check_vma=False)(x)


def dealt_out_after_a_sum(x, key):
    def f(x, every):
        own = jax.lax.psum_scatter(every, "data")
        return noisy(x, jax.random.wrap_key_data(own))

    every = jax.vmap(words)(jax.random.split(key, 4))
    return over_data(f, P("data"), P(), check_vma=False)(x, every)


def sharded_keys(x, key):
    def f(x, keys):
        return noisy(x, keys[0])

    return over_data(f, P("data"), P("data"))(x, jax.random.split(key, 4))


def one_draw_outside(x, key):
    noise = jax.random.normal(key, x.shape)
    return over_data(jnp.add, P("data"), P("data"))(x, noise)


def parameters_made_equal(x, key):
    def f(key):
        return jax.random.normal(key, (3, 3))

    return x @ over_data(f, P(), out=P())(key)


def parameters_made_equal_beside_data(x, key):
    def f(x, key):
        scale = jnp.exp(jax.random.normal(key, (3,)))
        return jax.lax.psum(jnp.sum(x), "data"), scale

    return over_data(f, P("data"), P(), out=P())(x, key)


def statistics_equal_and_noise_on_them(x, key):
    def f(x, key):
        mean = jax.lax.pmean(jnp.mean(x, axis=0), "data")
        return noisy(mean, key)

    return over_data(f, P("data"), P(), out=P())(x, key)


def statistics_equal_and_noise_on_them_unchecked(x, key):
    def f(x, key):
        mean = jax.lax.pmean(jnp.mean(x, axis=0), "data")
        return noisy(mean, key)

    return over_data(f, P("data"), P(), out=P(), check_vma=False)(x, key)


def noisy_gradient_step_made_equal(x, key):
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


def sent_around(x, key):
    def f(x, keys):
        ring = [(0, 1), (1, 2), (2, 3), (3, 0)]
        sent = jax.lax.ppermute(words(keys[0]), "data", ring)
        return x + jax.random.normal(jax.random.wrap_key_data(sent), x.shape)

    return over_data(f, P("data"), P("data"), check_vma=False)(x, jax.random.split(key, 4))


def sent_to_some_that_fold_it(x, key):
    def f(x, keys):
        sent = jax.lax.ppermute(words(keys[0]), "data", [(0, 1), (1, 0)])
        own = jax.random.fold_in(jax.random.wrap_key_data(sent), jax.lax.axis_index("data"))
        return x + jax.random.normal(own, x.shape)

    return over_data(f, P("data"), P("data"), check_vma=False)(x, jax.random.split(key, 4))


def another_number_for_each_step_and_device(x, key):
    def f(x):
        def step(x, i):
            own = jax.random.fold_in(key, i + 3 * jax.lax.axis_index("data"))
            return x + jax.random.normal(own, x.shape), None

        return jax.lax.scan(step, x, jnp.arange(3))[0]

    return over_data(f, P("data"), check_vma=False)(x)


def another_number_for_each_pair(x, key):
    def f(x):
        number = 2 * jax.lax.axis_index("data") + jax.lax.axis_index("model")
        return noisy(x, jax.random.fold_in(key, number))

    both = P(("data", "model"))
    return shard_map(f, mesh=grid(), in_specs=both, out_specs=both, check_vma=False)(x)


def steps_equal_on_an_axis_that_shares_the_data(x, key):
    def f(x):
        own = jax.random.fold_in(key, jax.lax.axis_index("data"))

        def step(x, i):
            return noisy(x, jax.random.fold_in(own, i)), None

        return jax.lax.scan(step, x, jnp.arange(3))[0]

    return shard_map(f, mesh=grid(), in_specs=CUT, out_specs=CUT, check_vma=False)(x)


def parameters_of_each_layer_made_equal(x, key):
    def f(key):
        def layer(_, i):
            return None, jax.random.normal(jax.random.fold_in(key, i), (3, 3))

        return jax.lax.scan(layer, None, jnp.arange(2))[1]

    return x @ over_data(f, P(), out=P(), check_vma=False)(key).sum(0)


def one_key_from_a_device_for_parameters(x, key):
    def f(keys):
        zero = jax.lax.axis_index("data") == 0
        sent = jax.lax.psum(jnp.where(zero, words(keys[0]), 0), "data")
        return jax.random.normal(jax.random.wrap_key_data(sent), (3, 3))

    return x @ over_data(f, P("data"), out=P(), check_vma=False)(jax.random.split(key, 4))


def drawn_by_one_device(x, key):
    def f(x):
        is_first = jax.lax.axis_index("data") == 0
        return jax.lax.cond(is_first, lambda: noisy(x, key), lambda: x)

    return over_data(f, P("data"), check_vma=False)(x)


def one_device(x, key):
    one = Mesh(jax.devices()[:1], ("data",))
    return shard_map(noisy, mesh=one, in_specs=(P("data"), P()), out_specs=P("data"))(x, key)


def automatic_parallelism(x, key):
    cut = jax.sharding.NamedSharding(mesh(), P("data"))
    return noisy(jax.lax.with_sharding_constraint(x, cut), key)
