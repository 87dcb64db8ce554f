"""The recipes for CI, run with the real tools as far as one machine allows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.ci_recipes import ROOT, borrowing, build, condition, expression, lend, outputs, recipes

pytestmark = pytest.mark.slow

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: no recipe was tried")
pytest.importorskip("build", reason="build is not installed: no recipe was tried")
pytest.importorskip("hatchling", reason="hatchling is not installed: no recipe was tried")

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "scratch"
version = "1"

[tool.hatch.build.targets.wheel]
include = ["noise.py"]

[[tool.jaxrng-doctor.targets]]
target = "noise.py:noisy"
args = { x = "f32[4]", key = "key" }
"""

SHARED = """
import jax


def noisy(x, key):
    return jax.vmap(lambda x: x + jax.random.normal(key))(x)
"""

FIXED = """
import jax


def noisy(x, key):
    return jax.vmap(lambda x, k: x + jax.random.normal(k))(x, jax.random.split(key, len(x)))
"""


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which pip installs this jaxrng-doctor, and which has its dependencies."""
    folder = tmp_path_factory.mktemp("tools")
    wheels = folder / "wheels"
    build(wheels, "wheel")
    return borrowing(lend(folder / "lent"), wheels, folder)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one function, which draws the same noise for every example."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "noise.py").write_text(SHARED)
    return folder


def tool(name: str) -> str:
    """The path of a tool of this environment; the test is skipped if it is missing."""
    found = shutil.which(
        name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    if found is None:
        pytest.skip(f"{name} is not installed: its recipe was not tried")
    return found


def run(
    command: list[str], folder: Path, environment: dict[str, str], **more: Any
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
        **more,
    )


def fails_then_passes(
    attempt: Callable[[], subprocess.CompletedProcess[str]], project: Path
) -> None:
    """Assert that the recipe reports RNG001 and fails, and passes once the keys are split."""
    done = attempt()
    assert done.returncode != 0, done.stdout
    assert "RNG001" in done.stdout
    (project / "noise.py").write_text(FIXED)
    done = attempt()
    assert done.returncode == 0, done.stdout


def in_a_venv(folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """The environment of a shell in a new virtual environment."""
    venv.create(folder, with_pip=True, symlinks=True)
    return {**environment, "PATH": f"{folder / 'bin'}{os.pathsep}{environment['PATH']}"}


@pytest.mark.parametrize("which", [0, 1], ids=["local", "repository"])
def test_pre_commit(tools: dict[str, str], project: Path, tmp_path: Path, which: int) -> None:
    pre_commit, git = tool("pre-commit"), tool("git")
    recipe = yaml.safe_load(recipes()[".pre-commit-config.yaml"][which])
    environment = {**tools, "PRE_COMMIT_HOME": str(tmp_path / "home")}
    identity = ["-c", "user.name=x", "-c", "user.email=x@x"]

    def commit(folder: Path) -> str:
        for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "x"]):
            assert run([git, *command], folder, environment).returncode == 0
        return run([git, "rev-parse", "HEAD"], folder, environment).stdout.strip()

    if which == 0:
        environment = in_a_venv(tmp_path / "venv", environment)
        assert (
            run(
                ["python", "-m", "pip", "install", "jaxrng-doctor"], project, environment
            ).returncode
            == 0
        )
    else:
        # A separate repository with the current files, committed or not.
        names = run([git, "ls-files", "-z", "-co", "--exclude-standard"], ROOT, dict(os.environ))
        ours = tmp_path / "jaxrng-doctor"
        for name in filter(None, names.stdout.split("\0")):
            if (ROOT / name).is_file():
                (ours / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, ours / name)
        (entry,) = recipe["repos"]
        entry["repo"], entry["rev"] = str(ours), commit(ours)
        (hook,) = entry["hooks"]
        del hook["additional_dependencies"]
    (project / ".pre-commit-config.yaml").write_text(yaml.safe_dump(recipe))
    commit(project)
    fails_then_passes(
        lambda: run([pre_commit, "run", "--all-files"], project, environment), project
    )


def test_tox(tools: dict[str, str], project: Path) -> None:
    tox = tool("tox")
    (recipe,) = recipes()["tox.ini"]
    (project / "tox.ini").write_text(recipe)
    # tox does not pass PYTHONPATH on, and would download the build backend of the project.
    overrides = [f"set_env=PYTHONPATH={tools['PYTHONPATH']}", "package=skip"]
    options = [part for each in overrides for part in ("-x", f"testenv:jaxrng.{each}")]
    fails_then_passes(lambda: run([tox, "run", *options], project, tools), project)


def test_nox(tools: dict[str, str], project: Path) -> None:
    nox = tool("nox")
    (recipe,) = recipes()["noxfile.py"]
    (project / "noxfile.py").write_text(recipe)
    fails_then_passes(lambda: run([nox], project, tools), project)


def test_gitlab(tools: dict[str, str], project: Path, tmp_path: Path) -> None:
    (recipe,) = recipes()[".gitlab-ci.yml"]
    job = yaml.safe_load(recipe)["jaxrng"]
    environment = in_a_venv(tmp_path / "venv", tools)
    script = "set -e\n" + "\n".join(job["script"])
    done = run(["sh", "-c", script], project, environment)
    assert done.returncode == 1, done.stdout
    report = ET.parse(project / job["artifacts"]["reports"]["junit"])
    assert [case.get("name") for case in report.iter("testcase")]
    assert len(list(report.iter("failure"))) == 1


def test_shell(tools: dict[str, str], project: Path, tmp_path: Path) -> None:
    (recipe,) = recipes()["ci.sh"]
    environment = in_a_venv(tmp_path / "venv", tools)
    assert run(["sh", "-c", recipe], project, environment).returncode == 1
    assert len(list(ET.parse(project / "jaxrng.xml").iter("failure"))) == 1
    (project / "noise.py").write_text(FIXED)
    assert run(["sh", "-c", recipe], project, environment).returncode == 0


@dataclass
class Runner:
    """The steps of `action.yml`, run in order as GitHub does."""

    project: Path
    temp: Path
    environment: dict[str, str]
    said: str = ""
    uploaded: list[dict[str, str]] = field(default_factory=list)
    summary: str = ""

    def __call__(self, **inputs: str) -> tuple[bool, dict[str, str]]:
        """Run the steps; return whether they passed, and the outputs of the action."""
        action = yaml.safe_load((ROOT / "action.yml").read_text())
        assert action["runs"]["using"] == "composite"
        unknown = set(inputs) - set(action["inputs"])
        assert not unknown
        values = {f"inputs.{name}": given["default"] for name, given in action["inputs"].items()}
        values |= {f"inputs.{name}": value for name, value in inputs.items()}
        values["github.action_path"] = str(ROOT)
        for step in action["runs"]["steps"]:
            values |= {f"steps.{step['id']}.outputs.{name}": "" for name in ("exit-code", "sarif")
                       if "id" in step}  # fmt: skip
        passed = True
        for number, step in enumerate(action["runs"]["steps"]):
            if not passed or ("if" in step and not condition(step["if"], values)):
                continue
            if "uses" in step:
                self.uploaded.append({k: expression(v, values) for k, v in step["with"].items()})
                continue
            passed = self._run(number, step, values)
        named = action["outputs"].items()
        return passed, {name: expression(output["value"], values) for name, output in named}

    def _run(self, number: int, step: dict[str, Any], values: dict[str, str]) -> bool:
        assert step["shell"] == "bash"
        reported, summary = self.temp / f"output-{number}", self.temp / f"summary-{number}"
        reported.touch()
        summary.touch()
        own = {name: expression(value, values) for name, value in step.get("env", {}).items()}
        given = {
            "GITHUB_OUTPUT": reported,
            "GITHUB_STEP_SUMMARY": summary,
            "RUNNER_TEMP": self.temp,
        }
        script = self.temp / f"step-{number}.sh"
        script.write_text(step["run"])
        assert "${{" not in step["run"]  # An input is data, never a piece of a script.
        done = run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            self.project,
            {**self.environment, **own, **{name: str(path) for name, path in given.items()}},
        )
        self.said += done.stdout
        self.summary += summary.read_text()
        if "id" in step:
            values |= {f"steps.{step['id']}.outputs.{k}": v for k, v in outputs(reported).items()}
        return done.returncode == 0


@pytest.fixture(scope="module")
def with_action(tools: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A virtual environment that all runs of the action share, as in a job."""
    return in_a_venv(tmp_path_factory.mktemp("action") / "venv", tools)


