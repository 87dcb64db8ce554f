"""Generated pages are up to date, and the examples on a rule's page have the stated findings.

An "Example" in a rule's docstring is the body of a function of `x` (f32[32,10]) and `key` that
returns the value of its last line; `jax`, `jnp`, `np`, `lax`, `random` and `add_noise(x, key)` are
defined. If the last line is an assignment, all values assigned to a single name are returned; if
it ends a function, that function is called with arguments named like its parameters. "Use instead"
may use the functions of "Example"; if it consists of functions only, they replace those of the
same name.
"""

import ast
import inspect
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import jaxrng_doctor
from jaxrng_doctor import testing
from jaxrng_doctor.rules import RULES

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import generate  # noqa: E402
import pages  # noqa: E402
import picture  # noqa: E402

SECTIONS = [
    "What it does",
    "Why is this bad?",
    "Example",
    "Use instead",
    "When it is intended",
    "How it is proven",
]

PRELUDE = """\
import random

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def add_noise(x, key):
    return x + jax.random.normal(key, x.shape)


def program(x, key):
"""

PAGES = sorted(ROOT.glob("docs/**/*.md"))
PICTURES = sorted(ROOT.glob("docs/pictures/*.svg"))
EXPLANATIONS = sorted(ROOT.glob("docs/explanation/*.md"))


def name_of(page):
    return page.relative_to(ROOT).as_posix()


every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)


