"""Two causes are two findings, even if both appear at the same two places in the source."""

import inspect

import jax
import jax.numpy as jnp

import jaxrng_doctor

KEY = jax.random.key(3)
X = jnp.arange(4.0)


def noise(key):
    return jax.random.normal(key, (3,))


def mask(key):
    return jax.random.uniform(key, (3,))


def found(fn, *args, **options):
    report = jaxrng_doctor.check(fn, (*args, KEY), **options)
    assert report.gaps == ()
    return report.findings


def calls(finding, fn):
    """The lines of a finding's related places in `fn`, counted from the first line of `fn`."""
    first = inspect.getsourcelines(fn)[1]
    last = first + len(inspect.getsourcelines(fn)[0])
    return [r.place.line - first for r in finding.related if first <= r.place.line < last]


def two_keys_twice_each(key):
    one, other = jax.random.split(key)
    total = noise(one)
    total += noise(one)
    total += noise(other)
    return total + noise(other)


def test_two_keys_that_one_helper_gets_twice_are_two_findings():
    first, second = found(two_keys_twice_each)

    assert first.code == second.code == "RNG005"
    assert first.message == "jax.random.normal draws 2 times from the key `split(key, 2)[0]`"
    assert second.message == "jax.random.normal draws 2 times from the key `split(key, 2)[1]`"
    assert (calls(first, two_keys_twice_each), calls(second, two_keys_twice_each)) == (
        [2, 3, 1],  # the two calls, and the split
        [4, 5, 1],
    )


def two_keys_for_two_helpers(key):
    one, other = jax.random.split(key)
    total = noise(one)
    total += mask(one)
    total += noise(other)
    return total + mask(other)


def test_two_keys_that_two_helpers_get_are_two_findings():
    first, second = found(two_keys_for_two_helpers)

    assert first.code == second.code == "RNG005"
    assert first.place == second.place
    assert (calls(first, two_keys_for_two_helpers), calls(second, two_keys_for_two_helpers)) == (
        [2, 3, 1],  # the two calls, and the split
        [4, 5, 1],
    )


def keys_of_a_loop(key):
    total = jnp.zeros(3)
    for own in jax.random.split(key, 5):
        total += noise(own)
        total += noise(own)
    return total


def test_the_keys_of_a_python_loop_are_one_cause():
    (finding,) = found(keys_of_a_loop)

    assert finding.message == (
        "jax.random.normal draws 2 times from each of 5 keys, such as `split(key, 5)[0]`"
    )
    assert calls(finding, keys_of_a_loop) == [3, 4, 2]


def one_key_four_times(key):
    return sum((noise(key) for _ in range(4)), jnp.zeros(3))


def test_one_key_for_all_of_a_python_loop_is_one_cause():
    (finding,) = found(one_key_four_times)

    assert finding.message == "jax.random.normal draws 4 times from the key `key`"


def reused_and_made_again(key):
    one = jax.random.fold_in(key, 1)
    total = noise(one) + noise(one)
    two = jax.random.fold_in(key, 2)
    again = jax.random.fold_in(key, 2)
    return total + noise(two) + noise(again)


def test_a_key_that_is_reused_does_not_hide_one_that_is_made_again():
    assert {f.code for f in found(reused_and_made_again)} == {"RNG005", "RNG007"}


def in_another_branch(x, key):
    keys = jax.random.split(jax.random.fold_in(key, 1), 4).at[2].set(key)

    def step(total, i):
        own = keys[i]
        drawn = jax.lax.cond(i < 2, lambda: jax.random.normal(key), lambda: jax.random.uniform(own))
        return total + drawn, None

    return x + jax.lax.scan(step, 0.0, jnp.arange(4))[0]


def test_what_repeats_in_one_branch_does_not_hide_what_another_branch_shares_with_it():
    codes = [f.code for f in found(in_another_branch, X)]

    assert sorted(codes) == ["RNG003", "RNG005"]


def equal_in_both_branches(x, key):
    def step(total, i):
        drawn = jax.lax.cond(i < 2, lambda: jax.random.normal(key), lambda: jax.random.uniform(key))
        return total + drawn, None

    return x + jax.lax.scan(step, 0.0, jnp.arange(4))[0]


def test_what_repeats_in_each_branch_is_one_cause():
    (finding,) = found(equal_in_both_branches, X)

    assert [part.code for part in finding.parts] == ["RNG003", "RNG003"]


