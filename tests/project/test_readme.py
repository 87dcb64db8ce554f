"""README is short, and its statements are true. tests/project/test_shown.py runs its commands."""

import re
import sys
from pathlib import Path

from jaxrng_doctor.rules import RULES

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import shown  # noqa: E402

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SET_UP = {"make demo", "make test", "pip install '.[html]'"}
"""The commands that set up an environment. Tests do not run them."""


def test_it_is_short():
    assert len(TEXT.split()) <= 700
    assert len(re.findall(r"!\[", TEXT)) == 2


def test_the_commands_of_the_set_up_exist():
    lines = [
        re.sub(r"\s+#.*", "", line)
        for block in shown.blocks(TEXT)
        if block.language == "sh"
        for line in block.text.splitlines()
    ]
    assert set(lines) == SET_UP
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", TEXT)) <= targets


def test_it_begins_with_a_report_and_ends_clean():
    commands = [step.command for step in shown.steps(TEXT)]
    assert commands[0].startswith("jaxrng-doctor check noisy.py:noisy_batch")
    assert commands[1] == commands[0].replace("noisy", "fixed")
    assert commands[2] == f"{commands[0]} --format html --output report.html"


def test_it_counts_the_rules():
    assert f"[{len(RULES)} rules](docs/rules/README.md)" in TEXT


def test_every_linked_file_exists():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert {"docs/pictures/report.svg", "docs/pictures/page.png"} <= set(links)
    assert [link for link in links if not (ROOT / link).exists()] == []
