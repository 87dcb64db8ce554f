"""The command line as users see it: a real process, its two streams and its exit code."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import jaxrng_doctor
from jaxrng_doctor._util import output
from jaxrng_doctor.frontends import progress
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.reports import options as report_options

RunCli = Callable[..., "subprocess.CompletedProcess[str]"]
Write = Callable[[str, str], Path]

NOISE = """
import os
import subprocess
import sys

import jax

print("printed on import")
os.write(1, b"written on import\\n")
subprocess.run([sys.executable, "-c", "print('printed by a child')"], check=True)


def add_noise(x, key):
    print("printed by the function")
    jax.debug.print("printed by the run {}", x[0])
    return x + jax.random.normal(key, x.shape)


def fails(x):
    raise ValueError("no good")


def shared(x, key):
    return jax.vmap(add_noise, in_axes=(0, None))(x, key)


def double(x):
    return 2 * x
"""

ADD_NOISE = ("check", "noise:add_noise", "--arg", "x=f32[4,3]", "--in-axes")


@pytest.fixture
def noise(write: Write) -> Path:
    return write("noise.py", NOISE).parent


NO_JAX = [
    ["--version"],
    ["--help"],
    ["check", "--help"],
    ["rules"],
    ["rules", "--format", "json"],
    ["explain", "RNG001"],
    ["explain", "--all", "--format", "markdown"],
    ["completion", "zsh"],
]


@pytest.mark.parametrize("command", NO_JAX)
def test_what_needs_no_jax_does_not_import_it(
    command: list[str], cli_environment: dict[str, str]
) -> None:
    program = (
        "import sys; from jaxrng_doctor.__main__ import main\n"
        f"sys.argv, code = ['jaxrng-doctor', *{command!r}], 0\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        "print(code, sorted({'jax', 'jaxlib', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=cli_environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "0 []\n"
    assert done.stdout.strip()


def test_the_package_comes_without_jax(cli_environment: dict[str, str]) -> None:
    program = "import sys, jaxrng_doctor as j; j.example; j.Finding; print('jax' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=cli_environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_version(run_cli: RunCli) -> None:
    assert run_cli("--version").stdout == f"jaxrng-doctor {jaxrng_doctor.__version__}\n"


def test_rules_and_explain(run_cli: RunCli) -> None:
    rules = run_cli("rules")
    assert rules.returncode == 0
    assert "RNG001  shared-key-under-vmap" in rules.stdout
    explained = run_cli("explain", "rng001")
    assert explained.returncode == 0
    assert explained.stdout.startswith("RNG001 shared-key-under-vmap (error)\n\n")
    assert "jax.random.split" in explained.stdout
    unknown = run_cli("explain", "RNG0001")
    assert unknown.returncode == 2
    assert "did you mean RNG001?" in unknown.stderr


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["check"], "error: nothing to check\nrun: jaxrng-doctor check module:function"),
        (["check", "nois:add_noise"], "error: module not found: nois\ndid you mean noise?"),
        (["check", "noise:add_nose"], "did you mean noise:add_noise?"),
        (["check", "noise:os.path.sep"], "of type str, not a function"),
        (["check", "noise"], "error: noise declares no examples to check"),
        (["check", "noise:add_noise"], "run: jaxrng-doctor check noise:add_noise --arg 'x=f32[32"),
        (["check", "noise:add_noise", "--arg", "x=f23[3]"], "  f23[3]\n  ^\ndid you mean f32?"),
        ([*ADD_NOISE, "0"], "key is key<fry>[], which has no axis 0 to map"),
        ([*ADD_NOISE, "-3,None"], "x is f32[4,3], which has no axis -3 to map"),
        ([*ADD_NOISE, "0,None", "--axis-size", "5"], "--axis-size is 5"),
        (["check", "empty.py"], "error: empty.py defines no functions"),
        (["check", "a:f", "--format", "jsn"], "--format: unknown value 'jsn'\ndid you mean json?"),
        (["check", "a:f", "--fail-on", "warn"], "did you mean warning?"),
        (["check", "a:f", "--expect", "equal"], "the choices are different, same"),
        (["check", "a:f", "--select", "RNG001,RNG0111"], "--select: unknown rule 'RNG0111'"),
        (["check", "a:f", "--timeout", "0"], "invalid --timeout 0: must be positive"),
        (["check", "a:f", "--timeout", "nan"], "invalid --timeout nan: must be positive"),
        (["check", "a:f", "--jobs", "0"], "invalid --jobs '0': expected a positive integer"),
        (
            ["check", "a:f", "--jobs", "all"],
            "invalid --jobs 'all': expected a positive integer or 'auto'",
        ),
        (["check", "a:f", "--output", "none/report.txt"], "--output none/report.txt: the folder"),
        (["check", "a:f", "--seed", "-1"], "--seed"),
        (["check", "a:f", "--axis-size", "many"], "--axis-size"),
        (["check", "a:f", "--sed", "1"], "--sed"),
        (["chekc"], "chekc"),
    ],
)
def test_bad_usage(run_cli: RunCli, noise: Path, write: Write, args: list[str], words: str) -> None:
    write("empty.py", "X = 1")
    done = run_cli(*args)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("syntax", "def f(:", "SyntaxError: invalid syntax"),
        ("leaves", "import sys\nsys.exit(0)", "importing leaves called sys.exit(0)"),
        ("lacks", "import no_such_module", "No module named 'no_such_module'"),
    ],
)
def test_a_module_that_does_not_import(
    run_cli: RunCli, write: Write, name: str, source: str, words: str
) -> None:
    write(f"{name}.py", source)
    done = run_cli("check", f"{name}:f", env={"COLUMNS": "300"})
    assert words in done.stdout
    assert f"{name}.py" in done.stdout
    assert "importlib" not in done.stdout
    assert done.returncode == 3


def test_json_is_alone_on_stdout(run_cli: RunCli, noise: Path) -> None:
    done = run_cli(*ADD_NOISE, "0,None", "--format", "json", "--fail-on", "never")
    assert json.loads(done.stdout)["targets"][0]["target"] == "noise:add_noise"
    for words in ("printed on import", "written on import", "printed by a child", "the function"):
        assert words in done.stderr
    assert done.returncode == 0


def test_findings_decide_the_exit_code(run_cli: RunCli, noise: Path) -> None:
    found = run_cli(*ADD_NOISE, "0,None", "--no-run")
    assert "RNG001" in found.stdout
    assert found.returncode == 1
    assert run_cli(*ADD_NOISE, "0,None", "--no-run", "--fail-on", "never").returncode == 0
    assert run_cli(*ADD_NOISE, "0,None", "--no-run", "--ignore", "RNG001").returncode == 0
    assert run_cli(*ADD_NOISE, "0,None", "--no-run", "--expect", "same").returncode == 0
    assert run_cli(*ADD_NOISE, "0", "--arg", "key=key[4]", "--no-run").returncode == 0


def test_a_failure_is_worse_than_a_finding(run_cli: RunCli, noise: Path) -> None:
    done = run_cli(
        "check", "noise:shared", "noise:fails", "--arg", "x=f32[4,3]", "--format", "json"
    )
    failed, found = json.loads(done.stdout)["targets"]
    assert [finding["code"] for finding in found["findings"]] == ["RNG001"]
    assert "no good" in failed["failure"]["message"]
    assert "noise.py" in failed["failure"]["traceback"]
    assert "jaxrng_doctor" not in failed["failure"]["traceback"]
    assert done.returncode == 3


def test_a_function_that_exits_is_not_clean(run_cli: RunCli, write: Write) -> None:
    write("leaves.py", "import sys\ndef f(x): sys.exit(0)")
    done = run_cli("check", "leaves:f", "--arg", "x=f32[2]", env={"COLUMNS": "200"})
    assert "leaves:f called sys.exit(0)" in done.stdout
    assert done.returncode == 3


def test_configured_targets_from_a_folder_below(run_cli: RunCli, noise: Path, write: Write) -> None:
    below = write("below/other.py", "").parent
    write(
        "pyproject.toml",
        """
        [tool.jaxrng-doctor]
        fail-on = "never"
        [[tool.jaxrng-doctor.targets]]
        target = "noise:add_noise"
        args = { x = "f32[4,3]" }
        in-axes = "0,None"
        [[tool.jaxrng-doctor.targets]]
        target = "noise.py:double"
        args = { x = "f32[4,3]" }
        """,
    )
    done = run_cli("check", "--format", "json", "--no-run", cwd=below)
    targets = [target["target"] for target in json.loads(done.stdout)["targets"]]
    assert targets == ["noise.py:double", "noise:add_noise"]
    assert done.returncode == 0


@pytest.mark.slow
def test_output_is_written_whole_or_not_at_all(run_cli: RunCli, noise: Path, write: Write) -> None:
    report = write("report.json", "old")
    refused = run_cli("check", "noise:nothing", "--format", "json", "--output", report)
    assert refused.returncode == 2
    assert report.read_text() == "old"
    done = run_cli(
        "check", "noise:double", "--arg", "x=f32[2]", "--format", "json", "--output", "report.json",
        env={"FORCE_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout == ""
    assert json.loads(report.read_text())["targets"][0]["target"] == "noise:double"
    assert {p.name for p in noise.iterdir()} - {"__pycache__"} == {"noise.py", "report.json"}


@pytest.mark.slow
def test_a_function_that_does_not_end(run_cli: RunCli, write: Write) -> None:
    write(
        "endless.py",
        """
        import time
        import jax
        def f(key):
            wait = lambda bits: time.sleep(600) or bits
            bits = jax.random.bits(key, (2,))
            return jax.pure_callback(wait, jax.ShapeDtypeStruct((2,), "uint32"), bits)
        """,
    )
    before = time.monotonic()
    done = run_cli("check", "endless:f", "--timeout", "10", "--format", "json")
    assert time.monotonic() - before < 60
    (target,) = json.loads(done.stdout)["targets"]
    assert len(target["draws"]) == 1
    assert done.returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="no such signal")
def test_an_interrupt(write: Write, cli_environment: dict[str, str]) -> None:
    folder = write("slow.py", "import time\nprint('ready', flush=True)\ntime.sleep(600)").parent
    process = subprocess.Popen(
        [sys.executable, "-m", "jaxrng_doctor", "check", "slow:f"],
        cwd=folder,
        env=cli_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process:
        while process.stderr.readline() != "ready\n":
            assert process.poll() is None, "the module was not imported"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    lines = [line for line in stderr.splitlines() if not line.startswith("jaxrng-doctor: ")]
    assert lines == ["interrupted"]
    assert stdout == ""
    assert process.returncode == 130


@pytest.mark.parametrize(
    "args", [["rules"], ["check", "noise:double", "--arg", "x=f32[2]", "--no-run"]]
)
def test_a_reader_that_has_left(
    noise: Path, args: list[str], cli_environment: dict[str, str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "jaxrng_doctor", *args],
            cwd=noise,
            env=cli_environment,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert done.returncode == 0


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError("no descriptor")


@pytest.mark.parametrize(
    ("stream", "environment", "color", "width"),
    [
        (Terminal(), {"TERM": "xterm"}, True, 100),
        (Terminal(), {"TERM": "xterm", "COLUMNS": "72"}, True, 72),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False, 100),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True, 100),
        (Terminal(), {"TERM": "dumb"}, False, 100),
        (io.StringIO(), {"TERM": "xterm"}, False, 100),
        (io.StringIO(), {"FORCE_COLOR": "1", "COLUMNS": "0"}, True, 100),
        (None, {"FORCE_COLOR": "1", "COLUMNS": "72"}, False, 100),
    ],
)
def test_color_and_width(
    monkeypatch: pytest.MonkeyPatch,
    stream: Any,
    environment: dict[str, str],
    color: bool,
    width: int,
) -> None:
    for name in ("TERM", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    options = report_options.options_for(stream)
    assert (options.color, options.width, options.root) == (color, width, str(Path.cwd()))


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    output.write_file(Path(os.devnull), "text", "--output")
    assert not Path(os.devnull).is_file()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    output.write_file(link, "text", "--output")
    assert link.is_symlink()
    assert (tmp_path / "real").read_text() == "text"
    with pytest.raises(UsageError, match="is a folder"):
        output.check_writable(tmp_path, "--output")


def test_only_slow_stages_are_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.2)
    with progress.Progress() as reported:
        reported.stage("fast")
        reported.stage("slow")
        time.sleep(0.5)
        reported.stage("last")
    time.sleep(0.3)
    assert capsys.readouterr().err == "jaxrng-doctor: slow…\n"


def test_a_terminal_shows_a_spinner_that_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.Progress() as reported:
        reported.stage("tracing add_noise")
        deadline = time.monotonic() + 10
        while "tracing add_noise" not in terminal.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
        reported.stage("running add_noise")
        time.sleep(0.3)
    shown = terminal.getvalue()
    assert shown.index("tracing add_noise") < shown.index("running add_noise")
    assert shown.endswith("\x1b[2K"), "the line is erased at the end"


def test_a_terminal_shows_how_many_targets_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.Progress() as reported:
        for lane in range(3):
            reported.stage(f"[red]tracing {lane}", lane)
        reported.total(7)
        reported.done()
        deadline = time.monotonic() + 10
        while "1/7" not in terminal.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "1/7" in terminal.getvalue()
    assert "[red]tracing 2" in terminal.getvalue()


def test_all_public_names_are_there() -> None:
    for name in jaxrng_doctor.__all__:
        assert getattr(jaxrng_doctor, name) is not None
    assert jaxrng_doctor.Report.to_json
    with pytest.raises(AttributeError, match="no attribute 'chek'"):
        jaxrng_doctor.chek  # noqa: B018
