"""RNG003: one key for all steps of a loop, and loops whose steps have distinct keys."""

import jax
import jax.numpy as jnp
from jax import lax


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


# -- bad ---------------------------------------------------------------------------------


def by_a_backward_rule_separate(x, key):
    @jax.custom_vjp
    def f(x, key):
        return x * jax.random.normal(key, x.shape)

    def backward(kept, g):
        def step(i, g):
            return g + jax.random.laplace(kept, g.shape)  # RNG003

        return lax.fori_loop(0, 3, step, g), None

    f.defvjp(lambda x, key: (f(x, key), jax.random.fold_in(key, 7)), backward)
    return jax.value_and_grad(lambda x: jnp.sum(f(x, key)))(x)


def loop_constant(x, key):
    def step(x, _):
        return x + jax.random.normal(key, x.shape), None  # RNG003

    return lax.scan(step, x, length=5)[0]


def unchanged_carry(x, key):
    def step(carry, _):
        x, key = carry
        return (x + jax.random.normal(key, x.shape), key), None  # RNG003

    return lax.scan(step, (x, key), length=5)[0][0]


def equal_xs(x, key):
    def step(x, key):
        return x + jax.random.normal(key, x.shape), None  # RNG003

    return lax.scan(step, x, jnp.broadcast_to(key, (5, *key.shape)))[0]


def some_equal_xs(x, key):
    def step(x, key):
        return x + jax.random.normal(key, x.shape), None  # RNG003 (run)

    keys = jax.random.split(key)
    return lax.scan(step, x, jnp.concatenate([keys, keys]))[0]


def fold_in_constant(x, key):
    def step(i, x):
        return x + jax.random.normal(jax.random.fold_in(key, 7), x.shape)  # RNG003

    return lax.fori_loop(0, 5, step, x)


def fori_loop_with_a_traced_bound(x, key):
    def step(i, x):
        return x + jax.random.normal(key, x.shape)  # RNG003

    return lax.fori_loop(0, jnp.int32(x[1, 0]) + 2, step, x)


def while_loop(x, key):
    def body(state):
        i, x = state
        return i + 1, x + jax.random.normal(key, x.shape)  # RNG003

    return lax.while_loop(lambda state: state[0] < 5, body, (0, x))[1]


def seed_inside(x, key):
    def step(x, _):
        return x + jax.random.normal(jax.random.key(1), x.shape), None  # RNG003

    return lax.scan(step, x, length=5)[0]


def lax_map(x, key):
    return lax.map(lambda row: row + jax.random.normal(key, row.shape), x)  # RNG003


def split_and_forgotten(x, key):
    def step(carry, _):
        x, key = carry
        _, own = jax.random.split(key)
        return (x + jax.random.normal(own, x.shape), key), None  # RNG003

    return lax.scan(step, (x, key), length=5)[0][0]


def inner_of_two_loops(x, key):
    def outer(x, key):
        def inner(x, _):
            return x + jax.random.normal(key, x.shape), None  # RNG003

        return lax.scan(inner, x, length=3)

    return lax.scan(outer, x, jax.random.split(key, 5))[0]


def outer_of_two_loops(x, key):
    keys = jax.random.split(key, 3)

    def outer(x, _):
        def inner(x, key):
            return x + jax.random.normal(key, x.shape), None  # RNG003

        return lax.scan(inner, x, keys)[0], None

    return lax.scan(outer, x, length=5)[0]


def loop_under_vmap(x, key):
    def f(row, key):
        def step(row, _):
            return row + jax.random.normal(key, row.shape), None  # RNG003

        return lax.scan(step, row, length=5)[0]

    return jax.vmap(f)(x, jax.random.split(key, 4))


def vmap_in_a_loop(x, key):
    keys = jax.random.split(key, 4)

    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG003

    return lax.scan(lambda x, _: (jax.vmap(f)(x, keys), None), x, length=5)[0]


def shared_over_both(x, key):
    def f(row):
        return row + jax.random.normal(key, row.shape)  # RNG001, RNG003

    return lax.scan(lambda x, _: (jax.vmap(f)(x), None), x, length=5)[0]