def reused_if_large(x, key):
    first = jax.lax.cond(x[0] > 5, lambda: noise(key), lambda: jnp.zeros(3))
    return first + mask(key)


def reused_never(x, key):
    first = jax.lax.cond(jnp.arange(3)[0] > 5, lambda: noise(key), lambda: jnp.zeros(3))
    return x[0] + first + mask(key)


def drawn_in_one_of_two_branches(x, key):
    return jax.lax.cond(x[0] > 5, lambda: noise(key), lambda: mask(key))


def test_a_use_that_only_these_inputs_leave_out_is_a_note():
    def reported(x):
        return [(f.code, f.severity, f.confidence) for f in found(reused_if_large, x)]

    assert reported(X) == [("RNG005", "note", "inferred")]
    assert reported(X + 6) == [("RNG005", "error", "proven")]


def test_a_use_that_all_inputs_leave_out_is_none():
    assert found(reused_never, X) == ()
    assert found(drawn_in_one_of_two_branches, X) == ()


def constant_for_one_example(x, key):
    @jax.jit
    def inner(row):
        return row + jax.random.normal(jax.random.key(7))

    def twice(i):
        return jax.lax.cond(i == 0, lambda: inner(x[0]), lambda: x[0])

    return jax.vmap(twice)(jnp.arange(3)) + jax.random.normal(key)


def test_a_scope_that_shares_nothing_hides_no_constant_key():
    assert [f.code for f in found(constant_for_one_example, X)] == ["RNG011"]


def returned_if_large(x, key):
    noisy = jax.lax.cond(x[0] > 5, lambda: x[:3] + noise(key), lambda: x[:3])
    return noisy, key


def returned_and_never_used(x, key):
    noisy = jax.lax.cond(jnp.arange(3)[0] > 5, lambda: x[:3] + noise(key), lambda: x[:3])
    return noisy, key


def test_a_returned_key_that_only_these_inputs_leave_unused_is_a_note():
    def reported(x):
        return [(f.code, f.severity, f.confidence) for f in found(returned_if_large, x)]

    assert reported(X) == [("RNG008", "note", "inferred")]
    assert reported(X + 6) == [("RNG008", "warning", "proven")]
    assert found(returned_and_never_used, X) == ()


def by_one_choice_at_two_places(x, key):
    large = x[0] > 5
    one = jax.lax.cond(large, lambda: noise(key), lambda: jnp.zeros(3))
    return one + jax.lax.cond(large, lambda: jnp.zeros(3), lambda: mask(key))


def by_two_choices(x, key):
    one = jax.lax.cond(x[0] > 5, lambda: noise(key), lambda: jnp.zeros(3))
    return one + jax.lax.cond(x[1] > 5, lambda: jnp.zeros(3), lambda: mask(key))


def test_what_one_choice_keeps_apart_at_two_places_is_clean():
    for run in (True, False):
        assert found(by_one_choice_at_two_places, X, run=run) == ()
        assert [f.code for f in found(by_two_choices, X, run=run)] == ["RNG005"]


def two_arrays_with_equal_keys(x, key):
    one, other = jax.random.split(key)
    first = jnp.repeat(jax.random.split(one), 2, axis=0)
    second = jax.random.split(other)[jnp.array([0, 1, 0, 1])]

    def f(value, own, also):
        return value + noise(own) + noise(also)

    return jax.vmap(f)(x, first, second)


def steps_over_two_arrays_with_equal_keys(x, key):
    one, other = jax.random.split(key)
    first = jnp.repeat(jax.random.split(one), 2, axis=0)
    arrays = first, jax.random.split(other)[jnp.array([0, 1, 0, 1])]
    return jax.lax.scan(lambda c, own: (c + noise(own[0]) + noise(own[1]), None), x[:3], arrays)[0]


def test_two_arrays_of_keys_that_one_helper_draws_from_are_two_findings():
    for fn, code in [
        (two_arrays_with_equal_keys, "RNG002"),
        (steps_over_two_arrays_with_equal_keys, "RNG003"),
    ]:
        first, second = found(fn, X)
        assert first.code == second.code == code
        assert first.place == second.place
        assert first.related != second.related


def layers_of_one_array(x, key):
    keys = jnp.repeat(jax.random.split(key), 2, axis=0)

    def f(value, own):
        return value + sum(noise(layer) for layer in jax.random.split(own, 3))

    return jax.vmap(f)(x, keys)


def test_all_that_is_made_of_one_array_of_keys_is_one_cause():
    assert [f.code for f in found(layers_of_one_array, X)] == ["RNG002"]
