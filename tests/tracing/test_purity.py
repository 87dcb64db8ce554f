"""jaxrng-doctor leaves JAX and the user's functions unchanged."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import vmap

import jaxrng_doctor
from jaxrng_doctor.tracing import recording_vmaps

X = jnp.arange(12.0).reshape(4, 3)
KEY = jax.random.key(0)


def make():
    """A new jitted function, which is in no cache yet."""

    def noisy(x, key):
        return x + jax.random.normal(key, x.shape)

    def fn(x, key):
        keys = jax.random.split(key, 4)
        rows = vmap(noisy)(x, keys)
        return jax.lax.scan(lambda c, k: (jax.vmap(noisy, (0, None))(c, k), None), rows, keys)[0]

    return jax.jit(fn)


def texts(fn):
    """The jaxpr and the lowered module, as text that does not identify the function object."""
    return str(jax.make_jaxpr(fn)(X, KEY)), fn.lower(X, KEY).as_text()


def test_jax_vmap_is_what_it_was():
    vmap_before, split_before = jax.vmap, jax.random.split

    jaxrng_doctor.check(make(), (X, KEY))

    assert jax.vmap is vmap_before
    assert jax.random.split is split_before


def test_jax_vmap_is_what_it_was_after_an_exception():
    before = jax.vmap

    def fn(x):
        jax.vmap(jnp.sin)(x)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        jaxrng_doctor.check(fn, (X,))
    with pytest.raises(KeyError, match="mine"), recording_vmaps():
        fn(X)

    assert jax.vmap is before
    assert "kept_vmap" not in str(jax.make_jaxpr(jax.vmap(jnp.sin))(X))


def test_a_trace_under_way_is_not_disturbed():
    def fn(x, key):
        inner = jaxrng_doctor.check(make(), (np.ones((4, 3)), jax.random.key(1)), run=False)
        assert inner.findings
        return jax.vmap(jnp.sin)(x)

    assert "kept_vmap" not in str(jax.make_jaxpr(fn)(X, KEY))


@pytest.mark.parametrize("called_before", [True, False])
def test_the_function_traces_compiles_and_computes_as_before(called_before):
    pristine, checked = make(), make()
    expected, reference = texts(pristine), pristine(X, KEY)
    if called_before:
        assert texts(checked) == expected
        checked(X, KEY)

    report = jaxrng_doctor.check(checked, (X, KEY), select=["RNG001"])

    assert [f.code for f in report.findings] == ["RNG001"]
    assert texts(checked) == expected
    assert "kept_vmap" not in "".join(texts(checked))
    assert np.array_equal(checked(X, KEY), reference)
    assert checked._cache_size() <= 1


def test_a_check_after_an_ordinary_call_sees_every_vmap():
    fn = make()
    fn(X, KEY)
    fn.lower(X, KEY).compile()

    first = jaxrng_doctor.check(fn, (X, KEY), select=["RNG001"])
    fn(X, KEY)
    second = jaxrng_doctor.check(fn, (X, KEY), select=["RNG001"])

    assert [f.code for f in first.findings] == ["RNG001"]
    assert first.findings == second.findings


def test_functions_mapped_while_recording_map_as_always():
    with recording_vmaps():
        batched = jax.vmap(lambda x, k: x + jax.random.normal(k, x.shape), in_axes=(0, None))

    plain = jax.vmap(lambda x, k: x + jax.random.normal(k, x.shape), in_axes=(0, None))
    assert np.array_equal(batched(X, KEY), plain(X, KEY))
    assert str(jax.make_jaxpr(batched)(X, KEY)) == str(jax.make_jaxpr(plain)(X, KEY))


def test_another_thread_maps_as_always_during_a_check():
    inside, done = threading.Event(), threading.Event()
    seen = []

    def other():
        inside.wait(20)
        seen.append(str(jax.make_jaxpr(jax.vmap(jnp.cos))(X)))
        seen.append(np.asarray(jax.jit(jax.vmap(jnp.cos))(X)))
        done.set()

    def fn(x, key):
        inside.set()
        assert done.wait(20)
        return jax.vmap(lambda row: row + jax.random.normal(key, row.shape))(x)

    thread = threading.Thread(target=other)
    thread.start()
    report = jaxrng_doctor.check(fn, (X, KEY), run=False)
    thread.join()

    assert "kept_vmap" not in seen[0]
    assert np.array_equal(seen[1], jax.jit(jax.vmap(jnp.cos))(X))
    assert [f.code for f in report.findings] == ["RNG001"]


def test_two_checks_at_once():
    """The check that begins first ends first, while the other is still being traced."""
    second_began, first_ended = threading.Event(), threading.Event()
    reports = {}

    def shared(x, key):
        return jax.vmap(lambda row: row + jax.random.normal(key, row.shape))(x)

    def first(x, key):
        assert second_began.wait(20)
        return shared(x, key)

    def second(x, key):
        second_began.set()
        assert first_ended.wait(20)
        return shared(x, key)

    def run(name, fn):
        reports[name] = jaxrng_doctor.check(fn, (X, KEY), run=False)

    threads = [threading.Thread(target=run, args=a) for a in (("1", first), ("2", second))]
    threads[0].start()
    threads[1].start()
    threads[0].join(30)
    first_ended.set()
    threads[1].join(30)

    assert {name: [f.code for f in r.findings] for name, r in reports.items()} == {
        "1": ["RNG001"],
        "2": ["RNG001"],
    }
    assert "kept_vmap" not in str(jax.make_jaxpr(shared)(X, KEY))
