"""A rule is defined in its module: no other module names it, and each field has an effect."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import get_args

import jax
import jax.numpy as jnp
import pytest

import jaxrng_doctor
from jaxrng_doctor import rules
from jaxrng_doctor.model.facts import DrawFacts, ProgramFacts, ScopeFacts, Variation
from jaxrng_doctor.model.findings import Choices, Evidence, Finding, Place, Scope, ScopeKind
from jaxrng_doctor.rules.rule import Rule, of_each_draw
from jaxrng_doctor.suppression import policy

pytestmark = pytest.mark.one_jax

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "jaxrng_doctor"
KEY = jax.random.key(0)

PROSE = {
    "config/schema.py",  # examples of settings
    "frontends/commands/explain.py",  # an example of a command
    "frontends/commands/selfcheck_programs.py",  # the expected findings of its programs
    "frontends/pytest_plugin.py",  # an example of a mark
}
ELSEWHERE = {
    "RNG014": "tests/watching/test_watch.py",
    "RNG900": "tests/suppression/test_accepted.py",
}
"""The rules that one call of a function cannot show, and the tests that have their cases."""


def strings_with_codes(text):
    """The strings of a module that name a rule, except for docstrings."""
    tree = ast.parse(text)
    # A string that is a whole statement is a docstring.
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
        if re.search(r"RNG\d|^RNG$", node.value)
    ]


@pytest.mark.parametrize("code", ["x = {'RNG001'}", "x == 'RNG'", "f'see (RNG015) {x}'"])
def test_a_string_that_names_a_rule_is_noticed(code):
    assert strings_with_codes(code)


@pytest.mark.parametrize("kind", get_args(ScopeKind))
def test_some_rule_reports_a_key_that_is_shared_over_each_kind_of_scope(kind):
    scope = ScopeFacts(
        Scope(kind, 4, "f", varies=False, distinct=1),
        Variation.CONSTANT,
        evidence=Evidence(4, 1, (0, 0, 0, 0), (0, 1), "0 0"),
        called=kind,
        meets=True,
    )
    draw = DrawFacts("jax.random.normal", (), Place("/no/a.py", 1), "key", (scope,))
    found, gaps = rules.judge(ProgramFacts(draws=(draw,)))
    assert [(f.severity, f.confidence) for f in found] == [("error", "proven")]
    assert gaps == ()


def test_no_module_but_its_own_names_a_rule():
    named = {
        module.relative_to(PACKAGE).as_posix()
        for module in PACKAGE.rglob("*.py")
        if strings_with_codes(module.read_text(encoding="utf-8"))
    }
    assert {path for path in named - PROSE if not path.startswith("rules/")} == set()
    assert named >= PROSE, "an exception that is no longer needed"


def test_no_rule_imports_another():
    for module in PACKAGE.glob("rules/rng*.py"):
        assert "rules.rng" not in module.read_text(encoding="utf-8"), module.name


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.code)
def test_a_rule_has_cases(rule):
    if rule.code in ELSEWHERE:
        assert rule.code in (ROOT / ELSEWHERE[rule.code]).read_text(encoding="utf-8")
    else:
        name = f"{rule.code.lower()}_{rule.name.replace('-', '_')}.py"
        assert (Path(__file__).parent / "cases" / name).is_file()


def test_nothing_of_a_rule_is_left_to_write():
    files = [*PACKAGE.glob("rules/*.py"), *Path(__file__).parent.glob("cases/*.py")]
    left = [
        f"{path.relative_to(ROOT).as_posix()}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if "TODO" in line
    ]
    assert left == []


# -- discovery -------------------------------------------------------------------------------


def run_python(code, *paths, **options):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={"PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


def test_the_rules_are_found_in_a_zip_too(tmp_path):
    archive = tmp_path / "package.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in PACKAGE.rglob("*.py"):
            file.write(path, path.relative_to(ROOT))
    code = """
        import json
        from jaxrng_doctor import rules
        print(json.dumps([rules.__file__, rules.CODES]))
    """
    done = run_python(code, archive, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    where, codes = json.loads(done.stdout)
    assert where.startswith(str(archive))
    assert tuple(codes) == rules.CODES


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "rng990_no_rule defines no RULE"),
        ("RULE = 'RNG990'", "rng990_no_rule defines no RULE"),
        (
            "from jaxrng_doctor.rules.rule import Rule\n"
            "RULE = Rule('RNG991', 'no-rule', 'note', lambda program: (), __doc__)",
            "rng990_no_rule defines RNG991 no-rule: rename one of them",
        ),
    ],
)
def test_a_module_that_is_no_rule_of_its_name_is_an_error(tmp_path, text, fault):
    copy = tmp_path / "jaxrng_doctor"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "rules" / "rng990_no_rule.py").write_text(text, encoding="utf-8")
    done = run_python("import jaxrng_doctor.rules", tmp_path, cwd=tmp_path)
    assert done.returncode == 1
    assert fault in done.stderr


# -- fields ----------------------------------------------------------------------------------


def found(draw: DrawFacts) -> Finding:
    return Finding("RNG998", "trial-rule", "error", "proven", "a draw", draw.place)


TRIAL = Rule("RNG998", "trial-rule", "error", of_each_draw(found), "Finds every draw.\n\nMore.")
PREVIEW = replace(TRIAL, stability="preview")


@pytest.fixture
def register(monkeypatch):
    """Add a rule to `rules.RULES`."""

    def add(rule):
        monkeypatch.setattr(rules, "RULES", (*rules.RULES, rule))
        return rule

    return add


def codes(report):
    return [finding.code for finding in report.findings]


def draw_once(x, key):
    return x + jax.random.normal(key, x.shape)


@pytest.mark.parametrize(
    ("select", "is_on"),
    [
        (None, False),
        (["ALL"], False),
        (["RNG"], False),
        (["RNG99"], False),
        (["RNG998"], True),
        ([" rng998"], True),
        (["ALL", "RNG998"], True),
    ],
)
def test_a_preview_rule_is_on_only_where_its_exact_code_is_selected(register, select, is_on):
    register(PREVIEW)
    report = jaxrng_doctor.check(draw_once, (jnp.zeros(3), KEY), select=select)
    assert codes(report) == ["RNG998"] * is_on

    with jaxrng_doctor.watch(select=select) as watched:
        jax.jit(draw_once)(jnp.zeros(3), KEY)
    assert codes(watched) == ["RNG998"] * is_on


def test_a_stable_rule_is_on(register):
    register(TRIAL)
    assert codes(jaxrng_doctor.check(draw_once, (jnp.zeros(3), KEY))) == ["RNG998"]


def test_a_preview_rule_can_be_selected_and_ignored(register):
    register(PREVIEW)
    place = Place("/no/such/file.py", 1)
    finding = replace(found(DrawFacts("normal", (), place, "key", ())), place=place)
    assert policy.apply([finding], Choices(("RNG998",)))[0] == (finding,)
    assert policy.apply([finding], Choices(("RNG998",), ("RNG998",)))[0] == ()
    assert policy.apply([finding], Choices())[0] == ()


def test_a_preview_rule_that_fails_is_a_gap_only_where_it_is_on(register):
    def fails(program):
        raise RuntimeError("no such luck")

    register(replace(PREVIEW, check=fails))
    args = (jnp.zeros(3), KEY)
    assert jaxrng_doctor.check(draw_once, args).gaps == ()
    (gap,) = jaxrng_doctor.check(draw_once, args, select=["RNG998"]).gaps
    assert gap.message == "RNG998 could not be checked: RuntimeError: no such luck"


def test_a_comment_about_a_preview_rule_that_is_off_is_not_judged(register, fresh_imports, write):
    register(replace(PREVIEW, check=lambda program: ()))
    write(
        "commented.py",
        """
        import jax

        def draw_once(x, key):
            return x + jax.random.normal(key, x.shape)  # jaxrng: ignore[RNG998] for later
        """,
    )
    sys.path.insert(0, str(fresh_imports))
    import commented

    args = (jnp.zeros(3), KEY)
    assert codes(jaxrng_doctor.check(commented.draw_once, args)) == []
    select = ["RNG998", "RNG900"]
    assert codes(jaxrng_doctor.check(commented.draw_once, args, select=select)) == ["RNG900"]


def test_the_page_of_a_preview_rule_says_so():
    assert PREVIEW.summary == "Preview: Finds every draw."
    assert PREVIEW.text.doc == (
        "This rule is in preview: it may change or go in any version, and is off unless `select` "
        "has its exact code, as in `--select ALL,RNG998`.\n\nFinds every draw.\n\nMore."
    )
    assert (TRIAL.summary, TRIAL.text.doc) == ("Finds every draw.", "Finds every draw.\n\nMore.")


def test_expect_same_suppresses_the_rules_that_share(register):
    register(replace(TRIAL, shares=True))
    report = jaxrng_doctor.check(draw_once, (jnp.zeros(3), KEY), expect="same")
    assert codes(report) == []
    assert [(s.finding.code, s.by) for s in report.suppressed] == [("RNG998", "expect")]


def test_expect_same_suppresses_no_other_rule(register):
    register(TRIAL)
    report = jaxrng_doctor.check(draw_once, (jnp.zeros(3), KEY), expect="same")
    assert codes(report) == ["RNG998"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"forbids_run_with": frozenset({"rbg"})}, ""),
        ({"forbids_run_with": frozenset({"fry"}), "stability": "preview"}, ""),
        ({"forbids_run_with": frozenset({"fry"}), "check": lambda program: ()}, ""),
        ({"forbids_run_with": frozenset({"fry"})}, "not run: it may not terminate (RNG998)"),
    ],
)
def test_a_rule_can_forbid_the_run(register, changes, why):
    register(replace(TRIAL, **changes))
    report = jaxrng_doctor.check(jax.vmap(draw_once), (jnp.zeros((4, 3)), jax.random.split(KEY, 4)))
    (target,) = report.targets
    assert target.comparison.unavailable == why


def test_a_rule_about_comments_is_not_suppressed_by_a_comment_without_codes(
    register, fresh_imports, write
):
    write(
        "commented.py",
        """
        import jax

        def draw_once(x, key):
            return x + jax.random.normal(key, x.shape)  # jaxrng: ignore
        """,
    )
    sys.path.insert(0, str(fresh_imports))
    import commented

    args = (jnp.zeros(3), KEY)
    rule = register(TRIAL)
    report = jaxrng_doctor.check(commented.draw_once, args)
    assert [s.finding.code for s in report.suppressed] == [rule.code]
    register(replace(TRIAL, code="RNG997", checks_comments=True))
    rules.RULES = tuple(r for r in rules.RULES if r is not rule)
    place = report.suppressed[0].finding.place
    finding = Finding("RNG997", "trial-rule", "error", "proven", "a comment", place)
    assert policy.apply([finding], Choices())[0] == (finding,)


def test_what_is_judged_is_plain_data():
    assert rules.judge(ProgramFacts()) == ((), ())
