"""The README as data: in comes its text, out come the files and commands that it shows."""

from __future__ import annotations

import re
from dataclasses import dataclass

ELISION = "…"
"""A line of its own in shown output that stands for any number of lines."""

_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"# (\S+\.(?:py|toml))\n")


@dataclass(frozen=True)
class Block:
    """A fenced block: the word after the backticks, and the text, which ends with a newline."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The name of the file that the block shows, which its first line gives in a comment."""
        named = _FILE_NAME.match(self.text)
        return named[1] if named else None


@dataclass(frozen=True)
class Step:
    """A command after `$ `, the output shown under it, and the files shown before it."""

    command: str
    output: str
    files: dict[str, str]


def blocks(readme: str) -> list[Block]:
    """The fenced blocks, in order."""
    return [Block(language, text) for language, text in _FENCED.findall(readme)]


def files(readme: str) -> dict[str, str]:
    """The text of each file that the README shows, by name."""
    return {block.file: block.text for block in blocks(readme) if block.file}


def steps(readme: str) -> list[Step]:
    """All that the README types, and what it says comes out, from its `console` blocks."""
    known: dict[str, str] = {}
    found = []
    for block in blocks(readme):
        if block.file:
            known[block.file] = block.text
        if block.language == "console":
            for typed in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, _, output = typed.partition("\n")
                found.append(Step(command, output, dict(known)))
    return found


def with_section(readme: str, name: str, body: str) -> str:
    """The README with `body` between the comments `<!-- name -->` and `<!-- end of name -->`."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, opened, rest = readme.partition(start)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise ValueError(f"README.md has no section {start.strip()} … {end.strip()}")
    return f"{before}{start}{body}{end}{after}"
