"""The computed keys of every draw are those that plain Python loops use.

Each program is written once, for an interchangeable set of loops: JAX's own, from which the key
tables are computed, or plain Python loops that record the key of each draw.
"""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import io_callback
from jax.extend.random import threefry2x32_p

from jaxrng_doctor.analysis.keys import evaluator
from jaxrng_doctor.analysis.keys.compute import compute_keys
from jaxrng_doctor.analysis.lineage.engine import Engine
from jaxrng_doctor.model.target import Target
from jaxrng_doctor.tracing.array_call import array_call
from jaxrng_doctor.tracing.program import trace_program


def draw(label, key):
    del label
    return jax.random.normal(key)


JAX_LOOPS = SimpleNamespace(
    vmap=jax.vmap, scan=lax.scan, fori=lax.fori_loop, loop=lax.while_loop, cond=lax.cond,
    switch=lax.switch, map=lax.map, draw=draw,
)  # fmt: skip


class PythonLoops:
    """The same loops in plain Python. `noted` maps each draw's label to its keys by index."""

    def __init__(self):
        self.noted, self.index = {}, ()

    def draw(self, label, key):
        typed = jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key)
        words = jax.random.key_data(key) if typed else key
        noted = self.noted.setdefault(label, {})
        assert self.index not in noted
        noted[self.index] = tuple(int(w) for w in words)
        return jax.random.normal(key)

    def at(self, number, fn, *args):
        outer, self.index = self.index, (*self.index, number)
        out = fn(*args)
        self.index = outer
        return out

    def vmap(self, fn, in_axes=0):
        def mapped(*args):
            axes = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(args)
            size = next(a.shape[d] for a, d in zip(args, axes, strict=True) if d is not None)
            for i in range(size):
                self.at(i, fn, *(a if d is None else lax.index_in_dim(a, i, d, keepdims=False)
                                 for a, d in zip(args, axes, strict=True)))  # fmt: skip
            return 0.0

        return mapped

    def scan(self, fn, init, xs, length=None, reverse=False):
        steps = range(length if xs is None else len(xs))
        for i in reversed(steps) if reverse else steps:
            init, _ = self.at(i, fn, init, None if xs is None else xs[i])
        return init, 0.0

    def map(self, fn, xs):
        return self.scan(lambda c, x: (c, fn(x)), 0, xs)[1]

    def fori(self, low, high, fn, init):
        for number, i in enumerate(range(int(low), int(high))):
            init = self.at(number, fn, jnp.int32(i), init)
        return init

    def loop(self, goes_on, fn, init):
        number = 0
        while goes_on(init):
            init = self.at(number, fn, init)
            number += 1
        return init

    def cond(self, which, true, false, *args):
        return true(*args) if which else false(*args)

    def switch(self, which, branches, *args):
        return branches[int(which)](*args)


# -- programs ------------------------------------------------------------------------------
# `f` has the loops, `key` is one key. The result of a program depends on all of its draws.


def mapped(f, key):
    return f.vmap(lambda k: f.draw("a", k))(jax.random.split(key, 5))


def unmapped(f, key):
    return f.vmap(lambda x, k: x + f.draw("a", k), (0, None))(jnp.arange(3.0), key)


def mapped_over_axis_one(f, key):
    keys = jax.random.split(key, (2, 3))
    return f.vmap(lambda ks: f.draw("a", ks[1]) + f.draw("b", ks[0]), 1)(keys)


def nested(f, key):
    keys = jax.random.split(key, (2, 3))
    return f.vmap(lambda ks: f.vmap(lambda k: f.draw("a", jax.random.split(k)[1]))(ks))(keys)


def nested_crosswise(f, key):
    keys = jax.random.split(key, (2, 3))
    return f.vmap(lambda ks: f.vmap(lambda k: f.draw("a", k))(ks), 1)(keys)


def each_kind_of_repetition(f, key):
    keys = jax.random.split(key, 3)
    keys = jnp.concatenate([keys, keys[::-1], jnp.stack([key] * 2), keys[jnp.array([2, 2])]])
    return f.vmap(lambda k: f.draw("a", k))(keys)


def broadcast(f, key):
    return f.vmap(lambda k: f.draw("a", k))(jnp.broadcast_to(key, (4, *key.shape)))


def folded(f, key):
    return f.vmap(lambda i: f.draw("a", jax.random.fold_in(key, i % 3)))(jnp.arange(5))


def seeded(f, key):
    return f.vmap(lambda i: f.draw("a", jax.random.key(i)))(jnp.array([3, 1, 3]))


def scanned(f, key):
    return f.scan(lambda c, k: (c + f.draw("a", k), None), 0.0, jax.random.split(key, 4))


def scanned_backwards(f, key):
    keys = jax.random.split(key, 4)
    return f.scan(lambda c, k: (c + f.draw("a", k), None), 0.0, keys, reverse=True)


