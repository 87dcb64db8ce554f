"""SARIF: its content, and that it is valid under the schema that OASIS publishes."""

from __future__ import annotations

import copy
import json
import linecache
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import jsonschema
import pytest
import sample_reports as samples

from jaxrng_doctor.model.findings import Finding, Place
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.reports.formats import FORMATS
from jaxrng_doctor.reports.options import RenderOptions
from jaxrng_doctor.rules import RULES

SCHEMA = json.loads(
    (Path(__file__).parent / "schemas" / "sarif-schema-2.1.0.json").read_text(encoding="utf-8")
)
VALIDATOR = jsonschema.Draft4Validator(SCHEMA)


@pytest.fixture(autouse=True)
def sources():
    samples.install()


def read(*targets, root=samples.ROOT, rules=samples.RULES):
    text = FORMATS["sarif"](samples.report(*targets), RenderOptions(root=root, rules=rules))
    assert text.isascii()
    document = json.loads(text)
    VALIDATOR.validate(document)
    assert document["$schema"] == SCHEMA["id"]
    (run,) = document["runs"]
    return run


def location(place, root=samples.ROOT):
    """The physical location of a finding at `place`."""
    finding = Finding("RNG001", "n", "error", "proven", "m", place)
    (result,) = read(TargetReport("t", (finding,)), root=root)["results"]
    return result["locations"][0]["physicalLocation"]


@pytest.mark.parametrize("name", samples.REPORTS)
def test_reports_follow_the_schema(name):
    for root in (samples.ROOT, "", "/"):
        read(*samples.REPORTS[name]().targets, root=root, rules=tuple(r.text for r in RULES))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda run: run["results"][0].pop("message"),
        lambda run: run["results"][0].update(level="fatal"),
        lambda run: run["results"][0]["locations"][0]["physicalLocation"]["region"].update(
            startLine=0
        ),
        lambda run: run["tool"]["driver"].pop("name"),
        lambda run: run["results"][1]["suppressions"][0].update(kind="comment"),
    ],
)
def test_the_schema_can_tell(spoil):
    right = read(samples.shared_target())
    wrong = copy.deepcopy(right)
    spoil(wrong)
    document = {"version": "2.1.0", "runs": [right]}
    VALIDATOR.validate(document)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({**document, "runs": [wrong]})


def test_what_a_reader_finds():
    run = read(samples.shared_target())
    result, *suppressed = run["results"]
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["id"] == result["ruleId"] == "RNG001"
    assert result["level"] == "error"
    assert result["message"]["text"].split("\n")[0] == (
        "all 32 examples of vmap(add_noise) draw the same numbers"
    )
    (place,) = result["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "noise.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 7, "startColumn": 16, "endLine": 7, "endColumn": 47},
    }
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "add_noise"
    (related,) = result["relatedLocations"]
    assert related["physicalLocation"]["region"]["startLine"] == 11
    assert related["message"]["text"] == "`key` is not mapped: in_axes is None for it"
    assert result["properties"] == {
        "target": "noise.py:noisy_batch",
        "confidence": "proven",
        "examples": 32,
        "distinctKeys": 1,
    }
    assert run["originalUriBaseIds"] == {"%SRCROOT%": {"uri": "file:///project/"}}
    assert run["columnKind"] == "unicodeCodePoints"
    assert [s["suppressions"] for s in suppressed] == [
        [{"kind": "inSource", "justification": "one mask a batch"}],
        [{"kind": "external", "justification": 'expect = "same"'}],
    ]


def test_related_places_are_reported_apart():
    first, *_ = read(samples.gap_target())["results"]
    assert [place["id"] for place in first["relatedLocations"]] == [0, 1]


def test_the_root_is_a_folder():
    for root, uri in (
        ("/project", "file:///project/"),
        ("/", "file:///"),
        ("/a b", "file:///a%20b/"),
    ):
        bases = read(samples.shared_target(), root=root)["originalUriBaseIds"]
        assert bases == {"%SRCROOT%": {"uri": uri}}
    assert "originalUriBaseIds" not in read(samples.shared_target(), root="")


def test_suppressions_are_known_of_all_results_or_of_none():
    for make in samples.REPORTS.values():
        for result in read(*make().targets)["results"]:
            assert isinstance(result["suppressions"], list)


def test_failures_and_gaps_are_notifications():
    run = read(samples.gap_target(), samples.failed_target())
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    gap, other, failure = invocation["toolExecutionNotifications"]
    kinds = run["tool"]["driver"]["notifications"]
    for note in (gap, other, failure):
        assert kinds[note["descriptor"]["index"]]["id"] == note["descriptor"]["id"]
    assert (gap["level"], gap["message"]["text"]) == ("warning", "a key flows into `pure_callback`")
    assert gap["locations"][0]["physicalLocation"]["region"]["startLine"] == 11
    assert other["locations"] == []
    assert failure["level"] == "error"
    assert "TypeError: unsupported" in failure["exception"]["message"]
    assert read(samples.shared_target())["invocations"][0]["executionSuccessful"] is True


