"""What the engine records of a program."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxrng_doctor.analysis.lineage.engine import Engine
from tests.lineage.following import followed

KEY = jax.random.key(0)


@pytest.mark.parametrize("count", [0, 3])
def test_a_draw_of_no_numbers_is_no_draw(count):
    _, of_sampler = followed(lambda key: jax.random.normal(key, (count,)), KEY)
    # This primitive also returns its state, which is never empty.
    _, of_generator = followed(
        lambda state: lax.rng_bit_generator(state, (count,))[1], jnp.zeros(4, "uint32")
    )

    assert [len(engine.draws) for engine in (of_sampler, of_generator)] == [min(count, 1)] * 2


def test_the_values_of_variables_are_kept_only_if_asked_for():
    trace, engine = followed(jax.random.normal, KEY)
    noting = Engine(trace, noting=True)
    noting.run()

    assert engine.visits == {}
    assert () in noting.visits
