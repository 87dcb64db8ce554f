"""How much `check`, `run` and `print(report)` show: `--verbose`, `--quiet` and neither."""

from __future__ import annotations

import re

import pytest

FUNCTIONS = """
import jax
import numpy as np
from jax import random


def add_noise(x, key):
    return x + random.normal(key, x.shape)


@jax.jit
def shared(x, key):
    return jax.vmap(add_noise, in_axes=(0, None))(x, key)


@jax.jit
def split(x, key):
    return jax.vmap(add_noise)(x, random.split(key, x.shape[0]))


@jax.jit
def meant(x, key):
    return jax.vmap(lambda x: x + random.normal(key))(x)  # jaxrng: ignore[RNG001] one shift


@jax.jit
def hidden(x, key):
    return jax.pure_callback(lambda x, key: x, x, x, random.key_data(key))


def fails(x, key):
    raise ValueError("no good")
"""
SCRIPT = """
import jax, jax.numpy as jnp
import functions

for name, seed in zip({names!r}, range(100)):
    getattr(functions, name)(jnp.zeros(4), jax.random.key(seed))
"""
CLEAN = [
    "passed: functions.py:split (1 draw)",
    "",
    "All clear: no shared noise in 1 draw",
    "0 errors, 0 warnings, 0 notes · 1 draw seen · 0 gaps · 0 suppressed",
]
MEANT = "passed: functions.py:meant (1 draw, 1 suppressed)"


@pytest.fixture
def check(write, run_cli):
    write("functions.py", FUNCTIONS)

    def check_functions(*names, flags=()):
        targets = (f"functions.py:{name}" for name in names)
        return run_cli("check", *targets, "--arg", "x=f32[4]", *flags)

    return check_functions


@pytest.fixture
def run(write, run_cli):
    write("functions.py", FUNCTIONS)

    def run_script(*names, flags=()):
        write("script.py", SCRIPT.format(names=names))
        return run_cli("run", *flags, "script.py")

    return run_script


def test_a_target_that_passes_is_one_line(check):
    done = check("split")
    assert done.stdout.splitlines() == CLEAN
    assert done.returncode == 0


def test_only_targets_that_do_not_pass_are_reported_whole(check):
    done = check("split", "shared", "meant", "hidden", "fails")
    lines = done.stdout.splitlines()
    heads = [line.split()[1] for line in lines if line.startswith(("── ", "passed: "))]
    assert heads == [f"functions.py:{n}" for n in ("fails", "hidden", "meant", "shared", "split")]
    assert {MEANT, CLEAN[0]} == {line for line in lines if line.startswith("passed: ")}
    for words in ("error[RNG001]", "gap: ", "ValueError: no good", "first and last example of 4"):
        assert words in done.stdout
    assert "draw: " not in done.stdout
    assert "ignored by a comment" not in done.stdout
    assert done.returncode == 3


def test_verbose_reports_everything_whole(check):
    done = check("split", "meant", flags=["--verbose"])
    for words in ("── functions.py:split ──", "keys: ABCD", "ignored by a comment: one shift"):
        assert words in done.stdout
    assert "passed: " not in done.stdout
    assert done.returncode == 0


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("name", "lines", "code"),
    [
        ("split", CLEAN[2:], 0),
        ("shared", ["1 error, 0 warnings, 0 notes · 1 draw seen · 0 gaps · 0 suppressed"], 1),
        (
            "hidden",
            [
                "No draws found, but the analysis has 1 gap",
                "0 errors, 0 warnings, 0 notes · 0 draws seen · 1 gap · 0 suppressed",
            ],
            0,
        ),
        (
            "fails",
            [
                "0 errors, 0 warnings, 0 notes · 0 draws seen · 0 gaps · 0 suppressed"
                " · 1 target failed"
            ],
            3,
        ),
    ],
)
def test_quiet_shows_the_summary(check, name, lines, code):
    done = check(name, flags=["-q"])
    assert done.stdout.splitlines() == lines
    assert done.stderr == ""
    assert done.returncode == code


@pytest.mark.slow
def test_other_formats_show_everything(check, tmp_path):
    formats = ("--format", "terminal", "--format", "concise:found.txt")
    done = check("shared", "split", flags=["--quiet", *formats])
    assert done.stdout.count("\n") == 1
    assert ": RNG001 all 4 examples" in (tmp_path / "found.txt").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check", "run"])
def test_verbose_and_quiet_contradict_each_other(check, run, command):
    done = {"check": check, "run": run}[command]("split", flags=["-q", "-v"])
    assert done.stderr == ("error: --verbose and --quiet contradict each other\nuse one of them\n")
    assert done.stdout == ""
    assert done.returncode == 2


@pytest.mark.slow
def test_a_run(run):
    normal = run("split", "shared", "meant")
    assert not re.search("^(passed: |── )split", normal.stderr, re.MULTILINE)
    assert "passed: meant (1 draw, 1 suppressed)" in normal.stderr
    assert "error[RNG001]" in normal.stderr
    verbose = run("split", "shared", "meant", flags=["-v"])
    for words in ("── split ──", "keys: ABCD", "ignored by a comment: one shift", "error[RNG001]"):
        assert words in verbose.stderr
    quiet = run("split", "shared", "meant", flags=["-q"])
    assert quiet.stderr.splitlines() == normal.stderr.splitlines()[-1:]
    assert {normal.returncode, verbose.returncode, quiet.returncode} == {1}


def test_flags_behind_a_script_are_the_scripts(write, run_cli):
    write("echo.py", "import sys\nprint(sys.argv[1:])")
    done = run_cli("run", "echo.py", "-v", "-q", "--quiet")
    assert done.stdout == "['-v', '-q', '--quiet']\n"
    assert done.returncode == 0


def test_a_report_in_python():
    import jax
    import jax.numpy as jnp

    import jaxrng_doctor

    def clean(x, key):
        return jax.vmap(lambda key: jax.random.normal(key))(jax.random.split(key, 4)) + x

    report = jaxrng_doctor.check(clean, (jnp.zeros(4), jax.random.key(0)))
    name = "test_a_report_in_python.<locals>.clean"
    assert str(report).splitlines() == [f"passed: {name} (1 draw)", *CLEAN[1:]]
    assert str(report) == report.to_text()
    whole = report.to_text(verbose=True)
    assert whole.startswith(f"── {name} ──")
    assert "keys: ABCD" in whole
