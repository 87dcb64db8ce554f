"""`jaxrng-doctor run`: the program runs as under `python`, and the report follows at its end."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

SHARED = """
    import sys

    import jax
    import jax.numpy as jnp

    @jax.jit
    def step(x, key):
        return jax.vmap(lambda row: row + jax.random.normal(key, row.shape))(x)

    print(step(jnp.zeros((4, 3)), jax.random.key(0)).shape)
"""
CLEAN = """
    import sys

    import jax

    print("argv:", sys.argv)
    print("main:", __name__, __file__ == sys.modules["__main__"].__file__)
    print(jax.random.normal(jax.random.key(0)).shape)
"""


def by_python(path, *args, cwd):
    command = [sys.executable, path, *args]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_findings_come_on_stderr_and_end_with_one(write, run_cli):
    write("script.py", SHARED)

    done = run_cli("run", "script.py")

    assert done.returncode == 1
    assert done.stdout == "(4, 3)\n"
    assert "error[RNG001]: shared-key-under-vmap" in done.stderr
    assert "--> script.py:9:" in done.stderr


def test_a_clean_program_is_as_under_python(write, run_cli, tmp_path):
    write("script.py", CLEAN)

    done = run_cli("run", "script.py", "--flag", "value", "-m")
    alone = by_python("script.py", "--flag", "value", "-m", cwd=tmp_path)

    assert done.returncode == alone.returncode == 0
    assert done.stdout == alone.stdout
    assert done.stderr.splitlines() == [
        "All clear: no shared noise in 1 draw",
        "0 errors, 0 warnings, 0 notes · 1 draw seen · 0 gaps · 0 suppressed",
    ]


@pytest.mark.slow
@pytest.mark.one_jax
def test_a_module(write, run_cli):
    write("package/__init__.py", "")
    write("package/tool.py", SHARED + "    print(__name__, sys.argv[1:], __package__)\n")

    done = run_cli("run", "-m", "package.tool", "--select", "ALL")

    assert done.stdout == "(4, 3)\n__main__ ['--select', 'ALL'] package\n"
    assert done.returncode == 1


@pytest.mark.slow
@pytest.mark.one_jax
@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("sys.exit(7)", 7),
        ("sys.exit()", 1),
        ("sys.exit('the end')", 1),
        ("raise KeyError('the end')", 1),
        ("raise KeyboardInterrupt", 130),
    ],
)
def test_however_it_ends_the_report_comes(write, run_cli, end, code):
    write("script.py", f"{SHARED}    {end}\n")

    done = run_cli("run", "script.py")

    assert done.returncode == code
    assert "error[RNG001]" in done.stderr
    if "the end" in end:
        assert "the end" in done.stderr.partition("──")[0]


@pytest.mark.one_jax
def test_the_traceback_is_the_programs_alone(write, run_cli, tmp_path):
    write("script.py", "def f():\n    raise KeyError('the end')\n\nf()\n")

    done = run_cli("run", tmp_path / "script.py")
    alone = by_python(tmp_path / "script.py", cwd=tmp_path)

    assert done.stderr.partition("No draws")[0] == alone.stderr


@pytest.mark.slow
@pytest.mark.one_jax
def test_fail_on_never_keeps_the_programs_code(write, run_cli):
    write("script.py", SHARED)

    assert run_cli("run", "--fail-on", "never", "script.py").returncode == 0


@pytest.mark.one_jax
def test_select_and_ignore(write, run_cli):
    write("script.py", SHARED)

    assert run_cli("run", "--ignore", "RNG001", "script.py").returncode == 0
    assert run_cli("run", "--select", "RNG005", "script.py").returncode == 0


@pytest.mark.slow
@pytest.mark.one_jax
def test_json_into_a_file_from_where_it_was_typed(write, run_cli, tmp_path):
    write("script.py", "import os\nos.chdir('/')\n")
    write("other.py", SHARED)

    done = run_cli("run", "--format", "json", "--output", "report.json", "other.py")
    moved = run_cli("run", "--output", "moved.txt", "script.py")

    report = json.loads((tmp_path / "report.json").read_text())
    assert [f["code"] for t in report["targets"] for f in t["findings"]] == ["RNG001"]
    assert done.stderr == ""
    assert moved.returncode == 0
    assert (tmp_path / "moved.txt").exists()


@pytest.mark.slow
@pytest.mark.one_jax
def test_no_key_values(write, run_cli):
    write(
        "script.py",
        """
        import jax

        for _ in range(2):
            jax.random.normal(jax.random.key(0))
        """,
    )

    assert run_cli("run", "script.py").returncode == 1
    assert run_cli("run", "--no-key-values", "script.py").returncode == 0


@pytest.mark.one_jax
def test_a_script_that_is_not_there(run_cli):
    done = run_cli("run", "nothing.py")

    assert done.returncode == 2
    assert done.stderr.startswith("error: nothing.py cannot be read: No such file or directory\n")


@pytest.mark.slow
@pytest.mark.one_jax
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c(write, cli_environment, tmp_path):
    write(
        "script.py",
        SHARED + "    import time\n    print('ready', flush=True)\n    time.sleep(60)\n",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "jaxrng_doctor", "run", "script.py"],
        cwd=tmp_path,
        env=cli_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while "ready" not in process.stdout.readline():
        pass
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "KeyboardInterrupt" in errors
    assert "error[RNG001]" in errors


ONE_KEY_AGAIN = """
    import jax

    key = jax.random.key(0)
    step = jax.jit(lambda x, key: x + jax.random.normal(key))
    try:
        for i in range(100):
            print(i, float(step(0.0, key)) != 0.0)
    except Exception:
        print("taken for its failure")
    finally:
        print("cleaned up")
"""


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("program", "code"), [(SHARED, "RNG001"), (ONE_KEY_AGAIN, "RNG014")], ids=["draw", "calls"]
)
def test_exit_on_first(write, run_cli, program, code):
    write("script.py", program)

    done = run_cli("run", "--exit-on-first", "script.py")

    assert done.returncode == 1
    assert f"error[{code}]" in done.stderr
    assert "Traceback" not in done.stderr
    if code == "RNG014":
        *steps, last = done.stdout.splitlines()
        assert last == "cleaned up"
        assert len(steps) < 3  # the second call is the first to repeat a key
    else:
        assert done.stdout == ""


@pytest.mark.slow
@pytest.mark.one_jax
def test_exit_on_first_of_what_is_asked_for(write, run_cli):
    write("script.py", SHARED)

    done = run_cli("run", "--exit-on-first", "--ignore", "RNG001", "script.py")

    assert (done.returncode, done.stdout) == (0, "(4, 3)\n")


@pytest.mark.slow
@pytest.mark.one_jax
def test_exit_on_first_that_the_baseline_does_not_know(write, run_cli):
    write("script.py", SHARED)
    run_cli("run", "--write-baseline", "known.json", "script.py")
    flags = ("--exit-on-first", "--baseline", "known.json")

    done = run_cli("run", *flags, "script.py")

    assert (done.returncode, done.stdout) == (0, "(4, 3)\n")

    write("script.py", SHARED + SHARED.replace("step", "another_step"))
    done = run_cli("run", *flags, "script.py")

    assert (done.returncode, done.stdout) == (1, "(4, 3)\n")