def carried_backwards(f, key):
    def step(carry, x):
        key, own = jax.random.split(carry[0])
        return (jax.random.fold_in(key, x), carry[1] + f.draw("a", own)), None

    return f.scan(step, (key, 0.0), jnp.arange(4), reverse=True)


def scan_of_no_step(f, key):
    keys = jax.random.split(key, 3)[:0]
    return f.scan(lambda c, k: (c + f.draw("a", k), None), 0.0, keys)


def scan_of_one_step(f, key):
    return f.scan(lambda c, _: (c + f.draw("a", key), None), 0.0, None, length=1)


def vmap_of_one(f, key):
    return f.vmap(lambda k: f.draw("a", k))(key[None])


def vmap_of_none(f, key):
    return f.vmap(lambda k: f.draw("a", k))(jax.random.split(key, 3)[:0])


def list_mapped(f, key):
    return f.map(lambda k: f.draw("a", k), jax.random.split(key, 4))


def counted(f, key):
    def step(i, total):
        return total + f.draw("a", jax.random.fold_in(key, i))

    return f.fori(2, 6, step, 0.0)


def counted_up_to_the_data(f, key):
    def one(n):
        return f.fori(0, n, lambda i, t: t + f.draw("a", jax.random.fold_in(key, i)), 0.0)

    return f.vmap(one)(jnp.array([3, 0, 1, 4]))


def until(f, key):
    def step(state):
        i, key, total = state
        key, own = jax.random.split(key)
        return i + 1, key, total + f.draw("a", own)

    return f.loop(lambda state: state[0] < 7, step, (jnp.int32(0), key, 0.0))


def until_a_draw_is_large(f, key):
    def one(key):
        def step(state):
            key, own = jax.random.split(state[0])
            return key, f.draw("a", own)

        return f.loop(lambda state: state[1] < 0.7, step, (key, jnp.float32(-9)))[1]

    return f.vmap(one)(jax.random.split(key, 5))


def long_loop(f, key):
    def step(state):
        i, total = state
        return i + 1, total + f.draw("a", jax.random.fold_in(key, i))

    return f.loop(lambda state: state[0] < 300, step, (jnp.int32(0), 0.0))


def one_of_two(f, key):
    def one(x, key):
        return f.cond(x > 1, lambda: f.draw("a", key), lambda: x + 0.0)

    return f.vmap(one)(jnp.arange(4), jax.random.split(key, 4))


def one_of_three(f, key):
    def one(i, key):
        a, b = jax.random.split(key)
        branches = [lambda: f.draw("a", a), lambda: f.draw("b", b), lambda: 0.0]
        return f.switch(i, branches)

    return f.vmap(one)(jnp.array([0, 1, 2, 1]), jax.random.split(key, 4))


def a_key_chosen(f, key):
    def step(total, i):
        own = f.cond(i % 2 == 0, lambda: jax.random.fold_in(key, i), lambda: key)
        return total + f.draw("a", own), None

    return f.scan(step, 0.0, jnp.arange(4))


def all_at_once(f, key):
    def one(key, x):
        def outer(total, k):
            def inner(i, total):
                keys = f.vmap(lambda j: f.draw("a", jax.random.fold_in(jax.random.split(k)[0], j)))
                return total + i + 0 * jnp.sum(keys(jnp.arange(2)))

            return f.fori(0, 3, inner, total), None

        return f.scan(outer, x, jax.random.split(key, 2))[0]

    return f.vmap(one, (0, None))(jax.random.split(key, 2), 1.0)


PROGRAMS = [
    mapped, unmapped, mapped_over_axis_one, nested, nested_crosswise, each_kind_of_repetition,
    broadcast, folded, seeded, scanned, scanned_backwards, carried_backwards, scan_of_no_step,
    scan_of_one_step, vmap_of_one, vmap_of_none, list_mapped, counted, counted_up_to_the_data,
    until, until_a_draw_is_large, long_loop, one_of_two, one_of_three, a_key_chosen, all_at_once,
]  # fmt: skip
KEYS = {
    "typed": lambda: jax.random.key(3),
    "legacy": lambda: jax.random.PRNGKey(3),
    "rbg": lambda: jax.random.key(3, impl="rbg"),
}


def tables(fn, *args):
    """The `KeyTable` of each draw, in program order."""
    trace = trace_program(array_call(Target("fn", fn, args)))
    engine = Engine(trace)
    engine.run()
    keys = compute_keys(trace).keys
    return [keys[draw.path] for draw in engine.draws]


