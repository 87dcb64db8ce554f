"""Checks, watches and traces that overlap in threads, in any order, find what they should.

Afterwards no patch is left.
"""

import queue
import threading

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxrng_doctor
from jaxrng_doctor.jax_internals import patches
from jaxrng_doctor.tracing.vmap_primitive import keeping_vmaps

pytestmark = pytest.mark.slow

WAIT = 120
KEY = jax.random.key(1)


def shared(x, key):
    return jax.vmap(lambda a, k: a + jax.random.normal(k), in_axes=(0, None))(x, key)


def check(step):
    """A check whose first step ends in the middle of its trace."""

    def slow(x, key):
        step()
        return shared(x, key)

    args = jnp.zeros(3), jax.random.key(0)
    report = jaxrng_doctor.check(slow, args, run=False)
    assert {f.code for f in report.findings} == {"RNG001"}
    assert not report.gaps


def add_noise(carry, _):
    return carry + jax.random.normal(KEY), None


def loss(x):
    return jax.lax.scan(add_noise, x, length=2)[0]


def watch(step):
    """A watch whose second step draws from one key in two calls of a function with a loop."""
    with jaxrng_doctor.watch() as report:
        step()
        jax.grad(loss)(1.0)
        jax.grad(loss)(1.0)
        step()
    # A watch covers all threads, and so also checks what the others trace.
    assert {"RNG014"} <= {f.code for f in report.findings} <= {"RNG001", "RNG014"}
    assert not report.gaps


def trace(step):
    """A trace that keeps the vmaps of its thread, from its first step to its third."""
    with keeping_vmaps():
        step()
        kept = jax.make_jaxpr(shared)(jnp.zeros(3), jax.random.key(0))
        step()
    assert "kept_vmap" in {eqn.primitive.name for eqn in kept.eqns}


def plain(step):
    """An ordinary trace, in which no vmap is kept."""
    step()
    jaxpr = jax.make_jaxpr(shared)(jnp.zeros(3), jax.random.key(0))
    assert "kept_vmap" not in {eqn.primitive.name for eqn in jaxpr.eqns}


class Actor:
    """A thread that runs one step at a time."""

    def __init__(self, act):
        self._go, self._done = queue.Queue(), queue.Queue()
        self._error = None
        self._thread = threading.Thread(target=self._run, args=(act,))
        self._thread.start()

    def _run(self, act):
        try:
            self._go.get(timeout=WAIT)
            act(self._step)
        except BaseException as error:
            self._error = error
        finally:
            self._done.put("end")

    def _step(self):
        self._done.put("step")
        self._go.get(timeout=WAIT)

    def next(self):
        if self._thread.is_alive():
            self._go.put("go")
            if self._done.get(timeout=WAIT) == "end":
                self._thread.join(WAIT)

    def finish(self):
        """Run the remaining steps; return the error that ended the thread, or `None`."""
        while self._thread.is_alive():
            self.next()
        return self._error


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.sampled_from([check, watch, trace, plain]), min_size=2, max_size=3),
    st.lists(st.integers(0, 2), max_size=8),
)
def test_any_order_of_threads(acts, order):
    actors = [Actor(act) for act in acts]
    for number in order:
        actors[number % len(actors)].next()
    for error in [actor.finish() for actor in actors]:
        if error is not None:
            raise error
    assert patches.patched() == []
    left = [s.place.title for s in patches._slots.values() if s.place.raw() is not s.raw]
    assert left == []
