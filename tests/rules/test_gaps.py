"""What cannot be followed is reported as a gap, and not as a finding that may be wrong."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.custom_batching import custom_vmap
from jax.experimental import io_callback
from jax.extend import core as jex_core

import jaxrng_doctor
from jaxrng_doctor.analysis.lineage.transfers import TRANSFERS
from tests.rules.meshes import shard_map

X = jnp.arange(12.0).reshape(4, 3)
KEYS = {"typed": jax.random.key, "legacy": jax.random.PRNGKey}
SHAPE = jax.ShapeDtypeStruct((3,), jnp.float32)


def words(key):
    return jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key


def ones(_):
    return np.ones(3, np.float32)


def over_rows(f):
    return lambda x, key: jax.vmap(lambda row: row + f(row, key))(x)


strange = jex_core.Primitive("strange")
strange.def_abstract_eval(lambda _: jax.core.ShapedArray((3,), jnp.float32))


@custom_vmap
def noisy(row, key):
    return row + jax.random.normal(key, row.shape)


@noisy.def_vmap
def noisy_batch(size, mapped, rows, key):
    # One draw for the whole batch: clean, although calling the function for each row would not be.
    return noisy(rows, key), True


def a_vmap_rule_within_a_scan(x, key):
    def f(row):
        return jax.lax.scan(lambda row, _: (noisy(row, key), None), row, length=2)[0]

    return jax.vmap(f)(x)


def in_a_scan_and_a_jit(x, key):
    @jax.jit
    def inner(carry, row):
        return carry, row + jax.pure_callback(ones, SHAPE, carry)

    return jax.lax.scan(inner, words(key), x)[1]


def in_a_loop(x, key):
    def body(carry):
        count, words, x = carry
        return count + 1, words * 3, x + jax.pure_callback(ones, SHAPE, words)

    return jax.lax.while_loop(lambda carry: carry[0] < 3, body, (0, words(key), x))[2]


def in_a_branch(x, key):
    with_noise = functools.partial(jax.pure_callback, ones, SHAPE)
    return x + jax.lax.cond(x[0, 0] > 0, with_noise, lambda _: x[0], words(key))


GOES_INTO = {
    "a callback": (over_rows(lambda _, key: io_callback(ones, SHAPE, words(key))), "io_callback"),
    "a callback in a scan": (in_a_scan_and_a_jit, "pure_callback"),
    "a callback in a loop": (in_a_loop, "pure_callback"),
    "a callback in a branch": (in_a_branch, "pure_callback"),
    "an unknown primitive": (lambda x, key: x + strange.bind(words(key)), "strange"),
    "an unknown primitive under vmap": (
        over_rows(lambda row, key: strange.bind(words(key))),
        "strange",
    ),
}


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(("fn", "name"), GOES_INTO.values(), ids=GOES_INTO)
def test_a_key_that_goes_where_nobody_can_follow(fn, name, make):
    report = jaxrng_doctor.check(fn, (X, make(0)), run=False)

    assert [gap.message for gap in report.gaps] == [
        f"a key goes into `{name}`, which is not followed"
    ]
    assert report.findings == ()


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("run", [True, False])
def test_a_vmap_rule_of_the_users_own_is_not_taken_for_the_function(make, run):
    report = jaxrng_doctor.check(a_vmap_rule_within_a_scan, (X, make(0)), run=run)

    assert [gap.message for gap in report.gaps] == [
        "a function's own vmap rule is not followed inside of a loop or jit"
    ]
    assert report.findings == ()


def test_no_gap_where_no_key_goes_into_it():
    def f(x, key):
        x = x + jax.random.normal(key, x.shape)
        return x + jax.pure_callback(ones, SHAPE, x[0]) + strange.bind(x[1])

    report = jaxrng_doctor.check(f, (X, jax.random.key(0)), run=False)

    assert report.gaps == ()
    assert len(report.draws) == 1


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
def test_a_kernel(make):
    pallas = pytest.importorskip("jax.experimental.pallas", exc_type=ImportError)

    def kernel(words, row, out):
        key = jax.random.wrap_key_data(words[...])
        out[...] = row[...] + jax.random.uniform(key, (3,))

    def f(x, key):
        call = pallas.pallas_call(kernel, out_shape=SHAPE, interpret=True)
        return jax.vmap(lambda row: call(words(key), row))(x)

    report = jaxrng_doctor.check(f, (X, make(0)), run=False)

    assert [gap.message for gap in report.gaps] == ["draws inside `pallas_call` are not followed"]
    assert report.findings == ()


def test_a_draw_without_a_key():
    def f(x):
        return jax.vmap(lambda row: row + jax.lax.rng_uniform(0.0, 1.0, (3,)))(x)

    report = jaxrng_doctor.check(f, (X,), run=False)

    assert [gap.message for gap in report.gaps] == ["lax.rng_uniform draws without a key"]


def steps_of(make_key, count):
    def program(x, key):
        def step(carry):
            i, row = carry
            return i + 1, row + jax.random.normal(make_key(key, i), row.shape)

        return jax.lax.while_loop(lambda carry: carry[0] < count, step, (0, x))[1]

    return program


def test_steps_that_nothing_looked_at_are_not_called_distinct():
    """The keys of all 300 steps are distinct, except for the last 20, which share one key."""

    def late(key, i):
        return jax.random.fold_in(key, jnp.minimum(i, 280))

    report = jaxrng_doctor.check(steps_of(late, 300), (X, jax.random.key(0)))

    assert [gap.message for gap in report.gaps] == [
        "only the first 256 steps of while_loop were followed, of more"
    ]
    assert report.draws[0].scopes[0].varies is None


@pytest.mark.parametrize("count", [255, 256])
def test_a_loop_that_ends_in_time_is_looked_at_whole(count):
    def late(key, i):
        return jax.random.fold_in(key, jnp.minimum(i, 280))

    report = jaxrng_doctor.check(steps_of(late, count), (X, jax.random.key(0)))

    assert report.gaps == ()
    assert report.draws[0].scopes[0].varies is True


def test_a_long_loop_is_no_gap_where_the_trace_tells_enough():
    report = jaxrng_doctor.check(steps_of(jax.random.fold_in, 300), (X, jax.random.key(0)))

    assert report.gaps == ()
    assert report.draws[0].scopes[0].varies is True


@pytest.mark.parametrize("run", [True, False])
def test_what_is_gathered_from_some_devices_is_not_taken_for_the_same_on_all(run):
    """Each device is its own group, and so gathers only its own key: the program is clean."""
    mesh = jax.sharding.Mesh(jax.devices()[:4], ("d",))

    def f(part, keys):
        words = jax.lax.all_gather(
            jax.random.key_data(keys[0]), "d", axis_index_groups=[[0], [1], [2], [3]]
        )
        return part + jax.random.normal(jax.random.wrap_key_data(words[0]), part.shape)

    part = jax.sharding.PartitionSpec("d")
    program = shard_map(f, mesh=mesh, in_specs=(part, part), out_specs=part, check_vma=False)
    report = jaxrng_doctor.check(program, (X, jax.random.split(jax.random.key(0), 4)), run=run)

    assert report.findings == ()
    assert report.gaps == ()
    assert report.draws[0].scopes[0].varies is (True if run else None)


# -- equations with jaxprs that only compute -------------------------------------------------


def drawn_from_each(words):
    return jax.vmap(lambda w: jax.random.normal(jax.random.wrap_key_data(w), (3,)))(words)


def distinct_words(x, key):
    del x
    return words(jax.random.split(key, 4))


@jax.custom_jvp
def same_words(words):
    return words + 0


same_words.defjvp(lambda primals, tangents: (same_words(*primals), tangents[0]))


@functools.partial(jax.lax.composite, name="test.same")
def same_as_composite(words):
    return words + 0


def solved(words):
    halves = jax.lax.custom_linear_solve(
        lambda v: v * 2, words.astype(jnp.float32), lambda _, b: b / 2, symmetric=True
    )
    return halves.astype(jnp.uint32)


def both_bits(a, b):
    return (a ^ b) + np.uint32(0)  # `a ^ b` alone becomes `reduce_xor`, which has no jaxpr


# Two functions of the words of four keys: one keeps them distinct, the other does not.
PURE = {
    "scatter": (
        lambda w: jnp.zeros_like(w).at[:].set(w),
        lambda w: jnp.zeros_like(w).at[:].set(w[0]),
    ),
    "scatter-add": (
        lambda w: jnp.zeros_like(w).at[:].add(w),
        lambda w: jnp.zeros_like(w).at[:2].add(w[:2]),
    ),
    "scatter-min": (
        lambda w: jnp.full_like(w, 2**32 - 1).at[::-1].min(w),
        lambda w: jnp.zeros_like(w).at[:].min(w),
    ),
    "reduce": (
        lambda w: jax.lax.reduce(w[None], np.uint32(0), both_bits, (0,)),
        lambda w: jax.lax.reduce(w[None] * 0, np.uint32(0), both_bits, (0,)),
    ),
    "reduce_window": (
        lambda w: jax.lax.reduce_window(w, np.uint32(0), both_bits, (1, 1), (1, 1), "VALID"),
        lambda w: jax.lax.reduce_window(
            w, np.uint32(0), both_bits, (7, 1), (1, 1), [(3, 3), (0, 0)]
        ),
    ),
    "sort": (lambda w: jnp.sort(w, axis=0), lambda w: jnp.sort(w * 0, axis=0)),
    "custom_jvp": (same_words, lambda w: same_words(w // w)),
    "composite": (same_as_composite, lambda w: same_as_composite(w[0] + w * 0)),
    "associative_scan": (
        lambda w: jax.lax.associative_scan(jnp.bitwise_xor, w),
        lambda w: jax.lax.associative_scan(jnp.multiply, w * 0),
    ),
    "custom_linear_solve": (
        lambda w: w + solved(w),
        lambda w: jnp.broadcast_to(solved(w[0] % 7), w.shape),
    ),
}


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(("clean", "faulty"), PURE.values(), ids=PURE)
def test_what_only_computes_is_followed(clean, faulty, make):
    key = make(3)

    good = jaxrng_doctor.check(lambda k: drawn_from_each(clean(distinct_words(None, k))), (key,))
    bad = jaxrng_doctor.check(lambda k: drawn_from_each(faulty(distinct_words(None, k))), (key,))

    assert good.gaps == bad.gaps == ()
    assert good.findings == ()
    assert ("RNG002", "proven") in {(f.code, f.confidence) for f in bad.findings}


# -- what cannot be run ----------------------------------------------------------------------

no_rule = jex_core.Primitive("no_rule")
no_rule.def_abstract_eval(lambda w: jax.core.ShapedArray(w.shape, w.dtype))


def same_twice(key):
    return jax.random.normal(key) + jax.random.normal(key)


def lost_in_a_scan(key):
    def step(carry, own):
        lost, total = carry
        total += jax.random.normal(jax.random.wrap_key_data(lost)) + same_twice(own)
        return (no_rule.bind(lost), total), None

    return jax.lax.scan(step, (words(key), 0.0), jax.random.split(key, 3))[0][1]


def lost_in_a_while(key):
    def step(carry):
        i, lost, total = carry
        total += jax.random.normal(jax.random.wrap_key_data(lost))
        return i + 1, no_rule.bind(lost), total + same_twice(jax.random.fold_in(key, i))

    return jax.lax.while_loop(lambda carry: carry[0] < 3, step, (0, words(key), 0.0))[2]


def lost_condition(key):
    def step(carry):
        return carry[0] + 1, carry[1] + jax.random.normal(jax.random.fold_in(key, carry[0]))

    looped = jax.lax.while_loop(lambda carry: no_rule.bind(carry[0]) < 3, step, (5, 0.0))[1]
    return looped + same_twice(jax.random.fold_in(key, 3))


def lost_choice(key):
    first, second, third = jax.random.split(key, 3)
    which = no_rule.bind(jnp.int32(1)) > 0
    chosen = jax.lax.cond(which, jax.random.normal, jax.random.uniform, first)
    either = jax.lax.cond(jnp.sum(words(key)) > 0, lambda: second, lambda: third)
    return chosen + same_twice(either)


def lost_in_a_branch(key):
    first, second = jax.random.split(key)
    raw = jax.lax.cond(
        jnp.sum(words(key)) > 0, lambda w: no_rule.bind(w), lambda w: w, words(first)
    )
    return jax.random.normal(jax.random.wrap_key_data(raw)) + same_twice(second)


def lost_in_a_vmap(key):
    def one(own):
        lost = jax.random.wrap_key_data(no_rule.bind(words(own)))
        return jax.random.normal(lost) + same_twice(own)

    return jax.vmap(one)(jax.random.split(key, 4))


def callback_that_raises(key):
    def raises(_):
        raise ValueError("not today")

    first, second = jax.random.split(key)
    raw = jax.pure_callback(raises, jax.ShapeDtypeStruct((2,), jnp.uint32), words(first))
    return jax.random.normal(jax.random.wrap_key_data(raw)) + same_twice(second)


LOST = [
    lost_in_a_scan, lost_in_a_while, lost_condition, lost_choice, lost_in_a_branch,
    lost_in_a_vmap, callback_that_raises,
]  # fmt: skip


@pytest.mark.parametrize("fn", LOST, ids=lambda fn: fn.__name__)
def test_one_equation_that_cannot_be_run_costs_no_other_proof(fn, capfd):
    report = jaxrng_doctor.check(fn, (jax.random.key(3),))
    capfd.readouterr()  # JAX logs what a callback raises

    lost = [gap for gap in report.gaps if "could not be run" in gap.message]
    assert len(lost) == 1
    assert lost[0].place.path == __file__
    line = inspect.getsource(inspect.getmodule(fn)).splitlines()[lost[0].place.line - 1]
    assert "no_rule.bind" in line or "pure_callback" in line
    twice = [f for f in report.findings if f.code == "RNG005"]
    assert {f.confidence for f in twice} == {"proven"}
    assert {f.place.line for f in twice} == {inspect.getsourcelines(same_twice)[1] + 1}


def test_what_depends_on_an_equation_that_cannot_be_run_is_inferred():
    def f(x, key):
        lost = jax.random.wrap_key_data(no_rule.bind(words(key)))
        return jax.vmap(lambda row: row + jax.random.normal(lost, (3,)))(x)

    report = jaxrng_doctor.check(f, (X, jax.random.key(3)))

    assert [(f.code, f.confidence) for f in report.findings] == [("RNG001", "inferred")]


@pytest.mark.parametrize("run", [True, False])
def test_one_equation_that_cannot_be_followed_costs_no_other_finding(monkeypatch, run):
    def fails(eqn, args):
        raise KeyError("new_parameter")

    monkeypatch.setitem(TRANSFERS, "reshape", fails)

    def f(x, key):
        own = jax.vmap(lambda k: jax.random.normal(k))(jax.random.split(key, 4).reshape(2, 2)[0])
        return jax.vmap(lambda row: row + jax.random.normal(key, (3,)))(x) + own.sum()

    report = jaxrng_doctor.check(f, (X, jax.random.key(3)), run=run)

    messages = {gap.message for gap in report.gaps}
    assert messages == {"`reshape` could not be followed: KeyError: 'new_parameter'"}
    sure = "proven" if run else "inferred"
    assert ("RNG001", sure) in {(f.code, f.confidence) for f in report.findings}
    assert {f.code for f in report.findings} <= {"RNG001", "RNG006"}
