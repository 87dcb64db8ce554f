"""The JSON report: its content, and that it is valid under the published schema."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
import sample_reports as samples

from jaxrng_doctor.model.findings import (
    UNITS,
    Comparison,
    Finding,
    Leaf,
    Pairs,
    Place,
    ScopeKind,
)
from jaxrng_doctor.model.report import TargetReport
from jaxrng_doctor.reports.formats import FORMATS
from jaxrng_doctor.reports.options import RenderOptions

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "report.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture(autouse=True)
def sources():
    samples.install()


def read(report, root=samples.ROOT):
    return json.loads(FORMATS["json"](report, RenderOptions(root=root)))


def test_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", samples.REPORTS)
def test_reports_follow_the_schema(name):
    VALIDATOR.validate(read(samples.REPORTS[name]()))


def _objects(schema):
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from _objects(value)


def test_schemas_have_each_kind_of_scope():
    listing = json.loads((DOCS / "listing.schema.json").read_text(encoding="utf-8"))
    for schema in (SCHEMA, listing):
        kinds = [
            o["properties"]["kind"] for o in _objects(schema) if "axis_name" in o["properties"]
        ]
        assert kinds
        assert all(set(kind["enum"]) == set(get_args(ScopeKind)) for kind in kinds)


def test_each_kind_of_scope_has_a_unit():
    assert set(UNITS) == set(get_args(ScopeKind))


def test_schema_is_strict_and_describes_every_field():
    objects = list(_objects(SCHEMA))
    assert len(objects) > 10
    for one in objects:
        assert one["additionalProperties"] is False
        assert one["required"] == list(one["properties"])
        for field in one["properties"].values():
            assert "description" in field or "$ref" in field


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r.pop("summary"),
        lambda r: r.update(extra=1),
        lambda r: r.update(schema_version=2),
        lambda r: r["targets"][0]["findings"][0].update(severity="fatal"),
        lambda r: r["targets"][0]["findings"][0].update(line=0),
        lambda r: r["targets"][0]["findings"][0]["scopes"][0].pop("varies"),
        lambda r: r["targets"][0]["findings"][0]["related"][0].update(path=None),
        lambda r: r["targets"][0]["findings"][0]["evidence"].update(equal_pair=[1]),
        lambda r: r["targets"][0]["comparison"]["leaves"][1]["given"].update(max_difference="x"),
        lambda r: r["summary"].update(errors="1"),
    ],
)
def test_wrong_reports_do_not_follow_the_schema(spoil):
    right = read(samples.report(samples.shared_target()))
    wrong = copy.deepcopy(right)
    spoil(wrong)
    VALIDATOR.validate(right)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(wrong)


def test_what_a_reader_finds():
    document = read(samples.report(samples.shared_target()))
    (target,) = document["targets"]
    (finding,) = target["findings"]
    assert list(document) == ["schema_version", "tool_version", "jax_version", "targets", "summary"]
    assert (finding["code"], finding["path"], finding["line"]) == ("RNG001", "noise.py", 7)
    assert (finding["column"], finding["end_column"]) == (16, 47)
    assert finding["function"] == "add_noise"
    assert finding["scopes"][1]["varies"] is False
    assert finding["scopes"][1]["size"] == 32
    assert finding["related"][0]["line"] == 11
    assert finding["evidence"]["distinct_keys"] == 1
    assert finding["evidence"]["strip"] == [0] * 32
    assert finding["help"][0]["code"].startswith("keys = jax.random.split")
    assert target["suppressed"][0]["reason"] == "one mask a batch"
    assert target["suppressed"][0]["finding"]["path"] == "train/loop.py"
    assert target["comparison"]["leaves"][1]["replicated"]["equal_pairs"] == 496
    assert target["failure"] is None
    assert target["complete"] is True
    assert document["summary"] == {
        "ok": False,
        "complete": True,
        "errors": 1,
        "warnings": 0,
        "notes": 0,
        "draws": 3,
        "gaps": 0,
        "suppressed": 2,
        "failures": 0,
    }


@pytest.mark.parametrize(
    ("root", "path"),
    [
        ("/project", "noise.py"),
        ("/project/train", "/project/noise.py"),
        ("/proj", "/project/noise.py"),
        ("", "/project/noise.py"),
    ],
)
def test_paths_are_relative_to_the_root_only_under_it(root, path):
    document = read(samples.report(samples.shared_target()), root)
    assert document["targets"][0]["findings"][0]["path"] == path


def test_columns_count_characters():
    samples.put_source("/project/wide.py", "変数 = draw(key)\n")
    place = samples.at("/project/wide.py", 1, "draw(key)")
    assert place.column == 10
    finding = Finding("RNG001", "shared-key-under-vmap", "error", "inferred", "shared", place)
    found = read(samples.report(TargetReport("wide.py", (finding,))))
    (found,) = found["targets"][0]["findings"]
    assert (found["column"], found["end_column"]) == (6, 15)


@pytest.mark.parametrize(
    ("value", "written"),
    [(float("nan"), "NaN"), (float("inf"), "Infinity"), (None, None), (0.1, 0.1)],
)
def test_numbers_are_json_numbers(value, written):
    leaf = Leaf("", (4,), "float32", 0, given=Pairs(False, value, 0, 6, 4))
    report = samples.report(TargetReport("t", comparison=Comparison(4, (leaf,))))

    def no_constant(name):
        raise AssertionError(f"{name} is not JSON")

    text = FORMATS["json"](report, RenderOptions())
    document = json.loads(text, parse_constant=no_constant)
    VALIDATOR.validate(document)
    assert document["targets"][0]["comparison"]["leaves"][0]["given"]["max_difference"] == written


def test_one_report_one_text():
    """Colour and width have no effect. The text is ASCII and ends with a newline."""
    name = "/project/\udc80.py"
    finding = Finding("RNG001", "n", "error", "inferred", "é\x1b", Place(name, 1))
    report = samples.report(samples.shared_target(), TargetReport("t", (finding,)))
    text = FORMATS["json"](report, RenderOptions())
    assert text == FORMATS["json"](report, RenderOptions(color=True, width=40))
    assert text.isascii()
    assert text.endswith("}\n")
    assert json.loads(text)["targets"][1]["findings"][0]["path"] == name
