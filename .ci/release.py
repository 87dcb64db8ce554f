"""Checks that the version, the changelog and the recipes agree, and prints what is wrong.

Without flags, they must not contradict each other. With `--release`, the version must be ready for
release: it has a dated section in the changelog, and nothing is left under Unreleased. Exit code 1
if something is wrong.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_HEADING = re.compile(r"^## \[(.*?)\](?: - (\d{4}-\d\d-\d\d))?$", re.MULTILINE)


def faults(root: Path, *, releasing: bool) -> list[str]:
    """A message for each thing that is wrong."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    place = project["tool"]["hatch"]["version"]["path"]
    source = (root / place).read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.*)"$', source, re.MULTILINE)
    version = found[1] if found else ""
    wrong = []
    if "version" not in project["project"].get("dynamic", []):
        wrong.append(f"pyproject.toml gives a second version, besides that of {place}")
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        wrong.append(f"{place}: the version {version!r} is not MAJOR.MINOR.PATCH")
        return wrong
    return [*wrong, *_of_the_changelog(root, version, releasing), *_of_the_recipes(root, version)]


def _of_the_changelog(root: Path, version: str, releasing: bool) -> list[str]:
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    parts = [(m[1], m[2]) for m in _HEADING.finditer(text)]
    names = [name for name, _ in parts]
    if names[:1] != ["Unreleased"]:
        return ["CHANGELOG.md does not begin with ## [Unreleased]"]
    released = names[1:]
    wrong = [f"CHANGELOG.md: {name} has no date" for name, date in parts[1:] if not date]
    numbers = [tuple(map(int, name.split("."))) for name in released]
    if numbers != sorted(set(numbers), reverse=True):
        wrong.append("CHANGELOG.md: the versions are not in order, the newest first")
    if numbers and numbers[0] > tuple(map(int, version.split("."))):
        wrong.append(f"CHANGELOG.md is about {released[0]} already, and the version is {version}")
    if releasing:
        if released[:1] != [version]:
            wrong.append(f"CHANGELOG.md has no part ## [{version}] - YYYY-MM-DD at its top")
        start = text.index("## [Unreleased]") + len("## [Unreleased]")
        unreleased = text[start:].partition("\n## [")[0].strip()
        if unreleased:
            wrong.append(f"CHANGELOG.md: what is under Unreleased belongs to {version}")
    return wrong


def _of_the_recipes(root: Path, version: str) -> list[str]:
    text = (root / "docs" / "how-to" / "ci.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\bv(\d+\.\d+\.\d+)\b", text))
    return [
        f"docs/how-to/ci.md names v{other}, not v{version}" for other in sorted(named - {version})
    ]


def main(arguments: list[str]) -> int:
    wrong = faults(ROOT, releasing=arguments == ["--release"])
    print(*(wrong or ["version, changelog and recipes agree"]), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
