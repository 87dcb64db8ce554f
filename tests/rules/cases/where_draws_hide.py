"""Draws in places that are easily overlooked: bad ones are flagged, good ones are not."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jax.extend.random import threefry_2x32


def words(key):
    return jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key


@custom_vmap
def noise_of_the_batch(row, key):
    return row + jax.random.normal(key, row.shape)


@noise_of_the_batch.def_vmap
def _(size, mapped, rows, key):
    if mapped[1]:
        return jax.vmap(noisy)(rows, key), True
    return noise_of_the_batch(rows, key), True  # one draw for the whole batch


@custom_vmap
def noise_of_each(row, key):
    return row + jax.random.normal(key, row.shape)


@noise_of_each.def_vmap
def _(size, mapped, rows, key):
    return jax.vmap(noisy, in_axes=(0, 0 if mapped[1] else None))(rows, key), True


def noisy(row, key):
    return row + jax.random.normal(key, row.shape)


# -- bad ---------------------------------------------------------------------------------


def around_an_associative_scan(x, key):
    def f(row):
        return lax.associative_scan(jnp.add, row + jax.random.normal(key, (3,)))  # RNG001

    return jax.vmap(f)(x)


def in_an_associative_scan(x, key):
    def combine(a, b):
        return a + b + jax.random.normal(key, a.shape)  # RNG005

    return lax.associative_scan(combine, x)


def in_a_root(x, key):
    def f(row):
        def residual(y):
            return y - row - jax.random.normal(key, (3,))  # RNG001

        return lax.custom_root(residual, row, lambda g, y: y - g(y), lambda g, y: y)

    return jax.vmap(f)(x)


def in_the_right_side_of_a_solve(x, key):
    def f(row):
        noise = jax.random.normal(key, (3,))  # RNG001
        return jax.scipy.sparse.linalg.cg(lambda v: v * 2, row + noise)[0]

    return jax.vmap(f)(x)


def in_an_unrolled_scan(x, key):
    def step(carry, row):
        return carry, row + jax.random.normal(key, (3,))  # RNG003

    return lax.scan(step, 0.0, x, unroll=2)[1]


def in_a_scan_unrolled_whole(x, key):
    def step(carry, row):
        return carry, row + jax.random.normal(key, (3,))  # RNG003

    return lax.scan(step, 0.0, x, unroll=True)[1]


def in_a_condition(x, key):
    def goes_on(carry):
        return (carry[0] < 5) & (jax.random.uniform(key) < 2)  # RNG003

    return lax.while_loop(goes_on, lambda carry: (carry[0] + 1, carry[1] + 1), (0, x))[1]


def in_a_condition_under_vmap(x, key):
    def f(row, n):
        def goes_on(carry):
            own = jax.random.fold_in(key, carry[0])
            return (carry[0] < n) & (jax.random.uniform(own) < 2)  # RNG001

        return lax.while_loop(goes_on, lambda carry: (carry[0] + 1, carry[1] + 1), (0, row))[1]

    return jax.vmap(f)(x, jnp.arange(2, 6))


def in_a_condition_and_its_body(x, key):
    def goes_on(carry):
        own = jax.random.fold_in(key, carry[0])
        return (carry[0] < 5) & (jax.random.uniform(own) < 2)

    def body(carry):
        own = jax.random.fold_in(key, carry[0])
        return carry[0] + 1, carry[1] + jax.random.normal(own, (3,))  # RNG007

    return lax.while_loop(goes_on, body, (0, x))[1]


def of_raw_words(x, key):
    def f(row):
        return row + threefry_2x32(words(key), jnp.arange(3, dtype=jnp.uint32))  # RNG001

    return jax.vmap(f)(x)


def of_raw_bits(x, key):
    def f(row):
        four = jnp.tile(words(key), 2)
        return row + lax.rng_bit_generator(four, (3,))[1]  # RNG001

    return jax.vmap(f)(x)


def in_a_vmap_rule(x, key):
    @custom_vmap
    def noise(row, key):
        return row

    @noise.def_vmap
    def _(size, mapped, rows, key):
        return jax.vmap(lambda row: row + jax.random.normal(key, (3,)))(rows), True  # RNG001

    return jax.vmap(noise, in_axes=(0, None))(x, key)


def with_a_vmap_rule_that_no_mapped_value_reaches(x, key):
    @custom_vmap
    def inner(key):
        return jax.random.normal(key, (3,))  # RNG001

    @inner.def_vmap
    def _(size, mapped, key):
        return inner(key), False

    @custom_vmap
    def noise(key):
        return 2 * inner(key)

    @noise.def_vmap
    def _(size, mapped, key):
        return noise(key), False

    return jax.vmap(lambda row: jnp.sin(row) + noise(key))(x)


def with_a_vmap_rule_and_nothing_mapped(x, key):
    @custom_vmap
    def inner(key):
        return jax.random.normal(key, (3,))  # RNG001

    @inner.def_vmap
    def _(size, mapped, key):
        return inner(key), False

    return jax.vmap(lambda row: inner(key))(x)


def with_a_draw_before_a_vmap_rule(x, key):
    @custom_vmap
    def inner(key):
        return jax.random.normal(key, (3,))

    @inner.def_vmap
    def _(size, mapped, keys):
        return jax.vmap(lambda key: jax.random.normal(key, (3,)))(keys), True

    def f(row, own):
        return jax.random.uniform(key, (3,)), inner(own)  # RNG001

    return jax.vmap(f)(x, jax.random.split(jax.random.fold_in(key, 1), 4))


def beside_a_vmap_rule(x, key):
    def f(row):
        row = noise_of_the_batch(jnp.sin(row), key)
        return row * 2 + jax.random.uniform(key)  # RNG001, RNG005

    return jax.vmap(f)(x)


def of_a_function_with_a_vmap_rule_but_no_vmap(x, key):
    return noise_of_each(x, key) + jax.random.normal(key, x.shape)  # RNG005


def behind_a_barrier_with_the_batch(x, key):
    def noisy(x, key):
        x, key = lax.optimization_barrier((x, key))
        return x * jax.random.normal(key, x.shape)  # RNG001

    return jax.vmap(noisy, in_axes=(0, None))(x, key)


def on_both_sides_of_a_barrier(x, key):
    noise = jax.random.normal(key, x.shape)
    again, _ = lax.optimization_barrier((key, x))
    return x + noise + jax.random.normal(again, x.shape)  # RNG005


def carried_through_a_barrier(x, key):
    def step(carry, row):
        key, row = lax.optimization_barrier((carry, row))
        return key, row * jax.random.normal(key, row.shape)  # RNG003

    return lax.scan(step, key, x)[1]


# -- good --------------------------------------------------------------------------------


def an_associative_scan_of_noise(x, key):
    def f(row, key):
        return lax.associative_scan(jnp.add, row + jax.random.normal(key, (3,)))

    return jax.vmap(f)(x, jax.random.split(key, 4))


def a_root_separate(x, key):
    def f(row, key):
        def residual(y):
            return y - row - jax.random.normal(key, (3,))

        return lax.custom_root(residual, row, lambda g, y: y - g(y), lambda g, y: y)

    return jax.vmap(f)(x, jax.random.split(key, 4))


def an_unrolled_scan_over_keys(x, key):
    def step(carry, inputs):
        row, key = inputs
        return carry, row + jax.random.normal(key, (3,))

    return lax.scan(step, 0.0, (x, jax.random.split(key, 4)), unroll=4)[1]


def a_condition_that_counts(x, key):
    def goes_on(carry):
        own = jax.random.fold_in(key, carry[0])
        return (carry[0] < 5) & (jax.random.uniform(own) < 2)

    return lax.while_loop(goes_on, lambda carry: (carry[0] + 1, carry[1] + 1), (0, x))[1]


def a_condition_of_each_example(x, key):
    def f(row, key):
        def goes_on(carry):
            own = jax.random.fold_in(key, carry[0])
            return (carry[0] < 5) & (jax.random.uniform(own) < 2)

        return lax.while_loop(goes_on, lambda carry: (carry[0] + 1, carry[1] + 1), (0, row))[1]

    return jax.vmap(f)(x, jax.random.split(key, 4))


def only_the_shape_is_asked_for(x, key):
    def f(row, key):
        return row + jax.random.normal(key, (3,))

    shape = jax.eval_shape(jax.vmap(f, in_axes=(0, None)), x, key)
    return jnp.zeros(shape.shape)


def raw_words_of_each_example(x, key):
    def f(row, words):
        return row + threefry_2x32(words, jnp.arange(3, dtype=jnp.uint32))

    return jax.vmap(f)(x, words(jax.random.split(key, 4)))


def a_vmap_rule_that_draws_for_the_whole_batch(x, key):
    return jax.vmap(noise_of_the_batch, in_axes=(0, None))(x, key)


def a_vmap_rule_over_keys(x, key):
    def f(row, key):
        first, second = jax.random.split(key)
        row = noise_of_the_batch(jnp.sin(row) * jax.random.uniform(first), second)
        return row * 2

    return jax.vmap(f, in_axes=(1, 0), out_axes=1)(x.T, jax.random.split(key, 4))


def two_vmap_rules_in_a_row(x, key):
    def f(row, keys):
        return noise_of_each(noise_of_the_batch(row, keys[0]), keys[1])

    return jax.vmap(f)(x, jax.random.split(key, (4, 2)))


def keys_of_their_own_behind_a_barrier(x, key):
    def noisy(x, key):
        x, key = lax.optimization_barrier((x, key))
        return x * jax.random.normal(key, x.shape)

    return jax.vmap(noisy)(x, jax.random.split(key, len(x)))


def another_child_behind_a_barrier(x, key):
    first, second = lax.optimization_barrier(tuple(jax.random.split(key)))
    return x * jax.random.normal(first, x.shape) + jax.random.normal(second, x.shape)


def with_a_vmap_rule_and_an_output_without_axis(x, key):
    @custom_vmap
    def inner(key):
        return jax.random.normal(key, (3,))

    @inner.def_vmap
    def _(size, mapped, key):
        return inner(key), False

    return jax.vmap(lambda row: (row, inner(key)), out_axes=(0, None))(x)
