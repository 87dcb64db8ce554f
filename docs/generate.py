"""Generates pages, tables, the picture in README and the schema of the settings.

`--check` writes nothing, and fails if something would change.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import command_line_page
import pages
import picture
import schema_page
import settings_page
import shown

from jaxrng_doctor.rules import RULES

ROOT = Path(__file__).resolve().parent.parent


def generated(root: Path) -> dict[str, str]:
    """The text of each generated file, by path; README.md and the schemas are read from `root`."""
    written = (root / "README.md").read_text(encoding="utf-8")
    schemas = {
        name: json.loads((root / "docs" / f"{name}.schema.json").read_text(encoding="utf-8"))
        for name in ("report", "listing")
    }
    return {
        "docs/pictures/report.svg": report_picture(written),
        "docs/command-line.md": command_line_page.page(),
        "docs/python-api.md": pages.python_reference(),
        "docs/report-schema.md": schema_page.page(schemas),
        "docs/settings.md": settings_page.page(),
        "docs/settings.schema.json": settings_page.schema_text(),
        "docs/rules/README.md": pages.rule_index(RULES),
        **{f"docs/rules/{rule.code}.md": pages.rule_page(rule) for rule in RULES},
    }


def report_picture(written: str) -> str:
    """The report of the first command in README, on the file that README begins with."""
    step = shown.steps(written)[0]
    report = f"$ {step.command}\n{output_of(step)}"
    return picture.svg(report, f"Output of {step.command}")


def output_of(step: shown.Step, *more: str) -> str:
    """What a command of README prints with `more` arguments, in colour and 100 columns wide."""
    with tempfile.TemporaryDirectory() as folder:
        report = subprocess.run(
            [sys.executable, "-m", "jaxrng_doctor", *shlex.split(step.command)[1:], *more],
            cwd=shown.filled(Path(folder), step.files),
            env=shown.environment(FORCE_COLOR="1", COLUMNS="100"),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    if report.returncode not in (0, 1):
        raise SystemExit(f"$ {step.command}\n{report.stderr}")
    return report.stdout


def stale(root: Path, made: Mapping[str, str]) -> list[str]:
    """The paths under `root` that are missing or differ, and pages of rules that are gone."""
    wrong = [path for path, text in made.items() if _read(root / path) != text]
    return sorted([*wrong, *_gone(root, made)])


def write(root: Path, made: Mapping[str, str]) -> None:
    """Write the generated files under `root`, and remove pages of rules that no longer exist."""
    for path, text in made.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    for path in _gone(root, made):
        (root / path).unlink()


def _gone(root: Path, made: Mapping[str, str]) -> list[str]:
    found = (path.relative_to(root).as_posix() for path in root.glob("docs/rules/*.md"))
    return [path for path in found if path not in made]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def main(arguments: list[str]) -> int:
    made = generated(ROOT)
    changed = stale(ROOT, made)
    if arguments != ["--check"]:
        write(ROOT, made)
        changed, lines = [], [f"written: {path}" for path in changed]
    else:
        lines = [f"stale: {path}: run make docs" for path in changed]
    print(*(lines or ["all up to date"]), sep="\n")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
