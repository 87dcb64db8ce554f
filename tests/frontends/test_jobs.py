"""Real worker processes: crashes, hangs, many targets, Ctrl-C."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

RunCli = Callable[..., "subprocess.CompletedProcess[str]"]
Write = Callable[[str, str], Path]

SAMPLES = Path(__file__).parents[2] / "sample_scripts"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="signals and sessions are POSIX"),
]

BAD = """
import ctypes
import os
import signal
import threading
import time

import jax
from jaxrng_doctor import example

takes = example(x="f32[4]", key="key")


def noise(x, key):
    return x + jax.random.normal(key, x.shape)


def while_running(do, x, key):
    done = jax.ShapeDtypeStruct((4,), "float32")
    return jax.pure_callback(lambda x: do() or x, done, noise(x, key))


@takes
def a_good(x, key):
    return noise(x, key)


@takes
def exits_traced(x, key):
    os._exit(0)


@takes
def crashes_run(x, key):
    return while_running(lambda: ctypes.string_at(0), x, key)


@takes
def killed_traced(x, key):
    os.kill(os.getpid(), signal.SIGKILL)


@takes
def interrupts(x, key):
    raise KeyboardInterrupt


@takes
def leaves_a_bomb(x, key):
    threading.Timer(1, lambda: os._exit(7)).start()
    return noise(x, key)


@takes
def next_to_the_bomb(x, key):
    time.sleep(2)
    return noise(x, key)


@takes
def shared(x, key):
    return jax.vmap(lambda x: noise(x, key))(x)
"""


def targets_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.stdout, done.stderr
    return {target["target"]: target for target in json.loads(done.stdout)["targets"]}


def alive(pid: int) -> bool:
    """Whether the process is running. A zombie is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pids: list[int], within: float) -> bool:
    deadline = time.monotonic() + within
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(alive, pids))


