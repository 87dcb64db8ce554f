"""What JAX's own key-reuse checker calls reuse is found, and what it allows is not.

To JAX, a split whose children are not used is a use; jaxrng-doctor only reports a note.
"""

import jax
import pytest

import jaxrng_doctor
from tests.rules.reuse_programs import ALLOWED, FAULTY

REUSE = {"RNG005", "RNG006", "RNG007"}


@pytest.mark.parametrize("name", FAULTY)
def test_what_jax_calls_reuse_is_found(name):
    fn, code = FAULTY[name]

    report = jaxrng_doctor.check(fn, (jax.random.key(0),))

    assert code in {f.code for f in report.findings}
    assert report.failures == ()


@pytest.mark.parametrize("name", ALLOWED)
def test_what_jax_allows_is_not_called_reuse(name):
    report = jaxrng_doctor.check(ALLOWED[name], (jax.random.key(0),))

    assert REUSE.isdisjoint(f.code for f in report.findings)
    assert report.failures == ()
