"""Internal errors in real processes: programs and tests end as they would without jaxrng-doctor."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import faults
import pytest

pytest_plugins = ["pytester"]
pytestmark = [pytest.mark.slow, pytest.mark.one_jax]

BREAKING = f"""
import os
import sys

if os.environ.get("BROKEN"):
    sys.path.append({str(Path(__file__).parent)!r})
    import faults

    breaking = faults.broken(os.environ["BROKEN"])
    breaking.__enter__()
"""

PROGRAM = """
import sys

import jax
import numpy as np

@jax.jit
def step(x, key):
    return x + jax.random.normal(key, x.shape)

def shared(x, key):
    return jax.vmap(lambda a: a + jax.random.normal(key))(x)

if __name__ == "__main__":
    key, x = jax.random.key(0), np.zeros(3)
    for _ in range(3):
        x = step(x, key)
    print(x, jax.random.normal(key), shared(x, key))
    sys.exit(int(sys.argv[1]))
"""

WATCHED = """
import faults
import pytest
import test_faults

NAMES = "eager", "steps"
STAGES = test_faults.ways(test_faults.watch, NAMES)
LEFT_OUT = test_faults.REPORTING | test_faults.AS_THE_FUNCTION
EXPECTED = {name: test_faults.run(name) for name in NAMES}

@pytest.fixture
def stage(request):
    with faults.broken(request.param):
        yield request.param
        print(f"\\nHITS {request.param} {faults.hits[request.param]}")

@pytest.mark.parametrize("stage", [s for s in STAGES if s not in LEFT_OUT], indirect=True)
def test_program(stage):
    name = STAGES[stage]
    assert test_faults.is_same(test_faults.run(name), EXPECTED[name])
"""

# One of each kind: they record calls, trace, compute keys, apply rules, report, and check JAX.
STAGES = [
    "watching.recorder:Recorder.jitted",
    "watching.recorder:Recorder.reports",
    "watching.hooks:listening",
    "tracing.program:trace_program",
    "checking.examine:diagnose",
    "analysis.keys.compute:KeyProgram.start",
    "rules:judge",
    "suppression.policy:apply",
    "suppression.unused:finish",
    "jax_internals.check_assumptions:broken",
]


RUN = ("-m", "jaxrng_doctor", "run", "--strict", "program.py")
ARGUMENTS = ("--arg", "x=f32[3]", "--arg", "key=key", "--strict", "--format", "json")
CHECK = ("-m", "jaxrng_doctor", "check", "program.py:step", *ARGUMENTS)


@pytest.fixture(scope="module")
def ended(cli_environment, tmp_path_factory):
    """A cached function that runs Python in a folder with the program."""
    folder = tmp_path_factory.mktemp("faulty")
    (folder / "sitecustomize.py").write_text(BREAKING)
    (folder / "program.py").write_text(PROGRAM)
    paths = f"{folder}:{cli_environment['PYTHONPATH']}"

    @functools.cache
    def run(*command, broken=""):
        return subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env={**cli_environment, "PYTHONPATH": paths, "BROKEN": broken},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.mark.parametrize("stage", STAGES)
def test_a_program_that_is_run_ends_as_it_would(ended, stage):
    alone = ended("program.py", "7")
    watched = ended(*RUN, "7", broken=stage)

    assert (watched.returncode, watched.stdout) == (7, alone.stdout), watched.stderr
    assert "injected" in watched.stderr
    assert "All clear" not in watched.stderr


@pytest.mark.parametrize(
    "stage", ["checking.examine:diagnose", "watching.recorder:Recorder.reports"]
)
def test_a_program_without_a_verdict_fails_where_that_is_asked_for(ended, stage):
    assert ended(*RUN, "0", broken=stage).returncode == 1


@pytest.mark.parametrize(("code", "expected"), [("7", 7), ("0", 3)])
def test_a_program_whose_report_cannot_be_made(ended, code, expected):
    alone = ended("program.py", code)
    done = ended(*RUN, code, broken="frontends.report_files:publish")
    assert (done.returncode, done.stdout) == (expected, alone.stdout)
    assert "injected" in done.stderr


def test_a_check_without_a_report_fails(ended):
    done = ended(*CHECK, broken="suppression.unused:finish")
    assert (done.returncode, done.stdout) == (3, "")
    assert "injected" in done.stderr


@pytest.mark.parametrize("stage", [s for s in STAGES[3:] if s != "suppression.unused:finish"])
def test_a_target_is_not_clean_where_its_check_fails(ended, stage):
    clean = ended(*CHECK)
    assert (clean.returncode, summary(clean)["complete"]) == (0, True), clean.stderr

    done = ended(*CHECK, broken=stage)
    assert done.returncode in (1, 3), done.stderr
    assert not summary(done)["complete"]
    assert "injected" in done.stdout


def summary(done):
    return json.loads(done.stdout)["summary"]


def test_tests_that_are_watched_pass_and_say_so(pytester, cli_environment, monkeypatch):
    tests = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", f"{cli_environment['PYTHONPATH']}:{tests}")
    pytester.makepyfile(WATCHED)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--jaxrng=warn", "-s", "-v")

    assert result.ret == 0
    lines = result.stdout.lines
    reported = "\n".join(lines).partition("= jaxrng-doctor =")[2]
    hit = [line.split()[1] for line in lines if line.startswith("HITS") and line.split()[2] != "0"]
    assert len(hit) > 100
    silent = [stage for stage in hit if f"test_program[{stage}]" not in reported]
    assert silent == []
    assert faults.MESSAGE in reported
