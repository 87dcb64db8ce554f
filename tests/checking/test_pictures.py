"""Pictures of noise: each row has the numbers that JAX draws from its key."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrng_doctor import check
from jaxrng_doctor.model.findings import Finding

KEY = jax.random.key(7)


def picture_of(fn, *args, code, **options):
    (finding,) = [f for f in check(fn, args, detail=True, **options).findings if f.code == code]
    return finding.picture


def close(rows, expected):
    # Pictures keep four digits.
    return np.testing.assert_allclose(rows, expected, rtol=1e-3, atol=1e-6)


def test_rows_are_what_the_program_draws_and_what_split_keys_would():
    def noisy(x, key):
        return jax.vmap(lambda row: row + jax.random.normal(key, row.shape))(x)

    picture = picture_of(noisy, jnp.zeros((5, 3)), KEY, code="RNG001")
    close(picture.shared, noisy(jnp.zeros((5, 3)), KEY))
    close(picture.separate, [jax.random.normal(k, (3,)) for k in jax.random.split(KEY, 5)])
    assert (picture.size, picture.drawn) == (5, 3)
    assert picture.examples == (0, 1, 2, 3, 4)
    assert picture.keys == (0,) * 5
    assert picture.distinct == (1, 5)
    assert (picture.sampler, picture.stands_in) == ("jax.random.normal", False)


def test_large_batches_are_cut_evenly():
    def noisy(x, key):
        return jax.vmap(lambda row: row + jax.random.uniform(key, row.shape))(x)

    picture = picture_of(noisy, jnp.zeros((1000, 100)), KEY, code="RNG001")
    assert len(picture.examples) == 32
    assert (picture.examples[0], picture.examples[-1]) == (0, 999)
    assert set(np.diff(picture.examples)) == {32, 33}
    assert {len(row) for row in (*picture.shared, *picture.separate)} == {32}
    whole = jax.random.uniform(KEY, (100,))
    assert np.isin(np.float32(picture.shared[0][0]).round(3), np.asarray(whole).round(3))
    assert (picture.size, picture.drawn) == (1000, 100)


def test_two_equal_keys_among_many_are_both_shown():
    def noisy(x, keys):
        return jax.vmap(lambda row, key: row + jax.random.normal(key, row.shape))(x, keys)

    keys = jax.random.split(KEY, 200)
    keys = keys.at[50].set(keys[101])
    picture = picture_of(noisy, jnp.zeros((200, 4)), keys, code="RNG002")
    assert {50, 101} <= set(picture.examples)
    assert len(picture.examples) == 32
    here, there = (picture.examples.index(n) for n in (50, 101))
    assert picture.shared[here] == picture.shared[there]
    assert picture.keys[here] == picture.keys[there]
    assert picture.distinct == (31, 32)
    close(picture.shared, [jax.random.normal(keys[n], (4,)) for n in picture.examples])


def test_a_loop_has_a_row_for_each_step():
    def walk(key):
        def step(state, _):
            return state + jax.random.normal(key), None

        return jax.lax.scan(step, 0.0, length=6)[0]

    picture = picture_of(walk, KEY, code="RNG003")
    close(picture.shared, [[jax.random.normal(KEY)]] * 6)
    assert picture.distinct == (1, 6)


def test_what_is_drawn_with_more_than_a_key_has_a_stand_in():
    def thinned(rates, key):
        return jax.vmap(lambda rate: jax.random.poisson(key, rate, (8,)))(rates)

    picture = picture_of(thinned, jnp.arange(1.0, 5.0), KEY, code="RNG001")
    assert (picture.sampler, picture.stands_in) == ("jax.random.normal", True)
    close(picture.shared, [jax.random.normal(KEY, (32,))] * 4)


@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_one_key_for_two_draws_is_two_equal_rows(make):
    def reused(x, key):
        return jax.random.normal(key, x.shape) + jax.random.uniform(key, x.shape)

    picture = picture_of(reused, jnp.zeros(3), make(7), code="RNG005")
    close(picture.shared, [jax.random.normal(KEY, (32,))] * 2)
    close(picture.separate, [jax.random.normal(k, (32,)) for k in jax.random.split(KEY, 2)])
    assert (picture.size, picture.distinct, picture.stands_in) == (2, (1, 2), True)


def test_a_key_that_is_split_or_comes_back_has_no_picture():
    def used_again(x, key):
        noise = jax.random.normal(key, x.shape)
        return x + noise + jax.random.normal(jax.random.split(key)[0], x.shape), key

    report = check(used_again, (jnp.zeros(3), KEY), detail=True)
    (finding,) = report.findings
    assert (finding.code, finding.confidence, finding.picture) == ("RNG006", "proven", None)
    assert "RNG008" in finding.also


def test_keys_that_are_equal_only_across_scopes_have_a_row_for_each_draw():
    def noisy(key):
        def steps(i):
            def step(_, j):
                return _, jax.random.normal(jax.random.fold_in(key, i + j), (3,))

            return jax.lax.scan(step, None, jnp.arange(2))[1]

        return jax.vmap(steps)(jnp.arange(3))

    picture = picture_of(noisy, KEY, code="RNG002")
    close(picture.shared, noisy(KEY).reshape(6, 3))
    assert picture.keys == (0, 1, 1, 2, 2, 3)
    assert picture.distinct == (4, 6)
    assert (picture.sampler, picture.stands_in) == ("jax.random.normal", False)


def test_a_key_that_repeats_from_call_to_call_is_a_row_for_each_call():
    import jaxrng_doctor

    step = jax.jit(lambda x, key: x + jax.random.normal(key, x.shape))
    with jaxrng_doctor.watch(detail=True) as report:
        for _ in range(5):
            step(jnp.zeros(3), KEY)
    (finding,) = report.findings
    assert finding.code == "RNG014"
    close(finding.picture.shared, [jax.random.normal(KEY, (32,))] * 5)
    close(finding.picture.separate, [jax.random.normal(k, (32,)) for k in jax.random.split(KEY, 5)])


def test_the_pictures_of_many_findings_are_smaller():
    lines = "".join(f"    x = x + jax.random.normal(key{n}, x.shape)\n" for n in range(30))
    keys = ", ".join(f"key{n}" for n in range(30))
    space = {}
    exec(f"import jax\ndef one(x, {keys}):\n{lines}    return x", space)
    fn = jax.vmap(space["one"], in_axes=(0, *[None] * 30))
    report = check(fn, (jnp.zeros((50, 3)), *jax.random.split(KEY, 30)), detail=True)

    assert [f.code for f in report.findings] == ["RNG001"] * 30
    shown = [(len(f.picture.shared), f.picture.stands_in) for f in report.findings]
    assert shown == [(32, False)] * 24 + [(16, True)] * 6
    last = report.findings[-1].picture
    whole = jax.random.normal(jax.random.split(KEY, 30)[29], (32,))
    assert np.isin(np.float32(last.shared[0]).round(2), np.asarray(whole).round(2)).all()


def test_infinite_noise_is_drawn_at_the_end_of_the_scale():
    def noisy(x, key):
        return jax.vmap(lambda row: jax.random.uniform(key, (4,), minval=-jnp.inf) + row)(x)

    picture = picture_of(noisy, jnp.zeros(3), KEY, code="RNG001")
    assert np.isfinite(picture.shared).all()


def test_rbg_keys_have_a_picture_only_where_no_vmap_decides():
    def noisy(x, key):
        return jax.vmap(lambda row: row + jax.random.normal(key, row.shape))(x)

    def mapped(x, keys):
        return jax.vmap(lambda row, key: row + jax.random.normal(key, row.shape))(x, keys)

    key = jax.random.key(0, impl="rbg")
    x = jnp.zeros((4, 3))
    close(picture_of(noisy, x, key, code="RNG001").shared, noisy(x, key))
    assert picture_of(mapped, x, jnp.stack([key] * 4), code="RNG002") is None


@pytest.mark.parametrize("options", [{"detail": False}, {"run": False, "detail": True}, {}])
def test_pictures_are_made_only_of_computed_keys_and_if_asked_for(options):
    def noisy(x, key):
        return jax.vmap(lambda row: row + jax.random.normal(key, row.shape))(x)

    report = check(noisy, (jnp.zeros((5, 3)), KEY), **options)
    (finding,) = report.findings
    assert isinstance(finding, Finding)
    assert finding.picture is None


def test_a_fault_is_a_missing_picture(monkeypatch):
    def noisy(x, key):
        return jax.vmap(lambda row: row + jax.random.normal(key, row.shape))(x)

    def broken(*args):
        raise RuntimeError("no picture today")

    monkeypatch.setattr("jaxrng_doctor.checking.pictures._drawn", broken)
    report = check(noisy, (jnp.zeros((5, 3)), KEY), detail=True)
    assert [f.code for f in report.findings] == ["RNG001"]
    assert report.findings[0].picture is None
    (gap,) = report.gaps
    assert gap.message == "no picture for RNG001: RuntimeError: no picture today"


def test_a_watched_program_has_pictures_too():
    import jaxrng_doctor

    @jax.jit
    def noisy(x, key):
        return jax.vmap(lambda row: row + jax.random.normal(key, row.shape))(x)

    with jaxrng_doctor.watch(detail=True) as report:
        noisy(jnp.zeros((5, 3)), KEY)
    (finding,) = report.findings
    close(finding.picture.shared, noisy(jnp.zeros((5, 3)), KEY))
    (target,) = [t for t in report.targets if t.listing is not None]
    assert target.target == "noisy"
    # The program's argument and the key of the draws are the same, so they have the same letter.
    key = next(v.key for v in target.listing.inputs if v.key is not None)
    (draw,) = [node for node in target.listing.tree if node.kind == "draw"]
    assert set(draw.key.strip) == set(key.strip)