@pytest.fixture
def action(with_action: dict[str, str], project: Path, tmp_path: Path) -> Runner:
    tool("bash")
    temp = tmp_path / "temp"
    temp.mkdir()
    return Runner(project, temp, with_action)


def test_the_action_fails_marks_lines_and_tells_the_job(action: Runner) -> None:
    passed, reported = action(**{"upload-sarif": "true"})
    assert not passed
    assert reported["exit-code"] == "1"
    assert "::error " in action.said
    assert "noise.py" in action.said
    assert "RNG001" in action.summary
    (upload,) = action.uploaded
    assert upload["sarif_file"] == reported["sarif"]
    report = json.loads(Path(reported["sarif"]).read_text())
    assert [result["ruleId"] for result in report["runs"][0]["results"]] == ["RNG001"]


def test_the_action_passes_on_what_is_asked(action: Runner) -> None:
    (action.project / "other.py").write_text(FIXED)
    args = "--arg 'x=f32[32, 10]' --arg x2='\"; exit 7\"'"
    action(targets="other.py:noisy", args=args)
    assert "x2" in action.said
    passed, reported = action(
        targets="other.py:noisy", args="--arg 'x=f32[3, 2]'", version="installed"
    )
    assert (passed, reported["exit-code"]) == (True, "0"), action.said
    assert action.uploaded == []


def test_a_usage_error_fails_the_action_without_a_report(action: Runner) -> None:
    passed, reported = action(args="--no-such-flag", **{"upload-sarif": "true"})
    assert not passed
    assert reported == {"exit-code": "2", "sarif": ""}
    assert action.uploaded == []
    assert action.summary == ""


def test_the_action_installs_the_version_that_is_asked_for(action: Runner) -> None:
    passed, _ = action(version="99.0")
    assert not passed
    assert "jaxrng-doctor==99.0" in action.said


def test_the_inputs_of_the_action_are_those_of_its_table() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    text = (ROOT / "docs" / "how-to" / "ci.md").read_text()
    for name in action["inputs"]:
        assert f"| `{name}` |" in text
    for name in action["outputs"]:
        assert f"`{name}`" in text
    (workflow,) = recipes()[".github/workflows/jaxrng.yml"]
    (step,) = [
        s
        for s in yaml.safe_load(workflow)["jobs"]["jaxrng"]["steps"]
        if "OWNER" in s.get("uses", "")
    ]
    assert set(step["with"]) <= set(action["inputs"])