def step_number_that_loses_its_difference(x, key):
    def step(x, i):
        return x + jax.random.normal(jax.random.fold_in(key, i // 2), x.shape), None  # RNG003 (run)

    return lax.scan(step, x, jnp.arange(5))[0]


def two_keys_taking_turns(x, key):
    def step(carry, _):
        x, now, then = carry
        return (x + jax.random.normal(now, x.shape), then, now), None  # RNG003 (run)

    return lax.scan(step, (x, *jax.random.split(key)), length=5)[0][0]


def sum_of_two_step_numbers(x, key):
    def outer(i, x):
        def inner(j, x):
            return x + jax.random.normal(jax.random.fold_in(key, i + j), x.shape)  # RNG003 (run)

        return lax.fori_loop(0, 3, inner, x)

    return lax.fori_loop(0, 3, outer, x)


def gradient_through_a_loop(x, key):
    def loss(x):
        def step(x, _):
            return jnp.sin(x * jax.random.normal(key, x.shape)), None  # RNG003

        return jnp.sum(lax.scan(step, x, length=5)[0])

    return jax.grad(loss)(x)


def gradient_of_each_step_alone(x, key):
    def step(x, _):
        grad = jax.grad(lambda x: jnp.sum(jnp.sin(x * jax.random.normal(key, x.shape))))  # RNG003
        return x - grad(x), None

    return lax.scan(step, x, length=5)[0]


# -- good --------------------------------------------------------------------------------


def split_keys(x, key):
    return lax.scan(lambda x, key: (noisy(x, key), None), x, jax.random.split(key, 5))[0]


def fold_in_step(x, key):
    return lax.fori_loop(0, 5, lambda i, x: noisy(x, jax.random.fold_in(key, i)), x)


def carried_and_split(x, key):
    def step(carry, _):
        x, key = carry
        key, own = jax.random.split(key)
        return (noisy(x, own), key), None

    return lax.scan(step, (x, key), length=5)[0][0]


def carried_and_split_while(x, key):
    def body(state):
        i, x, key = state
        key, own = jax.random.split(key)
        return i + 1, noisy(x, own), key

    return lax.while_loop(lambda state: state[0] < 5, body, (0, x, key))[1]


def rejection_with_fresh_keys(x, key):
    def body(state):
        key, _ = state
        key, own = jax.random.split(key)
        return key, jax.random.normal(own)

    return lax.while_loop(lambda state: state[1] < 1.0, body, (key, jnp.float32(0)))[1]


def fold_in_carried_counter(x, key):
    def body(state):
        i, x = state
        return i + 1, noisy(x, jax.random.fold_in(key, i))

    return lax.while_loop(lambda state: state[0] < 5, body, (0, x))[1]


def fold_in_scanned_step(x, key):
    def step(x, i):
        return noisy(x, jax.random.fold_in(key, i)), None

    return lax.scan(step, x, jnp.arange(5))[0]


def lax_map_over_keys(x, key):
    return lax.map(lambda pair: noisy(*pair), (x, jax.random.split(key, 4)))


def lax_map_in_batches(x, key):
    return lax.map(lambda pair: noisy(*pair), (x, jax.random.split(key, 4)), batch_size=2)


def draw_before_the_loop(x, key):
    noise = jax.random.normal(key, x.shape)
    return lax.scan(lambda x, _: (x + noise, None), x, length=5)[0]


def loop_of_one_step(x, key):
    return lax.scan(lambda x, _: (noisy(x, key), None), x, length=1)[0]


def loop_of_no_step(x, key):
    return lax.scan(lambda x, _: (noisy(x, key), None), x, length=0)[0]


def backwards(x, key):
    keys = jax.random.split(key, 5)
    return lax.scan(lambda x, key: (noisy(x, key), None), x, keys, reverse=True)[0]


def nested(x, key):
    def outer(x, keys):
        return lax.scan(lambda x, key: (noisy(x, key), None), x, keys)

    return lax.scan(outer, x, jax.random.split(key, (5, 3)))[0]


def nested_by_folding(x, key):
    def outer(i, x):
        at = jax.random.fold_in(key, i)
        return lax.fori_loop(0, 3, lambda j, x: noisy(x, jax.random.fold_in(at, j)), x)

    return lax.fori_loop(0, 5, outer, x)


def under_vmap(x, key):
    def f(row, key):
        step = lambda row, key: (noisy(row, key), None)  # noqa: E731
        return lax.scan(step, row, jax.random.split(key, 5))[0]

    return jax.vmap(f)(x, jax.random.split(key, 4))


def gradient_through_split_keys(x, key):
    def loss(x):
        def step(x, key):
            return jnp.sin(x * jax.random.normal(key, x.shape)), None

        return jnp.sum(lax.scan(step, x, jax.random.split(key, 5))[0])

    return jax.grad(loss)(x)


def steps_done_again_by_a_backward_rule(x, key):
    def step(x, key):
        return jnp.sin(x * jax.random.normal(key, x.shape))

    @jax.custom_vjp
    def steps(x, keys):
        return lax.fori_loop(0, 3, lambda i, x: step(x, keys[i]), x)

    def backward(kept, g):
        x, keys = kept  # stores no step: each is recomputed from the start

        def back(i, g):
            before = lax.fori_loop(0, 2 - i, lambda j, x: step(x, keys[j]), x)
            return jax.vjp(lambda x: step(x, keys[2 - i]), before)[1](g)[0]

        return lax.fori_loop(0, 3, back, g), None

    steps.defvjp(lambda x, keys: (steps(x, keys), (x, keys)), backward)
    return jax.value_and_grad(lambda x: jnp.sum(steps(x, jax.random.split(key, 3))))(x)


def checkpointed_steps(x, key):
    def loss(x):
        step = jax.checkpoint(lambda x, key: (jnp.sin(noisy(x, key)), None))
        return jnp.sum(lax.scan(step, x, jax.random.split(key, 5))[0])

    return jax.grad(loss)(x)


def dead_draw(x, key):
    def step(x, _):
        jax.random.normal(key, x.shape)
        return x, None

    return lax.scan(step, x, length=5)[0]
