"""RNG002: mapped keys of which some are equal, and mapped keys that only look equal."""

import jax
import jax.numpy as jnp


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


def seeded(seed):
    return jax.random.key(seed)


# -- bad ---------------------------------------------------------------------------------


def broadcast(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002

    return jax.vmap(f)(x, jnp.broadcast_to(key, (4, *key.shape)))


def stacked(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002

    return jax.vmap(f)(x, jnp.stack([key] * 4))


def repeated(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002

    return jax.vmap(f)(x, jnp.repeat(key[None], 4, axis=0))


def each_twice(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002 (run)

    return jax.vmap(f)(x, jnp.repeat(jax.random.split(key), 2, axis=0))


def taking_turns(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002 (run)

    first, second = jax.random.split(key)
    return jax.vmap(f)(x, jnp.stack([first, second, first, second]))


def tiled(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002 (run)

    keys = jax.random.split(key)
    return jax.vmap(f)(x, jnp.concatenate([keys, keys]))


def gathered_at_zeros(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002 (run)

    return jax.vmap(f)(x, jax.random.split(key, 4)[jnp.zeros(4, int)])


def gathered_modulo(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002 (run)

    return jax.vmap(f)(x, jax.random.split(key, 4)[jnp.arange(4) % 3])


def indexed_inside(x, key):
    keys = jax.random.split(key, 4)

    def f(row, i):
        return row + jax.random.normal(keys[i], row.shape)  # RNG002 (run)

    return jax.vmap(f)(x, jnp.array([0, 1, 2, 0]))


def equal_seeds(x, key):
    def f(row, seed):
        return row + jax.random.normal(jax.random.key(seed), row.shape)  # RNG002

    return jax.vmap(f)(x, jnp.zeros(4, int))


def some_equal_seeds(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002 (run)

    return jax.vmap(f)(x, jax.vmap(jax.random.key)(jnp.array([3, 1, 4, 1])))


def equal_ids(x, key):
    def f(row, i):
        return row + jax.random.normal(jax.random.fold_in(key, i), row.shape)  # RNG002 (run)

    return jax.vmap(f)(x, jnp.array([5, 6, 7, 5]))


def ids_that_lose_their_difference(x, key):
    def f(row, i):
        return row + jax.random.normal(jax.random.fold_in(key, i // 4), row.shape)  # RNG002 (run)

    return jax.vmap(f)(x, jnp.arange(4))


def keys_chosen_from_the_data(x, key):
    def f(row, keys):
        own = jax.lax.cond(jnp.sum(row) > 1e9, lambda: keys[0], lambda: keys[1])
        return row + jax.random.normal(own, row.shape)  # RNG002 (run)

    keys = jnp.broadcast_to(jax.random.split(key), (4, 2, *key.shape))
    return jax.vmap(f)(x, keys)


def grid_that_repeats_its_diagonals(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002 (run)

    keys = jax.random.split(key, 7)[jnp.arange(4)[:, None] + jnp.arange(4)]
    return jax.vmap(lambda ks: jax.vmap(f)(x, ks))(keys)


def sums_of_two_axes(x, key):
    def f(i, j):
        return jax.random.normal(jax.random.fold_in(key, i + j))  # RNG002 (run)

    return jax.vmap(lambda i: jax.vmap(lambda j: f(i, j))(jnp.arange(3)))(jnp.arange(3))


def broadcast_within_one_of_two(x, key):
    def f(row, key):
        return row + jax.random.normal(key, row.shape)  # RNG002

    keys = jax.random.split(key, 3)
    keys = jnp.broadcast_to(keys[:, None], (3, 4, *key.shape))
    return jax.vmap(lambda ks: jax.vmap(f)(x, ks))(keys)


# -- good --------------------------------------------------------------------------------


def split_keys(x, key):
    return jax.vmap(noisy)(x, jax.random.split(key, 4))


def joined(x, key):
    first, second = jax.random.split(key)
    keys = jnp.concatenate([jax.random.split(first, 1), jax.random.split(second, 3)])
    return jax.vmap(noisy)(x, keys)


def stacked_children(x, key):
    a, b, c, d = jax.random.split(key, 4)
    return jax.vmap(noisy)(x, jnp.stack([a, b, c, d]))


def permuted(x, key):
    order, rest = jax.random.split(key)
    keys = jax.random.split(rest, 4)
    return jax.vmap(noisy)(x, keys[jax.random.permutation(order, 4)])


def reversed_keys(x, key):
    return jax.vmap(noisy)(x, jax.random.split(key, 4)[::-1])


def rolled(x, key):
    return jax.vmap(noisy)(x, jnp.roll(jax.random.split(key, 4), 1, axis=0))


def distinct_seeds(x, key):
    return jax.vmap(noisy)(x, jax.vmap(jax.random.key)(jnp.arange(4)))


def folded_with_distinct_ids(x, key):
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.array([3, 1, 4, 2]))
    return jax.vmap(noisy)(x, keys)


def same_ids_in_different_rows(x, key):
    """One seed for all, yet the key of each example has its own number folded in."""
    keys = jnp.broadcast_to(key, (4, *key.shape))
    keys = jax.vmap(jax.random.fold_in)(keys, jnp.arange(4))
    return jax.vmap(noisy)(x, keys)


def broadcast_then_folded_inside(x, key):
    def f(row, key):
        return noisy(row, jax.random.fold_in(key, jax.lax.axis_index("batch")))

    return jax.vmap(f, axis_name="batch")(x, jnp.broadcast_to(key, (4, *key.shape)))


def grid(x, key):
    keys = jax.random.split(key, (3, 4))
    return jax.vmap(lambda ks: jax.vmap(noisy)(x, ks))(keys)


def flat_keys_as_a_grid(x, key):
    keys = jax.random.split(key, 12)
    keys = keys.reshape(3, 4, *keys.shape[1:])
    return jax.vmap(lambda ks: jax.vmap(noisy)(x, ks))(keys)


def two_indices_folded(x, key):
    def f(i, j):
        return jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, i), j))

    return jax.vmap(lambda i: jax.vmap(lambda j: f(i, j))(jnp.arange(3)))(jnp.arange(3))


def round_trip(x, key):
    keys = jax.random.split(key, 4)
    words = keys if keys.ndim == 2 else jax.random.key_data(keys)
    return jax.vmap(noisy)(x, jax.random.wrap_key_data(words))


def words_transposed_and_back(x, key):
    keys = jax.random.split(key, 4)
    words = (keys if keys.ndim == 2 else jax.random.key_data(keys)).T
    return jax.vmap(lambda row, w: noisy(row, jax.random.wrap_key_data(w)), (0, 1))(x, words)


def shared_between_exclusive_branches(x, key):
    def f(row, key):
        return jax.lax.cond(
            jnp.sum(row) > 9,
            lambda: jax.random.normal(key, row.shape),
            lambda: jax.random.uniform(key, row.shape),
        )

    return jax.vmap(f)(x, jax.random.split(key, 4))


def equal_keys_that_nothing_draws_from(x, key):
    return jax.vmap(jax.random.split)(jnp.broadcast_to(key, (4, *key.shape)))


NUMBERS = jnp.array([5, 2, 7, 4])


def captured_numbers_folded_in(x, key):
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, NUMBERS)
    return jax.vmap(noisy)(x, keys)