@pytest.fixture(scope="module")
def bad(
    tmp_path_factory: pytest.TempPathFactory, cli_environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """One check, with one worker, of targets that fail in every way and of good ones."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "bad.py").write_text(BAD)
    (folder / "falls.py").write_text("import ctypes\nctypes.string_at(0)\n")
    return subprocess.run(
        [sys.executable, "-m", "jaxrng_doctor", "check", "falls:f", "bad.py", "--format", "json"],
        cwd=folder,
        env=cli_environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


KILLED = "crashed: its process was killed by"


@pytest.mark.parametrize(
    ("target", "stage", "words", "at"),
    [
        ("falls:f", "import", f"importing falls:f {KILLED} SIGSEGV", "falls.py"),
        (
            "bad.py:exits_traced",
            "trace",
            "bad.py:exits_traced ended the process with exit code 0",
            "",
        ),
        (
            "bad.py:crashes_run",
            "run",
            f"bad.py:crashes_run {KILLED} SIGSEGV",
            "ctypes.string_at(0), x",
        ),
        (
            "bad.py:killed_traced",
            "trace",
            f"{KILLED} SIGKILL, possibly because the system ran out of memory",
            "",
        ),
        (
            "bad.py:interrupts",
            "trace",
            "bad.py:interrupts raised KeyboardInterrupt",
            "raise Keyboard",
        ),
    ],
)
def test_a_crash_is_the_failure_of_its_target(
    bad: subprocess.CompletedProcess[str], target: str, stage: str, words: str, at: str
) -> None:
    failure = targets_of(bad)[target]["failure"]
    assert failure["stage"] == stage
    assert words in failure["message"]
    assert at in failure["traceback"]
    assert bool(failure["traceback"]) == bool(at)
    assert "jaxrng_doctor" not in failure["traceback"]


def test_what_crashes_leaves_the_others_alone(bad: subprocess.CompletedProcess[str]) -> None:
    targets = targets_of(bad)
    for name in ("a_good", "leaves_a_bomb", "next_to_the_bomb", "shared"):
        target = targets[f"bad.py:{name}"]
        assert target["failure"] is None, name
        assert len(target["draws"]) == 1
    assert [f["code"] for f in targets["bad.py:shared"]["findings"]] == ["RNG001"]
    assert len(targets) == 9
    assert bad.returncode == 3


def test_what_hangs_is_reported_and_the_others_go_on(run_cli: RunCli, write: Write) -> None:
    write("sleeps.py", "import time\ntime.sleep(600)")
    write(
        "hangs.py",
        """
        import time
        import jax
        def good(key):
            return jax.random.normal(key, (2,))
        def hangs(key):
            time.sleep(600)
        def runs_on(key):
            done = jax.ShapeDtypeStruct((2,), "float32")
            return jax.pure_callback(lambda x: time.sleep(600) or x, done, good(key))
        """,
    )
    names = ["sleeps:f", "hangs:runs_on", "hangs:hangs", "hangs:good"]
    before = time.monotonic()
    done = run_cli("check", *names, "--timeout", "8", "--format", "json")
    assert time.monotonic() - before < 100
    targets = targets_of(done)
    assert targets["sleeps:f"]["failure"] == {
        "stage": "import",
        "message": "importing sleeps:f timed out after 8 s (raise the limit with --timeout)",
        "traceback": "",
    }
    assert targets["hangs:hangs"]["failure"]["stage"] == "trace"
    assert "tracing hangs:hangs timed out after" in targets["hangs:hangs"]["failure"]["message"]
    # If a target hangs while it is run, only its comparison is missing.
    assert targets["hangs:runs_on"]["failure"] is None
    assert "timed out after 8 s" in targets["hangs:runs_on"]["comparison"]["unavailable"]
    for name in ("runs_on", "good"):
        assert len(targets[f"hangs:{name}"]["draws"]) == 1
    assert done.returncode == 3


def test_the_report_is_the_same_in_any_order_and_with_any_number_of_jobs(
    run_cli: RunCli, write: Write
) -> None:
    broken = [
        write("raises.py", "def f():\n    raise ValueError('no')"),
        write("exits.py", "import os\nos._exit(3)"),
    ]
    write("ten.py", "\n".join(f"def f{n}(key): return key" for n in (10, 2)))
    files = ["captured.py", "intended.py", "scan_steps.py"]
    names = [*(str(SAMPLES / name) for name in files), "ten.py:f10", "ten.py:f2"]
    names += [f"{path}:f" for path in broken]
    shuffled = random.Random(0).sample(names, len(names))
    reports = {
        run_cli("check", *some, "--jobs", jobs, "--format", "json").stdout
        for some, jobs in ((names, "1"), (shuffled, "2"), ([*names[::-1], names[0]], "3"))
    }
    (report,) = reports
    listed = [target["target"] for target in json.loads(report)["targets"]]
    assert listed[-2:] == ["ten.py:f2", "ten.py:f10"]
    assert len(listed) == len(set(listed)) > 10


COUNTED = """
import os
from pathlib import Path
import jax
from jaxrng_doctor import example
{also}
with Path(__file__).with_name("log").open("a") as log:
    print("import", os.getpid(), file=log)

def traced():
    with Path(__file__).with_name("log").open("a") as log:
        print("trace", os.getpid(), file=log)
"""


def test_targets_share_a_process_and_its_imports(run_cli: RunCli, write: Write) -> None:
    each = (
        "\n@example(key='key')\ndef f{n}(key):\n    traced()\n    return jax.random.normal(key)\n"
    )
    text = COUNTED.format(also="") + "".join(each.format(n=n) for n in range(6))
    log = write("many.py", "").with_name("log")
    log.with_name("many.py").write_text(text)

    def seen(*flags: str) -> tuple[list[str], set[str]]:
        log.unlink(missing_ok=True)
        done = run_cli("check", "many.py", "--no-run", *flags)
        assert done.returncode == 0, done.stdout + done.stderr
        lines = [line.split() for line in log.read_text().splitlines()]
        assert sum(what == "trace" for what, _ in lines) >= 6
        return [pid for what, pid in lines if what == "import"], {pid for _, pid in lines}

    imports, processes = seen()
    assert (len(imports), len(processes)) == (1, 1)
    imports, processes = seen("--jobs", "2")
    assert sorted(imports) == sorted(processes)
    assert 1 <= len(processes) <= 2


def test_the_doctor_itself_imports_no_jax(write: Write, cli_environment: dict[str, str]) -> None:
    folder = write("fine.py", "import jax\ndef f(key): return jax.random.normal(key)").parent
    program = (
        "import sys; from jaxrng_doctor.__main__ import main\n"
        "sys.argv = ['jaxrng-doctor', 'check', 'fine.py:f']\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        "print(code, sorted({'jax', 'jaxlib', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=cli_environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "0 []"
    assert "All clear" in done.stdout


def test_stdout_has_the_report_alone(run_cli: RunCli, write: Write) -> None:
    for name in "ab":
        write(
            f"{name}.py",
            f"""
            import os, subprocess, sys
            import jax
            print("imported {name}")
            os.write(1, b"written\\n")
            subprocess.run([sys.executable, "-c", "print('of a child')"], check=True)
            def f(key):
                print("traced {name}", sys.stdin.read() == "")
                return jax.random.normal(key)
            """,
        )
    done = run_cli("check", "a.py:f", "b.py:f", "--jobs", "2", "--format", "json")
    assert list(targets_of(done)) == ["a.py:f", "b.py:f"]
    for words in ("imported a", "imported b", "written", "of a child", "traced a True", "traced b"):
        assert words in done.stderr


def test_what_the_users_code_does_when_its_process_ends(run_cli: RunCli, write: Write) -> None:
    folder = write(
        "ends.py",
        """
        import atexit
        import logging
        import logging.handlers
        import pathlib
        import threading
        import time
        import weakref

        import jax
        from jaxrng_doctor import example

        log = logging.getLogger("ends")
        log.addHandler(logging.handlers.MemoryHandler(99, target=logging.FileHandler("log")))
        log.warning("logged")
        thing = threading.Event()
        weakref.finalize(thing, pathlib.Path("finalized").touch)
        atexit.register(pathlib.Path("at exit").touch)
        threading.Thread(target=lambda: (time.sleep(1), pathlib.Path("thread").touch())).start()


        @example(x="f32[4]", key="key")
        def f(x, key):
            return x + jax.random.normal(key, x.shape)
        """,
    ).parent
    done = run_cli("check", "ends.py", cwd=folder)

    assert done.returncode == 0, done.stderr
    assert {path.name for path in folder.iterdir()} >= {"finalized", "at exit", "thread"}
    assert (folder / "log").read_text() == "logged\n"


def test_jax_that_does_not_import(run_cli: RunCli, write: Write) -> None:
    broken = write("site/jax/__init__.py", "raise ImportError('no jax today')").parent.parent
    path = os.pathsep.join([str(broken), str(Path(__file__).parents[2])])
    done = run_cli("check", "a:f", "b:f", "--format", "json", env={"PYTHONPATH": path})
    messages = [target["failure"]["message"] for target in targets_of(done).values()]
    assert messages == [
        f"importing {name} ended the process with exit code 1" for name in ("a:f", "b:f")
    ]
    assert done.stderr.count("ImportError: no jax today") == 1
    assert done.returncode == 3


SLOW = """
import os, subprocess, sys, time
from pathlib import Path
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path(f"{Path(__file__).stem}.part").write_text(f"{os.getpid()} {child.pid}")
Path(f"{Path(__file__).stem}.part").rename(f"{Path(__file__).stem}.pids")
time.sleep(600)
"""


@pytest.fixture
def busy(
    write: Write, cli_environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A check with two hanging workers, each with a child process, and the ids of all four."""
    folder = write("one.py", SLOW).parent
    write("two.py", SLOW)
    files = [folder / "one.pids", folder / "two.pids"]
    with subprocess.Popen(
        [sys.executable, "-m", "jaxrng_doctor", "check", "one:f", "two:f", "--jobs", "2"],
        cwd=folder,
        env=cli_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 100
        while not all(file.exists() for file in files):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        pids = [int(pid) for file in files for pid in file.read_text().split()]
        assert len(pids) == 4
        assert all(map(alive, pids))
        yield process, pids
        process.kill()


def test_ctrl_c_ends_all(busy: tuple[subprocess.Popen[str], list[int]]) -> None:
    process, pids = busy
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert not any(map(alive, pids))
    assert process.returncode == 130
    assert stdout == ""
    said = [line for line in stderr.splitlines() if not line.startswith("jaxrng-doctor: ")]
    assert said == ["interrupted"]


def test_a_doctor_that_is_reported_to_end_takes_its_workers_with_it(
    busy: tuple[subprocess.Popen[str], list[int]],
) -> None:
    process, pids = busy
    process.terminate()
    process.communicate(timeout=30)
    assert not any(map(alive, pids))
    assert process.returncode == -signal.SIGTERM


def test_workers_do_not_outlive_a_doctor_that_is_killed(
    busy: tuple[subprocess.Popen[str], list[int]],
) -> None:
    process, pids = busy
    process.kill()
    process.wait()
    assert gone(pids, within=30)
