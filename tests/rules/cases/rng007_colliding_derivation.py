"""RNG007: two derivations that give equal keys, and derivations that only look equal."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


def rbg(impl):
    return jax.random.key(0, impl=impl)


# -- bad ---------------------------------------------------------------------------------


def folded_twice_with_one_number(x, key):
    noise = jax.random.normal(jax.random.fold_in(key, 0), x.shape)
    mask = jax.random.bernoulli(jax.random.fold_in(key, 0), 0.5, x.shape)  # RNG007
    return x * mask + noise


def folded_beside_split(x, key):
    children = jax.random.split(key, 3)
    x = x + jax.random.normal(children[2], x.shape)
    return x * jax.random.uniform(jax.random.fold_in(key, 2))  # RNG007


def cloned_on_both_sides(x, key):
    child, folded = jax.random.split(key)[1], jax.random.fold_in(key, 1)
    x = x + jax.random.normal(jax.random.clone(child), x.shape)
    return x * jax.random.uniform(jax.random.clone(folded))  # RNG007 (run)


def folded_with_step_beside_split(x, key):
    def step(x, i):
        return x + jax.random.normal(jax.random.fold_in(key, i), x.shape), None

    x = lax.scan(step, x, jnp.arange(3))[0]
    first, second = jax.random.split(key)
    x = x + jax.random.normal(first, x.shape)  # RNG007 (run)
    return x + jax.random.uniform(second)  # RNG007 (run)


def folded_in_two_loops(x, key):
    def first(i, x):
        return x + jax.random.normal(jax.random.fold_in(key, i), x.shape)

    def second(i, x):
        return x * jax.random.uniform(jax.random.fold_in(key, i + 1), x.shape)  # RNG007 (run)

    return lax.fori_loop(0, 3, second, lax.fori_loop(0, 3, first, x))


def one_seed_twice(x, key):
    x = x + jax.random.normal(jax.random.key(42), x.shape)
    return x * jax.random.uniform(jax.random.key(42))  # RNG007


def one_legacy_seed_twice(x, key):
    x = x + jax.random.normal(jax.random.PRNGKey(42), x.shape)
    return x * jax.random.uniform(jax.random.PRNGKey(42))  # RNG007


def seeds_that_truncate_to_one(x, key):
    x = x + jax.random.normal(jax.random.key(np.uint32(3)), x.shape)
    return x * jax.random.uniform(jax.random.key(np.int32(3)))  # RNG007 (run)


def numbers_that_wrap_to_one(x, key):
    x = x + jax.random.normal(jax.random.fold_in(key, np.int32(-1)), x.shape)
    return x * jax.random.uniform(jax.random.fold_in(key, np.uint32(2**32 - 1)))  # RNG007


def folded_twice_along_two_ways(x, key):
    one = jax.random.fold_in(jax.random.fold_in(key, 1), 2)
    x = x + jax.random.normal(one, x.shape)
    other = jax.random.fold_in(jax.random.fold_in(key, 1), 2)
    return x * jax.random.uniform(other)  # RNG007


def number_beside_a_seed_among_many(x, key):
    keys = jax.vmap(jax.random.key)(jnp.arange(4))
    x = jax.vmap(noisy)(x, keys)
    return x * jax.random.uniform(jax.random.key(2))  # RNG007 (run)


def under_vmap(x, key):
    def f(row, key):
        row = row + jax.random.normal(jax.random.fold_in(key, 5), row.shape)
        return row * jax.random.uniform(jax.random.fold_in(key, 5))  # RNG007

    return jax.vmap(f)(x, jax.random.split(key, 4))


def ids_of_rows_and_of_columns(x, key):
    def fold(i):
        return jax.random.fold_in(key, i)

    x = x + jax.vmap(lambda i: jax.random.normal(fold(i), (3,)))(jnp.arange(4))
    own = jax.vmap(lambda i: jax.random.uniform(fold(i), (4,)))  # RNG005 (run)
    return x * own(jnp.arange(3)).T


def two_splits_of_one_parent(x, key):
    first, second = jax.random.split(key)
    x = noisy(x, first) * jax.random.uniform(second)
    third, fourth = jax.random.split(key)  # RNG006
    x = x * jax.random.uniform(third)  # RNG007
    return x * jax.random.laplace(fourth)  # RNG007


def unsafe_folds_that_commute(x, key):
    key = rbg("unsafe_rbg")
    one = jax.random.fold_in(jax.random.fold_in(key, 1), 2)
    x = x + jax.random.normal(one, x.shape)
    other = jax.random.fold_in(jax.random.fold_in(key, 2), 1)
    return x * jax.random.uniform(other)  # RNG007 (run)


def unsafe_folds_that_undo_each_other(x, key):
    key = rbg("unsafe_rbg")
    x = x + jax.random.normal(key, x.shape)
    back = jax.random.fold_in(jax.random.fold_in(key, 3), 3)
    return x * jax.random.uniform(back)  # RNG007 (run)


def names_hashed_to_one(x, key):
    def named(name):
        return jax.random.fold_in(key, len(name))

    x = x + jax.random.normal(named("noise"), x.shape)
    return x * jax.random.bernoulli(named("masks"), 0.5, x.shape)  # RNG005


# -- good --------------------------------------------------------------------------------


def folded_with_different_numbers(x, key):
    noise = jax.random.normal(jax.random.fold_in(key, 0), x.shape)
    return x * jax.random.bernoulli(jax.random.fold_in(key, 1), 0.5, x.shape) + noise


def folded_beyond_the_split(x, key):
    first, second = jax.random.split(key)
    x = noisy(noisy(x, first), second)
    return x * jax.random.uniform(jax.random.fold_in(key, 2))


def split_after_folding(x, key):
    first, second = jax.random.split(jax.random.fold_in(key, 0))
    third, fourth = jax.random.split(jax.random.fold_in(key, 1))
    return noisy(noisy(noisy(noisy(x, first), second), third), fourth)


def folded_in_two_loops_from_two_keys(x, key):
    def loop(x, key):
        return lax.fori_loop(0, 3, lambda i, x: noisy(x, jax.random.fold_in(key, i)), x)

    first, second = jax.random.split(key)
    return loop(loop(x, first), second)


def two_seeds(x, key):
    x = x + jax.random.normal(jax.random.key(1), x.shape)
    return x * jax.random.uniform(jax.random.key(2))


def folds_in_either_order(x, key):
    one = jax.random.fold_in(jax.random.fold_in(key, 1), 2)
    other = jax.random.fold_in(jax.random.fold_in(key, 2), 1)
    return noisy(noisy(x, one), other)


def equal_keys_of_which_one_draws(x, key):
    again = jax.random.fold_in(key, 0)
    x = noisy(x, jax.random.fold_in(key, 0))
    return noisy(x, jax.random.fold_in(again, 1))


def one_number_in_exclusive_branches(x, key):
    return lax.cond(
        x[0, 0] < 1,
        lambda: noisy(x, jax.random.fold_in(key, 3)),
        lambda: x * jax.random.uniform(jax.random.fold_in(key, 3)),
    )


def cloned(x, key):
    again = jax.random.clone(jax.random.fold_in(key, 3))
    return noisy(x, jax.random.fold_in(key, 3)) - noisy(x, again)


def step_then_row(x, key):
    def step(x, i):
        at = jax.random.fold_in(key, i)
        rows = jax.vmap(lambda row, j: noisy(row, jax.random.fold_in(at, j)))
        return rows(x, jnp.arange(4)), None

    return lax.scan(step, x, jnp.arange(3))[0]


def ranges_of_numbers_that_do_not_meet(x, key):
    x = lax.fori_loop(0, 3, lambda i, x: noisy(x, jax.random.fold_in(key, i)), x)
    return lax.fori_loop(3, 6, lambda i, x: noisy(x, jax.random.fold_in(key, i)), x)


def derived_again_for_the_backward_pass(x, key):
    @jax.checkpoint
    def f(x):
        return jnp.sum(jnp.sin(x * jax.random.normal(jax.random.fold_in(key, 1), x.shape)))

    return jax.value_and_grad(f)(x)
