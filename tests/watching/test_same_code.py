"""A watched program computes bit for bit the same as alone, with the same compiled code."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental.compilation_cache import compilation_cache

import jaxrng_doctor
from tests.watching.same_results import assert_same_results, same

pytestmark = pytest.mark.slow

X = jnp.arange(12.0).reshape(4, 3)


@pytest.fixture(autouse=True)
def _compiled_afresh():
    """Disable the compilation cache: code that JAX reads from it has a different text."""
    folder = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.reset_cache()
    yield
    jax.config.update("jax_compilation_cache_dir", folder)
    compilation_cache.reset_cache()


def noisy(row, key):
    return row + jax.random.normal(key, row.shape)


# Each program returns its jitted function, lowered, and the results of a few calls.


def training():
    @jax.jit
    def step(w, x, key):
        def loss(w):
            keep = jax.vmap(lambda k: jax.random.bernoulli(k, 0.5, (3,)))(jax.random.split(key, 4))
            return ((x * keep) @ w).sum() ** 2

        value, gradient = jax.value_and_grad(loss)(w)
        return w - 0.01 * gradient, value

    key, w, values = jax.random.key(0), jnp.ones(3), []
    for _ in range(4):
        key, own = jax.random.split(key)
        w, value = step(w, X, own)
        values.append(value)
    return step.lower(w, X, key), (w, values)


def chains():
    @jax.jit
    def sample(keys, start):
        def chain(key, x):
            def move(x, key):
                one, two = jax.random.split(key)
                to = x + jax.random.normal(one)
                better = jnp.log(jax.random.uniform(two)) < 0.5 * (x**2 - to**2)
                return jnp.where(better, to, x), x

            return lax.scan(move, x, jax.random.split(key, 8))[1]

        return jax.vmap(chain)(keys, start)

    keys = jax.random.split(jax.random.PRNGKey(1), 3)
    return sample.lower(keys, jnp.zeros(3)), sample(keys, jnp.zeros(3))


def environment():
    @jax.jit
    def episode(key):
        def goes_on(state):
            return (state[0] < 20) & (jnp.abs(state[1]) < 3)

        def act(state):
            count, x, key = state
            key, own = jax.random.split(key)
            return count + 1, x + jax.random.choice(own, jnp.array([-1.0, 1.0])), key

        return lax.while_loop(goes_on, act, (0, 0.0, key))[:2]

    return episode.lower(jax.random.key(2)), [episode(jax.random.key(s)) for s in range(3)]


def diffusion():
    @jax.jit
    def sample(key, x):
        def denoise(i, x):
            return 0.9 * x + 0.1 * jax.random.normal(jax.random.fold_in(key, i), x.shape)

        return lax.fori_loop(0, 5, denoise, x)

    return sample.lower(jax.random.key(3), X), sample(jax.random.key(3), X)


def shared_noise():
    step = jax.jit(lambda x, key: jax.vmap(noisy, in_axes=(0, None))(x, key))
    key = jax.random.key(4)
    return step.lower(X, key), [step(X, key) for _ in range(3)]


def donated():
    step = jax.jit(noisy, donate_argnums=0)
    x, keys = X + 0, jax.random.split(jax.random.key(5), 3)
    for key in keys:
        x = step(x, key)
    return step.lower(X, keys[0]), x


def static():
    step = jax.jit(lambda n, key, how: getattr(jax.random, how)(key, (n,)), static_argnums=(0, 2))
    key = jax.random.key(6)
    return step.lower(3, key, "normal"), [step(n, key, "uniform") for n in (2, 3)]


def remat():
    @jax.jit
    @jax.grad
    def gradient(w, key):
        block = jax.checkpoint(lambda w, k: jnp.sin(w * jax.random.uniform(k, w.shape)))
        for own in jax.random.split(key, 3):
            w = block(w, own)
        return w.sum()

    key = jax.random.key(7)
    return gradient.lower(jnp.ones(3), key), gradient(jnp.ones(3), key)


def hessian():
    @jax.jit
    def curvature(w, key):
        return jax.hessian(lambda w: jnp.sum(jnp.cos(w * jax.random.normal(key, w.shape))))(w)

    key = jax.random.key(8)
    return curvature.lower(jnp.ones(3), key), curvature(jnp.ones(3), key)


def evolution():
    @jax.jit
    def generation(mean, key):
        noise = jax.random.normal(key, (8, 3))
        fitness = jax.vmap(lambda n: -jnp.sum((mean + n) ** 2))(noise)
        return mean + 0.1 * (jax.nn.softmax(fitness) @ noise)

    mean, key = jnp.ones(3), jax.random.PRNGKey(9)
    for _ in range(4):
        key, own = jax.random.split(key)
        mean = generation(mean, own)
    return generation.lower(mean, key), mean


def outside():
    step = jax.jit(noisy)
    key = jax.random.key(10)
    eager = [
        jax.vmap(noisy, in_axes=(0, None))(X, key),
        lax.scan(lambda c, row: (c, noisy(row, key)), 0, X)[1],
        jax.grad(lambda w: (noisy(w, key) ** 2).sum())(jnp.ones(3)),
        jax.random.choice(key, 5, (3,), replace=False),
        jax.random.gamma(key, 2.0),
    ]
    return step.lower(X, key), eager


def inside():
    loss = jax.jit(lambda w, key: (noisy(w, key) ** 2).sum())
    key, w = jax.random.key(11), jnp.ones(3)
    for _ in range(3):
        key, own = jax.random.split(key)
        w = w - 0.1 * jax.grad(loss)(w, own)
    rows = jax.vmap(loss)(X, jax.random.split(key, 4))
    return loss.lower(w, key), (w, rows)


PROGRAMS = [
    training,
    chains,
    environment,
    diffusion,
    shared_noise,
    donated,
    static,
    remat,
    hessian,
    evolution,
    outside,
    inside,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_numbers_and_compiled_code_are_the_same(program):
    report = assert_same_results(program)

    assert report.draws
    assert report.gaps == ()


def test_without_compilation():
    def program():
        with jax.disable_jit():
            return noisy(X, jax.random.key(0)), jax.jit(noisy)(X, jax.random.key(1))

    alone = program()
    with jaxrng_doctor.watch():
        seen = program()

    assert same([np.asarray(a) for a in alone], [np.asarray(a) for a in seen])


def test_lowered_and_compiled_by_hand():
    step, key = jax.jit(noisy), jax.random.key(0)
    alone = np.asarray(step.lower(X, key).compile()(X, key))

    jax.clear_caches()
    with jaxrng_doctor.watch():
        compiled = step.lower(X, key).compile()
        jax.clear_caches()
        seen = np.asarray(compiled(X, key))

    assert alone.tobytes() == seen.tobytes()


def test_nothing_is_compiled_or_traced_more_often_by_the_program_itself():
    times = []

    @jax.jit
    def step(x, key):
        times.append(1)
        return noisy(x, key)

    keys = jax.random.split(jax.random.key(0), 5)
    with jaxrng_doctor.watch():
        for key in keys:
            step(X, key)
        first = len(times)
        for key in keys:
            step(X, key)
        assert step._cache_size() == 1

    assert first == 2  # once by the program, once by jaxrng-doctor
    step(X, keys[0])
    assert len(times) == first
    assert step._cache_size() == 1


def test_the_persistent_compilation_cache(tmp_path, write, cli_environment):
    """A watched run uses what an unwatched run has compiled, and adds nothing."""
    write(
        "script.py",
        """
        import sys

        import jax
        import jax.numpy as jnp

        jax.config.update("jax_compilation_cache_dir", sys.argv[1])
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

        @jax.jit
        def step(x, key):
            return x + jax.vmap(lambda k: jax.random.normal(k, (3,)))(jax.random.split(key, 4))

        for key in jax.random.split(jax.random.key(0), 3):
            print(step(jnp.ones((4, 3)), key).sum())
        """,
    )
    cache = tmp_path / "cache"

    def entries():
        return {
            p.name
            for p in cache.iterdir()
            if p.name.startswith("jit_step") and "atime" not in p.name
        }

    def run(*command):
        done = subprocess.run(
            [sys.executable, *command, "script.py", str(cache)],
            cwd=tmp_path,
            env=cli_environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    alone = run()
    compiled = entries()
    assert len(compiled) == 1
    assert run("-m", "jaxrng_doctor", "run") == alone
    assert entries() == compiled
