"""Releases: the wheel and the sdist, and the types as a user's mypy sees them."""

from __future__ import annotations

import configparser
import importlib.util
import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import jaxrng_doctor
from tests.ci_recipes import ROOT, build

pytestmark = pytest.mark.slow

for needed in ("build", "hatchling"):
    pytest.importorskip(needed, reason=f"{needed} is not installed: nothing was built")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"), "wheel")


def test_the_wheel_has_the_whole_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "jaxrng_doctor").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = f"jaxrng_doctor-{jaxrng_doctor.__version__}.dist-info"
    assert names - package == {
        f"{info}/{name}"
        for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    }
    assert package <= names
    assert "jaxrng_doctor/py.typed" in names


def test_the_metadata_say_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        (name,) = [name for name in file.namelist() if name.endswith("METADATA")]
        metadata = message_from_string(file.read(name).decode())
    assert metadata["Name"] == "jaxrng-doctor"
    assert metadata["Version"] == jaxrng_doctor.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    assert "# jaxrng-doctor" in metadata.get_payload()
    always = [line for line in metadata.get_all("Requires-Dist") if "extra" not in line]
    needed = {re.match(r"[a-z]+", line)[0] for line in always}
    assert needed == {"jax", "jaxlib", "numpy", "typer", "rich"}


def test_the_sdist_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    sdist = build(tmp_path / "sdist", "sdist")
    with tarfile.open(sdist) as file:
        names = file.getnames()
        file.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    for name in (
        "LICENSE",
        "CHANGELOG.md",
        "Makefile",
        "tests/project/test_packaging.py",
        "docs/how-to/ci.md",
    ):
        assert f"{source.name}/{name}" in names
    assert not any("__pycache__" in name or ".venv" in name for name in names)
    again = build(tmp_path / "again", "wheel", source)
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        sums = [{i.filename: i.CRC for i in file.infolist()} for file in (one, other)]
    assert sums[0] == sums[1]


USES = """
import jax.numpy as jnp

import jaxrng_doctor


@jaxrng_doctor.example(x="f32[3]")
def double(x: float) -> float:
    return 2 * x


report = jaxrng_doctor.check(double, (jnp.zeros(3),), axis_size=3)
reveal_type(report)
reveal_type(report.findings)
reveal_type(double(1.0))
for finding in report.findings:
    reveal_type(finding.place)
    finding.line
jaxrng_doctor.check(double, axis_size="three")
"""


def test_mypy_in_another_project_sees_the_types(wheel: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed: no types were looked at")
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as file:
        file.extractall(installed)
    (tmp_path / "uses.py").write_text(USES)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "uses.py"],
        cwd=tmp_path,
        # mypy treats the package as an installed one: it reads the types only because of py.typed.
        env={"PATH": "", "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    for words in (
        'Revealed type is "jaxrng_doctor.frontends.api.Report"',
        'Revealed type is "tuple[jaxrng_doctor.model.findings.Finding, ...]"',
        'Revealed type is "float"',
        'Revealed type is "jaxrng_doctor.model.findings.Place | None"',
        '"Finding" has no attribute "line"',
        'Argument "axis_size" to "check" has incompatible type "str"',
    ):
        assert words in done.stdout.replace("builtins.", ""), done.stdout


def test_the_command_and_the_pytest_plugin_are_announced(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        (name,) = [name for name in file.namelist() if name.endswith("entry_points.txt")]
        text = file.read(name).decode()
    announced = configparser.ConfigParser()
    announced.read_string(text)
    assert dict(announced["console_scripts"]) == {"jaxrng-doctor": "jaxrng_doctor.__main__:main"}
    assert dict(announced["pytest11"]) == {"jaxrng": "jaxrng_doctor.frontends.pytest_plugin"}
