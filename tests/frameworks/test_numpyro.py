"""NumPyro: the `seed` handler inside and outside a vmap, and parallel chains."""

import jax
import jax.numpy as jnp
import pytest

numpyro = pytest.importorskip("numpyro")
dist = pytest.importorskip("numpyro.distributions")
infer = pytest.importorskip("numpyro.infer")
seed = pytest.importorskip("numpyro.handlers").seed

X = jnp.arange(5.0)
KEY = jax.random.key(0)


def model(x):
    shift = numpyro.sample("shift", dist.Normal(0.0, 1.0))  # draws
    return numpyro.sample("y", dist.Normal(x + shift, 1.0))  # draws


def split(x, key):
    return jax.vmap(lambda row, k: seed(model, k)(row))(x, jax.random.split(key, 5))


def test_a_handler_around_the_vmap(flagged, clean):
    def around(x, key):
        with seed(rng_seed=key):
            return jax.vmap(model)(x)

    flagged("RNG001", around, X, KEY)
    clean(split, X, KEY)


def test_a_model_seeded_equally_for_every_example(flagged):
    flagged("RNG001", lambda x, key: jax.vmap(lambda row: seed(model, key)(row))(x), X, KEY)


def test_a_seed_that_is_a_constant(flagged):
    flagged("RNG001", lambda x: jax.vmap(lambda row: seed(model, 0)(row))(x), X)


def test_chains_side_by_side(flagged, clean):
    def energy(x):
        return 0.5 * jnp.sum(x**2)

    def sampled(make_keys):
        def chains(x, key):
            kernel = infer.HMC(potential_fn=energy, num_steps=1, adapt_step_size=False)
            mcmc = infer.MCMC(
                kernel,
                num_warmup=0,
                num_samples=2,
                num_chains=3,
                chain_method="vectorized",
                progress_bar=False,
            )
            mcmc.run(make_keys(key), init_params=x)  # draws
            return mcmc.get_samples()

        return chains

    start = jnp.ones((3, 2))
    flagged("RNG002", sampled(lambda key: jnp.broadcast_to(key, (3,))), start, KEY)
    clean(sampled(lambda key: jax.random.split(key, 3)), start, KEY)


def test_predictions(clean):
    predict = infer.Predictive(model, num_samples=4)
    clean(lambda x, key: predict(key, x), X, KEY)


@pytest.mark.parametrize("chains", [1, 2])
def test_what_numpyro_does_with_a_key_within_one_call_is_its_own_business(clean, chains):
    def posterior(x, key):
        mcmc = infer.MCMC(
            infer.NUTS(model, max_tree_depth=2),
            num_warmup=1,
            num_samples=2,
            num_chains=chains,
            chain_method="vectorized",
            progress_bar=False,
        )
        mcmc.run(key, x)
        return mcmc.get_samples()

    clean(posterior, X, KEY, notes=("RNG006", "RNG007"))
