"""`pytest --jaxrng`: every test is watched, and one whose program shares noise fails.

The flag alone, or `--jaxrng=error`, fails such tests; `--jaxrng=warn` only tells of them
at the end. `@pytest.mark.jaxrng(ignore=["RNG005"])` and `@pytest.mark.jaxrng(expect="same")`
say for a test what is intended. JAX is imported only where the flag is given.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from jaxrng_doctor.api import Report

_PROPERTY = "jaxrng"
_watched = pytest.StashKey["tuple[contextlib.ExitStack, Report]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("jaxrng").addoption(
        "--jaxrng",
        nargs="?",
        const="error",
        choices=("error", "warn"),
        help="watch each test for random numbers that are shared by mistake: "
        "fail it (error, the default), or only tell (warn)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        'jaxrng(ignore=[...], expect="same"): what --jaxrng is not to report in this test',
    )


class JaxRng:
    """The fixture `jaxrng`: `check` and `watch`, which raise where there are findings."""

    def check(self, *args: Any, **kwargs: Any) -> Report:
        """`jaxrng_doctor.check`; raises `FindingsError` unless the report is ok."""
        import jaxrng_doctor

        report = jaxrng_doctor.check(*args, **kwargs)
        report.raise_for_findings()
        return report

    @contextlib.contextmanager
    def watch(self, **kwargs: Any) -> Generator[Report]:
        """`jaxrng_doctor.watch`; raises `FindingsError` at its end unless the report is ok."""
        import jaxrng_doctor

        with jaxrng_doctor.watch(**kwargs) as report:
            yield report
        report.raise_for_findings()


@pytest.fixture
def jaxrng() -> JaxRng:
    """Check functions, and watch blocks, for random numbers that are shared by mistake."""
    return JaxRng()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    if item.config.getoption("--jaxrng"):
        item.stash[_watched] = _watch(item)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    outcome = yield
    if _watched in item.stash:
        report = _finished(item)
        if not report.ok or report.gaps:
            item.user_properties.append((_PROPERTY, str(report)))
        if not report.ok and item.config.getoption("--jaxrng") == "error":
            pytest.fail(str(report), pytrace=False)
    return outcome


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    if _watched in item.stash:
        _finished(item)  # the test did not come to its end
    return (yield)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    told = [
        (report.nodeid, text)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, text in report.user_properties
        if name == _PROPERTY
    ]
    if not told:
        return
    terminalreporter.section("jaxrng-doctor")
    mode = terminalreporter.config.getoption("--jaxrng")
    for nodeid, text in told:
        terminalreporter.write_line(nodeid)
        if mode == "warn":
            terminalreporter.write_line(text)


def _watch(item: pytest.Item) -> tuple[contextlib.ExitStack, Report]:
    from jaxrng_doctor.api import watch
    from jaxrng_doctor.config import read_config
    from jaxrng_doctor.rules import CODES
    from jaxrng_doctor.suppress import SHARING

    config = read_config(Path(item.config.rootpath), CODES)
    ignore = [*config.ignore]
    for mark in item.iter_markers("jaxrng"):
        unknown = sorted(mark.kwargs.keys() - {"ignore", "expect"})
        if unknown or mark.args:
            typed = unknown[0] if unknown else mark.args[0]
            raise pytest.UsageError(
                f"pytest.mark.jaxrng has no {typed!r}: "
                'write ignore=["RNG005"] or expect="same" in it'
            )
        ignore += mark.kwargs.get("ignore", ())
        # Beside what is shared within one call, what is shared from call to call.
        ignore += (*SHARING, "RNG014") if mark.kwargs.get("expect") == "same" else ()
    stack = contextlib.ExitStack()
    return stack, stack.enter_context(watch(select=config.select, ignore=ignore))


def _finished(item: pytest.Item) -> Report:
    stack, report = item.stash[_watched]
    del item.stash[_watched]
    stack.close()
    return report
