"""Calls and draws that reach JAX in unusual ways: all are seen, and correct variants are clean."""

import functools
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax, random
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxrng_doctor
from tests.rules.meshes import shard_map

X = jnp.ones((4, 3))


@pytest.fixture
def key():
    return random.key(3)


@pytest.fixture
def mesh():
    return Mesh(np.array(jax.devices()[:4]), ("d",))


def codes(program):
    """The sorted codes of the errors and warnings of a watch, which has no gaps."""
    with jaxrng_doctor.watch() as report:
        program()
    assert report.gaps == ()
    return sorted(f.code for f in report.at_or_over("warning"))


def spread(mesh):
    shardings = NamedSharding(mesh, P("d")), NamedSharding(mesh, P())
    return jax.jit(lambda x, k: x + random.normal(k, x.shape), in_shardings=shardings)


def spread_inside(mesh):
    inner = spread(mesh)
    return jax.jit(lambda x, k: inner(x, k) * 2)


def mapped_over_devices(mesh):
    def noisy(x, k):
        return x + random.normal(random.fold_in(k, lax.axis_index("d")), x.shape)

    specs = {"in_specs": (P("d"), P()), "out_specs": P("d")}
    return jax.jit(shard_map(noisy, mesh=mesh, check_vma=False, **specs))


def pmapped(mesh):
    noisy = jax.pmap(lambda x, k: x + random.normal(k, x.shape), devices=list(mesh.devices))
    return jax.jit(lambda x, k: noisy(x, random.split(k, 4)))


# JAX 0.6 and 0.7 warn that it is slow.
@pytest.mark.filterwarnings("ignore:The .*function .* includes a pmap:UserWarning")
@pytest.mark.parametrize("make", [spread, spread_inside, mapped_over_devices, pmapped])
@pytest.mark.parametrize("shares", [True, False])
def test_calls_whose_arguments_jax_spreads_over_devices(make, shares, mesh, key):
    function = make(mesh)

    def program():
        for number in range(3):
            function(X, key if shares else random.fold_in(key, number))

    assert codes(program) == (["RNG014"] if shares else [])


@pytest.mark.parametrize("shares", [True, False])
def test_a_checkpoint_outside_of_everything(shares, key):
    @jax.checkpoint
    def layer(c, k):
        return c * random.uniform(k, (3,))

    def program():
        x = jnp.ones(3)
        for number in range(2):
            x = layer(x, key if shares else random.fold_in(key, number))

    assert codes(program) == (["RNG014"] if shares else [])


def test_two_draws_in_one_checkpoint(key):
    @jax.checkpoint
    def layer(c, k):
        return c * random.uniform(k, (3,)) + random.normal(k, (3,))

    assert codes(lambda: layer(jnp.ones(3), key)) == ["RNG005"]


def test_the_parts_of_a_checkpoint_are_no_calls_of_their_own(key):
    @jax.checkpoint
    def layer(c, k):
        return lax.scan(
            lambda c, i: (c + random.normal(random.fold_in(k, i)), None), c, np.arange(2)
        )

    assert codes(lambda: layer(0.0, key)) == []


@pytest.mark.parametrize("later", [True, False])
def test_a_backward_pass_is_no_call_of_a_checkpoint(later, key):
    @jax.checkpoint
    def layer(c):
        return jnp.sin(c * random.uniform(key, (3,))).sum()

    def program():
        if later:
            out, backward = jax.vjp(layer, jnp.ones(3))
            backward(out)
        else:
            jax.grad(layer)(jnp.ones(3))

    assert codes(program) == []


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("size", [4, 5])
def test_a_map_in_batches(shares, size, key):
    """With 5 elements, the last one is mapped outside the loop."""
    keys = random.split(key, 2 * size)

    def draw(k):
        return random.normal(k, (3,))

    def program():
        lax.map(draw, keys[:size], batch_size=2)
        lax.map(draw, keys[:size] if shares else keys[size:], batch_size=2)

    assert codes(program) == (["RNG014"] if shares else [])


def test_one_key_for_all_elements_of_a_map_in_batches(key):
    found = codes(lambda: lax.map(lambda x: x + random.normal(key), jnp.ones(4), batch_size=2))
    assert found == ["RNG001"]  # of the examples and of the batches: one cause


