"""The thirty faulty programs are flagged with typed and legacy keys, and the clean ones pass."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from known_programs import CODE, PROGRAMS

import jaxrng_doctor
from tests.coming import skip_if_refused

PAGE = Path(__file__).parents[2] / "docs" / "key_reuse.md"
KEYS = {"typed": jax.random.key, "legacy": jax.random.PRNGKey}


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("what", PROGRAMS)
def test_the_faulty_are_found_and_the_clean_pass(what, make):
    skip_if_refused(PROGRAMS[what], jnp.ones((4, 3)), make(0))

    report = jaxrng_doctor.check(PROGRAMS[what], (jnp.ones((4, 3)), make(0)))

    codes = {f.code for f in report.findings if f.severity != "note"}
    assert codes == ({CODE[what]} if CODE[what] else set())
    assert report.gaps == ()
    assert report.failures == ()


def test_there_are_thirty_faulty_and_four_clean_programs():
    assert len(PROGRAMS) == 34
    assert sorted(CODE.values()).count("") == 4


@pytest.mark.parametrize("what", PROGRAMS)
def test_the_page_says_what_the_doctor_says(what):
    rows = {row.split(" | ")[0].removeprefix("| "): row.split(" | ") for row in _rows()}

    assert rows[what][1:3] == [CODE[what] or "clean"] * 2


def _rows():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("| ") and line.count(" | ") == 4]
