"""`make release-check` passes on this tree, and reports each kind of inconsistency."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / ".ci"))

import release  # noqa: E402

DATED = "## [Unreleased]\n\n## [0.1.0] - 2030-01-02\n\n- All.\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files of this project that matter to a release, with a changelog ready for one."""
    for name in ("pyproject.toml", "docs/how-to/ci.md", "jaxrng_doctor/_util/version.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    edit(tmp_path / "jaxrng_doctor/_util/version.py", f'"{version()}"', '"0.1.0"')
    edit(tmp_path / "docs/how-to/ci.md", f"v{version()}", "v0.1.0")
    (tmp_path / "CHANGELOG.md").write_text(DATED)
    return tmp_path


def version() -> str:
    import jaxrng_doctor

    return jaxrng_doctor.__version__


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_this_tree_agrees_with_itself() -> None:
    assert release.faults(ROOT, releasing=False) == []


def test_what_is_ready_can_be_released(tree: Path) -> None:
    assert release.faults(tree, releasing=True) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("CHANGELOG.md", "## [0.1.0] - 2030-01-02\n\n", "", "has no part ## [0.1.0]"),
        ("CHANGELOG.md", "[0.1.0]", "[0.2.0]", "is about 0.2.0 already"),
        ("CHANGELOG.md", " - 2030-01-02", "", "0.1.0 has no date"),
        ("CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n- More.\n", "belongs to 0.1.0"),
        ("CHANGELOG.md", "## [Unreleased]\n", "", "does not begin with ## [Unreleased]"),
        ("CHANGELOG.md", "- All.", "## [0.0.1] - 2029-01-01\n## [0.0.2] - 2029-02-01", "in order"),
        ("jaxrng_doctor/_util/version.py", '"0.1.0"', '"0.1"', "not MAJOR.MINOR.PATCH"),
        ("jaxrng_doctor/_util/version.py", '"0.1.0"', '"0.1.1"', "docs/how-to/ci.md names v0.1.0"),
        ("pyproject.toml", 'dynamic = ["version"]', 'version = "9"', "a second version"),
    ],
)
def test_what_disagrees_is_reported(tree: Path, file: str, old: str, new: str, words: str) -> None:
    edit(tree / file, old, new)
    reported = release.faults(tree, releasing=True)
    assert any(words in sentence for sentence in reported), reported
