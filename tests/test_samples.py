"""The samples run as plain scripts, and the findings in each are exactly its comments.

A sample creates its keys with `jax.random.key(` and declares them as `"key"` or `"key[...]"`. With
these replaced by `jax.random.PRNGKey(` and `"prngkey..."`, the same text on the same lines is a
sample of legacy keys. A key that must stay typed is declared as `"key<fry>"`.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SAMPLES = sorted((ROOT / "sample_scripts").glob("*.py"))
BAD_LINE = re.compile(r"# (RNG\d{3})$")
IGNORED_LINE = re.compile(r"# jaxrng: ignore\[(RNG\d{3})\]")

every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)


def run_script(sample):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    return subprocess.run(
        [sys.executable, sample],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def with_legacy_keys(text):
    legacy = re.sub(r'"key(\[[\d,]+\])?"', r'"prngkey\1"', text)
    return legacy.replace("jax.random.key(", "jax.random.PRNGKey(")


def marked(pattern, text):
    """The `(line, code)` of each line that `pattern` marks."""
    lines = enumerate(text.splitlines(), start=1)
    return {(number, mark[1]) for number, line in lines if (mark := pattern.search(line))}


@pytest.mark.slow
@pytest.mark.one_jax
@every_sample
def test_a_sample_is_a_plain_script(sample):
    process = run_script(sample)
    assert process.returncode == 0, process.stderr + process.stdout
    assert "first" in process.stdout
    assert "last" in process.stdout


@pytest.mark.one_jax
def test_the_dropout_sample_shows_the_shared_mask():
    printed = run_script(ROOT / "sample_scripts" / "dropout_training.py").stdout
    pairs = [
        re.findall(r"first keeps ([01]+)  last keeps ([01]+)", training)
        for training in printed.split("one key for the batch")
    ]
    equal = [[first == last for first, last in steps] for steps in pairs]
    assert equal == [[False] * 5, [True] * 5]


def lines_of_draws(finding):
    """The line of a finding, and those of the other draws with the same cause."""
    others = [r["line"] for r in finding["related"] if r["message"].startswith("also drawn here")]
    return [finding["line"], *others]


@pytest.mark.slow
@pytest.mark.parametrize("keys", ["typed", "legacy"])
def test_the_findings_are_the_comments(keys, run_cli, tmp_path):
    texts = {sample.name: sample.read_text(encoding="utf-8") for sample in SAMPLES}
    if keys == "legacy":
        assert all(with_legacy_keys(text) != text for text in texts.values())
        texts = {name: with_legacy_keys(text) for name, text in texts.items()}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    process = run_cli("check", *texts, "--format", "json")

    assert process.returncode == 1, process.stderr + process.stdout
    by_sample = {name: [] for name in texts}
    for target in json.loads(process.stdout)["targets"]:
        by_sample[target["target"].partition(":")[0]].append(target)
    for name, targets in by_sample.items():
        findings = [
            (target["target"], line, finding["code"])
            for target in targets
            for finding in target["findings"]
            for line in lines_of_draws(finding)
        ]
        assert len(targets) == texts[name].count("\n@example(")
        assert len(findings) == len(set(findings))
        assert {(line, code) for _, line, code in findings} == marked(BAD_LINE, texts[name]), name
        assert {f["confidence"] for t in targets for f in t["findings"]} <= {"proven"}
        assert [t["gaps"] for t in targets if t["gaps"]] == []


@pytest.mark.one_jax
def test_what_is_meant_is_suppressed_and_counted(run_cli):
    sample = ROOT / "sample_scripts" / "intended.py"
    ignored = marked(IGNORED_LINE, sample.read_text(encoding="utf-8"))

    process = run_cli("check", sample, "--format", "json")

    assert process.returncode == 0, process.stderr + process.stdout
    targets = json.loads(process.stdout)["targets"]
    suppressed = [s for target in targets for s in target["suppressed"]]
    by_comment = [s["finding"] for s in suppressed if s["by"] == "comment"]
    at = {
        (place["line"], finding["code"])
        for finding in by_comment
        for place in (finding, *finding["related"], *finding["scopes"])
    }
    assert len(by_comment) == len(ignored)
    assert ignored <= at
    assert [s["by"] for s in suppressed].count("expect") == 1
