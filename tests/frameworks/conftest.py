"""Checks of programs that use a library: the fault is the user's, and so is the reported line."""

import pytest

import jaxrng_doctor
from jaxrng_doctor.rules.by_cause import ungrouped


@pytest.fixture
def flagged(request):
    """Check a faulty program: it has one kind of error, proven, on lines of the test's own file.

    Each such line ends with `# draws`. Returns the first finding.
    """
    lines = request.path.read_text(encoding="utf-8").splitlines()

    def check(code, fn, *args):
        report = jaxrng_doctor.check(fn, args)
        assert report.failures == ()
        assert report.gaps == ()
        findings = report.at_or_over("warning")
        assert {(f.code, f.severity, f.confidence) for f in findings} == {(code, "error", "proven")}
        assert {f.place.path for f in findings} == {str(request.path)}
        reported = {lines[f.place.line - 1] for f in findings}
        assert all(line.endswith("# draws") for line in reported), reported
        return findings[0]

    return check


@pytest.fixture
def clean():
    """Check a clean program: it draws, and has no gaps and no findings except the given notes."""

    def check(fn, *args, notes=()):
        report = jaxrng_doctor.check(fn, args)
        assert report.failures == ()
        assert report.gaps == ()
        assert report.draws
        found = {(part.code, part.severity) for part in ungrouped(report.findings)}
        assert found == {(code, "note") for code in notes}

    return check
