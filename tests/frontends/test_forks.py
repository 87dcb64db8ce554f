"""Targets that fork or exit, in real processes: each is reported once, under its own name."""

from __future__ import annotations

import json
import os
import time

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork"),
]

PRELUDE = """
import multiprocessing
import os
import sys
import threading
import time
import warnings

import jax

warnings.simplefilter("ignore")  # JAX and Python warn of forks
"""

DRAW = "return x + jax.random.normal(key, x.shape)"

BODIES = {
    "the child exits": "if os.fork() == 0: raise SystemExit(0)",
    "the child leaves at once": "if os.fork() == 0: os._exit(0)",
    "the child raises": "if os.fork() == 0: raise ValueError('of the child')",
    "the child goes on": "os.fork()",
    "the child outlives its parent": "if os.fork() == 0: time.sleep(60)",
    "the parent waits": """
    pid = os.fork()
    if pid == 0:
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7""",
    "in a thread": "t = threading.Thread(target=os.fork); t.start(); t.join()",
    "by multiprocessing": """
    process = multiprocessing.get_context("fork").Process(target=print, args=("from a child",))
    process.start()
    process.join()
    assert process.exitcode == 0""",
}


def bad(name):
    return f"""
def {name}(x, key):
    return jax.vmap(lambda a: a + jax.random.normal(key, a.shape))(x)  # RNG001
"""


def check(run_cli, *targets, arguments=("--arg", "x=f32[4,3]", "--arg", "key=key", "--no-run")):
    done = run_cli("check", *targets, *arguments, "--format", "json")
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    return done, [(t["target"], t["failure"], [f["code"] for f in t["findings"]])
                  for t in report["targets"]], report  # fmt: skip


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_fork_takes_no_other_targets_verdict(body, write, run_cli):
    write("forks.py", f"{PRELUDE}\ndef a_fork(x, key):\n    {body.strip()}\n    {DRAW}\n{bad('b')}")
    started = time.monotonic()
    done, reported, report = check(run_cli, "forks.py:a_fork", "forks.py:b")
    assert reported == [("forks.py:a_fork", None, []), ("forks.py:b", None, ["RNG001"])]
    assert done.returncode == 1
    assert report["summary"]["complete"]
    assert time.monotonic() - started < 55  # a sleeping child is not waited for


def test_a_fork_while_the_target_runs_takes_no_verdict_either(write, run_cli):
    write("forks.py", f"{PRELUDE}\ndef a(x, key):\n    os.fork()\n    {DRAW}\n{bad('b')}")
    _, reported, _ = check(
        run_cli, "forks.py:a", "forks.py:b", arguments=("--arg", "x=f32[4,3]", "--arg", "key=key")
    )
    assert reported == [("forks.py:a", None, []), ("forks.py:b", None, ["RNG001"])]


def test_a_fork_at_import_gives_one_verdict_for_each_target(write, run_cli):
    write("at_import.py", f"{PRELUDE}\nos.fork()\n\ndef f(x, key):\n    {DRAW}\n")
    write("other.py", f"{PRELUDE}{bad('b')}")
    _, reported, _ = check(run_cli, "at_import.py:f", "other.py:b")
    assert reported == [("at_import.py:f", None, []), ("other.py:b", None, ["RNG001"])]


@pytest.mark.parametrize(
    ("text", "words"),
    [("def a(x, key):\n    os._exit(0)\n", "ended the process with exit code 0"),
     ("sys.exit(0)\n", "exit")],
    ids=["a target leaves", "a module exits"],
)  # fmt: skip
def test_a_target_without_an_answer_is_a_failure(text, words, write, run_cli):
    write("leaves.py", f"{PRELUDE}\n{text}")
    write("other.py", f"{PRELUDE}{bad('b')}")
    done, reported, report = check(run_cli, "leaves.py:a", "other.py:b")
    (left, failure, _), other = reported
    assert left == "leaves.py:a"
    assert words in failure["message"]
    assert other == ("other.py:b", None, ["RNG001"])
    assert done.returncode == 3
    assert [t["complete"] for t in report["targets"]] == [False, True]
    assert not report["summary"]["complete"]
