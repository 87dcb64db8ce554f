"""Programs of the kinds that JAX tests its key-reuse checker with, rewritten.

They cover each sink, source and forwarding operation, then jit, cond, scan, while, vmap and
checkpoint. `FAULTY` has what JAX calls reuse, with the rule that finds it; `ALLOWED` has what JAX
allows. Each program takes one key.
"""

import jax
import jax.numpy as jnp
from jax import lax

FAULTY, ALLOWED = {}, {}


def faulty(code):
    def note(fn):
        FAULTY[fn.__name__] = fn, code
        return fn

    return note


def allowed(fn):
    ALLOWED[fn.__name__] = fn
    return fn


# -- what consumes a key -------------------------------------------------------------------


@allowed
def bits_once(key):
    return jax.random.bits(key)


@allowed
def gamma_once(key):
    return jax.random.gamma(key, 2.0)


@allowed
def split_once(key):
    first, second = jax.random.split(key)
    return jax.random.bits(first) + jax.random.bits(second)


@allowed
def seeded(key):
    return jax.random.bits(jax.random.key(0))


@allowed
def cloned_to_draw_again(key):
    return jax.random.bits(key) + jax.random.bits(jax.random.clone(key))


@faulty("RNG005")
def bits_twice(key):
    return jax.random.bits(key) + jax.random.bits(key)


@faulty("RNG005")
def gamma_beside_bits(key):
    return jax.random.gamma(key, 2.0) * jax.random.bits(key)


@faulty("RNG005")
def uniform_twice(key):
    return jax.random.uniform(key) + jax.random.uniform(key)


@faulty("RNG009")
def drawn_after_a_split_that_nothing_draws_from(key):
    _ = jax.random.split(key)
    return jax.random.uniform(key)


@faulty("RNG009")
def split_after_a_split_that_nothing_draws_from(key):
    _ = jax.random.split(key)
    first, _ = jax.random.split(key)
    return jax.random.uniform(first)


@faulty("RNG006")
def drawn_after_a_split(key):
    first, second = jax.random.split(key)
    return jax.random.uniform(first) * jax.random.uniform(second) + jax.random.uniform(key)


@faulty("RNG006")
def split_after_a_split(key):
    first, _ = jax.random.split(key)
    _, second = jax.random.split(key)
    return jax.random.uniform(first) + jax.random.uniform(second)


@faulty("RNG006")
def split_after_a_draw(key):
    noise = jax.random.uniform(key)
    return noise + jax.random.uniform(jax.random.split(key)[0])


# -- what forwards a key -------------------------------------------------------------------


@allowed
def folded_ten_times(key):
    return [jax.random.uniform(jax.random.fold_in(key, i)) for i in range(10)]


@allowed
def drawn_after_a_fold(key):
    _ = jax.random.fold_in(key, 1)
    return jax.random.uniform(key)


@allowed
def wrapped_once(key):
    words = key if key.ndim else jax.random.key_data(key)
    return jax.random.bits(jax.random.wrap_key_data(words))


@faulty("RNG005")
def unwrapped_and_wrapped(key):
    words = key if key.ndim else jax.random.key_data(key)
    return jax.random.bits(key) + jax.random.bits(jax.random.wrap_key_data(words))


@faulty("RNG005")
def after_broadcast(key):
    return jax.random.bits(key) + jax.vmap(jax.random.bits)(key[None])


@faulty("RNG005")
def after_copy(key):
    return jax.random.bits(key) + jax.random.bits(jnp.array(key, copy=True))


@faulty("RNG005")
def after_device_put(key):
    return jax.random.bits(key) + jax.random.bits(jax.device_put(key))


@faulty("RNG005")
def after_convert(key):
    return jax.random.bits(key) + jax.random.bits(jnp.array(key, dtype=key.dtype))


@faulty("RNG005")
def after_reshape(key):
    again = key.reshape((1, *key.shape))
    return jax.random.bits(key) + jax.random.bits(lax.squeeze(again, (0,)))


@faulty("RNG005")
def after_squeeze(key):
    keys = jax.random.split(key, 1)
    return jax.random.bits(keys[0]) + jax.random.bits(lax.squeeze(keys, (0,)))


@faulty("RNG005")
def one_element_twice(key):
    keys = jax.random.split(key)
    return jax.random.bits(keys[0]) + jax.random.bits(keys[1]) + jax.random.bits(keys[0])


@allowed
def each_element_once(key):
    keys = jax.random.split(key)
    return jax.random.bits(keys[0]) + jax.random.bits(keys[1])


@faulty("RNG005")
def after_dynamic_slice(key):
    keys = jax.random.split(key)
    again = lax.dynamic_slice_in_dim(keys, jnp.int32(0), 1)[0]
    return jax.random.bits(keys[0]) + jax.random.bits(again)


@faulty("RNG005")
def after_dynamic_update_slice(key):
    keys = lax.dynamic_update_slice_in_dim(jax.random.split(key), key[None], 0, 0)
    return jax.random.bits(key) + jax.random.bits(keys[0])


# -- jit -----------------------------------------------------------------------------------


@faulty("RNG005")
def jit_consumes_its_input(key):
    return jax.jit(jax.random.bits)(key) + jax.random.bits(key)


@faulty("RNG005")
def jit_returns_a_consumed_key(key):
    @jax.jit
    def g(key):
        return jax.random.bits(key), key

    drawn, key = g(key)
    return drawn + jax.random.bits(key)


