"""RNG001: one key for all examples of a vmap, and similar programs without a finding."""

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax, vmap


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


@jax.tree_util.register_dataclass
@dataclass
class State:
    """Something that carries its key along, as train states do."""

    mean: Any
    key: Any


# -- bad ---------------------------------------------------------------------------------


def unmapped(x, key):
    def f(x, key):
        return x + jax.random.normal(key, x.shape)  # RNG001

    return vmap(f, in_axes=(0, None))(x, key)


def captured(x, key):
    return jax.vmap(lambda row: row * jax.random.uniform(key, row.shape))(x)  # RNG001


def seed_inside(x, key):
    def f(row):
        fixed = jax.random.key(0)
        return row + jax.random.normal(fixed, row.shape)  # RNG001

    return jax.vmap(f)(x)


def legacy_seed_inside(x, key):
    def f(row):
        return row + jax.random.normal(jax.random.PRNGKey(7), row.shape)  # RNG001

    return jax.vmap(f)(x)


def fold_in_constant(x, key):
    def f(row):
        return row + jax.random.normal(jax.random.fold_in(key, 3), row.shape)  # RNG001

    return jax.vmap(f)(x)


def split_inside(x, key):
    def f(row, key):
        first, second = jax.random.split(key)
        a = jax.random.normal(first, row.shape)  # RNG001
        return row + a + jax.random.uniform(second)  # RNG001

    return jax.vmap(f, (0, None))(x, key)


def multi_line(x, key):
    def f(row, key):
        return row + jax.random.truncated_normal(  # RNG001
            key,
            -1.0,
            1.0,
            row.shape,
        )

    return jax.vmap(
        f,
        in_axes=(0, None),
    )(
        x,
        key,
    )


