"""A page of Markdown as data: the files, commands and outputs that it shows.

`README.md`, the tutorial and the how-to pages show commands with what they print. The tests run
each of them, and `docs/refresh.py` writes the outputs again.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"

ELISION = "…"
"""A separate line in a shown output that stands for any number of lines."""

PROGRESS = re.compile(r"^jaxrng-doctor: .*…\n", re.MULTILINE)
"""The progress line that a slow machine shows on stderr; it is not part of an output."""

_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"# (\S+\.(?:py|toml))\n")


@dataclass(frozen=True)
class Block:
    """A fenced block: the word after the backticks, and the text, which ends with a newline."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The name of the file that the block shows, from the comment on its first line."""
        named = _FILE_NAME.match(self.text)
        return named[1] if named else None


@dataclass(frozen=True)
class Step:
    """A command after `$ `, the output shown under it, and the files shown before it."""

    command: str
    output: str
    files: dict[str, str]


def blocks(page: str) -> list[Block]:
    """The fenced blocks, in order."""
    return [Block(language, text) for language, text in _FENCED.findall(page)]


def files(page: str) -> dict[str, str]:
    """The text of each file that the page shows, by name."""
    return {block.file: block.text for block in blocks(page) if block.file}


def shared_files() -> dict[str, str]:
    """The files of README, which the commands of every page can use."""
    return files(README.read_text(encoding="utf-8"))


def steps(page: str, given: Mapping[str, str] | None = None) -> list[Step]:
    """Each command of the page's `console` blocks with its output; `given` are more files."""
    known = dict(given or {})
    found = []
    for block in blocks(page):
        if block.file:
            known[block.file] = block.text
        if block.language == "console":
            for typed in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, _, output = typed.partition("\n")
                found.append(Step(command, output, dict(known)))
    return found


def pages() -> list[Path]:
    """The pages that show a command with its output."""
    written = [README, *sorted(ROOT.glob("docs/**/*.md"))]
    return [path for path in written if steps(path.read_text(encoding="utf-8"))]


def environment(**more: str) -> dict[str, str]:
    """The environment of a process that imports this tree's package and prints without colour."""
    quiet = {"COLUMNS", "FORCE_COLOR", "NO_COLOR", "PYTHONWARNINGS"}
    inherited = {name: value for name, value in os.environ.items() if name not in quiet}
    path = os.pathsep.join(filter(None, [str(ROOT), inherited.get("PYTHONPATH", "")]))
    fixed = {"PYTHONPATH": path, "PYTHONUTF8": "1"}
    return {"JAX_PLATFORMS": "cpu", **inherited, **fixed, **more}


def filled(folder: Path, files: Mapping[str, str]) -> Path:
    """The folder, with these files written into it."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line in a shell in which `jaxrng-doctor`, `pytest` and `python` are this tree's."""
    with tempfile.TemporaryDirectory() as commands:
        modules = {"jaxrng-doctor": "-m jaxrng_doctor", "pytest": "-m pytest", "python": ""}
        for name, module in modules.items():
            command = Path(commands, name)
            command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
            command.chmod(0o755)
        return subprocess.run(
            ["sh", "-c", line],
            cwd=folder,
            env=environment(PATH=os.pathsep.join([commands, os.environ["PATH"]])),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=300,
            check=False,
        )


def printed(step: Step) -> str:
    """What the command of a step prints, in a folder that holds the step's files and no others."""
    with tempfile.TemporaryDirectory() as folder:
        done = run(step.command, filled(Path(folder), step.files))
    return PROGRESS.sub("", done.stdout)


def agrees(output: str, shown: str) -> bool:
    """Whether the output is what is shown, where a line `…` stands for any number of lines."""
    parts = re.split(rf"^{ELISION}\n", shown, flags=re.MULTILINE)
    return re.fullmatch(r"(?:.*\n)*?".join(map(re.escape, parts)), output) is not None


def with_section(page: str, name: str, body: str) -> str:
    """The page with `body` between the comments `<!-- name -->` and `<!-- end of name -->`."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, opened, rest = page.partition(start)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise ValueError(f"the page has no section {start.strip()} … {end.strip()}")
    return f"{before}{start}{body}{end}{after}"
