"""The batch axes of a program that calls vmap itself, after what it does around the vmap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxrng_doctor.tracing.batch_axes import batch_axes
from jaxrng_doctor.tracing.vmap_primitive import keeping_vmaps

X = jnp.arange(16.0).reshape(4, 4)
CUMULATIVE = [lax.cumsum, lax.cumprod, lax.cummax, lax.cummin, lax.cumlogsumexp]


def found(fun, *args):
    with keeping_vmaps():
        return batch_axes(jax.make_jaxpr(fun)(*args))


def input_axis(before, x=X):
    """The axis of `x` that a vmap over axis 0 of `before(x)` maps over; `None` if there is none."""
    return found(lambda x: jax.vmap(jnp.sin)(before(x)), x).inputs.get(0)


def output_axis(after):
    """The batch axis of `after(y)`, where `y` is what a vmap returns, with the batch in front."""
    return found(lambda x: after(jax.vmap(jnp.sin)(x)), X).outputs[0]


def along(primitive, axis):
    return lambda x: primitive(x, axis)


KEEPING = {
    "add": lambda x: x + 1,
    "mul": lambda x: x * x.T.T,
    "where": lambda x: jnp.where(x > 0, x, 0.0),
    "clip": lambda x: jnp.clip(x, 0.0, 1.0),
    "astype": lambda x: x.astype("int32").astype("float32"),
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "logistic": jax.nn.sigmoid,
    "pow": lambda x: x**2,
    "atan2": lambda x: jnp.arctan2(x, 2.0),
    "copy": lambda x: jnp.array(x, copy=True),
    "stop_gradient": lax.stop_gradient,
    "reduce_precision": lambda x: lax.reduce_precision(x, 5, 10),
    "barrier": lax.optimization_barrier,
    "device_put": jax.device_put,
    "softmax": jax.nn.softmax,
    "normalized": lambda x: (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True),
    "dot": lambda x: x @ jnp.ones((4, 4)),
    "set a column": lambda x: x.at[:, 0].set(1.0),
    "add to a column": lambda x: x.at[:, 1].add(1.0),
    "update columns": lambda x: lax.dynamic_update_slice(x, x[:, :2] * 0, (0, 1)),
    "sort rows": along(lax.sort, 1),
    "rev rows": lambda x: lax.rev(x, (1,)),
    **{f"{each.__name__} of rows": along(each, 1) for each in CUMULATIVE},
}
LOSING = {
    "sort": along(lax.sort, 0),
    "rev": lambda x: lax.rev(x, (0,)),
    "rev both": lambda x: lax.rev(x, (0, 1)),
    "roll": lambda x: jnp.roll(x, 1, axis=0),
    "take": lambda x: x[jnp.array([3, 1, 0, 2])],
    "reshape": lambda x: x.reshape(2, 8).reshape(4, 4),
    "sum": lambda x: jnp.broadcast_to(x.sum(0), (4, 4)),
    "set a row": lambda x: x.at[0].set(1.0),
    "update rows": lambda x: lax.dynamic_update_slice(x, jnp.ones((2, 4)), (1, 0)),
    "fft": lambda x: jnp.fft.fft2(x).real,
    "cholesky": lambda x: lax.linalg.cholesky(jnp.eye(4) + x * 0),
    "scan": lambda x: lax.scan(lambda c, row: (c + row, c + row), x[0] * 0, x)[1],
    **{each.__name__: along(each, 0) for each in CUMULATIVE},
}


@pytest.mark.parametrize("name", KEEPING)
def test_what_keeps_each_example_at_its_index_keeps_the_batch_axis(name):
    assert (input_axis(KEEPING[name]), output_axis(KEEPING[name])) == (0, 0)


@pytest.mark.parametrize("name", LOSING)
def test_what_moves_or_combines_examples_loses_the_batch_axis(name):
    assert (input_axis(LOSING[name]), output_axis(LOSING[name])) == (None, None)


@pytest.mark.parametrize("name", KEEPING)
def test_an_axis_that_is_kept_has_independent_examples(name):
    changed = np.asarray(KEEPING[name](X.at[2].add(0.25)))
    same = np.asarray(KEEPING[name](X))
    np.testing.assert_array_equal(np.delete(changed, 2, 0), np.delete(same, 2, 0))


def test_axes_that_move_are_found_where_they_are():
    assert input_axis(jnp.transpose) == 1
    assert output_axis(jnp.transpose) == 1
    assert output_axis(lambda y: y[None, :, None]) == 1
    assert output_axis(lambda y: y[:, None].sum(1).T.sum(0)) == 0


def test_a_convolution_keeps_only_the_axis_of_its_batch():
    images, kernel = jnp.ones((4, 4, 4, 4)), jnp.ones((4, 4, 1, 1))

    def convolved(x):
        return lax.conv(x, kernel, (1, 1), "SAME")

    assert input_axis(convolved, images) == 0
    assert input_axis(lambda x: jnp.moveaxis(convolved(x), 1, 0), images) is None


def test_operands_that_are_passed_on_together_are_not_mixed_up():
    def program(x, y):
        a, b = lax.optimization_barrier((x, y))
        return jax.vmap(jnp.sin)(a), b

    axes = found(program, X, X)
    assert (axes.inputs, axes.outputs) == ({0: 0}, [0, None])


def test_an_unknown_primitive_loses_all_axes():
    unknown = jax.extend.core.Primitive("unknown")
    unknown.def_abstract_eval(lambda aval: aval)
    assert input_axis(unknown.bind) is None
