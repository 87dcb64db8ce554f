"""Golden files of SARIF, GitHub, JUnit and Markdown reports, and properties of all formats.

After an intended change, `python tests/reports/test_golden.py` rewrites the golden files; review
the diff. Those of the terminal are in `test_terminal.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import sample_reports as samples

from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.reports.formats import FORMATS
from jaxrng_doctor.reports.options import RenderOptions

ENDINGS = {
    "concise": "concise.txt",
    "sarif": "sarif",
    "github": "github.txt",
    "junit": "xml",
    "markdown": "md",
}
LEFT_OUT = {"github": ("proven",), "concise": ("proven", "unsupported")}
"""What a format does not show: the confidence, and for the shortest also a traceback."""
GOLDEN = {
    f"{name}.{ending}": (name, format)
    for name in samples.REPORTS
    for format, ending in ENDINGS.items()
}


@pytest.fixture(autouse=True)
def sources():
    samples.install()


def golden(name, format):
    options = RenderOptions(root=samples.ROOT, rules=samples.RULES)
    return FORMATS[format](samples.REPORTS[name](), options)


@pytest.mark.parametrize("file", GOLDEN)
def test_golden(file):
    path = Path(__file__).parent / "golden" / file
    assert golden(*GOLDEN[file]) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("format", FORMATS)
def test_a_report_is_text_that_can_be_written(format):
    reports = [make() for make in samples.REPORTS.values()]
    reports += [samples.report(), samples.report(*samples.hostile_targets())]
    for report in reports:
        for options in (RenderOptions(), RenderOptions(root="/"), RenderOptions(brief=True)):
            text = FORMATS[format](report, options)
            assert text.encode()
            assert text.endswith("\n")
            assert text == FORMATS[format](report, options)


@pytest.mark.parametrize("format", sorted(FORMATS.keys() - {"terminal"}))
def test_colour_and_width_are_the_terminals_own(format):
    report = samples.REPORTS["shared"]()
    plain, coloured = (
        FORMATS[format](report, RenderOptions(color, width, samples.ROOT))
        for color, width in ((False, 100), (True, 40))
    )
    assert plain == coloured


@pytest.mark.parametrize("format", FORMATS)
def test_everything_that_was_found_is_told(format):
    report = samples.report(samples.gap_target(), samples.failed_target(), samples.shared_target())
    text = FORMATS[format](report, RenderOptions(width=300, root=samples.ROOT))
    every = [("RNG001", "RNG002", "RNG003"), ("pure", "callback"), ("could not be kept",)]
    for words in [*every, ("TypeError", "unsupported", "broken"), ("1,000,000 examples", "proven")]:
        assert all(word in text for word in words if word not in LEFT_OUT.get(format, ())), words


@pytest.mark.parametrize("format", FORMATS)
def test_a_brief_report_of_a_program_is_told_too(format):
    targets = (samples.clean_target(), TargetReport("across calls", samples.gap_target().findings))
    text = FORMATS[format](samples.report(*targets), RenderOptions(root=samples.ROOT, brief=True))
    assert "RNG002" in text
    assert "RNG003" in text


if __name__ == "__main__":
    samples.install()
    for file, case in GOLDEN.items():
        path = Path(__file__).parent / "golden" / file
        path.write_text(golden(*case), encoding="utf-8")
