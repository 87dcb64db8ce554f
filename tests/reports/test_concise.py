"""`--format concise`, read back by Vim and by the pattern that the page has for VS Code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import sample_reports as samples

from jaxrng_doctor.reports.formats import FORMATS
from jaxrng_doctor.reports.options import RenderOptions

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "editors.md").read_text(encoding="utf-8")
MESSAGE = "RNG001 all 32 examples of vmap(add_noise) draw the same numbers [shared-key-under-vmap]"


@pytest.fixture(autouse=True)
def sources():
    samples.install()


def block(language):
    return re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1]


def text(*targets):
    return FORMATS["concise"](samples.report(*targets), RenderOptions(root=samples.ROOT))


def everything():
    return text(samples.gap_target(), samples.failed_target(), samples.shared_target())


def test_a_finding_is_one_line():
    first, *_ = text(samples.shared_target()).splitlines()
    assert first == f"noise.py:7:16: {MESSAGE}"


def test_a_finding_of_two_targets_is_shown_once():
    assert text(samples.shared_target(), samples.shared_target()).count(MESSAGE) == 1


def test_vs_code_reads_places_codes_and_messages():
    (task,) = json.loads(block("json"))["tasks"]
    pattern = task["problemMatcher"]["pattern"]
    found = [
        {name: match[pattern[name]] for name in ("file", "line", "column", "code", "message")}
        for line in everything().splitlines()
        if (match := re.match(pattern["regexp"], line))
    ]
    assert {
        "file": "noise.py",
        "line": "7",
        "column": "16",
        "code": "RNG001",
        "message": MESSAGE.removeprefix("RNG001 "),
    } in found
    assert [f["message"] for f in found if f["code"] is None] == [
        line.partition(": ")[2] for line in everything().splitlines() if ": gap: " in line
    ]
    # Each line with a place is a problem, and the summary is not.
    assert len(found) == sum(bool(re.match(r"\S+:\d+:\d+: ", x)) for x in everything().splitlines())


@pytest.mark.skipif(shutil.which("vim") is None, reason="needs vim")
def test_vim_reads_places_and_messages(tmp_path):
    (tmp_path / "vimrc").write_text(block("vim"))
    (tmp_path / "errors").write_text(everything())
    written = tmp_path / "list.json"
    commands = [
        "cgetfile errors",
        "let found = map(getqflist(), '[bufname(v:val.bufnr), v:val.lnum, v:val.col, v:val.text]')",
        f"call writefile([json_encode(found)], '{written}')",
        "qall!",
    ]
    subprocess.run(
        ["vim", "-N", "-i", "NONE", "-es", "-u", "vimrc", *(f"+{one}" for one in commands)],
        cwd=tmp_path,
        check=True,
        timeout=60,
    )
    found = json.loads(written.read_text())
    assert ["noise.py", 7, 16, MESSAGE] in found
    assert len(found) == sum(bool(re.match(r"\S+:\d+:\d+: ", x)) for x in everything().splitlines())
