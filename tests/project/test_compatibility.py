"""`docs/compatibility.md` has every row of `make matrix`, and each row passed."""

import importlib.util
import re
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from jaxrng_doctor.frontends.commands.newest_jax import NEWEST_JAX

pytestmark = pytest.mark.one_jax

ROOT = Path(__file__).parents[2]


def load_matrix():
    loader = SourceFileLoader("matrix", str(ROOT / ".ci" / "matrix"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("matrix", loader))
    loader.exec_module(module)
    return module


MATRIX = load_matrix()
KNOWN = MATRIX.known()


def test_each_row_is_what_it_says():
    assert list(KNOWN) == MATRIX.ROWS
    for row, said in KNOWN.items():
        version, _, flag = row.partition("+")
        assert re.match(r"\d+\.\d+", said["jax"])[0] == version
        assert tuple(re.findall(r"(\w+)=1", said["settings"])) == MATRIX.FLAGS.get(flag, ())
    assert ".".join(map(str, NEWEST_JAX)) == MATRIX.NEWEST


@pytest.mark.parametrize("row", KNOWN.values(), ids=KNOWN)
def test_all_is_well(row):
    assert row["failed"] == "0"
    assert int(row["passed"]) > 1000
    assert row["selfcheck"] == "passed"
