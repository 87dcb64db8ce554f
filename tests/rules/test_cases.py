"""The findings in each function of `cases/` are exactly those that its comments mark.

A public function with the parameters `(x, key)` is a case; `x` is f32[4,3], `key` one
key. `# RNG001` ends the line of a draw that the rule flags, `# RNG002 (run)` the line of
one that it flags only if the keys are computed. If a rule decides from the trace alone,
its file sets `CONFIDENCE`: that of its findings, whether or not the function is run.
"""

import importlib.util
import inspect
import re
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import jaxrng_doctor
from jaxrng_doctor import rules
from jaxrng_doctor.checking import compare_outputs
from jaxrng_doctor.model.findings import Comparison
from jaxrng_doctor.rules.by_cause import ungrouped
from tests.coming import skip_if_refused

FILES = sorted(Path(__file__).parent.joinpath("cases").glob("*.py"))
RULES = [path for path in FILES if path.stem.startswith("rng")]

MARK = re.compile(r"# (RNG\d{3}(?:, RNG\d{3})*)( \(run\))?$")


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # tests/conftest.py looks for generators there
    spec.loader.exec_module(module)
    return module


def cases(path, module):
    for name, fn in vars(module).items():
        if inspect.isfunction(fn) and list(inspect.signature(fn).parameters) == ["x", "key"]:
            yield pytest.param(fn, id=f"{path.stem[:6]}-{name}")


MODULES = {path: load(path) for path in FILES}
CASES = {path: list(cases(path, module)) for path, module in MODULES.items()}
EVERY = [case for found in CASES.values() for case in found]


def marked(fn, run):
    """The `(line, code)` pairs that the comments of a case expect, with or without the run."""
    lines, first = inspect.getsourcelines(fn)
    return {
        (number, code)
        for number, line in enumerate(lines, start=first)
        if (mark := MARK.search(line)) and (run or not mark[2])
        for code in mark[1].split(", ")
    }


SURE = {
    path.stem[:6].upper(): module.CONFIDENCE
    for path, module in MODULES.items()
    if hasattr(module, "CONFIDENCE")
}
"""The confidence of the findings of each rule that decides from the trace alone."""

SELECT = ("ALL", *(rule.code for rule in rules.RULES if rule.stability == "preview"))

KINDS = {
    "typed-run": (jax.random.key, True),
    # Without a run one kind of keys is enough: tests/fuzz shows that the trace alone does not
    # depend on it.
    "typed-no-run": (jax.random.key, False),
    "legacy-run": (jax.random.PRNGKey, True),
}
ONE_IN = 5
"""One in this many cases is also checked with legacy keys. With the oldest JAX all cases are."""
COMPARED = 20
"""For one in this many the outputs of the first and the last example are compared, with the oldest
JAX for all: that takes most of the time, and does not change the findings.
"""


def checks():
    for number, case in enumerate(EVERY):
        for kind, (make, run) in KINDS.items():
            is_more = kind == "legacy-run" and number % ONE_IN
            marks = [pytest.mark.every_case] if is_more else []
            compares = number % COMPARED == 0
            name = f"{case.id}-{kind}"
            yield pytest.param(*case.values, make, run, compares, id=name, marks=marks)


@pytest.mark.parametrize(("fn", "make", "run", "compares"), list(checks()))
def test_the_findings_are_the_comments(fn, make, run, compares, monkeypatch, pytestconfig):
    if not compares and "not every_case" in pytestconfig.option.markexpr:
        left_out = Comparison(unavailable="left out by the test")
        monkeypatch.setattr(compare_outputs, "compare", lambda *_: left_out)
    x = jnp.arange(12.0).reshape(4, 3)

    def ask_jax_alone():
        if "RNG015" not in {code for _, code in marked(fn, run)}:  # its loops may never end
            skip_if_refused(fn, x, make(0))

    try:
        report = jaxrng_doctor.check(fn, (x, make(0)), run=run, select=SELECT)
    except jaxrng_doctor.TargetError:
        ask_jax_alone()
        raise
    if report.failures or report.gaps:
        ask_jax_alone()

    parts = list(ungrouped(report.findings))
    assert {(f.place.line, f.code) for f in parts} == marked(fn, run)
    for f in parts:
        assert f.confidence == SURE.get(f.code, "proven" if run else "inferred")
    assert report.gaps == ()
    assert report.failures == ()


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_each_rule_has_cases_of_both_kinds(path):
    code = path.stem[:6].upper()
    functions = [case.values[0] for case in CASES[path]]
    bad = [fn for fn in functions if code in {c for _, c in marked(fn, run=True)}]
    good = [fn for fn in functions if not marked(fn, run=True)]
    assert len(bad) >= 8, f"{path.name} has {len(bad)} functions with # {code}, and needs 8"
    assert len(good) >= 8, f"{path.name} has {len(good)} functions without findings, and needs 8"
