"""Writes what is made from other files: pages, tables, README's picture, the settings' schema.

`--check` writes nothing, and fails where something would change.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pages
import picture
import readme
import settings_page

from jaxrng_doctor.rules import RULES

ROOT = Path(__file__).resolve().parent.parent


def generated(root: Path) -> dict[str, str]:
    """The text of all that is made, by path; README.md is read from `root`."""
    written = (root / "README.md").read_text(encoding="utf-8")
    return {
        "README.md": readme.with_section(written, "rules", pages.rule_table(RULES, "docs/rules/")),
        "docs/report.svg": report_picture(written),
        "docs/python-api.md": pages.python_reference(),
        "docs/settings.md": settings_page.page(),
        "docs/settings.schema.json": settings_page.schema_text(),
        "docs/rules/README.md": pages.rule_index(RULES),
        **{f"docs/rules/{rule.code}.md": pages.rule_page(rule) for rule in RULES},
    }


def report_picture(written: str) -> str:
    """The report of README's first command, on the file that README begins with."""
    step = readme.steps(written)[0]
    shown = f"$ {step.command}\n{output_of(step)}"
    return picture.svg(shown, f"What is printed by {step.command}")


def output_of(step: readme.Step, *more: str) -> str:
    """What a command of README's prints, with `more` arguments."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in step.files.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        fixed = {"FORCE_COLOR": "1", "COLUMNS": "100", "JAX_PLATFORMS": "cpu", "PYTHONUTF8": "1"}
        report = subprocess.run(
            [sys.executable, "-m", "jaxrng_doctor", *shlex.split(step.command)[1:], *more],
            cwd=folder,
            env={**os.environ, **fixed, "PYTHONPATH": path},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    if report.returncode not in (0, 1):
        raise SystemExit(f"$ {step.command}\n{report.stderr}")
    return report.stdout


def stale(root: Path, made: Mapping[str, str]) -> list[str]:
    """The paths under `root` that are missing, differ, or are pages of rules that are gone."""
    wrong = [path for path, text in made.items() if _read(root / path) != text]
    return sorted([*wrong, *_gone(root, made)])


def write(root: Path, made: Mapping[str, str]) -> None:
    """Make `root` hold exactly what is made."""
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
        changed, said = [], [f"written: {path}" for path in changed]
    else:
        said = [f"stale: {path}: run make docs" for path in changed]
    print(*(said or ["all up to date"]), sep="\n")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
