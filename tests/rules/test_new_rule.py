"""`make new-rule` in a copy of the tree: what it writes, refuses and leaves to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.one_jax]

ROOT = Path(__file__).parent.parent.parent
COPIED = (".ci", "docs", "jaxrng_doctor", "tests", "Makefile", "README.md", "pyproject.toml")


@pytest.fixture
def tree(tmp_path):
    """A copy of what the skeleton, its page and its tests need."""
    for name in COPIED:
        source, copy = ROOT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    return tmp_path


@pytest.fixture
def run(tree, cli_environment):
    """Run Python in the copy."""

    def run_python(*args):
        return subprocess.run(
            [sys.executable, *map(str, args)],
            cwd=tree,
            env={**cli_environment, "PYTHONPATH": str(tree)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run_python


def files(tree):
    return {
        path.relative_to(tree).as_posix(): path.read_bytes()
        for path in tree.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_a_new_rule(tree, run):
    before = files(tree)
    done = run(".ci/new-rule", "RNG899", "trial-rule")
    assert done.returncode == 0, done.stderr
    module = "jaxrng_doctor/rules/rng899_trial_rule.py"
    cases = "tests/rules/cases/rng899_trial_rule.py"
    after = files(tree)
    assert after.keys() - before.keys() == {module, cases}
    assert {name for name in before if before[name] != after[name]} == set()
    assert module in done.stdout
    assert cases in done.stdout

    listed = run("-m", "jaxrng_doctor", "rules")
    assert "RNG899  trial-rule " in listed.stdout, listed.stderr
    pages = "import pages; from jaxrng_doctor import rules; print(pages.rule_page(rules.RULES[-2]))"
    page = run("-c", f"import sys; sys.path.append('docs'); {pages}")
    assert "# RNG899 trial-rule\n" in page.stdout, page.stderr
    formatted = run("-m", "ruff", "format", "--check", module, cases)
    assert formatted.returncode == 0, formatted.stdout + formatted.stderr

    # The skeleton is a rule that finds nothing, and the tests report what is missing.
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist")
    names = "RNG899 or rng899_trial_rule or left_to_write"
    tested = run(
        *("-m", "pytest", *options, "-k", names),
        *("tests/rules/test_rules.py", "tests/rules/test_cases.py"),
    )
    assert tested.returncode == 1, tested.stderr
    failures = [line for line in tested.stdout.splitlines() if line.startswith("FAILED")]
    assert [line.split("::")[1].split()[0] for line in failures] == [
        "test_nothing_of_a_rule_is_left_to_write",
        "test_each_rule_has_cases_of_both_kinds[rng899_trial_rule]",
    ]
    assert f"{module}:1: " in tested.stdout
    assert "rng899_trial_rule.py has 0 functions with # RNG899, and needs 8" in tested.stdout


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ([], "usage: make new-rule CODE=RNG016 NAME=short-name"),
        (["", ""], "CODE= must be RNG and three digits"),
        (["RNG16", "trial-rule"], "CODE=RNG16 must be RNG and three digits"),
        (["rng899", "trial-rule"], "CODE=rng899 must be RNG and three digits"),
        (["RNG899", "trial"], "NAME=trial must be lowercase words joined by -"),
        (["RNG899", "Trial_Rule"], "NAME=Trial_Rule must be lowercase words joined by -"),
        (["RNG005", "trial-rule"], "RNG005 exists: jaxrng_doctor/rules/rng005_reused_key.py"),
        (["RNG899", "reused-key"], "reused-key is the name of RNG005"),
    ],
)
def test_what_is_refused(tree, run, given, fault):
    before = files(tree)
    done = run(".ci/new-rule", *given)
    assert done.returncode == 2
    assert fault in done.stderr
    assert files(tree) == before


def test_make_runs_it_and_writes_the_page():
    """Checked by `make -n`: `docs/generate.py`, which writes the page, has its own tests."""
    done = subprocess.run(
        ["make", "-n", "-o", ".venv/made", "new-rule", "CODE=RNG899", "NAME=trial-rule"],
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert first.endswith('.ci/new-rule "RNG899" "trial-rule"')
    assert second.endswith("docs/generate.py")
