"""`jaxrng-doctor selfcheck`: what it prints, and its exit code."""

import json
import os

import jax
import pytest

from jaxrng_doctor.frontends.commands import selfcheck as command
from jaxrng_doctor.frontends.commands import selfcheck_programs
from jaxrng_doctor.jax_internals import check_assumptions
from jaxrng_doctor.jax_internals.assumptions import ASSUMPTIONS

pytestmark = pytest.mark.slow


def test_this_jax_is_judged_right(run_cli):
    done = run_cli("selfcheck")
    assert (done.returncode, done.stderr) == (0, "")
    count = len(selfcheck_programs.CHECKED) + len(selfcheck_programs.WATCHED)
    assert count >= 20
    assert f"{count} of {count} programs give the expected findings" in done.stdout
    assert f"{len(ASSUMPTIONS)} of {len(ASSUMPTIONS)} assumptions about JAX hold" in done.stdout
    assert f"JAX {jax.__version__}" in done.stdout
    assert "FAILED" not in done.stdout


def test_as_json(run_cli):
    done = run_cli("selfcheck", "--format", "json")
    assert done.returncode == 0, done.stdout
    document = json.loads(done.stdout)
    assert document["ok"] is True
    found = {program["name"]: tuple(program["found"]) for program in document["programs"]}
    assert found == {**selfcheck_programs.CHECKED, **selfcheck_programs.WATCHED}
    assert [fact["name"] for fact in document["facts"]] == [fact.name for fact in ASSUMPTIONS]


@pytest.mark.parametrize("what", ["verdict", "failure", "fact"])
def test_what_is_wrong_is_shown_and_fails(what, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # an empty cache of known facts
    right = {"shared_under_vmap": ("RNG001",)}
    monkeypatch.setattr(selfcheck_programs, "WATCHED", {})
    monkeypatch.setattr(
        selfcheck_programs,
        "CHECKED",
        {"shared_under_vmap": ("RNG005",)} if what == "verdict" else right,
    )
    if what == "failure":
        monkeypatch.setattr(
            selfcheck_programs, "TEXT", "def shared_under_vmap(x, key):\n    raise OSError\n"
        )
    known = {fact.name: None for fact in ASSUMPTIONS}
    if what == "fact":
        known["vmap"] = ""
    monkeypatch.setattr(check_assumptions, "_known", known)
    assert command.selfcheck("terminal") == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if "FAILED" in line]
    # A fact that does not hold is also a gap in the program's report.
    wanted = ["shared_under_vmap", *(["vmap cannot"] if what == "fact" else [])]
    assert [name in line for name, line in zip(wanted, failed, strict=True)] == [True] * len(wanted)


@pytest.mark.parametrize(
    ("version", "is_newer"),
    [("0.12.9", False), ("0.6.0", False), ("0.13.0", True), ("1.0.0.dev1", True), ("odd", False)],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_newer_jax_is_reported(command, version, is_newer, write, run_cli, cli_environment):
    write(
        "ahead/jax-0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: jax\nVersion: {version}\n"
    )
    write("noise.py", "import jax\n\ndef f(key):\n    return jax.random.normal(key)\n")
    args = ("noise.py:f", "--arg", "key=key") if command == "check" else ("noise.py",)
    path = os.pathsep.join(["ahead", cli_environment["PYTHONPATH"]])
    done = run_cli(command, *args, env={"PYTHONPATH": path})
    assert done.returncode == 0
    reported = [line for line in done.stderr.splitlines() if "jaxrng-doctor selfcheck" in line]
    assert len(reported) == is_newer
    assert "selfcheck" not in done.stdout
