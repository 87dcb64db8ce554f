"""RNG005: two draws from one key, and two draws that only seem to share a key."""

import jax
import jax.numpy as jnp
from jax import lax


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


# -- bad ---------------------------------------------------------------------------------


def two_samplers(x, key):
    noise = jax.random.normal(key, x.shape)
    mask = jax.random.bernoulli(key, 0.5, x.shape)  # RNG005
    return x * mask + noise


def backward_rule_with_another_draw(x, key):
    @jax.custom_vjp
    def f(x, key):
        return x * jax.random.normal(key, x.shape)

    def backward(kept, g):
        return g * jax.random.uniform(kept, g.shape), None  # RNG005

    f.defvjp(lambda x, key: (f(x, key), key), backward)
    return jax.value_and_grad(lambda x: jnp.sum(f(x, key)))(x)


def backward_rule_with_two_draws(x, key):
    @jax.custom_vjp
    def f(x, key):
        return jnp.sin(x)

    def backward(kept, g):
        scale = jax.random.normal(kept, g.shape)
        return g * scale + jax.random.normal(kept, g.shape), None  # RNG005

    f.defvjp(lambda x, key: (f(x, key), key), backward)
    return jax.grad(lambda x: jnp.sum(f(x, key)))(x)


def two_shapes(x, key):
    a = jax.random.normal(key, (8,))
    b = jax.random.normal(key, (4, 1))  # RNG005
    return x + a[:4, None] + b


def on_one_line(x, key):
    return jax.random.uniform(key) + x * jax.random.uniform(key)  # RNG005


def helper_called_twice(x, key):
    def dropout(x):
        return x * jax.random.bernoulli(key, 0.5, x.shape)  # RNG005

    return dropout(dropout(x))


def jitted_helper_called_twice(x, key):
    @jax.jit
    def dropout(x, key):
        return x * jax.random.bernoulli(key, 0.5, x.shape)  # RNG005

    return dropout(dropout(x, key), key)


def one_key_for_all_leaves(x, key):
    params = {"w": x, "b": x[0], "scale": x[1]}
    return jax.tree.map(lambda p: p + jax.random.normal(key, p.shape), params)  # RNG005


def one_key_for_all_layers(x, key):
    for _ in range(3):
        x = jnp.tanh(x @ jax.random.normal(key, (3, 3)))  # RNG005
    return x


def child_used_twice(x, key):
    first, second = jax.random.split(key)
    a = jax.random.normal(first, x.shape) * jax.random.normal(second)
    return x + a + jax.random.uniform(second)  # RNG005


def one_of_many_children_twice(x, key):
    keys = jax.random.split(key, 3)
    a, b, c = (jax.random.normal(k) for k in keys)
    return x + a + b + c + jax.random.uniform(keys[1])  # RNG005


def folded_once_drawn_twice(x, key):
    key = jax.random.fold_in(key, 7)
    x = x + jax.random.normal(key, x.shape)
    return x + jax.random.uniform(key, x.shape)  # RNG005


def sampler_that_splits_inside(x, key):
    x = x + jax.random.normal(key, x.shape)
    return x * jax.random.beta(key, 2.0, 2.0, x.shape)  # RNG005


def two_samplers_that_split_inside(x, key):
    x = x + jax.random.beta(key, 2.0, 3.0, x.shape)
    return x * jax.random.t(key, 2.0, x.shape)  # RNG005


def permutation_beside_choice(x, key):
    order = jax.random.permutation(key, 4)
    return x[order] + jax.random.choice(key, x, (4,))  # RNG005


def under_vmap(x, key):
    def f(row, key):
        a = jax.random.normal(key, row.shape)
        return row * a + jax.random.uniform(key)  # RNG005

    return jax.vmap(f)(x, jax.random.split(key, 4))


def in_two_vmaps(x, key):
    keys = jax.random.split(key, 4)
    x = jax.vmap(noisy)(x, keys)
    return jax.vmap(lambda row, key: row * jax.random.uniform(key))(x, keys)  # RNG005


