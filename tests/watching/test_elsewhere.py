"""Draws that no hook sees are reported as gaps: in other processes and in exported functions."""

import json

import jax
import jax.numpy as jnp
import pytest
from jax import random

import jaxrng_doctor

PROGRAM = """
    import multiprocessing

    import jax

    def draw(key):
        print(jax.random.normal(jax.random.key(0)) < 9)

    def add(number):
        print(number + 1)

    if __name__ == "__main__":
        context = multiprocessing.get_context("{method}")
        process = context.Process(target={function}, args=(1,))
        process.start()
        process.join()
        print(process.exitcode)
"""
FORKED = "a process that the program forked off draws, and was not followed"
STARTED = "a process that is started here was not followed"


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("method", "function", "printed", "reported"),
    [
        ("fork", "draw", "True", FORKED),
        ("fork", "add", "2", None),
        ("spawn", "draw", "True", STARTED),
        ("forkserver", "draw", "True", STARTED),
    ],
)
def test_a_process(write, run_cli, tmp_path, method, function, printed, reported):
    write("script.py", PROGRAM.format(method=method, function=function))

    done = run_cli("run", "--strict", "--format", "json", "--output", "report.json", "script.py")

    assert done.stdout.split() == [printed, "0"]
    assert done.returncode == (1 if reported else 0)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    [target] = report["targets"]
    assert [gap["message"] for gap in target["gaps"]] == ([reported] if reported else [])
    if reported == STARTED:
        assert target["gaps"][0]["line"] == 15


@pytest.mark.slow
def test_a_process_that_only_manages_is_no_gap(write, run_cli):
    write(
        "script.py",
        """
        import multiprocessing

        import jax

        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Manager() as manager:
                manager.list()
            jax.random.normal(jax.random.key(0))
        """,
    )

    done = run_cli("run", "--strict", "script.py")

    assert done.returncode == 0
    assert "0 gaps" in done.stderr


@pytest.fixture
def exported():
    export = pytest.importorskip("jax.export")
    return export.export(jax.jit(lambda key: random.normal(key, (3,))))(random.PRNGKey(0))


def test_an_exported_function_that_is_called_eagerly(exported):
    key = random.PRNGKey(0)

    with jaxrng_doctor.watch() as report:
        for _ in range(2):
            exported.call(key)

    [gap] = report.gaps
    assert gap.message == "a key goes into `call_exported`, which is not followed"
    assert gap.place.path == __file__


def test_an_exported_function_that_takes_no_key(exported):
    double = jax.export.export(jax.jit(lambda x: 2 * x))(jnp.ones(3))

    with jaxrng_doctor.watch() as report:
        assert double.call(jnp.ones(3)).sum() == 6

    assert report.gaps == ()
