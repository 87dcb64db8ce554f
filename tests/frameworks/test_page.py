"""The programs in docs/how-to/frameworks.md: `shared` is reported, `fixed` is not."""

import importlib.util
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import jaxrng_doctor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import shown  # noqa: E402

PROGRAMS = shown.files((ROOT / "docs/how-to/frameworks.md").read_text(encoding="utf-8"))
LIBRARIES = {
    "with_nnx.py": "flax",
    "with_linen.py": "flax",
    "with_equinox.py": "equinox",
    "with_haiku.py": "haiku",
    "with_numpyro.py": "numpyro",
}


def test_every_library_of_the_page_is_tried():
    assert list(PROGRAMS) == list(LIBRARIES)


@pytest.mark.parametrize("name", LIBRARIES)
def test_the_program_with_the_mistake_is_reported_and_the_fixed_one_is_not(name, tmp_path):
    pytest.importorskip(LIBRARIES[name])
    path = tmp_path / name
    path.write_text(PROGRAMS[name], encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    args = jnp.ones((8, 4)), jax.random.key(0)
    report = jaxrng_doctor.check(module.shared, args)
    assert (report.failures, report.gaps) == ((), ())
    assert {f.code for f in report.at_or_over("warning")} == {"RNG001"}, report
    report = jaxrng_doctor.check(module.fixed, args)
    assert report.complete
    assert report.draws
    assert report.findings == ()