def in_a_vmap_and_outside(x, key):
    keys = jax.random.split(key, 4)
    x = jax.vmap(noisy)(x, keys)
    return x * jax.random.uniform(keys[3])  # RNG005 (run)


def in_scan(x, key):
    def step(x, key):
        a = jax.random.normal(key, x.shape)
        return x * a + jax.random.uniform(key), None  # RNG005

    return lax.scan(step, x, jax.random.split(key, 3))[0]


def before_and_in_a_loop(x, key):
    keys = jax.random.split(key, 3)
    x = x + jax.random.normal(keys[0], x.shape)

    def step(x, key):
        return x + jax.random.normal(key, x.shape), None  # RNG005 (run)

    return lax.scan(step, x, keys)[0]


def after_both_branches(x, key):
    pick = lax.cond(x[0, 0] < 1, jax.random.normal, jax.random.uniform, key)
    return x + pick + jax.random.uniform(key)  # RNG005


def after_the_branch_that_is_taken(x, key):
    pick = lax.cond(x[0, 0] < 1, jax.random.normal, lambda key: 0.0, key)
    return x + pick + jax.random.uniform(key)  # RNG005


def within_one_branch(x, key):
    def noisy(x):
        x = x + jax.random.normal(key, x.shape)
        return x * jax.random.uniform(key)  # RNG005

    return lax.cond(x[0, 0] < 1, noisy, lambda x: x, x)


def under_grad(x, key):
    def loss(x):
        x = x * jax.random.normal(key, x.shape)
        return jnp.sum(jnp.sin(x * jax.random.uniform(key, x.shape)))  # RNG005

    return jax.grad(loss)(x)


def under_checkpoint(x, key):
    @jax.checkpoint
    def f(x):
        x = jnp.sin(x * jax.random.normal(key, x.shape))
        return jnp.sum(jnp.sin(x * jax.random.uniform(key, x.shape)))  # RNG005

    return jax.grad(f)(x)


def under_checkpoint_with_its_value(x, key):
    @jax.checkpoint
    def f(x):
        x = jnp.sin(x * jax.random.normal(key, x.shape))
        return jnp.sum(jnp.sin(x * jax.random.uniform(key, x.shape)))  # RNG005

    return jax.value_and_grad(f)(x)


def two_checkpoints(x, key):
    @jax.checkpoint
    def layer(x):
        return jnp.sin(x * jax.random.bernoulli(key, 0.5, x.shape))  # RNG005

    return jax.grad(lambda x: jnp.sum(layer(layer(x))))(x)


def through_reshape(x, key):
    again = jnp.squeeze(key[None], 0)
    return jax.random.normal(key, x.shape) + jax.random.normal(again, x.shape)  # RNG005


def through_words(x, key):
    words = key if key.ndim else jax.random.key_data(key)
    x = x + jax.random.normal(key, x.shape)
    return x + jax.random.uniform(jax.random.wrap_key_data(words), x.shape)  # RNG005


def through_where(x, key):
    first, second = jax.random.split(key)
    x = x + jax.random.normal(first, x.shape) * jax.random.uniform(second)
    chosen = jnp.where(x[0, 0] > 1e9, first, second)
    return x + jax.random.laplace(chosen, x.shape)  # RNG005 (run)


def cloned_by_a_helper_that_is_called_twice(x, key):
    def fresh():
        return jax.random.normal(jax.random.clone(key), (3,))

    return x + fresh() * fresh()


def cloned_by_a_compiled_helper_that_is_called_twice(x, key):
    @jax.jit
    def fresh(key):
        return jax.random.normal(jax.random.clone(key), (3,))

    return x + fresh(key) * fresh(key)


def drawn_twice_from_the_clone_of_a_compiled_helper(x, key):
    @jax.jit
    def fresh(key):
        clone = jax.random.clone(key)
        first = jax.random.normal(clone, (3,))
        return first * jax.random.uniform(clone, (3,))  # RNG005

    return x + fresh(key) * fresh(key)


