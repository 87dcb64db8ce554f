"""Keeps unidiomatic phrases out of strings, docstrings, comments and documentation.

The words to use instead are in docs/glossary.md.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class Idiom(NamedTuple):
    """A phrase to avoid, as a regular expression, what to write instead, and an example of it."""

    pattern: str
    instead: str
    example: str


IDIOMS = [
    Idiom(r"\b(in|out) comes?\b", "what the module does", "in comes a file, out comes a tree"),
    Idiom(r"\bin come\b|\bout (come|go|goes)\b", "what the module does", "in come flags"),
    Idiom(
        r"(^|\.\s|[\"'#]\s*)(In|Out): ",
        "what the module does",
        "A report. In: findings. Out: rows.",
    ),
    Idiom(r"\btold\b", "reported, shown, given", "what is known is not told again"),
    Idiom(r"\btells? (of|it)\b|\bonly tells?\b", "report, show", "who lives on to tell of it"),
    Idiom(r"\balike\b", "equal, the same", "no two of them are alike"),
    Idiom(r"\bheal(s|ed|ing)?\b", "fix, separate keys", "the noise, healed"),
    Idiom(r"\bcur(e|es|ed|ing)\b", "fix", "a cure for each library"),
    Idiom(r"\bhealthy\b", "clean, without findings", "healthy draws are counted"),
    Idiom(r"\bconsultations?\b", "check", "the targets of one consultation"),
    Idiom(r"\b(convict|acquit)\w*", "flag, prove", "the convicted scope"),
    Idiom(r"\bcould (not )?be judged\b", "checked, decided", "1 draw could not be judged"),
    Idiom(r"\bis content\b", "the condition", "it draws until it is content"),
    Idiom(r"\bgrav(e|er|est|ity)\b", "severe, severity", "a finding as grave as that"),
    Idiom(r"\bof today\b", "current", "the findings of today"),
    Idiom(r"\bcomes? up again\b", "is no longer found", "what does not come up again"),
    Idiom(
        r"\b(is|are) no (axis|baseline|dtype|number|table|time)\b",
        "is not a ..., invalid",
        "x is no number of processes",
    ),
    Idiom(r"\bas (it is|they are)(?=[.,;:)\"']|$)", "unchanged, directly", "called as it is."),
    Idiom(r"\b[Ss]o many\b", "at most, the number of", "so many rows are shown"),
    Idiom(r"\b[Nn]obody\b", "the passive voice", "steps that nobody counted"),
    Idiom(r"\bthe very\b", "the same", "from the very keys"),
    Idiom(r"\bdoctor's own\b", "internal", "the doctor's own fault"),
    Idiom(r"\bof (its|their) own\b", "its own, separate", "a key of its own"),
    Idiom(r"\b(a|without a) word (of|on)\b", "a note about", "a word on what goes on"),
    Idiom(r"\bin the manner of\b", "in the style of", "in the manner of rustc"),
    Idiom(r"\bhuman eyes\b", "people, a terminal", "for human eyes"),
    Idiom(r"\bhears?\b", "is called", "it hears of each stage"),
    Idiom(r"\bin words\b|\bin a phrase\b", "as text, describes", "says in words what it is"),
]

NEWLINE = "\n"
PROSE = (tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))


def files() -> list[Path]:
    named = ("README.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml", "action.yml")
    folders = ("jaxrng_doctor", "tests", "benchmarks", "docs", "sample_scripts")
    sources = [file for name in folders for file in (ROOT / name).rglob("*.py")]
    pages = [*ROOT.glob("jaxrng_doctor/**/*.j2"), *ROOT.glob("docs/**/*.md")]
    found = [*sources, *pages, *(ROOT / ".ci").iterdir(), *(ROOT / name for name in named)]
    return sorted({file for file in found if file.is_file()} - {Path(__file__).resolve()})


def prose(text: str, suffix: str) -> Iterator[tuple[int, str]]:
    """Pieces of prose with their first line: a whole text, or Python strings and comments."""
    if suffix != ".py":
        yield 1, text
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in PROSE:
            yield token.start[0], token.string


def idioms(text: str, suffix: str) -> list[str]:
    """The idioms in a text, each with its line and what to write instead."""
    return [
        f"{first + piece.count(NEWLINE, 0, found.start())}: {' '.join(found[0].split())!r}: "
        f"write {idiom.instead!r} instead"
        for first, piece in prose(text, suffix)
        for idiom in IDIOMS
        # A phrase may continue on the next line.
        for found in re.finditer(idiom.pattern.replace(" ", r"\s+"), piece, re.MULTILINE)
    ]


def idioms_of(file: Path) -> list[str]:
    found = idioms(file.read_text(encoding="utf-8"), file.suffix)
    return [f"{file.relative_to(ROOT)}:{problem}" for problem in found]


def test_prose_has_no_idioms_to_avoid() -> None:
    found = [one for file in files() for one in idioms_of(file)]
    assert not found, "\n".join(found)


def test_the_glossary_has_no_idioms_to_avoid() -> None:
    assert idioms_of(ROOT / "docs" / "glossary.md") == []


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.example)
@pytest.mark.parametrize(
    ("template", "suffix"),
    [
        ("{}", ".md"),
        ("# {}", ".py"),
        ('"""{}"""', ".py"),
        ('x = "{}"', ".py"),
        ('x = f"{{y}} {}"', ".py"),
    ],
)
def test_each_idiom_is_noticed(idiom: Idiom, template: str, suffix: str) -> None:
    found = idioms(template.format(idiom.example), suffix)
    assert any(f"write {idiom.instead!r} instead" in problem for problem in found)


def test_an_idiom_over_two_lines_is_noticed() -> None:
    assert idioms('"""The same,\n\nof its\n  own."""', ".py")[0].startswith("3: 'of its own'")


def test_code_is_not_prose() -> None:
    assert idioms("told, alike = tell(of=healed)", ".py") == []


def test_the_glossary_is_sorted() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^- \*\*(.+?)\*\*: ", text, re.MULTILINE)
    assert len(terms) > 40
    assert terms == sorted(terms, key=str.lower)