# Under a vmap, rbg draws differ from those of a loop, and so does a loop that a draw ends.
RUNS = [
    pytest.param(program, make, id=f"{program.__name__}-{kind}")
    for program in PROGRAMS
    for kind, make in KEYS.items()
    if (program, kind) != (until_a_draw_is_large, "rbg")
]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("program", "make"), RUNS)
def test_the_keys_are_those_of_plain_loops(program, make):
    plain = PythonLoops()
    program(plain, make())

    found = tables(lambda key: program(JAX_LOOPS, key), make())

    labels = sorted(plain.noted) or ["a"]
    assert len(found) == len(labels)
    for label, table in zip(labels, found, strict=True):
        noted = plain.noted.get(label, {})
        known = {i: w for i, w in noted.items() if all(np.less(i, table.reached.shape))}
        computed = {
            index: tuple(int(w) for w in table.words[index])
            for index in np.ndindex(table.reached.shape)
            if table.reached[index]
        }
        assert computed == known
        if program is not long_loop:
            assert len(known) == len(noted)


def test_of_a_long_while_loop_the_first_steps_are_kept():
    [table] = tables(lambda key: long_loop(JAX_LOOPS, key), jax.random.key(3))

    assert table.reached.shape == (256,)
    assert table.reached.all()


def nested_whiles(where):
    """A `while_loop` that draws, in the body or the condition of another one."""

    def inner(key):
        def step(state):
            i, total = state
            return i + 1, total + jax.random.normal(jax.random.fold_in(key, i))

        return lax.while_loop(lambda state: state[0] < 3, step, (0, 0.0))[1]

    def in_body(key):
        def step(state):
            i, total = state
            return i + 1, total + inner(jax.random.fold_in(key, i))

        return lax.while_loop(lambda state: state[0] < 2, step, (0, 0.0))

    def in_condition(key):
        def goes_on(i):
            return (i < 2) & (inner(jax.random.fold_in(key, i)) < 99)

        return lax.while_loop(goes_on, lambda i: i + 1, 0)

    return {"body": in_body, "condition": in_condition}[where]


@pytest.mark.parametrize("where", ["body", "condition"])
def test_loops_in_loops_keep_no_more_keys_than_the_limit(where, monkeypatch):
    monkeypatch.setattr(evaluator, "MAX_WHILE_STEPS", 4)
    monkeypatch.setattr(evaluator, "MAX_KEPT", 8)

    [table] = tables(nested_whiles(where), jax.random.key(3))

    assert table.reached.shape == (4, 2)


@pytest.mark.parametrize("size", [3, 0])
def test_one_key_for_all_examples_leaves_the_vmap(size):
    def fn(x, key):
        own = jax.vmap(lambda _: jax.random.fold_in(key, 7), out_axes=None)(x)
        return jax.random.normal(own)

    key = jax.random.key(3)
    [table] = tables(fn, jnp.zeros(size), key)

    if size:
        wanted = jax.random.key_data(jax.random.fold_in(key, 7))
        np.testing.assert_array_equal(table.words, wanted)
    assert table.reached.shape == ()


def test_a_draw_of_which_one_word_is_unknown_has_no_keys_and_is_no_failure():
    def fails(_):
        raise ValueError("no such word")

    def fn(word, known):
        lost = io_callback(fails, jax.ShapeDtypeStruct((), "uint32"), word)
        return threefry2x32_p.bind(lost, known, jnp.zeros(2, "uint32"), jnp.zeros(2, "uint32"))

    trace = trace_program(array_call(Target("fn", fn, (jnp.uint32(1), jnp.uint32(2)))))
    ledger = compute_keys(trace)

    assert (ledger.keys, ledger.failed) == ({}, {})


def test_nothing_else_of_the_program_runs():
    ran = []

    def note(x):
        ran.append("note")
        return np.asarray(x)

    def fn(x, key):
        x = jax.pure_callback(note, jax.ShapeDtypeStruct(x.shape, x.dtype), x)
        jax.debug.callback(note, x)

        def one(row, key):
            jax.debug.callback(note, row)
            return row + jax.random.normal(key, row.shape)

        def step(x, key):
            jax.debug.callback(note, x)
            return jax.vmap(one)(x, jax.random.split(key, 4)), None

        return jax.lax.scan(step, x, jax.random.split(key, 2))[0]

    [table] = tables(fn, jnp.ones((4, 3)), jax.random.key(0))

    jax.effects_barrier()
    assert ran == []
    assert len(np.unique(table.words.reshape(-1, 2), axis=0)) == 8


def test_what_a_key_is_made_of_does_run():
    def fn(seeds):
        seeds = jax.pure_callback(lambda s: s + 1, jax.ShapeDtypeStruct((3,), "int32"), seeds)
        return jax.vmap(lambda s: jax.random.normal(jax.random.key(s)))(seeds)

    [table] = tables(fn, jnp.arange(3))

    assert [int(w[-1]) for w in table.words] == [1, 2, 3]
