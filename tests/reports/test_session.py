"""The report of a pytest session: what counts as one finding, and which tests are shown."""

from __future__ import annotations

import dataclasses
import json

import pytest
import sample_reports as samples

from jaxrng_doctor.model.findings import Failure, Gap, Place
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.reports import session


@pytest.fixture(autouse=True)
def sources():
    samples.install()


def shown(*tests, every=False):
    """The report of tests that met these targets, sent as pytest-xdist or a log of JSON does."""
    parts = [session.parts(samples.report(*targets), samples.ROOT) for targets in tests]
    sent = json.loads(json.dumps([(f"t.py::{n}", part) for n, part in enumerate(parts)]))
    return list(session.lines(sent, every=every))


def heads(lines):
    return [line.partition(":")[0] for line in lines if line and line[0] not in " 0123456789|"]


def target(finding=None, **changes):
    return TargetReport("f", (dataclasses.replace(finding or samples.shared_finding(), **changes),))


def test_a_finding_of_several_tests_is_one():
    lines = shown([target()], [target(message="all 8 examples draw the same numbers")], [target()])
    assert heads(lines) == ["error[RNG001]"]
    assert lines[-5:] == ["  seen in 3 tests:", *(f"    t.py::{n}" for n in range(3)), ""]


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "RNG002"},
        {"place": Place("/project/noise.py", 15, 12)},
        {"related": ()},
        {"place": None},
    ],
)
def test_another_cause_is_another_finding(changes):
    lines = shown([target()], [target(**changes)])
    assert len(heads(lines)) == 2
    assert [line for line in lines if "seen" in line] == [f"  seen in t.py::{n}" for n in (0, 1)]


def test_findings_without_a_place_are_told_apart_by_their_message():
    made = samples.refuted_finding()
    assert len(heads(shown([target(made)], [target(made)]))) == 1
    assert len(heads(shown([target(made)], [target(made, message="m")]))) == 2


def test_a_test_that_runs_again_is_one():
    part = session.parts(samples.report(target()), samples.ROOT)
    assert list(session.lines([("t.py::a", part)] * 2))[-2:] == ["  seen in t.py::a", ""]


@pytest.mark.slow
def test_a_few_of_many_tests_are_shown():
    lines = shown(*([target()] for _ in range(1_200)))
    seen = lines.index("  seen in 1,200 tests:")
    shown_tests = [f"    t.py::{n}" for n in range(5)]
    assert lines[seen + 1 :] == [*shown_tests, "    … and 1,195 more", ""]
    lines = shown(*([target()] for _ in range(1_200)), every=True)
    assert lines[seen + 1 :] == [*(f"    t.py::{n}" for n in range(1_200)), ""]


def test_gaps_and_failures_are_shown_too():
    gap = TargetReport("f", gaps=(Gap("a vmap could not be kept"), Gap("another")))
    failed = TargetReport("g", failure=Failure("analysis", "IndexError", "Traceback: …"))
    lines = shown([gap], [gap, failed])
    assert lines.count("gap: a vmap could not be kept") == 1
    assert lines.count("  seen in 2 tests:") == 2
    start = lines.index("g")
    assert lines[start : start + 4] == [
        "g",
        "error: target could not be analysed: IndexError",
        "  Traceback: …",
        "  seen in t.py::1",
    ]