def inner_of_two(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG001

    keys = jax.random.split(key, 5)
    return jax.vmap(lambda k: jax.vmap(f, (0, None))(x, k))(keys)


def outer_of_two(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG001

    keys = jax.random.split(key, 4)
    return jax.vmap(lambda xs, ks: jax.vmap(f)(xs, ks), (0, None))(jnp.stack([x, x + 1]), keys)


def per_example_gradients(x, key):
    def loss(w, row, key):
        mask = jax.random.bernoulli(key, 0.5, row.shape)  # RNG001
        return jnp.sum((w * row * mask) ** 2)

    return jax.vmap(jax.grad(loss), in_axes=(None, 0, None))(jnp.ones(3), x, key)


def under_value_and_grad(x, key):
    def loss(w):
        def f(row, key):
            return w * row * jax.random.bernoulli(key, 0.5, row.shape)  # RNG001

        return jnp.sum(jax.vmap(f, in_axes=(0, None))(x, key) ** 2)

    return jax.value_and_grad(loss)(jnp.float32(2.0))


def under_grad_alone(x, key):
    def loss(w):
        def f(row, key):
            mask = jax.random.bernoulli(key, 0.5, row.shape)  # RNG001
            return jnp.sum(w * row * mask)

        return jnp.mean(jax.vmap(f, in_axes=(0, None))(x, key))

    return jax.grad(loss)(jnp.float32(2.0))


def under_checkpoint(x, key):
    @jax.checkpoint
    def f(row, key):
        return jnp.sin(row * jax.random.normal(key, row.shape))  # RNG001

    return jax.grad(lambda x: jnp.sum(jax.vmap(f, (0, None))(x, key)))(x)


def under_custom_vjp(x, key):
    @jax.custom_vjp
    def f(row, key):
        return row * jax.random.normal(key, row.shape)  # RNG001

    def forward(row, key):
        return f(row, key), row

    f.defvjp(forward, lambda row, g: (g * row, None))
    return jax.vmap(f, (0, None))(x, key)


def in_cond(x, key):
    def f(row, key):
        return jax.lax.cond(
            jnp.sum(row) > 3,
            lambda: row + jax.random.normal(key, row.shape),  # RNG001
            lambda: row,
        )

    return jax.vmap(f, (0, None))(x + 3, key)


def outside_a_scan_over_split_keys(x, key):
    def step(carry, key):
        def f(row, key):
            return row + jax.random.normal(key, row.shape)  # RNG001

        return jax.vmap(f, (0, None))(carry, key), None

    return jax.lax.scan(step, x, jax.random.split(key, 3))[0]


def scan_inside(x, key):
    def f(row, key):
        def step(carry, key):
            return carry + jax.random.normal(key, carry.shape), None  # RNG001

        return jax.lax.scan(step, row, jax.random.split(key, 3))[0]

    return jax.vmap(f, (0, None))(x, key)


def decorated(x, key):
    @functools.partial(jax.vmap, in_axes=(0, None))
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG001

    return f(x, key)


def in_a_state(x, key):
    def f(state):
        return state.mean + jax.random.normal(state.key, state.mean.shape)  # RNG001

    return jax.vmap(f, in_axes=(State(0, None),))(State(x, key))


def in_a_dict(x, key):
    def f(inputs):
        return inputs["x"] + jax.random.normal(inputs["rng"]["noise"], (3,))  # RNG001

    return jax.vmap(f, in_axes=({"x": 0, "rng": None},))({"x": x, "rng": {"noise": key}})


def vectorized(x, key):
    data = key if key.ndim else jax.random.key_data(key)

    def f(row, words):
        own = jax.random.wrap_key_data(words)
        return row + jax.random.normal(own, row.shape)  # RNG001

    return jnp.vectorize(f, signature="(n),(k)->(n)")(x, data)


def round_trip_through_words(x, key):
    words = key if key.ndim else jax.random.key_data(key)

    def f(row):
        return row + jax.random.normal(jax.random.wrap_key_data(words), row.shape)  # RNG001

    return jax.vmap(f)(x)


def jitted_inside(x, key):
    @jax.jit
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG001

    return jax.jit(jax.vmap(f, (0, None)))(x, key)


def jacobian_of_each_example(x, key):
    def f(row, key):
        return row**2 * jax.random.normal(key, row.shape)  # RNG001

    return jax.vmap(jax.jacfwd(f), (0, None))(x, key)


def sharing_hidden_by_a_scalar_loss(x, key):
    def f(row, key):
        return jnp.sum(row * jax.random.normal(key, row.shape))  # RNG001

    return jnp.mean(jax.vmap(f, (0, None))(x, key))


def mean_over_the_axis(x, key):
    def loss(row):
        noisy = row + jax.random.normal(key, row.shape)  # RNG001
        return jax.lax.pmean(noisy.sum(), "batch")

    return jax.vmap(loss, axis_name="batch", out_axes=None)(x)


def drawn_by_two_examples(x, key):
    def f(row, i):
        return lax.cond(i < 2, lambda: row + jax.random.normal(key, (3,)), lambda: row)  # RNG001

    return jax.vmap(f)(x, jnp.arange(4))


def by_another_example_in_each_step(x, key):
    def step(x, t):
        def f(row, i):
            noise = lax.cond(
                i == t,
                lambda: jax.random.normal(key, (3,)),  # RNG001, RNG003
                lambda: jnp.zeros(3),
            )
            return row + noise

        return jax.vmap(f)(x, jnp.arange(4)), None

    return lax.scan(step, x, jnp.arange(4))[0]


# -- good --------------------------------------------------------------------------------


def noisy_where(here, row, key):
    return lax.cond(here, lambda: row + jax.random.normal(key, (3,)), lambda: row)


def drawn_by_the_first_example(x, key):
    return jax.vmap(lambda row, i: noisy_where(i == 0, row, key))(x, jnp.arange(4))


def drawn_by_all_but_not_here(x, key):
    def f(row, i):
        return lax.cond(i != 2, lambda: row, lambda: row + jax.random.normal(key, (3,)))

    return jax.vmap(f)(x, jnp.arange(4))


def drawn_by_one_example_of_a_switch(x, key):
    def f(row, i):
        kept, noisy = (lambda: row), (lambda: row + jax.random.normal(key, (3,)))
        return lax.switch(i, [kept, noisy, kept, kept])

    return jax.vmap(f)(x, jnp.arange(4))


def drawn_by_one_example_of_equal_keys(x, key):
    keys = jnp.broadcast_to(key, (4, *key.shape))
    return jax.vmap(lambda row, i, key: noisy_where(i == 1, row, key))(x, jnp.arange(4), keys)


def drawn_in_the_first_step(x, key):
    return lax.fori_loop(0, 4, lambda i, x: noisy_where(i == 0, x, key), x)


def drawn_in_one_step_of_many(x, key):
    def step(carry):
        i, x = carry
        return i + 1, noisy_where((i == 3) & (x.size > 0), x, key)

    return lax.while_loop(lambda carry: carry[0] < 400, step, (0, x))[1]


def by_another_example_in_each_step_from_another_key(x, key):
    def step(x, t):
        own = jax.random.fold_in(key, t)
        return jax.vmap(lambda row, i: noisy_where(i == t, row, own))(x, jnp.arange(4)), None

    return lax.scan(step, x, jnp.arange(4))[0]


def split_keys(x, key):
    return jax.vmap(noisy)(x, jax.random.split(key, 4))


def fold_in_axis_index(x, key):
    def f(row):
        return noisy(row, jax.random.fold_in(key, jax.lax.axis_index("batch")))

    return jax.vmap(f, axis_name="batch")(x)


def fold_in_ids(x, key):
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, jnp.arange(4))
    return jax.vmap(noisy)(x, keys)


def fold_in_ids_inside(x, key):
    return jax.vmap(lambda row, i: noisy(row, jax.random.fold_in(key, i)))(x, jnp.arange(4))


def one_draw_outside(x, key):
    noise = jax.random.normal(key, x.shape)
    return jax.vmap(jnp.add)(x, noise)


def values_shared_on_purpose(x, key):
    noise = jax.random.normal(key, (3,))
    return jax.vmap(lambda row: row + noise)(x)


def noise_given_unmapped(x, key):
    return jax.vmap(jnp.add, in_axes=(0, None))(x, jax.random.normal(key, (3,)))


def grid_of_keys(x, key):
    keys = jax.random.split(key, (2, 4))
    return jax.vmap(lambda ks: jax.vmap(noisy)(x, ks))(keys)


def keys_in_a_state(x, key):
    def f(state):
        return noisy(state.mean, state.key)

    return jax.vmap(f)(State(x, jax.random.split(key, 4)))


def per_example_gradients_of_split_keys(x, key):
    def loss(w, row, key):
        return jnp.sum((w * noisy(row, key)) ** 2)

    keys = jax.random.split(key, 4)
    return jax.vmap(jax.grad(loss), in_axes=(None, 0, 0))(jnp.ones(3), x, keys)


def jacobians_share_over_their_basis(x, key):
    def f(row, key):
        return row**2 * jax.random.normal(key, row.shape)

    first, second = jax.random.split(key)
    return jax.jacfwd(f)(x[0], first), jax.jacrev(f)(x[0], second)


def hessian_shares_over_its_basis(x, key):
    def f(row):
        return jnp.sum(row**3 * jax.random.normal(key, row.shape))

    return jax.hessian(f)(x[0])


def recomputed_under_checkpoint(x, key):
    @jax.checkpoint
    def f(row, key):
        return jnp.sin(row * jax.random.normal(key, row.shape))

    return jax.grad(lambda x: jnp.sum(jax.vmap(f)(x, jax.random.split(key, 4))))(x)


def dead_shared_draw(x, key):
    def f(row):
        jax.random.normal(key, row.shape)
        return row

    return jax.vmap(f)(x)


def batch_of_one(x, key):
    return jax.vmap(noisy, (0, None))(x[:1], key)


def batch_of_none(x, key):
    return jax.vmap(noisy, (0, None))(x[:0], key)


def shared_key_that_nothing_draws_from(x, key):
    return jax.vmap(lambda row, key: (row, jax.random.split(key)), (0, None))(x, key)[0]


def cloned(x, key):
    return jax.vmap(lambda row, key: noisy(row, jax.random.clone(key)))(x, jax.random.split(key, 4))


def psum_beside_own_keys(x, key):
    def f(row, key):
        return noisy(row, key) - jax.lax.pmean(row, "batch")

    return jax.vmap(f, axis_name="batch")(x, jax.random.split(key, 4))


def parameters_that_leave_as_one(x, key):
    def init(row, key):
        weights = jax.random.normal(key, row.shape)
        return weights, row @ weights

    return jax.vmap(init, in_axes=(0, None), out_axes=(None, 0))(x, key)


def draw_of_no_numbers(x, key):
    return jax.vmap(lambda row, key: row + jnp.sum(jax.random.normal(key, (0,))), (0, None))(x, key)
