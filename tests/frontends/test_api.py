"""`jaxrng_doctor.check` as a caller in Python sees it."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import vmap

import jaxrng_doctor

X = jnp.arange(12.0).reshape(4, 3)
KEY = jax.random.key(0)


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


early = vmap(noisy, in_axes=(0, None))


def codes(report):
    return [finding.code for finding in report.findings]


def test_a_finding():
    report = jaxrng_doctor.check(noisy, (X, KEY), in_axes=(0, None))

    assert not report.ok
    [finding] = report.findings
    assert (finding.code, finding.severity, finding.confidence) == ("RNG001", "error", "proven")
    assert "all 4 examples of vmap(noisy)" in finding.message
    [draw] = report.draws
    assert draw.sampler == "jax.random.normal"
    assert [(s.kind, s.size, s.varies, s.distinct) for s in draw.scopes] == [("vmap", 4, False, 1)]
    assert report.gaps == ()


def test_no_finding():
    report = jaxrng_doctor.check(noisy, (X, jax.random.split(KEY, 4)), in_axes=0)

    assert report.ok
    assert report.findings == ()
    report.raise_for_findings()


def test_findings_raise():
    report = jaxrng_doctor.check(noisy, (X, KEY), in_axes=(0, None))

    with pytest.raises(AssertionError, match="RNG001"):
        report.raise_for_findings()


def test_the_report_as_text_and_as_json():
    report = jaxrng_doctor.check(noisy, (X, KEY), in_axes=(0, None))

    assert "RNG001" in str(report)
    reported = json.loads(report.to_json())
    [target] = reported["targets"]
    assert target["target"] == "noisy"
    assert [f["code"] for f in target["findings"]] == ["RNG001"]


def test_a_vmap_that_was_made_before_the_doctor_came():
    assert codes(jaxrng_doctor.check(early, (X, KEY))) == ["RNG001"]


def test_called_as_it_is():
    assert codes(jaxrng_doctor.check(noisy, (X, KEY))) == []
    assert codes(jaxrng_doctor.check(lambda: early(X, KEY))) == ["RNG001"]


def test_keyword_arguments():
    def fn(x, *, key, scale=1.0):
        return noisy(x, key) * scale

    assert codes(jaxrng_doctor.check(fn, (X,), {"key": KEY, "scale": 2.0})) == []
    keys = jax.random.split(KEY, 4)
    assert codes(jaxrng_doctor.check(fn, (X,), {"key": keys}, in_axes=0)) == []


def test_in_axes_of_a_tree():
    def fn(params, batch):
        return noisy(batch["x"] * params["w"], batch["key"])

    args = ({"w": jnp.ones(3)}, {"x": X, "key": KEY})
    assert codes(jaxrng_doctor.check(fn, args, in_axes=(None, {"x": 0, "key": None}))) == ["RNG001"]
    args[1]["key"] = jax.random.split(KEY, 4)
    assert codes(jaxrng_doctor.check(fn, args, in_axes=(None, 0))) == []
    assert codes(jaxrng_doctor.check(fn, args, in_axes=[None, 0])) == []


def test_negative_in_axes():
    report = jaxrng_doctor.check(noisy, (X.T, KEY), in_axes=(-1, None))

    assert codes(report) == ["RNG001"]
    comparison = report.targets[0].comparison
    assert comparison.size == 4
    assert [leaf.replicated.distinct for leaf in comparison.leaves] == [1]


def test_axis_size():
    report = jaxrng_doctor.check(lambda key: jax.random.normal(key), (KEY,), in_axes=None,
                                 axis_size=6)  # fmt: skip

    assert [f.evidence.examples for f in report.findings] == [6]


def test_python_values_stay_python_values():
    def fn(x, key, mode, depth, flag):
        return noisy(x, key) if mode == "noise" and flag and range(depth) else x

    report = jaxrng_doctor.check(
        fn, (X, KEY, "noise", 3, True), in_axes=(0, None, None, None, None)
    )

    assert codes(report) == ["RNG001"]


def test_numpy_arrays_and_a_state():
    def fn(x, seeds):
        return jax.vmap(lambda row, seed: noisy(row, jax.random.key(seed)))(x, seeds)

    assert codes(jaxrng_doctor.check(fn, (np.ones((4, 3)), np.arange(4)))) == []
    assert codes(jaxrng_doctor.check(fn, (np.ones((4, 3)), np.zeros(4, int)))) == ["RNG002"]


def test_expect_same_select_and_ignore():
    def check(**options):
        return jaxrng_doctor.check(noisy, (X, KEY), in_axes=(0, None), **options)

    intended = check(expect="same")
    assert (intended.ok, intended.findings) == (True, ())
    assert [(s.by, s.finding.code) for s in intended.suppressed] == [("expect", "RNG001")]
    assert codes(check(select=["RNG002"])) == []
    assert codes(check(select=["RNG"], ignore=["RNG001"])) == []
    assert codes(check(ignore=["RNG002"])) == ["RNG001"]


def test_a_comment_that_says_it_is_intended():
    def fn(x, key):
        return x + jax.random.normal(key, x.shape)  # jaxrng: ignore[RNG001] one mask for all

    report = jaxrng_doctor.check(fn, (X, KEY), in_axes=(0, None))

    assert report.ok
    assert [(s.by, s.reason) for s in report.suppressed] == [("comment", "one mask for all")]


def test_without_a_run():
    report = jaxrng_doctor.check(noisy, (X, KEY), in_axes=(0, None), run=False)

    assert [(f.confidence, f.evidence) for f in report.findings] == [("inferred", None)]
    assert report.targets[0].comparison is None


def test_the_users_exception_is_the_users():
    def fn(x):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        jaxrng_doctor.check(fn, (X,))


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ((X, jax.random.split(KEY, 3)), {"in_axes": 0}),
        ((X, KEY), {"in_axes": (0,)}),
        ((X, KEY), {"in_axes": (2, None)}),
        ((X, KEY), {"in_axes": (None, None)}),
        ((X, KEY), {"in_axes": "rows"}),
        ((X, 3.0), {"in_axes": (0, 0)}),
    ],
    ids=["sizes", "too few", "out of range", "nothing mapped", "no axes", "a number"],
)
def test_in_axes_that_do_not_fit(args, options):
    with pytest.raises((jaxrng_doctor.UsageError, ValueError, TypeError)) as raised:
        jaxrng_doctor.check(noisy, args, **options)

    assert str(raised.value)


def test_two_equal_keys_among_many():
    def one(x, key):
        return x + jax.random.normal(key, x.shape)

    keys = jax.random.split(KEY, 200_000).at[-1].set(jax.random.split(KEY, 200_000)[7])

    report = jaxrng_doctor.check(one, (jnp.zeros((200_000, 2)), keys), in_axes=0)

    [finding] = report.findings
    assert finding.code == "RNG002"
    assert (finding.evidence.examples, finding.evidence.distinct_keys) == (200_000, 199_999)
    assert finding.evidence.equal_pair == (7, 199_999)


def test_a_key_that_was_split_a_thousand_times():
    def f(x, key):
        for _ in range(1200):
            key, own = jax.random.split(key)
        return x + jax.random.normal(own) + jax.random.uniform(own)

    report = jaxrng_doctor.check(f, (jnp.ones(3), KEY), run=False)

    (finding,) = report.findings
    assert (finding.code, finding.also) == ("RNG005", ("RNG009",))
