"""JUnit XML, read back by a JUnit parser."""

from __future__ import annotations

import junitparser
import pytest
import sample_reports as samples

from jaxrng_doctor.model.findings import Choices, Finding, Place
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.reports.formats import FORMATS
from jaxrng_doctor.reports.options import RenderOptions


@pytest.fixture(autouse=True)
def sources():
    samples.install()


def read(*targets, **options):
    text = FORMATS["junit"](samples.report(*targets), RenderOptions(root=samples.ROOT, **options))
    assert text.isascii()
    (suite,) = junitparser.JUnitXml.fromstring(text.encode())
    return suite


def test_a_target_is_a_case():
    suite = read(samples.shared_target(), samples.clean_target(), samples.failed_target())
    counts = (suite.tests, suite.failures, suite.errors, suite.skipped)
    assert counts == (3, 1, 1, 0)
    assert {p.name: p.value for p in suite.properties()} == {
        "jaxrng-doctor": "0.1.0",
        "jax": "0.10.2",
    }
    shared, clean, failed = suite
    assert (shared.classname, shared.name) == ("noise.py", "noisy_batch")
    (failure,) = shared.result
    assert isinstance(failure, junitparser.Failure)
    assert failure.type == "RNG001"
    assert failure.message == (
        "RNG001 noise.py:7:16: all 32 examples of vmap(add_noise) draw the same numbers"
    )
    assert "32 examples, 1 distinct key" in failure.text
    assert "suppressed[RNG001] train/loop.py:6:9, ignored by a comment" in failure.text
    assert clean.is_passed
    assert not clean.system_out
    (error,) = failed.result
    assert isinstance(error, junitparser.Error)
    assert (error.type, error.message) == ("trace", "could not be traced: TypeError: bad")
    assert "TypeError: unsupported" in error.text


def test_counts_are_those_of_the_cases():
    suite = read(*(make().targets[0] for make in samples.REPORTS.values()), samples.failed_target())
    counts = suite.tests, suite.failures, suite.errors
    suite.update_statistics()
    assert counts == (suite.tests, suite.failures, suite.errors)


def finding(severity):
    place = Place("/project/noise.py", 7)
    return Finding("RNG011", "n", severity, "proven", "m", place)


@pytest.mark.parametrize(
    ("fail_on", "failing"),
    [("error", {"error"}), ("warning", {"error", "warning"}), ("never", set())],
)
def test_a_case_fails_where_the_command_does(fail_on, failing):
    for severity in ("error", "warning", "note"):
        (case,) = read(TargetReport("t", (finding(severity),), choices=Choices(fail_on=fail_on)))
        assert bool(case.result) == (severity in failing)
        assert case.is_passed == (severity not in failing)
        reported = case.result[0].text if case.result else case.system_out
        assert f"{severity}[RNG011]" in reported
        assert (case.classname, case.name) == ("jaxrng-doctor", "t")


def test_several_findings_are_one_failure_with_all_of_them():
    (case,) = read(samples.gap_target())
    (failure,) = case.result
    assert failure.type == "RNG002, RNG003"
    assert failure.message.endswith("(and 1 more)")
    assert failure.text.count("[RNG00") == 3
    assert "gap: a vmap could not be kept" in failure.text


def test_the_place_of_the_function():
    (case,) = read(TargetReport("noise.py:f", lines=Place("/project/noise.py", 10, None, 11)))
    assert case._elem.get("file") == "noise.py"
    assert case._elem.get("line") == "10"


def test_hostile_text_is_text():
    suite = read(*samples.hostile_targets())
    first, second, third = suite
    assert (suite.tests, suite.failures, suite.errors) == (3, 1, 1)
    assert "]]> </details> <script>1</script> &amp; \" ' | \\| \\" in first.result[0].text
    assert (
        "\\x1b[31m \\x00 \\x07 \\x85 \\ufffe \\u2028 \\u202e \\udc80 é 日本 🎲"
        in first.result[0].text
    )
    assert second.is_passed
    assert third.result[0].message.startswith("could not be run: a\nb")
