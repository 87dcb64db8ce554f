"""`rules`, `explain` and shell completion, with real processes and real shells."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jaxrng_doctor.rules import RULES

ROOT = Path(__file__).parents[2]
RunCli = Callable[..., "subprocess.CompletedProcess[str]"]
SHELLS = ("bash", "zsh", "fish", "powershell")


def test_markdown_is_the_page_in_docs(run_cli: RunCli) -> None:
    done = run_cli("explain", "rng001", "RNG005", "--format", "markdown")
    parts = done.stdout.split("# RNG005")
    for code, part in zip(("RNG001", "RNG005"), (parts[0], f"# RNG005{parts[1]}"), strict=True):
        page = (ROOT / "docs" / "rules" / f"{code}.md").read_text(encoding="utf-8")
        _, _, page = page.partition("\n")  # the comment that names its source
        assert part.strip() == page.replace(" [All rules](README.md)", "").strip()


def test_json_has_every_rule(run_cli: RunCli) -> None:
    rules = run_cli("rules", "--format", "json")
    assert [rule["code"] for rule in json.loads(rules.stdout)] == [rule.code for rule in RULES]
    every = run_cli("explain", "--all", "--format", "json")
    assert every.stdout == rules.stdout
    (one,) = json.loads(run_cli("explain", "RNG003", "--format", "json").stdout)
    assert one["name"] == "same-key-every-iteration"
    assert one["severity"] == "error"
    assert one["summary"] == "Inside a loop, a draw uses one key for every step."
    assert one["doc"].startswith(one["summary"])
    assert "## Use instead" in one["doc"]


def test_a_pipe_gets_plain_text_and_a_terminal_a_rendered_page(run_cli: RunCli) -> None:
    plain = run_cli("explain", "RNG001", env={"COLUMNS": "60"}).stdout
    assert "\x1b" not in plain
    assert "## What it does" in plain
    shown = run_cli("explain", "RNG001", env={"FORCE_COLOR": "1", "COLUMNS": "60"}).stdout
    assert "\x1b[" in shown
    assert "## " not in shown
    assert "```" not in shown
    assert "What it does" in shown


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["explain"], "missing rule code\nrun: jaxrng-doctor explain RNG001"),
        (["explain", "RNG001", "RNG0011"], "explain: unknown value 'RNG0011'\ndid you mean RNG0"),
        (["explain", "rng001", "rng0011"], "explain: unknown value 'rng0011'\ndid you mean RNG0"),
        (["explain", "RNG001", "--format", "md"], "--format: unknown value 'md'"),
        (["rules", "--format", "markdown"], "the choices are terminal, json"),
        (["completion", "bsh"], "did you mean bash?"),
    ],
)
def test_wrong_words(run_cli: RunCli, args: list[str], words: str) -> None:
    done = run_cli(*args)
    assert words in done.stderr
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_a_shell(run_cli: RunCli, shell: str) -> None:
    done = run_cli("completion", shell)
    assert done.returncode == 0, done.stderr
    assert "_JAXRNG_DOCTOR_COMPLETE" in done.stdout
    if (found := shutil.which(shell)) is not None:
        subprocess.run([found, "-n"], input=done.stdout, text=True, check=True)


def test_a_rule_is_explained_by_its_name_too(run_cli: RunCli) -> None:
    named = run_cli("explain", "Reused-Key", "--format", "json")
    assert [rule["code"] for rule in json.loads(named.stdout)] == ["RNG005"]


def test_the_short_flag_for_help(run_cli: RunCli) -> None:
    for command in ([], ["check"], ["run"], ["explain"]):
        assert run_cli(*command, "-h").stdout == run_cli(*command, "--help").stdout != ""


def test_zsh_takes_the_script_for_one_of_fpath(run_cli: RunCli) -> None:
    # compinit reads from the first line of a file which command it completes.
    assert run_cli("completion", "zsh").stdout.startswith("#compdef jaxrng-doctor\n")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_what_zsh_offers_first(tmp_path: Path, cli_environment: dict[str, str]) -> None:
    environment = with_command(tmp_path, cli_environment)
    # zsh completes in its line editor only, so `_arguments` is replaced by one that prints.
    asks = f"""
        jaxrng-doctor completion zsh > {tmp_path}/_jaxrng-doctor
        fpath=({tmp_path} $fpath)
        autoload -Uz compinit && compinit -u -D
        _arguments() {{ print -r -- "$@" }}
        words=(jaxrng-doctor explain RNG01) CURRENT=3
        $_comps[jaxrng-doctor]
    """
    done = subprocess.run(
        ["zsh", "-f", "-c", asks],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    offered = re.findall(r'"(RNG\d+)"', done.stdout)
    assert offered == [rule.code for rule in RULES if rule.code.startswith("RNG01")], done.stderr


def with_command(tmp_path: Path, environment: dict[str, str]) -> dict[str, str]:
    """The environment with `jaxrng-doctor` on its `PATH`."""
    command = tmp_path / "jaxrng-doctor"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jaxrng_doctor "$@"\n')
    command.chmod(0o755)
    return {**environment, "PATH": os.pathsep.join([str(tmp_path), environment["PATH"]])}


@pytest.mark.sampled(3)
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("jaxrng-doctor ch", ["check"]),
        ("jaxrng-doctor explain RNG01", [r.code for r in RULES if r.code.startswith("RNG01")]),
        ("jaxrng-doctor check --select RNG001,RNG9", ["RNG001,RNG900"]),
        ("jaxrng-doctor check --statis", ["--statistics"]),
        ("jaxrng-doctor completion f", ["fish"]),
    ],
)
def test_what_bash_offers(
    tmp_path: Path, cli_environment: dict[str, str], typed: str, offered: list[str]
) -> None:
    asks = f"""
        source <(jaxrng-doctor completion bash)
        COMP_WORDS=({typed}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        $(complete -p jaxrng-doctor | sed 's/.*-F \\([^ ]*\\) .*/\\1/') jaxrng-doctor
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "-c", asks],
        env=with_command(tmp_path, cli_environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == offered, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["rules"], ["explain", "RNG001"]])
def test_they_import_only_what_they_use(
    arguments: list[str], cli_environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "jaxrng_doctor", *arguments],
        env=cli_environment,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "jaxrng_doctor" in imported
    assert imported.isdisjoint({"jax", "numpy", "jaxrng_doctor.reports.html", "rich.markdown"})
