"""Fixtures for all tests, such as a real `jaxrng-doctor` process and a folder of user modules."""

from __future__ import annotations

import copy
import gc
import importlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import browser
import coming
import numpy as np
import pytest
import xla_flags

xla_flags.set_flags()

# Shells let background jobs ignore SIGINT, and the processes that the tests start inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent

COMPILED = "JAXRNG_TESTS_COMPILED"
"""The environment variable that names the compilation cache of this test run."""

RunCli = Callable[..., "subprocess.CompletedProcess[str]"]


_OF_PROCESSES = {"chromium", "pytester", "run_cli"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--one-in",
        type=int,
        default=1,
        metavar="N",
        help="run one in N of the cases of each test, and no test that starts a process",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of processes and the slow cases; with `--one-in`, keep a sample."""
    cases: Counter[str] = Counter()
    for item in items:
        if (sampled := item.get_closest_marker("sampled")) is not None:
            name = item.nodeid.partition("[")[0]
            if cases[name] % sampled.args[0]:
                item.add_marker("slow")
            cases[name] += 1
        if not _OF_PROCESSES.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("process")
    one_in = config.getoption("one_in")
    if one_in == 1:
        return
    seen: Counter[str] = Counter()
    kept, left_out = [], []
    for item in items:
        name = item.nodeid.partition("[")[0]
        if any(item.get_closest_marker(mark) for mark in ("every_case", "process", "slow")):
            left_out.append(item)
            continue
        is_kept = seen[name] % one_in == 0
        seen[name] += 1
        (kept if is_kept else left_out).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)


def pytest_configure(config: pytest.Config) -> None:
    """Share a compilation cache, and freeze JAX's objects so that `gc.get_objects` omits them.

    jaxrng-doctor searches all objects for random generators.
    """
    if COMPILED not in os.environ:  # the workers of xdist inherit it
        folder = tempfile.TemporaryDirectory()
        config.add_cleanup(folder.cleanup)
        os.environ[COMPILED] = folder.name
    importlib.import_module("jax")
    xla_flags.share_compiled(os.environ[COMPILED])
    gc.freeze()


def pytest_collection_finish() -> None:
    """Freeze what collecting made, for the same reason as JAX's objects.

    The generators of test modules are copied: those that are frozen are not found.
    """
    gc.freeze()
    for module in list(sys.modules.values()):
        if str(getattr(module, "__file__", None) or "").startswith(str(ROOT / "tests")):
            for name, value in list(vars(module).items()):
                if isinstance(value, (np.random.Generator, np.random.RandomState)):
                    setattr(module, name, copy.deepcopy(value))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Skip the test of a program that JAX itself cannot run under its upcoming defaults."""
    with coming.skipping_refusals():
        return (yield)


@pytest.fixture(scope="session")
def cli_environment() -> dict[str, str]:
    """The environment of a process that can import the package even if it is not installed."""
    quiet = {"COLUMNS", "FORCE_COLOR", "NO_COLOR", "PYTHONWARNINGS"}
    inherited = {name: value for name, value in os.environ.items() if name not in quiet}
    path = os.pathsep.join(filter(None, [str(ROOT), inherited.get("PYTHONPATH", "")]))
    return {"JAX_PLATFORMS": "cpu", **inherited, "PYTHONPATH": path}


@pytest.fixture
def run_cli(tmp_path: Path, cli_environment: dict[str, str]) -> RunCli:
    """Run `python -m jaxrng_doctor ARGS` in `cwd`, by default `tmp_path`."""

    def run(
        *args: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "jaxrng_doctor", *map(str, args)],
            cwd=cwd or tmp_path,
            env={**cli_environment, **(env or {})},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A running browser. Without one, tests are skipped; in CI they fail."""
    with browser.started() as chromium:
        if chromium is None and os.environ.get("CI") == "true":
            pytest.fail(browser.ABSENT)
        if chromium is None:
            pytest.skip(browser.ABSENT)
        yield chromium


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file into `tmp_path`, given its relative path and its indented text."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def fresh_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Change to `tmp_path`; afterwards restore `sys.path` and drop modules imported from there."""
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]


_run = itertools.count(1)


@pytest.fixture(autouse=True)
def _few_objects() -> Iterator[None]:
    """Clear JAX's caches now and then: they keep all traces, which slows searches of objects."""
    yield
    if next(_run) % 32 == 0:
        sys.modules["jax"].clear_caches()
        gc.collect()