def sections(rule):
    """The text under each heading of a rule's docstring."""
    _, *parts = re.split(r"^## (.*)\n", inspect.cleandoc(rule.doc), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def snippets(rule, section):
    return re.findall(r"^```python\n(.*?)^```$", sections(rule)[section], re.MULTILINE | re.DOTALL)


def as_program(snippet):
    """A module whose `program(x, key)` runs the snippet and returns its result."""
    nodes = ast.parse(snippet).body
    lines = snippet.splitlines(keepends=True)
    match nodes[-1]:
        case ast.Expr(lineno=line):
            lines[line - 1] = f"return {lines[line - 1]}"
        case ast.FunctionDef(name=name, args=arguments):
            given = ", ".join(a.arg for a in arguments.args)
            lines.append(f"return {name}({given})\n")
        case ast.Assign():
            targets = [node.targets[0] for node in nodes if isinstance(node, ast.Assign)]
            names = dict.fromkeys(t.id for t in targets if isinstance(t, ast.Name))
            lines.append(f"return {', '.join(names)}\n")
        case _:
            raise ValueError(f"a snippet ends in a value, a function or an assignment:\n{snippet}")
    return PRELUDE + "".join(f"    {line}" if line.strip() else line for line in lines)


def functions_of(snippet):
    """The text of each function that the snippet defines, by name."""
    lines = snippet.splitlines(keepends=True)
    return {
        node.name: "".join(lines[node.lineno - len(node.decorator_list) - 1 : node.end_lineno])
        for node in ast.parse(snippet).body
        if isinstance(node, ast.FunctionDef)
    }


def fixed_program(example, fix):
    """The program of a "Use instead" snippet, given the "Example"."""
    old, new = functions_of(example), functions_of(fix)
    if not old or len(new) < len(ast.parse(fix).body):
        return "".join(old.values()) + fix
    for name in old.keys() & new.keys():
        example = example.replace(old[name], new[name])
    return example


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory, cli_environment):
    """The report of each snippet, by rule code, section and number, checked with two devices."""
    folder = tmp_path_factory.mktemp("snippets")
    names = {}
    watched = {}
    for rule in RULES:
        examples, fixes = snippets(rule, "Example"), snippets(rule, "Use instead")
        fixes = [fixed_program(examples[0], fix) for fix in fixes]
        for section, found in (("Example", examples), ("Use instead", fixes)):
            for number, snippet in enumerate(found):
                path = folder / f"{rule.code.lower()}_{section[:3].lower()}_{number}.py"
                key = (rule.code, section, number)
                if rule.code in WATCHED:
                    path.write_text(SCRIPT + snippet, encoding="utf-8")
                    watched[key] = verdict_on_script(path, cli_environment)
                    continue
                path.write_text(as_program(snippet), encoding="utf-8")
                names[f"{path.name}:program"] = key
    # Some of the bad examples do not terminate.
    flags = ["--arg", "x=f32[32,10]", "--timeout", "10", "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "jaxrng_doctor", "check", *names, *flags],
        cwd=folder,
        env={**cli_environment, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.stdout, done.stderr
    checked = {names[target["target"]]: target for target in json.loads(done.stdout)["targets"]}
    return checked | watched


WATCHED = {"RNG014"}
"""The rules that need several calls: their snippets are run as scripts."""

SCRIPT = "import jax\nimport jax.numpy as jnp\n\nparams = jnp.zeros(3)\n\n"


def verdict_on_script(path, environment):
    """The report of `run` on a script, with all targets merged into one."""
    done = subprocess.run(
        [sys.executable, "-m", "jaxrng_doctor", "run", "--format", "json", path],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    targets = json.loads(done.stderr)["targets"]
    together = ("findings", "draws", "gaps", "suppressed")
    return targets[-1] | {part: [x for t in targets for x in t[part]] for part in together}


def said_of(rule, section, verdicts):
    """The reports of the snippets of a section, which has at least one."""
    said = [verdicts[rule.code, section, n] for n in range(len(snippets(rule, section)))]
    assert said
    return said


def test_what_is_generated_is_up_to_date(cli_environment):
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        env=cli_environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "all up to date\n"), done.stdout + done.stderr


def test_what_is_stale_is_noticed_and_written(tmp_path):
    made = {"README.md": "one", "docs/rules/RNG001.md": "two"}
    assert generate.stale(tmp_path, made) == ["README.md", "docs/rules/RNG001.md"]
    generate.write(tmp_path, made)
    assert generate.stale(tmp_path, made) == []
    (tmp_path / "README.md").write_text("another")
    (tmp_path / "docs" / "rules" / "RNG999.md").write_text("of a rule that is gone")
    assert generate.stale(tmp_path, made) == ["README.md", "docs/rules/RNG999.md"]
    generate.write(tmp_path, made)
    assert generate.stale(tmp_path, made) == []


def test_every_rule_is_in_the_list_and_has_its_page():
    listed = (ROOT / "docs" / "rules" / "README.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert f"| [{rule.code}]({rule.code}.md) | {rule.name} |" in listed
        page = (ROOT / "docs" / "rules" / f"{rule.code}.md").read_text(encoding="utf-8")
        assert f"\n# {rule.code} {rule.name}\n" in page
        assert rule.doc.strip() in page


def test_every_public_name_is_in_the_python_reference():
    reference = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    headings = re.findall(r"^##+ (\w+)$", reference, re.MULTILINE)
    public = {n: jaxrng_doctor for n in jaxrng_doctor.__all__ if n != "__version__"}
    public |= dict.fromkeys(testing.__all__, testing)
    assert sorted(headings) == sorted(public)
    for name, module in public.items():
        assert inspect.getdoc(getattr(module, name)) in reference


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    inside = [link.partition("#") for link in links if "://" not in link]
    assert [to for to, _, _ in inside if not (page.parent / to).exists()] == []
    wrong = [
        f"{to}#{heading}"
        for to, _, heading in inside
        if heading and heading not in anchors(page.parent / to if to else page)
    ]
    assert wrong == []


def anchors(page):
    """The anchors of a page's headings, as GitHub and the site generate them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [ROOT / "docs/architecture.md", *EXPLANATIONS], ids=name_of)
def test_every_module_that_is_named_exists(page):
    """Checks the paths with a slash, relative to the package or to the repository."""
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:\w+/)+(?:\w+\.\w+)?)`", text)
    roots = [ROOT / "jaxrng_doctor", ROOT]
    assert [path for path in named if not any((root / path).exists() for root in roots)] == []


def test_every_package_is_in_the_architecture():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    packages = [path.parent.name for path in ROOT.glob("jaxrng_doctor/*/__init__.py")]
    assert len(packages) > 5
    assert [name for name in packages if f"| `{name}/` |" not in text] == []


def test_a_picture_has_the_words_and_colours_of_the_text():
    drawn = picture.svg(
        "\x1b[1;31merror\x1b[0m: a < b  &\n\n  \x1b[38;5;16;48;5;167mAA\x1b[0m", "A"
    )
    root = ET.fromstring(drawn)
    texts = [e for e in root.iter() if e.tag.endswith("}text")]
    assert [e.text.replace("\xa0", " ") for e in texts] == ["error", ": a < b  &", "AA"]
    assert texts[0].get("font-weight") == "bold"
    assert len({texts[0].get("fill"), texts[1].get("fill"), texts[2].get("fill")}) == 3
    top, bottom = float(texts[0].get("y")), float(texts[2].get("y"))
    assert bottom - top == 2 * picture.LINE
    assert float(texts[2].get("x")) == pytest.approx(picture.MARGIN + 2 * picture.CELL, abs=0.1)
    paper, behind = (e for e in root.iter() if e.tag.endswith("}rect"))
    assert behind.get("x") == texts[2].get("x")
    assert behind.get("fill") != paper.get("fill")


@pytest.mark.parametrize("path", PICTURES, ids=name_of)
def test_a_picture_fetches_nothing_and_has_words(path):
    drawn = path.read_text(encoding="utf-8")
    root = ET.fromstring(drawn)
    assert len([e for e in root.iter() if e.tag.endswith("}text")]) > 5
    assert root[0].tag.endswith("}title")
    assert re.findall(r"url\((?!#)|href|@import|<script", drawn) == []
    assert re.findall(r"https?://[^\"]*", drawn) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize("path", PICTURES, ids=name_of)
def test_a_picture_is_on_a_page(path):
    texts = [page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *PAGES]]
    assert any(f"pictures/{path.name})" in text for text in texts)


@pytest.mark.parametrize("name", ["pipeline", "kept-vmap", "lattice"])
def test_a_drawn_picture_has_colours_for_dark_pages(name):
    drawn = (ROOT / "docs" / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    light, dark = drawn.split("@media (prefers-color-scheme: dark)")
    coloured = re.compile(r"\.?\w+(?= \{[^}]*(?:fill|stroke): #)")
    used = set(coloured.findall(light.partition("<style>")[2]))
    assert used
    assert used == set(coloured.findall(dark.partition("</style>")[0]))


def test_the_picture_of_the_report_shows_the_first_command():
    drawn = (ROOT / "docs" / "pictures" / "report.svg").read_text(encoding="utf-8")
    assert "RNG001" in drawn


def test_codes_and_names_are_unique():
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert [rule.code for rule in RULES] == sorted(rule.code for rule in RULES)


def test_a_rule_lives_in_the_file_of_its_code_and_name():
    files = {path.stem for path in ROOT.glob("jaxrng_doctor/rules/rng*.py")}
    assert files == {pages.rule_module(rule) for rule in RULES}


@every_rule
def test_a_rule_says_all_that_there_is_to_say(rule):
    assert re.fullmatch(r"RNG\d{3}", rule.code)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", rule.name)
    assert rule.summary.endswith(".")
    assert "## " not in rule.summary
    reported = sections(rule)
    assert list(reported) == SECTIONS
    assert [heading for heading, text in reported.items() if not text.strip()] == []


@every_rule
def test_the_comment_that_a_rule_suggests_names_it(rule):
    intended = sections(rule)["When it is intended"]
    assert set(re.findall(r"jaxrng: ignore\[(\w+)\]", intended)) <= {rule.code}


@pytest.mark.slow
@every_rule
def test_the_example_is_flagged(rule, verdicts):
    for verdict in said_of(rule, "Example", verdicts):
        codes = [code for f in verdict["findings"] for code in (f["code"], *f["also"])]
        assert rule.code in codes, verdict


@pytest.mark.slow
@every_rule
def test_what_to_use_instead_is_clean(rule, verdicts):
    for verdict in said_of(rule, "Use instead", verdicts):
        assert verdict["draws"], verdict
        assert verdict["findings"] == []
        assert verdict["gaps"] == []
        assert verdict["failure"] is None
