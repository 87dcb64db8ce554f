"""Gaps are always reported, and fail a check with `--strict`."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

import jaxrng_doctor
from jaxrng_doctor.model.findings import Choices, Failure, Gap
from jaxrng_doctor.model.report import Report, TargetReport
from jaxrng_doctor.reports.formats import FORMATS
from jaxrng_doctor.reports.options import RenderOptions

pytest_plugins = ["pytester"]

HIDDEN = """
import jax
import jax.numpy as jnp
import numpy as np
from jax import random

def host(words):
    return np.zeros(3, np.float32)

def hidden(x, key):
    shape = jax.ShapeDtypeStruct((3,), jnp.float32)
    return x + jax.pure_callback(host, shape, random.key_data(key))

def clean(x, key):
    return x + random.normal(key, x.shape)
"""

ARGUMENTS = ("--arg", "x=f32[3]", "--arg", "key=key")


@pytest.fixture
def hidden(write):
    return write("hidden.py", HIDDEN)


def names(path):
    namespace = {"__name__": "hidden"}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    return namespace


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ((), 0),
        (("--strict",), 1),
        (("--strict", "--no-strict"), 0),
        (("--strict", "--fail-on", "never"), 1),
        (("--strict", "--select", "RNG001"), 1),
        (("--strict", "--ignore", "ALL"), 1),
        (("--strict", "--expect", "same"), 1),
        (("--strict", "--write-baseline", "known.json"), 1),
        (("--strict", "--add-ignores"), 1),
    ],
)
def test_a_gap_fails_a_strict_check_whatever_is_said_of_findings(flags, code, hidden, run_cli):
    done = run_cli("check", "hidden.py:hidden", *ARGUMENTS, *flags)
    assert done.returncode == code, done.stdout + done.stderr
    assert "All clear" not in done.stdout


def test_strict_passes_what_was_followed(hidden, run_cli):
    done = run_cli("check", "hidden.py:clean", *ARGUMENTS, "--strict", "--format", "json")
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert report["summary"]["complete"]
    assert report["targets"][0]["complete"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("all_targets", "hidden_one", "flags", "code"),
    [
        ("true", "", (), 1),
        ("true", "strict = false", (), 0),
        ("false", "strict = true", (), 1),
        ("true", "", ("--no-strict",), 0),
        ("true", "strict = false", ("--strict",), 1),
    ],
)
def test_strict_in_pyproject(all_targets, hidden_one, flags, code, hidden, write, run_cli):
    entries = [
        f'[[tool.jaxrng-doctor.targets]]\ntarget = "hidden.py:{name}"\n'
        f'args = {{ x = "f32[3]", key = "key" }}\n{own}\n'
        for name, own in (("hidden", hidden_one), ("clean", ""))
    ]
    table = f"[tool.jaxrng-doctor]\nstrict = {all_targets}\n"
    write("pyproject.toml", table + "\n".join(entries))
    done = run_cli("check", *flags, "--format", "json")
    assert done.returncode == code, done.stderr
    complete = {t["target"]: t["complete"] for t in json.loads(done.stdout)["targets"]}
    assert complete == {"hidden.py:hidden": False, "hidden.py:clean": True}


@pytest.mark.parametrize(("flags", "code"), [((), 0), (("--strict",), 1)])
def test_a_strict_run_fails_for_a_gap(flags, code, hidden, write, run_cli):
    write("script.py", "import jax, jax.numpy as jnp\nfrom hidden import hidden\n"
          "jax.jit(hidden)(jnp.ones(3), jax.random.key(0))\n")  # fmt: skip
    done = run_cli("run", *flags, "script.py")
    assert done.returncode == code, done.stderr
    assert "All clear" not in done.stderr


@pytest.mark.slow
def test_a_strict_run_keeps_the_programs_own_exit_code(write, run_cli):
    write(
        "leaves.py", HIDDEN + "\njax.jit(hidden)(jnp.ones(3), random.key(0))\nraise SystemExit(5)\n"
    )
    assert run_cli("run", "--strict", "leaves.py").returncode == 5


def test_raise_for_findings_with_gaps(hidden):
    import jax
    import jax.numpy as jnp

    found = names(hidden)
    report = jaxrng_doctor.check(found["hidden"], (jnp.ones(3), jax.random.key(0)))
    assert report.ok
    assert not report.complete
    assert not report.targets[0].complete
    report.raise_for_findings()
    with pytest.raises(jaxrng_doctor.FindingsError):
        report.raise_for_findings(gaps=True)
    followed = jaxrng_doctor.check(found["clean"], (jnp.ones(3), jax.random.key(0)))
    assert followed.complete
    followed.raise_for_findings(gaps=True)


def test_a_failure_is_not_complete():
    failed = TargetReport("t", failure=Failure("trace", "no"))
    assert not failed.complete
    assert not Report((failed, TargetReport("u")), "1", "2").complete


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("strict", [False, True])
def test_no_format_calls_a_gap_clear(format, strict):
    gap = TargetReport("f", gaps=(Gap("a callback gets a key"),), choices=Choices(strict=strict))
    text = FORMATS[format](Report((gap,), "1", "2"), RenderOptions())
    assert "all clear" not in text.lower()
    assert "a callback gets a key" in text


@pytest.mark.parametrize("strict", [False, True])
def test_junit_fails_for_a_gap_only_where_strict(strict):
    gap = TargetReport("f", gaps=(Gap("a callback gets a key"),), choices=Choices(strict=strict))
    root = ET.fromstring(FORMATS["junit"](Report((gap,), "1", "2"), RenderOptions()))
    failures = root.findall("testsuite/testcase/failure")
    assert [(f.get("type"), f.get("message")) for f in failures] == (
        [("gap", "a callback gets a key")] if strict else []
    )


TEST = (
    HIDDEN
    + """
def test_hidden():
    jax.jit(hidden)(jnp.ones(3), random.key(0))

def test_healthy():
    jax.jit(clean)(jnp.ones(3), random.key(0))
"""
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "setting", "failed"),
    [
        (("--jaxrng",), "", 0),
        (("--jaxrng", "--jaxrng-strict"), "", 1),
        (("--jaxrng=warn", "--jaxrng-strict"), "", 0),
        (("--jaxrng",), "strict = true", 1),
        (("--jaxrng-strict",), "", 0),
    ],
)
def test_pytest_fails_for_a_gap_only_where_strict(flags, setting, failed, pytester):
    pytester.makepyprojecttoml(f"[tool.jaxrng-doctor]\n{setting}\n")
    pytester.makepyfile(TEST)
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider", *flags)
    done.assert_outcomes(failed=failed, passed=2 - failed)
