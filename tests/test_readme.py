"""What README says is so: its commands are typed, its outputs compared, its Python is run.

Each command runs in a folder with the files that README has shown before it. A line `…` in shown
output stands for any number of lines. Only what makes an environment is not run.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxrng_doctor.config.pyproject import FAIL_ON, Config
from jaxrng_doctor.frontends import pytest_plugin

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import readme  # noqa: E402

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
STEPS = readme.steps(TEXT)
SHOWN = [step for step in STEPS if step.output]
INLINE = re.findall(r"`(jaxrng-doctor [^`]+)`", PROSE)
IN_CI = re.findall(
    r"run: (.*)", "".join(b.text for b in readme.blocks(TEXT) if b.language == "yaml")
)
SCRIPTS = [b.text for b in readme.blocks(TEXT) if b.language == "python" and not b.file]
TESTS = [name for name in readme.files(TEXT) if name.startswith("test_")]
NOT_RUN = {
    "make demo",
    "make test",
    "pip install '.[html]'",
    "source <(jaxrng-doctor completion bash)",  # it is in test_explain.py
}
PAGE = "--format html --output report.html"
HEALED, NOISY = "healed.py:healed_batch", "noisy.py:noisy_batch"

PROGRESS = re.compile(r"^jaxrng-doctor: .*…\n", re.MULTILINE)
"""What a slow machine says on stderr."""


@pytest.fixture
def folder(tmp_path):
    """All the files that README shows."""
    return filled(tmp_path, readme.files(TEXT))


@pytest.fixture
def shell(tmp_path_factory, cli_environment):
    """Type a line into a shell that knows `jaxrng-doctor`."""
    bin_folder = tmp_path_factory.mktemp("bin")
    command = bin_folder / "jaxrng-doctor"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jaxrng_doctor "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join([str(bin_folder), cli_environment["PATH"]])

    def run(line, cwd):
        return subprocess.run(
            ["sh", "-c", line],
            cwd=cwd,
            env={**cli_environment, "PATH": path, "PYTHONUTF8": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    return run


def filled(folder, files):
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def agrees(printed, shown):
    """Whether the output is what is shown, where a line `…` is any number of lines."""
    parts = re.split(rf"^{readme.ELISION}\n", shown, flags=re.MULTILINE)
    return re.fullmatch(r"(?:.*\n)*?".join(map(re.escape, parts)), printed) is not None


def test_another_output_is_noticed():
    assert agrees("a\nb\nc\n", "a\n…\nc\n")
    assert agrees("a\nc\n", "a\n…\nc\n")
    assert not agrees("a\nb\nc\n", "a\nc\n")
    assert not agrees("a\nb\nd\n", "a\n…\nc\n")
    assert not agrees("a\nb\n", "a\n")


def test_only_the_commands_of_the_pictures_show_no_output():
    commands = [step.command for step in STEPS if step not in SHOWN]
    assert commands == [STEPS[0].command, f"{STEPS[0].command} {PAGE}"]


def test_the_command_of_the_page_writes_one(shell, folder):
    done = shell(f"{STEPS[0].command} {PAGE}", folder)
    assert PROGRESS.sub("", done.stdout) == ""
    assert (folder / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("step", SHOWN, ids=lambda step: step.command)
def test_a_command_prints_what_is_shown(step, shell, tmp_path):
    printed = PROGRESS.sub("", shell(step.command, filled(tmp_path, step.files)).stdout)
    assert agrees(printed, step.output), f"$ {step.command}\n{printed}"


@pytest.mark.parametrize("command", dict.fromkeys(INLINE + IN_CI))
def test_a_command_in_the_text_works(command, shell, folder):
    done = shell(command, folder)
    assert done.returncode == 0, done.stdout
    assert done.stdout


def test_there_are_commands_in_the_text_and_for_ci():
    assert INLINE
    assert IN_CI


def test_what_is_not_run_exists():
    lines = [
        re.sub(r"\s+#.*", "", line)
        for block in readme.blocks(TEXT)
        if block.language == "sh"
        for line in block.text.splitlines()
    ]
    assert set(lines) == NOT_RUN
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", "\n".join(lines))) <= targets


@pytest.mark.parametrize("script", SCRIPTS)
def test_python_that_is_shown_runs(script, folder, cli_environment):
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**cli_environment, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "error[RNG001]: shared-key-under-vmap" in done.stdout


@pytest.mark.parametrize("name", TESTS)
def test_a_test_that_is_shown_passes_and_can_fail(name, folder, cli_environment):
    def outcome():
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", name],
            cwd=folder,
            env=cli_environment,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout

    code, printed = outcome()
    assert (code, "1 passed" in printed) == (0, True), printed
    test = folder / name
    test.write_text(
        test.read_text()
        .replace("from healed import healed_batch", "from noisy import noisy_batch")
        .replace("healed_batch", "noisy_batch")
    )
    code, printed = outcome()
    assert (code, "FindingsError" in printed) == (1, True), printed


def test_the_exit_codes_are_those_of_the_table(folder, run_cli, cli_environment):
    (folder / "raises.py").write_text("def fails(x):\n    raise ValueError(x)\n")
    x = "x=f32[32,10]"
    calls = {
        "clean": (HEALED, "--arg", x),
        "found": (NOISY, "--arg", x),
        "usage": (NOISY, "--argg", x),
        "failed": ("raises.py:fails", "--arg", x),
    }
    done = {meaning: run_cli("check", *args, cwd=folder) for meaning, args in calls.items()}
    real = {meaning: process.returncode for meaning, process in done.items()}
    real["interrupted"] = interrupted(folder, cli_environment)
    expected = {"clean": 0, "found": 1, "usage": 2, "failed": 3, "interrupted": 130}
    assert real == expected, [process.stderr for process in done.values()]
    table = {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)}
    assert table == set(real.values())


def interrupted(folder, environment):
    """The exit code after Ctrl-C."""
    (folder / "slow.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    with subprocess.Popen(
        [sys.executable, "-m", "jaxrng_doctor", "check", "slow.py:nothing"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.stderr.readline() != "ready\n":
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    return process.returncode


def test_the_limits_of_severity_are_those_of_the_table():
    choices, default = re.search(r"`--fail-on` \((.*?); default `(\w+)`\)", TEXT).groups()
    assert tuple(re.findall(r"`(\w+)`", choices)) == FAIL_ON
    assert default == Config(ROOT).fail_on


def test_every_notation_of_the_table_makes_an_argument(folder, run_cli):
    table = TEXT[TEXT.index("| spec |") :].partition("\n\n")[0].splitlines()[2:]
    specs = [spec for row in table for spec in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert "f32[32,10]" in specs
    np.save(folder / "x.npy", np.zeros(3))
    np.savez(folder / "batch.npz", x=np.zeros(3))
    (folder / "settings.py").write_text("def make_config():\n    return {'rate': 0.5}\n")
    parameters = ", ".join(f"p{n}" for n in range(len(specs)))
    (folder / "takes.py").write_text(f"def takes({parameters}):\n    return p0\n")
    args = [part for n, spec in enumerate(specs) for part in ("--arg", f"p{n}={spec}")]
    done = run_cli("check", "takes.py:takes", *args, cwd=folder)
    assert done.returncode == 0, done.stderr


def flags_of_pytest():
    parser = pytest.Parser(_ispytest=True)
    pytest_plugin.pytest_addoption(parser)
    return [name for option in parser.getgroup("jaxrng").options for name in option.names()]


def test_every_flag_exists(run_cli):
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT))
    wide = {"COLUMNS": "200"}
    described = "".join(run_cli(c, "--help", env=wide).stdout for c in ("check", "inspect"))
    described += "".join(f"{flag} " for flag in flags_of_pytest())
    assert len(flags) > 5
    assert [flag for flag in flags if f"{flag} " not in described] == []


def test_every_linked_file_exists():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert {"docs/report.svg", "docs/page.png"} <= set(links)
    assert [link for link in links if not (ROOT / link).exists()] == []
