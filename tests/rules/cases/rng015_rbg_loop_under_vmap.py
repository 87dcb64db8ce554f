"""RNG015: a loop that redraws with mapped rbg keys may not terminate under a vmap."""

import jax
import jax.numpy as jnp
from jax import lax

CONFIDENCE = "inferred"


def rbg(impl="rbg"):
    return jax.random.key(0, impl=impl)


# -- bad ---------------------------------------------------------------------------------


def rejection(x, key):
    def sample(key):
        def body(state):
            key, own = jax.random.split(state[0])
            return key, jax.random.normal(own)  # RNG012, RNG015

        return lax.while_loop(lambda state: state[1] <= 0, body, (key, -1.0))[1]

    return jax.vmap(sample)(jax.random.split(rbg(), 4))


def rejection_with_unsafe_keys(x, key):
    def sample(key):
        def body(state):
            key, own = jax.random.split(state[0])
            return key, jax.random.normal(own)  # RNG012, RNG015

        return lax.while_loop(lambda state: state[1] <= 0, body, (key, -1.0))[1]

    return jax.vmap(sample)(jax.random.split(rbg("unsafe_rbg"), 4))


def rejection_of_rows(x, key):
    def sample(row, key):
        def body(state):
            key, own = jax.random.split(state[0])
            return key, jax.random.normal(own, row.shape)  # RNG012, RNG015

        return lax.while_loop(lambda s: jnp.sum(s[1] ** 2) > 2, body, (key, row + 9))[1]

    return jax.vmap(sample)(x, jax.random.split(rbg(), 4))


def accepted_by_a_flag(x, key):
    def sample(row, key):
        def body(state):
            key, _, _ = state
            key, own = jax.random.split(key)
            proposal = jax.random.uniform(own)  # RNG012, RNG015
            return key, proposal, proposal > 0.5

        return lax.while_loop(lambda state: ~state[2], body, (key, 0.0, False))[1] * row

    return jax.vmap(sample)(x, jax.random.split(rbg(), 4))


def two_draws_of_which_one_decides(x, key):
    def sample(row, key):
        def body(state):
            key, _, _ = state
            key, first, second = jax.random.split(key, 3)
            noise = jax.random.normal(first)  # RNG012
            return key, noise, jax.random.uniform(second) < 0.5  # RNG012, RNG015

        return lax.while_loop(lambda state: ~state[2], body, (key, 0.0, False))[1] * row

    return jax.vmap(sample)(x, jax.random.split(rbg(), 4))


def folded_with_the_count(x, key):
    def sample(row, key):
        def body(state):
            i, _ = state
            own = jax.random.fold_in(key, i)
            return i + 1, jax.random.normal(own)  # RNG012, RNG015

        return lax.while_loop(lambda state: state[1] <= 0, body, (0, -1.0))[1] * row

    return jax.vmap(sample)(x, jax.random.split(rbg(), 4))


def in_a_scan_under_vmap(x, key):
    def sample(key):
        def body(state):
            key, own = jax.random.split(state[0])
            return key, jax.random.normal(own)  # RNG012, RNG015

        return lax.while_loop(lambda state: state[1] <= 0, body, (key, -1.0))[1]

    def chain(row, key):
        return lax.scan(lambda row, key: (row * sample(key), None), row, jax.random.split(key, 3))

    return jax.vmap(chain)(x, jax.random.split(rbg(), 4))[0]


def jitted(x, key):
    @jax.jit
    def sample(key):
        def body(state):
            key, own = jax.random.split(state[0])
            return key, jax.random.normal(own)  # RNG012, RNG015

        return lax.while_loop(lambda state: state[1] <= 0, body, (key, -1.0))[1]

    return jax.jit(jax.vmap(sample))(jax.random.split(rbg(), 4))


# -- good --------------------------------------------------------------------------------


def positive(key):
    def body(state):
        key, own = jax.random.split(state[0])
        return key, jax.random.normal(own)

    return lax.while_loop(lambda state: state[1] <= 0, body, (key, -1.0))[1]


def threefry(x, key):
    return x[:, 0] * jax.vmap(positive)(jax.random.split(key, 4))


def without_vmap(x, key):
    return x * positive(rbg())


def unsafe_without_vmap(x, key):
    return x * positive(rbg("unsafe_rbg"))


def lax_map_instead(x, key):
    return x[:, 0] * lax.map(positive, jax.random.split(rbg(), 4))


def scan_instead(x, key):
    return lax.scan(lambda x, key: (x * positive(key), None), x, jax.random.split(rbg(), 3))[0]


def batch_of_one(x, key):
    return x * jax.vmap(positive)(jax.random.split(rbg(), 1))


def vmap_inside_the_loop_over_data_alone(x, key):
    def body(state):
        key, own = jax.random.split(state[0])
        noise = jax.random.normal(own)
        return key, jax.vmap(lambda row: row * noise)(x), noise

    return lax.while_loop(lambda state: state[2] <= 0, body, (rbg(), x, -1.0))[1]


def samplers_of_jax_that_loop_inside(x, key):
    return jax.vmap(lambda row, key: row * jax.random.gamma(key, 2.0))(x, jax.random.split(key, 4))
