"""Every public sampler of `jax.random` is flagged with a shared key, and not with split keys."""

import jax
import jax.numpy as jnp
import pytest

import jaxrng_doctor
from tests.coming import skip_if_refused

N = 3

SAMPLERS = {
    "ball": lambda key: jax.random.ball(key, 2, shape=(2,)),
    "bernoulli": lambda key: jax.random.bernoulli(key, 0.5, (40,)),
    "beta": lambda key: jax.random.beta(key, 2.0, 3.0, (2,)),
    "binomial": lambda key: jax.random.binomial(key, 5, 0.5, (20,)),
    "bits": lambda key: jax.random.bits(key, (2,)),
    "categorical": lambda key: jax.random.categorical(key, jnp.zeros(7), shape=(20,)),
    "cauchy": lambda key: jax.random.cauchy(key, (2,)),
    "chisquare": lambda key: jax.random.chisquare(key, 2.0, (2,)),
    "choice": lambda key: jax.random.choice(key, jnp.arange(40), (9,), replace=False),
    "dirichlet": lambda key: jax.random.dirichlet(key, jnp.ones(3)),
    "double_sided_maxwell": lambda key: jax.random.double_sided_maxwell(key, 0.0, 1.0, (2,)),
    "exponential": lambda key: jax.random.exponential(key, (2,)),
    "f": lambda key: jax.random.f(key, 2.0, 3.0, (2,)),
    "gamma": lambda key: jax.random.gamma(key, 2.0, (2,)),
    "generalized_normal": lambda key: jax.random.generalized_normal(key, 2.0, (2,)),
    "geometric": lambda key: jax.random.geometric(key, 0.01, (20,)),
    "gumbel": lambda key: jax.random.gumbel(key, (2,)),
    "laplace": lambda key: jax.random.laplace(key, (2,)),
    "loggamma": lambda key: jax.random.loggamma(key, 2.0, (2,)),
    "logistic": lambda key: jax.random.logistic(key, (2,)),
    "lognormal": lambda key: jax.random.lognormal(key, shape=(2,)),
    "maxwell": lambda key: jax.random.maxwell(key, (2,)),
    "multinomial": lambda key: jax.random.multinomial(key, 50, jnp.full(5, 0.2)),
    "multivariate_normal": lambda key: jax.random.multivariate_normal(
        key, jnp.zeros(2), jnp.eye(2)
    ),
    "normal": lambda key: jax.random.normal(key, (2,)),
    "orthogonal": lambda key: jax.random.orthogonal(key, 2),
    "pareto": lambda key: jax.random.pareto(key, 2.0, (2,)),
    "permutation": lambda key: jax.random.permutation(key, 40),
    "poisson": lambda key: jax.random.poisson(key, 90.0, (20,)),
    "rademacher": lambda key: jax.random.rademacher(key, (40,)),
    "randint": lambda key: jax.random.randint(key, (9,), 0, 1000),
    "rayleigh": lambda key: jax.random.rayleigh(key, 1.0, (2,)),
    "t": lambda key: jax.random.t(key, 3.0, (2,)),
    "triangular": lambda key: jax.random.triangular(key, 0.0, 0.5, 1.0, (2,)),
    "truncated_normal": lambda key: jax.random.truncated_normal(key, -1.0, 1.0, (2,)),
    "uniform": lambda key: jax.random.uniform(key, (2,)),
    "wald": lambda key: jax.random.wald(key, 1.0, (2,)),
    "weibull_min": lambda key: jax.random.weibull_min(key, 1.0, 2.0, (2,)),
}
"""An example call of each. Different keys almost certainly draw different numbers."""

NOT_SAMPLERS = {
    "Key", "PRNGKey", "clone", "fold_in", "key", "key_data", "key_dtype", "key_impl",
    "random_gamma_p", "split", "wrap_key_data",
}  # fmt: skip

every_sampler = pytest.mark.parametrize("name", SAMPLERS)


def test_every_public_sampler_is_in_the_table():
    public = {name for name in dir(jax.random) if not name.startswith("_")}
    missing = public - NOT_SAMPLERS - SAMPLERS.keys()
    assert not missing, f"add an entry to SAMPLERS for {', '.join(sorted(missing))}"
    gone = SAMPLERS.keys() - public
    assert not gone, f"no longer in jax.random: {', '.join(sorted(gone))}"


def with_both_keys(name):
    """A function of a typed and a legacy key, jitted only because that compiles faster."""
    sampler = SAMPLERS[name]
    return jax.jit(lambda typed, legacy: (sampler(typed), sampler(legacy)))


@pytest.mark.sampled(3)
@every_sampler
def test_a_shared_key_is_flagged_with_proof(name):
    keys = jax.random.key(0), jax.random.PRNGKey(1)
    skip_if_refused(jax.vmap(with_both_keys(name), in_axes=None, axis_size=N), *keys)

    report = jaxrng_doctor.check(with_both_keys(name), keys, in_axes=None, axis_size=N)

    assert {f.code for f in report.findings} == {"RNG001"}
    assert {f.confidence for f in report.findings} == {"proven"}
    assert {(f.evidence.examples, f.evidence.distinct_keys) for f in report.findings} == {(N, 1)}
    assert {f.place.path for f in report.findings} == {__file__}
    assert {draw.scopes[0].distinct for draw in report.draws} == {1}
    assert len(report.draws) >= 2
    assert {d.sampler for d in report.draws} <= {f"jax.random.{public}" for public in SAMPLERS}
    assert report.gaps == ()
    for leaf in report.targets[0].comparison.leaves:
        assert (leaf.given.first_equals_last, leaf.given.distinct) == (True, 1)


@pytest.mark.sampled(5)
@every_sampler
def test_split_keys_are_clean(name):
    keys = jax.random.split(jax.random.key(0), N), jax.random.split(jax.random.PRNGKey(1), N)
    skip_if_refused(jax.vmap(with_both_keys(name)), *keys)

    report = jaxrng_doctor.check(with_both_keys(name), keys, in_axes=0)

    assert report.findings == ()
    assert report.gaps == ()
    assert report.ok
    assert len(report.draws) >= 2
    assert {draw.scopes[0].distinct for draw in report.draws} == {N}
    for leaf in report.targets[0].comparison.leaves:
        assert leaf.given.distinct == N


@pytest.mark.slow
@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
@pytest.mark.parametrize("name", [*SAMPLERS, "split"])
def test_how_jax_draws_outside_of_compiled_code_is_its_own_affair(name, impl):
    # Both halves of the key are equal, and JAX splits an rbg key by a vmap over its halves.
    key = jax.random.wrap_key_data(jnp.zeros(4 if impl == "rbg" else 2, "uint32"), impl=impl)
    if name == "poisson" and impl == "rbg":
        pytest.skip("JAX has no such sampler for keys of this kind")
    with jaxrng_doctor.watch() as report:
        SAMPLERS.get(name, jax.random.split)(key)
    assert (report.findings, report.gaps) == ((), ())