OF_JAX = {
    "scan": (lambda draw: functools.partial(lax.scan, lambda c, _: (c + draw(), None)), 0.0, X),
    "map": (lambda draw: functools.partial(lax.map, lambda x: x + draw()), X),
    "fori_loop": (
        lambda draw: functools.partial(lax.fori_loop, 0, 3, lambda _, c: c + draw()),
        0.0,
    ),
}


@pytest.mark.parametrize("name", OF_JAX)
def test_a_jitted_function_of_jax_that_is_given_a_body(name, key):
    make, *args = OF_JAX[name]
    assert codes(lambda: jax.jit(make(lambda: random.normal(key)))(*args)) == ["RNG003"]
    assert codes(lambda: jax.jit(make(lambda: 1.0))(*args)) == []


def test_a_jitted_sampler(key):
    draw = jax.jit(random.normal)

    def program():
        draw(key)
        draw(key)

    assert codes(program) == ["RNG014"]


def test_samplers_called_as_they_are_are_one_draw_each(key):
    def program():
        for each in random.split(key, 3):
            random.normal(each)
            random.permutation(random.fold_in(each, 1), 5)

    assert codes(program) == []


VECTORIZED = {
    "vectorize": lambda draw: jnp.vectorize(draw)(jnp.zeros(4)),
    "signature": lambda draw: jnp.vectorize(draw, signature="(n)->(n)")(X),
    "decorator": lambda draw: functools.partial(jnp.vectorize, signature="(n)->(n)")(draw)(X),
    "apply_along_axis": lambda draw: jnp.apply_along_axis(draw, 1, X),
    "fromfunction": lambda draw: jnp.fromfunction(draw, (4,)),
}


@pytest.mark.parametrize("name", VECTORIZED)
def test_what_jax_maps_with_its_own_vmap(name, key):
    assert codes(lambda: VECTORIZED[name](lambda x: x + random.normal(key, x.shape))) == ["RNG001"]
    assert codes(lambda: VECTORIZED[name](lambda x: 2 * x)) == []


def test_keys_that_are_mapped_by_vectorize(key):
    keys = random.split(key, 4)
    assert codes(lambda: jnp.vectorize(lambda k: random.normal(k))(keys)) == []


def test_two_functions_of_one_decorator_are_two(key):
    def doubled(function):
        def call(x):
            return 2 * function(x)

        return call

    def program():
        jax.vmap(doubled(lambda x: x))(X)
        jax.vmap(doubled(lambda x: x + random.normal(key, x.shape)))(X)

    assert codes(program) == ["RNG001"]


@pytest.mark.parametrize("literal", [True, False])
def test_a_constant_key_in_several_calls(literal, key):
    draw = jax.jit(lambda: random.normal(random.key(3) if literal else key, (3,)))

    def program(count):
        for _ in range(count):
            draw()

    with jaxrng_doctor.watch() as report:
        program(3)
    (finding,) = report.findings
    assert (finding.code, finding.severity, finding.confidence) == ("RNG014", "error", "proven")
    assert finding.evidence.examples == 3
    jax.clear_caches()
    with jaxrng_doctor.watch() as report:
        program(1)
    assert [f.code for f in report.findings] == ["RNG011"]


def test_a_child_that_is_used_twice_beside_a_key_that_is_split_twice(key):
    @jax.jit
    def step(x, key):
        key, sub = random.split(key)
        return x + random.normal(sub, (3,)), key

    def program():
        child, _ = random.split(key)
        x = random.gumbel(child, (3,)) + random.uniform(child, (3,))
        step(x, key)

    assert codes(program) == ["RNG005", "RNG006"]


def test_children_that_only_follow_from_a_key_that_is_split_twice(key):
    def program():
        for _ in range(2):
            child, _ = random.split(key)
            random.normal(child)

    assert codes(program) == ["RNG005"]


@pytest.mark.slow
def test_calls_in_several_threads(key):
    draw = jax.jit(lambda k: random.normal(k, (3,)))

    def program():
        threads = [threading.Thread(target=draw, args=(key,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert codes(program) == ["RNG014"]