def test_every_rule_has_its_help():
    run = read(samples.clean_target(), rules=tuple(rule.text for rule in RULES))
    assert run["results"] == []
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.code for rule in RULES]
    for shown, rule in zip(rules, RULES, strict=True):
        assert shown["shortDescription"]["text"] == rule.summary
        assert shown["defaultConfiguration"]["level"] == rule.severity
        assert shown["help"]["markdown"].startswith(rule.doc.split("\n")[0])
        assert "\n## Use instead\n" in shown["help"]["markdown"]
        assert "\nUse instead\n" in shown["help"]["text"]
        assert "```" not in shown["help"]["text"]
        assert "helpUri" not in shown  # until the pages are published


def test_a_rule_with_a_page_leads_there():
    first, second = read(samples.clean_target())["tool"]["driver"]["rules"]
    assert first["helpUri"] == "https://docs.example/rules/RNG001.md"
    assert "helpUri" not in second


@pytest.mark.parametrize(
    "name", ["a b.py", "a#b?.py", "100%.py", "c:d.py", "日本/é.py", "🎲.py", "[x].py", 'q"\\.py']
)
def test_names_of_files_are_percent_encoded(name):
    found = location(Place(f"/project/{name}", 1))["artifactLocation"]
    assert found["uriBaseId"] == "%SRCROOT%"
    parts = urlsplit(found["uri"])
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")
    assert unquote(found["uri"]) == name
    away = location(Place(f"/other/{name}", 1))["artifactLocation"]
    assert urlsplit(away["uri"]).scheme == "file"
    assert unquote(urlsplit(away["uri"]).path) == f"/other/{name}"
    assert "uriBaseId" not in away


def test_a_name_that_is_no_text_keeps_its_bytes():
    found = location(Place("/project/\udc80.py", 1))["artifactLocation"]
    assert unquote_to_bytes(found["uri"]) == b"\x80.py"


def test_a_notebooks_cell_has_no_folder():
    found = location(Place("<ipython-input-1>", 1))["artifactLocation"]
    assert found == {"uri": "%3Cipython-input-1%3E"}


def test_columns_count_characters():
    samples.put_source("/project/wide.py", "🎲変数 = draw(key)\n")
    region = location(samples.at("/project/wide.py", 1, "draw(key)"))["region"]
    assert region == {"startLine": 1, "startColumn": 7, "endLine": 1, "endColumn": 16}


@pytest.mark.parametrize(
    ("place", "region"),
    [
        (Place("/project/noise.py", 7), {"startLine": 7}),
        (Place("/project/noise.py", 7, 16, 7, 3), {"startLine": 7, "startColumn": 16}),
        (Place("/project/noise.py", 7, 16, 6, 30), {"startLine": 7, "startColumn": 16}),
        (Place("/project/noise.py", 7, None, 6), {"startLine": 7}),
        (Place("/project/noise.py", 7, None, 9), {"startLine": 7, "endLine": 9}),
    ],
)
def test_a_region_never_ends_before_it_starts(place, region):
    assert location(place)["region"] == region


def test_without_a_place_the_function_that_was_examined_is_named():
    finding = Finding("RNG001", "n", "error", "proven", "m", None)
    lines = Place("/project/noise.py", 10, None, 11)
    known, unknown = read(
        TargetReport("t", (finding,), lines=lines), TargetReport("u", (finding,))
    )["results"]
    assert known["locations"][0]["physicalLocation"]["region"] == {"startLine": 10, "endLine": 11}
    assert unknown["locations"] == []


def test_fingerprints_survive_a_shifted_line():
    def prints(*findings):
        results = read(TargetReport("t", findings))["results"]
        return [result["partialFingerprints"] for result in results]

    path, code = "/project/s.py", "x = f(key)\ny = f(key)\n"
    samples.put_source(path, code)
    before = prints(
        *(Finding("RNG001", "n", "error", "proven", "m", Place(path, n)) for n in (1, 2))
    )
    assert before[0] != before[1]
    samples.put_source(path, f"import f\n\n\n{code}")
    after = prints(
        *(Finding("RNG001", "n", "error", "proven", "m", Place(path, n)) for n in (4, 5))
    )
    assert after == before
    del linecache.cache[path]


def test_hostile_text_is_data():
    run = read(*samples.hostile_targets())
    reported, suppressed = run["results"]
    text = reported["message"]["text"]
    assert "\x1b[31m \x00 \x07" in text
    assert "é 日本 🎲" in text
    assert "{{0}} {{{{ [x] (0)" in text  # no placeholder, and no link to a location
    assert suppressed["suppressions"][0]["location"]["physicalLocation"]
    json.dumps(run, ensure_ascii=False).encode()  # no lone surrogate is left
