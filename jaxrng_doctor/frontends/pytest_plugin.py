"""`pytest --jaxrng`: watch every test for random numbers that are shared by mistake.

`--jaxrng` or `--jaxrng=error` fails tests with findings, `--jaxrng=warn` does not. Each finding is
reported once, at the end, with the tests that met it. `@pytest.mark.jaxrng(ignore=["RNG005"])` and
`@pytest.mark.jaxrng(expect="same")` declare what a test does on purpose. Without the flag, the
plugin does not import JAX.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from jaxrng_doctor.config.pyproject import Config
    from jaxrng_doctor.frontends.api import Report
    from jaxrng_doctor.model.findings import Choices
    from jaxrng_doctor.reports.session import Part
    from jaxrng_doctor.suppression.accept import Acceptance

_PROPERTY = "jaxrng"  # in the XML: the whole report of the test
_PARTS = "jaxrng_parts"  # of pytest's report of the test: what is shown at the end
_ENDED = (Exception, pytest.fail.Exception, pytest.skip.Exception)
_project: pytest.StashKey[tuple[Config, Acceptance]] = pytest.StashKey()
_current = pytest.StashKey[pytest.Item]()
_fixtures = pytest.StashKey[list[Any]]()  # the targets of the fixtures' reports
_parts: pytest.StashKey[list[Part]] = pytest.StashKey()
_reason = pytest.StashKey[str]()  # one line: why --jaxrng fails the test
_watched = pytest.StashKey["tuple[contextlib.ExitStack, Report]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("jaxrng").addoption(
        "--jaxrng",
        nargs="?",
        const="error",
        type=_mode,
        metavar="{error,warn}",
        help="watch each test for random numbers that are shared by mistake, and "
        "fail it (error, the default) or only report it (warn)",
    )
    parser.getgroup("jaxrng").addoption(
        "--jaxrng-strict",
        action="store_true",
        help="with --jaxrng, also fail tests with gaps: code that could not be followed",
    )


def _mode(typed: str) -> str:
    if typed not in ("error", "warn"):
        raise argparse.ArgumentTypeError(
            f"invalid value {typed!r}: expected error or warn; "
            f"to name tests next, use --jaxrng=error {typed}"
        )
    return typed


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        'jaxrng(ignore=[...], expect="same"): findings that --jaxrng ignores in this test',
    )
    if config.getoption("--jaxrng"):
        from jaxrng_doctor.config.pyproject import read_config
        from jaxrng_doctor.model.errors import UsageError
        from jaxrng_doctor.rules import CODES
        from jaxrng_doctor.suppression.accept import load_acceptance

        try:
            found = read_config(config.rootpath, CODES)
            config.stash[_project] = found, load_acceptance(found.folder, found.baseline)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from error
        _keep_names(config)


def _keep_names(config: pytest.Config) -> None:
    """Patch JAX early, so that `from jax import vmap` in a test module gets the patched vmap."""
    from jaxrng_doctor.watching.on_import import once_jax_is_imported

    stack = contextlib.ExitStack()

    def begin() -> None:
        from jaxrng_doctor.jax_internals.patches import enter
        from jaxrng_doctor.tracing import recording_vmaps
        from jaxrng_doctor.watching.hooks import showing_transformations

        enter(stack, "watching transformed functions", showing_transformations)
        enter(stack, "watching vmaps", recording_vmaps)

    stack.enter_context(once_jax_is_imported(begin))
    config.add_cleanup(stack.close)


class JaxRng:
    """The fixture `jaxrng`: `check` and `watch`, which raise if there are findings."""

    def check(self, *args: Any, **kwargs: Any) -> Report:
        """`jaxrng_doctor.check`; raises `FindingsError` unless the report is ok."""
        import jaxrng_doctor

        report = jaxrng_doctor.check(*args, **kwargs)
        report.raise_for_findings()
        return report

    @contextlib.contextmanager
    def watch(self, **kwargs: Any) -> Generator[Report]:
        """`jaxrng_doctor.watch`; raises `FindingsError` on exit unless the report is ok."""
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
        item.session.stash[_current] = item
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Watch a fixture that several tests share separately from the tests.

    Otherwise its draws would be compared with those of the first test that requests it.
    """
    item = request.session.stash.get(_current, None)
    if fixturedef.scope == "function" or item is None or _watched not in item.stash:
        return (yield)
    from jaxrng_doctor.frontends.api import watching
    from jaxrng_doctor.model.target import Overrides
    from jaxrng_doctor.watching.hooks import apart

    config, _ = item.config.stash[_project]  # without marks, which belong to single tests
    strict = item.config.getoption("--jaxrng-strict") or None
    with apart(), watching(config.choices(Overrides(strict=strict))) as report:
        made = yield
    item.stash.setdefault(_fixtures, []).extend(report.targets)
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    try:
        outcome = yield
    except _ENDED:  # the test failed or was skipped: report its findings, too
        if _watched in item.stash:
            _attach(item, _finished(item))
        raise
    if _watched in item.stash:
        report = _finished(item)
        _attach(item, report)
        if (report.fails or report.failures) and item.config.getoption("--jaxrng") == "error":
            from jaxrng_doctor.reports._plain_text import reason
            from jaxrng_doctor.reports.concise import lines

            root = _root(item)
            item.stash[_reason] = reason(report.targets, root)
            text = _shown(report, lambda: "\n".join(dict.fromkeys(lines(report, root))))
            pytest.fail(text, pytrace=False)
    return outcome


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, pytest.TestReport]:
    """Give pytest a one-line reason for the failure, for its summary and its XML.

    With pytest-xdist, what is shown at the end is sent with the report of the test.
    """
    report: pytest.TestReport = yield
    if _parts in item.stash:
        vars(report)[_PARTS] = item.stash[_parts]
        del item.stash[_parts]
    if _reason in item.stash:
        crash = getattr(report.longrepr, "reprcrash", None)
        if crash is not None:
            _, line, _ = item.location  # 0-based; the default is a line of this plugin
            crash.path, crash.lineno = str(item.path), (line or 0) + 1
            crash.message = item.stash[_reason]
        del item.stash[_reason]  # a plugin may rerun the test
    return report


