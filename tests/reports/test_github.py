"""Workflow commands, read back by the rules of the GitHub Actions runner."""

from __future__ import annotations

import re

import pytest
import sample_reports as samples

from jaxrng_doctor.model.findings import Finding, Place
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.reports.formats import FORMATS
from jaxrng_doctor.reports.options import RenderOptions

PROPERTY = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}
DATA = {"%0D": "\r", "%0A": "\n", "%25": "%"}


@pytest.fixture(autouse=True)
def sources():
    samples.install()


def unescaped(text, codes):
    for code, char in codes.items():  # `%25` is last, as in the runner
        text = text.replace(code, char)
    return text


def commands(*targets):
    """The commands as the runner parses them, and the lines that are not commands."""
    text = FORMATS["github"](samples.report(*targets), RenderOptions(root=samples.ROOT))
    found, others = [], []
    for line in text.splitlines():
        if not line.startswith("::"):
            others.append(line)
            continue
        head, data = line[2:].split("::", 1)
        name, _, given = head.partition(" ")
        pairs = (one.split("=", 1) for one in given.split(","))
        found.append((name, {k: unescaped(v, PROPERTY) for k, v in pairs}, unescaped(data, DATA)))
    return found, others


def of(*places, **more):
    findings = (Finding("RNG001", "n", "error", "proven", "m", place, **more) for place in places)
    return commands(TargetReport("t", tuple(findings)))[0]


def test_what_the_runner_reads():
    ((name, given, message),), others = commands(samples.shared_target())
    assert name == "error"
    assert given == {
        "file": "/project/noise.py",
        "line": "7",
        "col": "16",
        "endLine": "7",
        "endColumn": "47",
        "title": "RNG001 shared-key-under-vmap",
    }
    lines = message.split("\n")
    assert lines[0] == "all 32 examples of vmap(add_noise) draw the same numbers"
    assert lines[1] == "noise.py:11:12: `key` is not mapped: in_axes is None for it"
    assert lines[-1].startswith("help: or draw once for the whole batch")
    assert others == ["1 error, 0 warnings, 0 notes · 3 draws seen · 0 gaps · 2 suppressed"]


def test_severities_gaps_and_failures():
    found, _ = commands(samples.gap_target(), samples.failed_target())
    assert [(name, given["title"].split()[0]) for name, given, _ in found] == [
        ("warning", "RNG002"),
        ("error", "RNG003"),
        ("notice", "RNG001"),
        ("warning", "gap"),
        ("warning", "gap"),
        ("error", "noise.py:broken"),
    ]
    assert "TypeError: unsupported" in found[-1][2]


def test_columns_are_given_on_one_line_only_and_never_backwards():
    path = "/project/noise.py"
    several = of(Place(path, 7, 16, 9, 3))[0][1]
    assert (several["line"], several["endLine"]) == ("7", "9")
    assert not {"col", "endColumn"} & several.keys()
    backwards = of(Place(path, 7, 16, 7, 3))[0][1]
    assert backwards.keys() & {"col", "endLine", "endColumn"} == {"col"}
    assert of(Place(path, 7))[0][1].keys() == {"file", "line", "title"}


def test_columns_count_characters():
    samples.put_source("/project/wide.py", "🎲変数 = draw(key)\n")
    given = of(samples.at("/project/wide.py", 1, "draw(key)"))[0][1]
    assert (given["col"], given["endColumn"]) == ("7", "16")


def test_what_several_targets_show_is_said_once():
    both = samples.shared_target(), samples.shared_target()
    assert len(commands(*both)[0]) == 1


def test_without_a_place_the_function_that_was_examined_is_marked():
    finding = Finding("RNG001", "n", "error", "proven", "m", None)
    lines = Place("/project/noise.py", 10, None, 11)
    (((_, given, _),), _) = commands(TargetReport("t", (finding,), lines=lines))
    assert given == {
        "file": "/project/noise.py",
        "line": "10",
        "endLine": "11",
        "title": "RNG001 n",
    }


def test_hostile_text_makes_no_command_and_no_property():
    targets = samples.hostile_targets()
    found, others = commands(*targets)
    assert len(found) == 4  # a finding, two gaps, a failure
    assert len(others) == 1
    allowed = {"file", "line", "col", "endLine", "endColumn", "title"}
    for name, given, message in found:
        assert name in {"error", "warning"}
        assert given.keys() <= allowed
        assert "::error file=x::y" in message
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800-\udfff]", message)
        values = "".join(given.values())
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u202e\ud800-\udfff]", values)
    assert "c,d:e=f%0A%3A\\n::error file=x::y" in found[0][1]["file"]
