"""File patterns: the examples in ruff's documentation, and patterns that ruff users write."""

import subprocess
import sys

import pytest

from jaxrng_doctor.suppression.globs import matches


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("__init__.py", ["__init__.py", "a/__init__.py"], ["a/init.py"]),
        ("path/to/file.py", ["path/to/file.py"], ["to/file.py", "other/path/to/file.py"]),
        ("./path/to/file.py", ["path/to/file.py"], []),
        ("**/{tests,docs,tools}/*", ["tests/a.py", "x/docs/b/c.py"], ["a.py", "test/a.py"]),
        ("src/**/noise.py", ["src/noise.py", "src/a/b/noise.py"], ["noise.py", "a/src/noise.py"]),
        ("src/*.py", ["src/a.py", "src/b/c.py"], ["a.py"]),
        ("*.py", ["a.py", "b/c.py"], ["a.pyi"]),
        ("tests", ["tests/a.py", "x/tests/b/c.py"], ["tests.py", "mytests/a.py"]),
        ("tests/", ["tests/a.py"], ["a.py"]),
        ("old_?.py", ["old_1.py", "a/old_2.py"], ["old_12.py"]),
        ("[ab].py", ["a.py", "b.py"], ["c.py"]),
        ("!src/**", ["a.py", "tests/src.py"], ["src/a.py", "src/b/c.py"]),
        ("A.py", ["A.py"], ["a.py"]),
        ("/project/src/*", ["src/a.py"], ["a.py"]),
        ("{a,b/{c,d}}.py", ["a.py", "b/c.py", "b/d.py"], ["c.py", "b.py"]),
        ("{src,lib}/*.py", ["src/a.py", "lib/b/c.py"], ["a.py"]),
        ("a{b.py", ["a{b.py"], ["ab.py"]),
        ("a},b.py", ["a},b.py"], ["a.py"]),
        ("{a,{b,c}.py", ["{a,b.py", "{a,c.py"], ["a", "b.py"]),
        ("[!a].py", ["b.py"], ["a.py"]),
        ("[a.py", ["[a.py"], ["a.py"]),
        ("test_*_old.py", ["test_a_old.py", "test_a/b_old.py"], ["test_old.py"]),
    ],
)
def test_patterns(pattern, matching, others):
    for path in matching:
        assert matches(f"/project/{path}", pattern, "/project"), path
    for path in others:
        assert not matches(f"/project/{path}", pattern, "/project"), path


def test_a_file_outside_is_known_by_its_whole_path_and_its_name():
    path = "/elsewhere/lib/noise.py"
    assert matches(path, "noise.py", "/project")
    assert matches(path, "/elsewhere/*", "/project")
    assert not matches(path, "lib/*", "/project")
    assert not matches(path, "project", "/project")


def test_the_projects_own_folder_is_no_match(tmp_path):
    """In a project whose folder is called `tests`, the pattern `tests` does not match all files."""
    folder = tmp_path / "tests"
    assert not matches(str(folder / "noise.py"), "tests", str(folder))
    assert not matches(str(folder / "noise.py"), "*tests", str(folder))


def test_a_link_is_the_file_that_it_leads_to(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert matches(str(tmp_path / "link" / "a.py"), "real/*", str(tmp_path / "link" / ".."))


@pytest.mark.parametrize(
    "part", ["**/", "**/a*/", "*a", "{a,b}", "{a,*}/", "{**/,*a}"], ids=lambda part: repr(part)
)
def test_no_pattern_takes_long(part, cli_environment):
    """A matcher that backtracks would take years on these patterns."""
    asks = (
        "from jaxrng_doctor.suppression.globs import matches\n"
        f"print(matches('/project/' + 'a/' * 60 + 'b.py', {part!r} * 60 + 'c.py', '/project'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", asks],
        env=cli_environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "False\n"
