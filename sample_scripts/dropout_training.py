"""Dropout in a training loop: a mask for each example, and one mask for the whole batch."""

import jax
import jax.numpy as jnp

from jaxrng_doctor import example

KEEP = 0.5
PARAMS = "{hidden: f32[10,16], out: f32[16]}"


def hidden_units(params, x):
    return jax.nn.relu(x @ params["hidden"])


def predict(params, x, key):
    """One example's prediction, and which of its hidden units were kept."""
    kept = jax.random.bernoulli(key, KEEP, (16,))
    hidden = jnp.where(kept, hidden_units(params, x) / KEEP, 0.0)
    return hidden @ params["out"], kept


def predict_shared(params, x, key):
    """The same as `predict`; the fault is in how it is mapped."""
    kept = jax.random.bernoulli(key, KEEP, (16,))  # RNG001
    hidden = jnp.where(kept, hidden_units(params, x) / KEEP, 0.0)
    return hidden @ params["out"], kept


@example(params=PARAMS, x_batch="f32[32,10]", key="key")
@jax.jit
def model_step(params, x_batch, key):
    keys = jax.random.split(key, x_batch.shape[0])
    return jax.vmap(predict, in_axes=(None, 0, 0))(params, x_batch, keys)


@example(params=PARAMS, x_batch="f32[32,10]", key="key")
@jax.jit
def model_step_shared(params, x_batch, key):
    return jax.vmap(predict_shared, in_axes=(None, 0, None))(params, x_batch, key)


def loss(params, x_batch, y_batch, key, step):
    predictions, kept = step(params, x_batch, key)
    return jnp.mean((predictions - y_batch) ** 2), kept


def update(params, x_batch, y_batch, key, step):
    (value, kept), grads = jax.value_and_grad(loss, has_aux=True)(
        params, x_batch, y_batch, key, step
    )
    return jax.tree.map(lambda p, g: p - 0.01 * g, params, grads), value, kept


@example(params=PARAMS, x_batch="f32[32,10]", y_batch="f32[32]", key="key")
@jax.jit
def train_step(params, x_batch, y_batch, key):
    return update(params, x_batch, y_batch, key, model_step)


@example(params=PARAMS, x_batch="f32[32,10]", y_batch="f32[32]", key="key")
@jax.jit
def train_step_shared(params, x_batch, y_batch, key):
    return update(params, x_batch, y_batch, key, model_step_shared)


def train(step, key, n_steps=5):
    """Fit a linear target with `step`, and print the masks of the first and the last example."""
    key, data_key, hidden_key, out_key = jax.random.split(key, 4)
    x = jax.random.normal(data_key, (32, 10))
    y = x.sum(axis=1)
    params = {
        "hidden": 0.3 * jax.random.normal(hidden_key, (10, 16)),
        "out": 0.3 * jax.random.normal(out_key, (16,)),
    }
    for i in range(n_steps):
        params, value, kept = step(params, x, y, jax.random.fold_in(key, i))
        first, last = bits(kept[0]), bits(kept[-1])
        print(f"step {i}  loss {value:7.3f}  first keeps {first}  last keeps {last}")


def bits(mask):
    return "".join("01"[int(unit)] for unit in mask)


if __name__ == "__main__":
    key = jax.random.key(0)
    print("a key for each example")
    train(train_step, key)
    print("one key for the batch: every example loses the same units")
    train(train_step_shared, key)
