"""`jaxrng-doctor inspect` as a user runs it: real processes, real files, golden listings.

After an intended change of the layout, run `python tests/listing/test_inspect_cli.py` to rewrite
the golden files, and review their diff.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"

# Programs that have the same equations in all supported versions of JAX.
LISTED = {
    f"{name}{'-lineage' if lineage else ''}.txt": (f"{name}.py", *["--lineage"] * lineage)
    for name in ("noise", "nested")
    for lineage in (False, True)
}

SGR = re.compile(r"\x1b\[[0-9;]*m")

PROGRAM = """
    import jax

    def noisy(x, key):
        print("the user's own words")
        return jax.vmap(lambda row: row + jax.random.normal(key, row.shape))(x)

    def fails(x):
        raise ValueError("no such thing")
"""
NOISY = ("prog.py:noisy", "--arg", "x=f32[32,10]")


@pytest.fixture
def program(write):
    return write("prog.py", PROGRAM)


@pytest.mark.slow
@pytest.mark.parametrize("file", LISTED)
def test_the_samples_are_shown_as_before(file, run_cli):
    done = run_cli("inspect", *LISTED[file], cwd=ROOT / "sample_scripts")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (GOLDEN / file).read_text(encoding="utf-8")


def test_findings_do_not_fail_and_stdout_has_the_listing_alone(program, run_cli):
    done = run_cli("inspect", *NOISY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("── prog.py:noisy ──")
    assert "the user's own words" not in done.stdout
    assert "the user's own words" in done.stderr
    assert "error[RNG001]" in done.stdout


@pytest.mark.slow
def test_a_line_says_where_it_is_in_the_source(program, run_cli):
    printed = run_cli("inspect", *NOISY).stdout
    number = next(n for n, line in enumerate(program.read_text().splitlines(), 1) if "vmap" in line)
    (scope,) = [line for line in printed.splitlines() if line.startswith("┏")]
    assert "over 32, index i" in scope
    assert f"prog.py:{number}:" in scope


@pytest.mark.slow
def test_all_unfolds(program, run_cli):
    folded = run_cli("inspect", *NOISY).stdout
    unfolded = run_cli("inspect", *NOISY, "--all").stdout
    assert "… 1 equation without keys" in folded
    assert "without keys" not in unfolded
    assert " = add(" not in folded
    assert " = add(" in unfolded
    assert folded.splitlines()[-1] == unfolded.splitlines()[-1]


def test_without_colour_letters_say_the_same(program, run_cli):
    plain = run_cli("inspect", *NOISY).stdout
    colored = run_cli("inspect", *NOISY, env={"FORCE_COLOR": "1"}).stdout
    assert SGR.search(colored)
    assert not SGR.search(plain)
    assert SGR.sub("", colored) == plain
    assert "«AAAAAAAAAAAAAAAA… 32 keys, 1 distinct»" in plain


@pytest.mark.slow
@pytest.mark.parametrize("flags", [(), ("--lineage",), ("--all",)])
def test_a_narrow_terminal_is_not_overrun(flags, program, run_cli):
    printed = run_cli("inspect", *NOISY, *flags, env={"COLUMNS": "60"}).stdout
    too_long = [line for line in printed.splitlines() if len(line) > 60]
    assert [line for line in too_long if " " in line.strip("┃ ")] == []


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((*NOISY, "--format", "pdf"), "--format"),
        ((), "nothing to inspect"),
        ((*NOISY, "--timeout", "0"), "--timeout"),
        ((*NOISY, "--output", "no/such/folder.txt"), "--output"),
    ],
)
def test_a_slip_is_reported(arguments, word, program, run_cli):
    done = run_cli("inspect", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert word in done.stderr


def test_what_fails_is_reported_and_the_others_are_shown(program, run_cli):
    alone = run_cli("inspect", "prog.py:fails", "--arg", "x=f32[32,10]")
    assert (alone.returncode, alone.stdout) == (3, "")
    assert "no such thing" in alone.stderr
    both = run_cli("inspect", *NOISY, "prog.py:fails", "--format", "json")
    assert both.returncode == 3
    assert [t["target"] for t in json.loads(both.stdout)["targets"]] == ["prog.py:noisy"]


@pytest.mark.slow
def test_output_goes_to_the_file(program, run_cli, tmp_path):
    shown = run_cli("inspect", *NOISY).stdout
    done = run_cli("inspect", *NOISY, "--output", "listing.txt")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "listing.txt").read_text(encoding="utf-8") == shown


@pytest.mark.slow
def test_the_function_itself_is_not_run(write, run_cli, tmp_path):
    write(
        "calls.py",
        """
        import jax

        def reported(x, key):
            jax.debug.callback(lambda _: open("ran", "w").close(), x)
            return x + jax.random.normal(key, x.shape)
        """,
    )
    for flags in ((), ("--no-run",)):
        done = run_cli("inspect", "calls.py:reported", "--arg", "x=f32[3]", *flags)
        assert done.returncode == 0, done.stderr
        assert ("the keys were not computed" in done.stdout) == bool(flags)
    assert not (tmp_path / "ran").exists()


def test_in_axes_is_a_scope(write, run_cli):
    write("one.py", "import jax\n\ndef one(x, key):\n    return x + jax.random.normal(key)\n")
    done = run_cli("inspect", "one.py:one", "--arg", "x=f32[4]", "--in-axes", "0,None")
    assert "vmap(one) over 4, index i" in done.stdout, done.stderr


@pytest.mark.slow
def test_a_chain_of_splits_stays_in_its_column(write, run_cli):
    write(
        "chain.py",
        """
        import jax

        def chain(x, key):
            for _ in range(30):
                key, subkey = jax.random.split(key)
                x = x + jax.random.normal(subkey, x.shape)
            return x
        """,
    )
    printed = run_cli("inspect", "chain.py:chain", "--arg", "x=f32[3]", "--lineage").stdout
    assert printed.count("◆ jax.random.normal") == 30
    assert max(len(line) for line in printed.splitlines()) <= 100
    assert max(line.find("●") for line in printed.splitlines()) <= 4


def write_golden_files():
    """Rewrite the golden files with what this checkout prints."""
    for file, arguments in LISTED.items():
        printed = subprocess.run(
            [sys.executable, "-m", "jaxrng_doctor", "inspect", *arguments],
            cwd=ROOT / "sample_scripts",
            env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout
        (GOLDEN / file).write_text(printed, encoding="utf-8")


if __name__ == "__main__":
    write_golden_files()


@pytest.mark.slow
def test_a_branch_that_is_not_taken_says_so(write, run_cli):
    write(
        "branchy.py",
        """
        import jax

        def branchy(x, key):
            return jax.lax.cond(x > 0, jax.random.normal, lambda key: 0.0, key)
        """,
    )
    text = run_cli("inspect", "branchy.py:branchy", "--arg", "x=-1.0").stdout
    draw = next(line for line in text.splitlines() if "= draw" in line)
    assert "«not reached»" in draw


@pytest.mark.slow
def test_a_model_with_many_parameters_and_faults_is_reported_in_a_few_lines(write, run_cli):
    write(
        "model.py",
        """
        import jax
        import jax.numpy as jnp

        captured = [jnp.full(n, 0.5) for n in range(2, 40)]

        def model(batch, key):
            def one(row):
                row = row + sum(c.sum() for c in captured)
                row = row + jax.random.normal(key)
                return row * jax.random.normal(jax.random.fold_in(key, 1))

            return jax.vmap(one)(batch)
        """,
    )
    text = run_cli("inspect", "model.py:model", "--arg", "batch=f32[4]").stdout
    inputs = [line for line in text.splitlines() if line.startswith("in ")]
    assert len(inputs) < 15
    assert inputs[0].startswith("in  batch:f32[4]")
    assert any(line.startswith("in  key:") for line in inputs)
    assert "… and 27 more inputs" in text
    (vmap,) = [line for line in text.splitlines() if "vmap(one)" in line and "┏" in line]
    assert "✗ error[RNG001]" in vmap
    assert text.count("✗ error[RNG001]: ") == 2  # at both draws of the cause
