"""The benchmarks that use internals of the package run, on small programs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(("name", "rows"), [("lineage.py", 2), ("listing.py", 4)])
def test_a_benchmark_measures_a_small_program(name, rows, cli_environment):
    done = subprocess.run(
        [sys.executable, FOLDER / name, "100"],
        capture_output=True,
        text=True,
        env={**cli_environment, "JAX_PLATFORMS": "cpu"},
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    sizes = re.findall(r"^ +([\d,]+) ", done.stdout, re.MULTILINE)
    assert len(sizes) == rows  # flat and nested; listing.py also with `--all`
    assert all(int(size.replace(",", "")) >= 100 for size in sizes)