@faulty("RNG005")
def jit_with_one_key_as_two_inputs(key):
    @jax.jit
    def g(one, other):
        return jax.random.bits(one)

    return g(key, key) + jax.random.bits(key)


@faulty("RNG005")
def jit_hands_out_a_captured_key(key):
    again = jax.jit(lambda: key)()
    return jax.random.bits(key) + jax.random.bits(again)


@faulty("RNG005")
def jit_hands_out_one_key_twice(key):
    one, other = jax.jit(lambda key: (key, key))(key)
    return jax.random.bits(one) + jax.random.bits(other)


@allowed
def jit_takes_a_consumed_key_and_leaves_it(key):
    return jax.jit(lambda key, x: x)(key, jax.random.bits(key))


# -- cond ----------------------------------------------------------------------------------


@allowed
def cond_that_consumes_in_both(key):
    return lax.cond(True, jax.random.uniform, jax.random.normal, key)


@allowed
def cond_that_consumes_in_one(key):
    return lax.cond(True, jax.random.uniform, lambda key: 1.0, key)


@allowed
def cond_that_consumes_in_neither(key):
    drawn = lax.cond(True, lambda key: 0.0, lambda key: 1.0, key)
    return drawn + jax.random.uniform(key)


@faulty("RNG005")
def after_a_cond_that_consumes_in_both(key):
    drawn = lax.cond(True, jax.random.uniform, jax.random.normal, key)
    return drawn + jax.random.uniform(key)


@faulty("RNG005")
def after_a_cond_that_consumes_in_one(key):
    drawn = lax.cond(True, jax.random.uniform, lambda key: 1.0, key)
    return drawn + jax.random.uniform(key)


# -- loops ---------------------------------------------------------------------------------


@allowed
def scan_that_splits(key):
    def step(key, _):
        key, own = jax.random.split(key)
        return key, jax.random.bits(own)

    return lax.scan(step, key, length=10)[1]


@allowed
def map_over_keys(key):
    return lax.map(jax.random.bits, jax.random.split(key, 5))


@allowed
def scan_that_splits_one_of_its_keys(key):
    def step(keys, x):
        return tuple(jax.random.split(keys[0])), x

    keys = tuple(jax.random.split(key))
    return jax.random.bits(lax.scan(step, keys, jnp.arange(3))[0][1])


@faulty("RNG003")
def scan_over_a_constant_key(key):
    return lax.scan(lambda carry, _: (carry, jax.random.uniform(key)), None, length=10)[1]


@faulty("RNG003")
def scan_that_hands_its_key_on(key):
    return lax.scan(lambda key, _: (key, jax.random.bits(key)), key, length=10)[1]


@allowed
def while_that_splits(key):
    def body(state):
        key, own = jax.random.split(state[0])
        return key, state[1] + jax.random.uniform(own)

    return lax.while_loop(lambda state: state[1] < 3, body, (key, 0.0))[1]


@faulty("RNG003")
def while_whose_condition_draws_from_its_carry(key):
    def cond(state):
        return state[0] < 3 + jax.random.uniform(state[1])

    return lax.while_loop(cond, lambda state: (state[0] + 1, state[1]), (0, key))[0]


@faulty("RNG005")
def while_whose_condition_and_body_draw_from_one_key(key):
    def cond(state):
        return state[0] < 3 + jax.random.bernoulli(state[1])

    def body(state):
        i, key, x = state
        return i + 1, jax.random.fold_in(key, i), x + jax.random.normal(key)

    return lax.while_loop(cond, body, (0, key, 0.0))[2]


@faulty("RNG003")
def while_that_hands_its_key_on(key):
    def body(state):
        return state[0], state[1] + jax.random.randint(state[0], (), 1, 3)

    return lax.while_loop(lambda state: state[1] < 5, body, (key, 0))[1]


@faulty("RNG003")
def while_over_a_constant_key(key):
    return lax.while_loop(lambda i: i < 5, lambda i: i + jax.random.randint(key, (), 1, 3), 0)


@faulty("RNG003")
def while_whose_condition_draws_from_a_constant_key(key):
    return lax.while_loop(lambda i: i < 3 + jax.random.uniform(key), lambda i: i + 1, 0)


# -- vmap and checkpoint ---------------------------------------------------------------------


@allowed
def vmap_over_seeds(key):
    return jax.vmap(lambda seed: jax.random.bits(jax.random.key(seed)))(jnp.arange(4))


@faulty("RNG005")
def vmap_that_draws_twice(key):
    def f(seed):
        key = jax.random.key(seed)
        return jax.random.bits(key) + jax.random.bits(key)

    return jax.vmap(f)(jnp.arange(4))


@allowed
def checkpoint_that_draws_once(key):
    return jax.checkpoint(lambda x: x * jax.random.uniform(key))(1.0)


@allowed
def gradient_of_a_checkpoint_that_draws_once(key):
    return jax.grad(jax.checkpoint(lambda x: jnp.sin(x * jax.random.uniform(key))))(1.0)


@faulty("RNG005")
def checkpoint_that_draws_twice(key):
    return jax.checkpoint(lambda x: x * jax.random.uniform(key) + jax.random.uniform(key))(1.0)


@faulty("RNG005")
def gradient_of_a_checkpoint_that_draws_twice(key):
    def f(x):
        return jnp.sin(x * jax.random.uniform(key)) * jnp.sin(x + jax.random.uniform(key))

    return jax.grad(jax.checkpoint(f))(1.0)
