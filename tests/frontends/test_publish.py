"""`--format` and `--output`: several reports from one command."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import junitparser
import pytest

from jaxrng_doctor.frontends.report_files import destinations
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.reports.formats import FORMATS

ROOT = Path(__file__).parents[2]

NOISE = """
import jax


def add_noise(x, key):
    return x + jax.random.normal(key, x.shape)


def shared(x, key):
    return jax.vmap(add_noise, in_axes=(0, None))(x, key)
"""

CHECK = ("check", "noise.py:shared", "--arg", "x=f32[4,3]", "--no-run")


@pytest.fixture
def noise(write):
    return write("noise.py", NOISE).parent


def flags(*formats):
    return [part for format in formats for part in ("--format", format)]


def sarif(path):
    document = json.loads(path.read_text(encoding="utf-8"))
    schema = ROOT / "tests" / "reports" / "schemas" / "sarif-schema-2.1.0.json"
    jsonschema.Draft4Validator(json.loads(schema.read_text(encoding="utf-8"))).validate(document)
    return document["runs"][0]


def test_every_format_at_once(run_cli, noise):
    files = [f"{name}:report.{name}" for name in FORMATS if name != "terminal"]
    done = run_cli(*CHECK, *flags(*files, "terminal"))
    assert done.returncode == 1
    assert "error[RNG001]" in done.stdout
    run = sarif(noise / "report.sarif")
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == {
        "uri": "noise.py",
        "uriBaseId": "%SRCROOT%",
    }
    assert len(run["tool"]["driver"]["rules"]) > 10
    report = json.loads((noise / "report.json").read_text(encoding="utf-8"))
    assert report["targets"][0]["findings"][0]["code"] == "RNG001"
    (suite,) = junitparser.JUnitXml.fromfile(str(noise / "report.junit"))
    assert (suite.tests, suite.failures) == (1, 1)
    assert (noise / "report.github").read_text().startswith(f"::error file={noise / 'noise.py'},")
    assert (noise / "report.markdown").read_text().startswith("## jaxrng-doctor: 1 error, ")
    assert "\x1b" not in "".join((noise / f.partition(":")[2]).read_text() for f in files)


def test_only_files_leave_stdout_empty(run_cli, noise):
    done = run_cli(*CHECK, *flags("sarif:a.sarif", "markdown:b.md"))
    assert (done.returncode, done.stdout) == (1, "")
    assert sarif(noise / "a.sarif")["results"]


def test_output_is_for_one_format(run_cli, noise):
    done = run_cli(*CHECK, "--format", "junit", "--output", "report.xml")
    assert (done.returncode, done.stdout) == (1, "")
    assert ET.parse(noise / "report.xml").getroot().tag == "testsuites"


@pytest.mark.parametrize(
    ("formats", "file", "words"),
    [
        (
            ["terminal", "json"],
            None,
            "--format terminal and --format json both write to the same stream",
        ),
        (["json:r", "sarif:./r"], None, "both write to"),
        (["json:new", "sarif:here/new"], None, "both write to"),
        (["json:r", "sarif:link"], None, "both write to"),
        (["sarif:"], None, "--format sarif:: missing file name\nuse --format sarif or"),
        (["sarf:r"], None, "did you mean sarif?"),
        (["json:new", "sarif:none/r"], None, "--format sarif:none/r: the folder"),
        (["sarif:."], None, "--format sarif:. is a folder"),
        (["json", "sarif:r"], "q", "--output needs exactly one --format"),
        (["json:r"], "q", "--output needs exactly one --format"),
        ([], "none/q", "--output none/q: the folder"),
    ],
)
def test_what_cannot_be(fresh_imports, formats, file, words):
    (fresh_imports / "r").write_text("old")
    (fresh_imports / "link").symlink_to("r")
    (fresh_imports / "here").symlink_to(".")
    with pytest.raises(UsageError) as refused:
        destinations(formats, None if file is None else Path(file))
    assert words in str(refused.value)
    assert {path.name for path in fresh_imports.iterdir()} == {"r", "link", "here"}
    assert (fresh_imports / "r").read_text() == "old"


def test_bad_usage_is_reported_before_any_work(run_cli, write):
    folder = write("noise.py", "raise SystemExit('the module was imported')").parent
    for command in (CHECK, ("run", "noise.py")):
        done = run_cli(command[0], *flags("json:new", "sarif:none/r"), *command[1:])
        assert done.stderr.startswith("error: --format sarif:none/r: the folder")
        assert (done.returncode, done.stdout) == (2, "")
        assert not (folder / "new").exists()


def test_the_help_lists_every_format(run_cli):
    for command in ("check", "run"):
        shown = run_cli(command, "--help", env={"COLUMNS": "300"}).stdout
        assert [name for name in FORMATS if name not in shown] == []


def test_the_page_of_the_command_line_lists_every_format():
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    table = page.partition("## Formats")[2].partition("\n\n`")[0]
    assert {name for name in FORMATS if f"| `{name}` |" in table} == set(FORMATS)


def test_junit_fails_where_the_exit_code_does(run_cli, noise):
    done = run_cli(*CHECK, "--fail-on", "never", *flags("junit:report.xml"))
    assert done.returncode == 0
    (suite,) = junitparser.JUnitXml.fromfile(str(noise / "report.xml"))
    assert (suite.failures, suite.errors) == (0, 0)


@pytest.mark.slow
def test_fingerprints_survive_a_shifted_line(run_cli, noise):
    def results():
        run_cli(*CHECK, *flags("sarif:report.sarif"))
        (result,) = sarif(noise / "report.sarif")["results"]
        region = result["locations"][0]["physicalLocation"]["region"]
        return result["partialFingerprints"], region["startLine"]

    before, line = results()
    (noise / "noise.py").write_text(
        "# new\n\n" + NOISE.replace("    return x", "    y = 1\n    return x")
    )
    assert results() == (before, line + 3)
    (noise / "noise.py").write_text(NOISE.replace("x.shape", "(3,)"))
    assert results()[0] != before


@pytest.mark.slow
def test_a_program_that_is_run(run_cli, noise, write):
    write("elsewhere/kept.txt", "")
    write(
        "train.py",
        "import os, jax, jax.numpy as jnp\n"
        "from noise import shared\n"
        "jax.jit(shared)(jnp.zeros((4, 3)), jax.random.key(0))\n"
        "os.chdir('elsewhere')\n"
        "print('done')\n",
    )
    done = run_cli("run", *flags("sarif:report.sarif", "markdown:report.md", "github"), "train.py")
    assert (done.returncode, done.stdout) == (1, "done\n")
    assert done.stderr.startswith("::error file=")
    results = sarif(noise / "report.sarif")["results"]
    assert [result["ruleId"] for result in results] == ["RNG001"]
    place = results[0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "noise.py", "uriBaseId": "%SRCROOT%"}
    assert "noise.py:6:16" in (noise / "report.md").read_text()