def a_compiled_helper_of_one_clone_is_called_twice(x, key):
    @jax.jit
    def noise(key):
        return jax.random.normal(key, (3,))  # RNG005

    clone = jax.random.clone(key)
    return x + noise(clone) * noise(clone)


def cloned_once_and_drawn_twice(x, key):
    x = x + jax.random.normal(jax.random.clone(key), x.shape)
    x = x + jax.random.normal(key, x.shape)
    return x + jax.random.uniform(key, x.shape)  # RNG005


def clone_drawn_twice(x, key):
    clone = jax.random.clone(key)
    x = x + jax.random.normal(clone, x.shape)
    return x + jax.random.uniform(clone, x.shape)  # RNG005


def in_two_branches_at_different_steps(x, key):
    def step(carry, inputs):
        i, row = inputs
        own = jax.random.fold_in(key, i // 2)
        row = lax.cond(
            i % 2 == 0,
            lambda: row + jax.random.normal(own, (3,)),
            lambda: row * jax.random.uniform(own, (3,)),  # RNG005 (run)
        )
        return carry, row

    return lax.scan(step, 0, (jnp.arange(4), x))[1]


# -- good --------------------------------------------------------------------------------


def split_once(x, key):
    noise_key, mask_key = jax.random.split(key)
    return noisy(x, noise_key) * jax.random.bernoulli(mask_key, 0.5, x.shape)


def helper_with_different_keys(x, key):
    first, second = jax.random.split(key)
    return noisy(noisy(x, first), second)


def jitted_helper_with_different_keys(x, key):
    f = jax.jit(noisy)
    first, second = jax.random.split(key)
    return f(f(x, first), second)


def key_for_each_leaf(x, key):
    params = {"w": x, "b": x[0], "scale": x[1]}
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    return tree.unflatten(map(noisy, leaves, keys))


def key_for_each_layer(x, key):
    for i in range(3):
        x = jnp.tanh(x @ jax.random.normal(jax.random.fold_in(key, i), (3, 3)))
    return x


def drawn_in_exclusive_branches(x, key):
    return x + lax.cond(x[0, 0] < 1, jax.random.normal, jax.random.uniform, key)


def drawn_in_three_exclusive_branches(x, key):
    branches = [jax.random.normal, jax.random.uniform, jax.random.gumbel]
    return x + lax.switch(jnp.int32(x[0, 1]), branches, key)


def drawn_in_nested_branches(x, key):
    def inner(key):
        return lax.cond(x[0, 1] > 1, jax.random.normal, jax.random.uniform, key)

    return x + lax.cond(x[0, 0] > 1, inner, jax.random.gumbel, key)


def recomputed_under_checkpoint(x, key):
    f = jax.checkpoint(lambda x: jnp.sin(noisy(x, key)))
    return jax.grad(lambda x: jnp.sum(f(x)))(x)


def recomputed_in_two_layers(x, key):
    @jax.checkpoint
    def layer(x, key):
        return jnp.sin(x * jax.jit(noisy)(x, key))

    first, second = jax.random.split(key)
    return jax.value_and_grad(lambda x: jnp.sum(layer(layer(x, first), second)))(x)


def recomputed_in_a_scan(x, key):
    @jax.checkpoint
    def step(x, key):
        return jnp.sin(x * jax.random.normal(key, x.shape)), None

    def loss(x):
        return jnp.sum(lax.scan(step, x, jax.random.split(key, 3))[0])

    return jax.value_and_grad(loss)(x)


def checkpointed_scan(x, key):
    @jax.checkpoint
    def f(x):
        def step(x, key):
            return jnp.sin(x * jax.random.normal(key, x.shape)), None

        return jnp.sum(lax.scan(step, x, jax.random.split(key, 3))[0])

    return jax.grad(f)(x)


def redrawn_by_a_backward_rule(x, key):
    @jax.custom_vjp
    def f(x, key):
        return x * jax.random.normal(key, x.shape)

    def backward(kept, g):
        return g * jax.random.normal(kept, g.shape), None

    f.defvjp(lambda x, key: (f(x, key), key), backward)
    return jax.value_and_grad(lambda x: jnp.sum(f(x, key)))(x)


def redrawn_and_split_by_a_backward_rule(x, key):
    def masks(key):
        first, second = jax.random.split(key)
        return jax.random.normal(first, x.shape) * jax.random.uniform(second, x.shape)

    @jax.custom_vjp
    def f(x, key):
        return jnp.sin(x) * masks(key)

    def backward(kept, g):
        x, key = kept
        return g * jnp.cos(x) * masks(key), None

    f.defvjp(lambda x, key: (f(x, key), (x, key)), backward)
    return jax.value_and_grad(lambda x: jnp.sum(f(x, key)))(x)


def checkpoint_in_a_checkpoint(x, key):
    inner = jax.checkpoint(lambda x: jnp.sin(noisy(x, key)))
    outer = jax.checkpoint(lambda x: jnp.sum(jnp.cos(inner(x))))
    return jax.grad(outer)(x)


def forward_and_backward(x, key):
    return jax.value_and_grad(lambda x: jnp.sum(jnp.sin(noisy(x, key))))(x)


def derivatives_of_all_modes(x, key):
    def f(row):
        return row * jax.random.normal(key, row.shape)

    return jax.jacfwd(f)(x[0])


def hessian_of_a_noisy_loss(x, key):
    return jax.hessian(lambda row: jnp.sum(row**3 * jax.random.normal(key, row.shape)))(x[0])


def linearized_once(x, key):
    y, tangent = jax.linearize(lambda x: jnp.sin(noisy(x, key)), x)
    return y + tangent(x)


def custom_vjp(x, key):
    @jax.custom_vjp
    def f(x, key):
        return jnp.sin(noisy(x, key))

    f.defvjp(lambda x, key: (f(x, key), x), lambda x, g: (g * jnp.cos(x), None))
    return jax.grad(lambda x: jnp.sum(f(x, key)))(x)


def custom_jvp(x, key):
    @jax.custom_jvp
    def f(x):
        return jnp.sin(noisy(x, key))

    f.defjvps(lambda t, ans, x: t * jnp.cos(x))
    return jax.grad(lambda x: jnp.sum(f(x)))(x)


def cloned_for_each_draw(x, key):
    x = x + jax.random.normal(jax.random.clone(key), x.shape)
    return x - jax.random.normal(jax.random.clone(key), x.shape)


def cloned_for_a_draw_and_a_split(x, key):
    first, second = jax.random.split(jax.random.clone(key))
    x = x + jax.random.normal(jax.random.clone(key), x.shape)
    return x + jax.random.normal(first, x.shape) + jax.random.normal(second, x.shape)


def cloned_to_repeat(x, key):
    again = jax.random.clone(key)
    return noisy(x, key) - noisy(jnp.zeros_like(x), again)


def dead_draw(x, key):
    jax.random.uniform(key)
    return noisy(x, key)


def draw_beside_a_folded_key(x, key):
    return noisy(noisy(x, key), jax.random.fold_in(key, 1))


def one_draw_used_twice(x, key):
    noise = jax.random.normal(key, x.shape)
    return x * noise + noise


def each_child_in_its_own_vmap(x, key):
    first, second = jax.random.split(key)
    x = jax.vmap(noisy)(x, jax.random.split(first, 4))
    return jax.vmap(noisy)(x, jax.random.split(second, 4))


def halves_of_one_batch_of_keys(x, key):
    keys = jax.random.split(key, 8)
    return jax.vmap(noisy)(jax.vmap(noisy)(x, keys[:4]), keys[4:])


def even_and_odd_keys(x, key):
    keys = jax.random.split(key, 8)
    return jax.vmap(noisy)(jax.vmap(noisy)(x, keys[::2]), keys[1::2])


def gamma_draws_with_many_keys_separate(x, key):
    return x + jax.random.dirichlet(key, jnp.ones(3), (4,))


def second_draw_of_no_numbers(x, key):
    return noisy(x, key), jax.random.randint(key, (0, 3), 0, 9)