def _attach(item: pytest.Item, report: Report) -> None:
    if report.fails or not report.ok or not report.complete:
        from jaxrng_doctor.reports.session import parts

        item.user_properties.append((_PROPERTY, _shown(report, lambda: str(report))))
        try:
            item.stash[_parts] = parts(report, _root(item))
        except Exception as error:  # an internal error must not fail the test
            text = _not_shown(report, error)
            item.stash[_parts] = [(text, text)]


def _shown(report: Report, text: Callable[[], str]) -> str:
    try:
        return text()
    except Exception as error:  # an internal error must not fail the test
        return _not_shown(report, error)


def _not_shown(report: Report, error: Exception) -> str:
    counted = f"{len(report.findings)} findings, {len(report.gaps)} gaps"
    return f"{counted}; the report could not be shown: {error!r}"


def _root(item: pytest.Item) -> str:
    """The folder that paths are relative to; a test may change the current folder."""
    return str(item.config.invocation_params.dir)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    if _watched in item.stash:
        _finished(item)  # the test was interrupted
    return (yield)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    met = [
        (report.nodeid, getattr(report, _PARTS))
        for reports in terminalreporter.stats.values()
        for report in reports
        if hasattr(report, _PARTS)
    ]
    if not met:
        return
    from jaxrng_doctor.reports.session import lines

    terminalreporter.section("jaxrng-doctor")
    for line in lines(met, every=terminalreporter.config.getoption("verbose") > 0):
        terminalreporter.write_line(line)


def _watch(item: pytest.Item) -> tuple[contextlib.ExitStack, Report]:
    from jaxrng_doctor.frontends.api import watching

    stack = contextlib.ExitStack()
    return stack, stack.enter_context(watching(_choices(item)))


def _choices(item: pytest.Item) -> Choices:
    """What is reported for a test: the project's settings and the test's marks."""
    from jaxrng_doctor._util.suggest import choose
    from jaxrng_doctor.config.validators import known_codes
    from jaxrng_doctor.model.errors import UsageError
    from jaxrng_doctor.model.target import EXPECTATIONS, Overrides
    from jaxrng_doctor.rules import CODES

    config, _ = item.config.stash[_project]
    ignore = [*config.ignore]
    expect = config.expect
    for mark in item.iter_markers("jaxrng"):
        unknown = sorted(mark.kwargs.keys() - {"ignore", "expect"})
        if unknown or mark.args:
            typed = unknown[0] if unknown else mark.args[0]
            raise pytest.UsageError(
                f"pytest.mark.jaxrng: unexpected argument {typed!r}; "
                'use ignore=["RNG005"] or expect="same"'
            )
        try:
            ignore += known_codes(mark.kwargs.get("ignore", ()), CODES, "pytest.mark.jaxrng ignore")
            if "expect" in mark.kwargs:
                typed = mark.kwargs["expect"]
                expect = choose("pytest.mark.jaxrng expect", typed, EXPECTATIONS)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
    strict = item.config.getoption("--jaxrng-strict") or None
    overrides = Overrides(ignore=tuple(ignore), strict=strict)
    return replace(config.choices(overrides), expect=expect)


def _finished(item: pytest.Item) -> Report:
    stack, report = item.stash[_watched]
    del item.stash[_watched]
    stack.close()
    report = replace(report, targets=(*report.targets, *item.stash.get(_fixtures, ())))
    _, acceptance = item.config.stash[_project]
    try:
        return acceptance.apply(report, complete=False)
    except Exception as error:  # an internal error must not fail the test
        from jaxrng_doctor.model.findings import Gap
        from jaxrng_doctor.model.report import TargetReport

        gap = Gap(f"the baseline could not be applied: {error!r}")
        return replace(report, targets=(*report.targets, TargetReport("baseline", gaps=(gap,))))
