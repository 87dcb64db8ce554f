"""`--add-ignores` writes comments, and changes nothing else in a file.

For each nasty source: Python parses the file into the same syntax tree with the same positions,
the text without the new comments is the old text, and a second run adds nothing.
"""

from __future__ import annotations

import ast
import json
import linecache
import os
import re
import stat
import subprocess
import tokenize
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from jaxrng_doctor._util import source
from jaxrng_doctor.model.findings import Finding, Place, Scope
from jaxrng_doctor.model.report import Report, TargetReport
from jaxrng_doctor.suppression.comments import comment_for
from jaxrng_doctor.suppression.write_comments import add_ignores

RunCli = Callable[..., "subprocess.CompletedProcess[str]"]

NASTY = {
    "plain": b"x = draw(key)\n",
    "no newline at the end": b"y = 1\nx = draw(key)",
    "nothing but": b"draw(key)",
    "windows": b"y = 1\r\nx = draw(key)\r\nz = 2\r\n",
    "old mac": b"y = 1\rx = draw(key)\rz = 2\r",
    "all line ends": b"y = 1\r\nx = draw(key)\nz = 2\rw = draw(3)\r\n",
    "tabs": b"if 1:\n\tx = draw(key)\t\n",
    "spaces at the end": b"x = draw(key)   \ny = 2 \n",
    "one space at the end": b"x = draw(key) \n",
    "byte order mark": b"\xef\xbb\xbfx = draw(key)\n",
    "latin": "# -*- coding: latin-1 -*-\nx = draw('é')  # ü\n".encode("latin-1"),
    "japanese": "# coding: shift_jis\nx = draw('日本')  # 語\n".encode("shift_jis"),
    "wide letters": "日本 = draw('語', key)\n".encode(),
    "form feed": b"y = 1\n\x0c\nx = draw(key)\n",
    "separators": "y = '\u2028\u2029\x85'; x = draw(key)\n".encode(),
    "several lines": b"x = draw(\n    key,\n    3,\n)\n",
    "nested": b"x = [\n    draw(\n        key), draw(3),\n    4]\n",
    "backslash": b"x = 1 + \\\n    draw(key) + \\\n    3\n",
    "backslash to the end": b"x = draw(key) + \\\n    3",
    "backslash in a call": b"x = draw(key, \\\n  3)\n",
    "string": b"x = draw('''\nnot # here\n''')\n",
    "string to the end": b"x = draw(key) + '''\n# jaxrng: ignore[RNG001]\n'''",
    "string goes on": b"x = draw('a\\\n b')\n",
    "f-string": b"x = f'''{draw(key)}\n{\ndraw(3)\n}\n'''\n",
    "bytes": b"x = draw(b'#')\n",
    "comment": b"x = draw(key)  # noqa\n",
    "comment without space": b"x = draw(key)#noqa\n",
    "type comment": b"x = draw(key)  # type: ignore[no-untyped-call]\n",
    "fmt": b"# fmt: off\nx = draw(key)  # fmt: skip\n",
    "comments inside": b"x = draw(  # one\n    # two\n    key,  # three\n)  # four\n",
    "another code": b"x = draw(key)  # jaxrng: ignore[RNG003] it is meant\n",
    "another code elsewhere": b"x = draw(\n    key,\n)  # jaxrng: ignore[ RNG003 ] meant\n",
    "two comments": b"x = draw(key)  # jaxrng: ignore[RNG003] a # jaxrng: ignore[RNG004] b\n",
    "no codes": b"x = draw(key)  # jaxrng: ignore[] why\n",
    "never closed": b"x = draw(key)  # jaxrng: ignore[RNG003\n",
    "in capitals": b"x = draw(key)  # JAXRNG: Ignore[rng003]why\n",
    "for the file": b"x = draw(key)  # jaxrng: ignore-file[RNG003] why\n",
    "two statements": b"y = 1; x = draw(key); z = draw(3);\n",
    "one line": b"if 1: x = draw(key)\nelse: x = draw(3)\n",
    "decorator": b"@(lambda f: draw(f))\ndef f(): pass\n",
    "decorator over lines": b"@wrap(\n  draw(3)\n)\ndef f():\n    return draw(key)\n",
    "in a class": b"class A:\n    x: int = draw(key)\n    def f(self, y=draw(3)):\n        pass\n",
    "lambda": b"f = lambda: (\n  draw(key))\n",
    "with": b"with ctx(draw(key)) as a, \\\n     ctx(draw(3)):\n    pass\n",
    "header of a loop": b"for i in draw(\n    key\n):\n    pass\n",
    "assert": b"assert draw(key), (\n 'no')\n",
    "escape": b"x = draw('\\d')\n",
    "shebang": b"#!/usr/bin/env python\n# coding: utf-8\nx = draw(key)\n",
    "long": b"x = draw(key)" + b" + 1" * 500 + b"\n",
    "match": b"match draw(key):\n    case 1: draw(3)\n    case _: pass\n",
    "many": b"x = draw(key)\n" * 300,
}


def draws(path: Path) -> list[Place]:
    """The place of each call of `draw`, as Python records it."""
    return [
        Place(str(path), n.lineno, n.col_offset + 1, n.end_lineno, (n.end_col_offset or 0) + 1)
        for n in ast.walk(parsed(path.read_bytes()))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "draw"
    ]


def finding(place: Place | None, code: str = "RNG001", *scopes: Scope) -> Finding:
    return Finding(code, "n", "error", "proven", "m", place, scopes)


def report(*findings: Finding) -> Report:
    return Report((TargetReport("t", findings),), "0", "0")


def text_of(path: Path) -> str:
    encoding, _ = tokenize.detect_encoding(iter(path.read_bytes().splitlines(True)).__next__)
    return path.read_bytes().decode(encoding)


def parsed(content: bytes) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(content)


def inserted(old: str, new: str) -> str:
    """The single piece of text that `new` has and `old` does not."""
    pairs = enumerate(zip(old, new, strict=False))
    at = next((n for n, (one, other) in pairs if one != other), len(old))
    end = at + len(new) - len(old)
    assert new[:at] + new[end:] == old
    return new[at:end]


ADDED = re.compile(r"( {0,2}# jaxrng: ignore\[|(, )?)RNG001(, RNG005)?\]?")


def lines_of(text: str) -> list[str]:
    return re.split(r"(?<=\n)|(?<=\r)(?!\n)", text)


@pytest.mark.parametrize("codes", [["RNG001"], ["RNG001", "RNG005"]], ids=["one", "two"])
@pytest.mark.parametrize("name", NASTY)
def test_nothing_else_changes(tmp_path: Path, name: str, codes: list[str]) -> None:
    path = tmp_path / "nasty.py"
    path.write_bytes(NASTY[name])
    before, syntax = text_of(path), ast.dump(parsed(NASTY[name]), include_attributes=True)
    found = [finding(place, code) for place in draws(path) for code in codes]
    assert found

    done, reported = add_ignores(report(*found), tmp_path)

    assert done.findings == (), reported
    assert len(done.suppressed) == len(found)
    assert ast.dump(parsed(path.read_bytes()), include_attributes=True) == syntax
    after = text_of(path)
    assert after != before
    for old, new in zip(lines_of(before), lines_of(after), strict=True):
        assert old == new or ADDED.fullmatch(inserted(old, new))
    assert [p.name for p in tmp_path.iterdir()] == ["nasty.py"]
    # As a new process reads the file.
    linecache.clearcache()
    assert all(comment_for(f) is not None for f in found)

    written = path.read_bytes()
    again, reported = add_ignores(done, tmp_path)
    assert path.read_bytes() == written
    assert reported == ["0 ignore comments in 0 files"]
    assert again.suppressed == done.suppressed


def test_where_the_comment_comes_to_stand(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "x = f(\n    draw(key),\n    '''\n''')\ny = 1 + \\\n    draw(key) \\\n    + 2\n"
    )
    add_ignores(report(*map(finding, draws(path))), tmp_path)
    assert path.read_text() == (
        "x = f(\n    draw(key),  # jaxrng: ignore[RNG001]\n    '''\n''')\n"
        "y = 1 + \\\n    draw(key) \\\n    + 2  # jaxrng: ignore[RNG001]\n"
    )


def test_codes_join_the_comment_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("x = draw(\n    key,\n)  # jaxrng: ignore[RNG003] they are one\n")
    (place,) = draws(path)
    done, _ = add_ignores(report(finding(place, "RNG005"), finding(place)), tmp_path)
    assert path.read_text().endswith(")  # jaxrng: ignore[RNG003, RNG001, RNG005] they are one\n")
    assert {s.reason for s in done.suppressed} == {"they are one"}


def test_the_file_keeps_its_permissions_and_its_link(tmp_path: Path) -> None:
    path, link = tmp_path / "real.py", tmp_path / "link.py"
    path.write_text("draw(key)\n")
    path.chmod(0o754)
    link.symlink_to(path)
    done, _ = add_ignores(report(*map(finding, draws(link))), tmp_path)
    assert done.findings == ()
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o754
    assert "jaxrng: ignore[RNG001]" in path.read_text()


def test_a_comment_that_gets_codes_is_no_longer_unused(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("draw(key)  # jaxrng: ignore[RNG003]\ny = 1  # jaxrng: ignore[RNG003]\n")
    unused = [finding(Place(str(path), line), "RNG900") for line in (1, 2)]
    done, reported = add_ignores(report(*map(finding, draws(path)), *unused), tmp_path)
    assert done.findings == (unused[1],)
    assert reported == [
        "1 ignore comment in 1 file",
        "no comment for RNG900 at a.py:2: remove the comment that suppresses nothing",
    ]


def test_what_is_left_alone_and_said(tmp_path: Path) -> None:
    project = tmp_path / "project"
    files = {
        "read-only": project / "fixed.py",
        "outside of the project": tmp_path / "elsewhere.py",
        "installed package": project / ".venv" / "site-packages" / "lib.py",
        "has changed since": project / "changed.py",
    }
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("draw(key)\n")
    found = [finding(draws(path)[0]) for path in files.values()]
    for f in found:
        comment_for(f)  # the check has read the file before
    files["read-only"].chmod(0o444)
    files["has changed since"].write_text("# new\ndraw(key)\n")
    cell = finding(Place("<cell 7>", 1))
    stale = finding(Place(str(files["read-only"]), 1), "RNG900")
    done, reported = add_ignores(report(*found, cell, finding(None), stale), project)
    assert len(done.findings) == 7
    for (why, path), line in zip(
        files.items(), sorted(reported[1:], key=_reason(files)), strict=False
    ):
        assert why in line
        assert path.name in line
        assert "jaxrng" not in path.read_text()
    assert reported[0] == "0 ignore comments in 0 files"
    assert any("<cell 7>:1: it is in no file" in line for line in reported)
    assert any("it has no place" in line for line in reported)
    assert any("RNG900" in line and "remove the comment" in line for line in reported)


def _reason(files: dict[str, Path]) -> Callable[[str], int]:
    """A sort key: lines in the order of `files`, others last."""
    names = [path.name for path in files.values()]
    return lambda line: next(
        (n for n, name in enumerate(names) if name in line and "RNG900" not in line), 99
    )


def test_a_librarys_draw_is_ignored_at_the_users_vmap(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("y = 1\nvmap(lib.noise)(x)\n")
    scope = Scope("vmap", 3, place=Place(str(path), 2), varies=False)
    library = Place(tokenize.__file__, 1)
    done, _ = add_ignores(report(finding(library, "RNG001", scope)), tmp_path)
    assert path.read_text() == "y = 1\nvmap(lib.noise)(x)  # jaxrng: ignore[RNG001]\n"
    assert done.findings == ()


def test_a_file_that_would_not_stay_the_same_is_left(tmp_path: Path, monkeypatch) -> None:
    """Tests the guard: the lines for comments are wrong here, so one would change a string."""
    path = tmp_path / "a.py"
    path.write_text("x = draw('''\n''')\n")
    monkeypatch.setattr(source, "lines_for_comments", lambda path: {1})
    done, reported = add_ignores(report(*map(finding, draws(path))), tmp_path)
    assert path.read_text() == "x = draw('''\n''')\n"
    assert len(done.findings) == 1
    assert "the comment would change the program" in reported[1]


NOISE = '''\
# coding: latin-1
import jax


def add_noise(x, key):
    noise = jax.random.normal(  # \xfcber
        key, x.shape)
    return x + noise


def batch(x, key):
    """Every row gets the same."""
    return jax.vmap(add_noise, in_axes=(0, None))(x, key)


def twice(x, key):
    return jax.random.normal(key, x.shape) + \\
        jax.random.uniform(key, x.shape)
'''


def test_for_real(run_cli: RunCli, tmp_path: Path) -> None:
    path = tmp_path / "noise.py"
    path.write_bytes(NOISE.encode("latin-1").replace(b"\n", b"\r\n"))
    call = ("check", "noise.py:batch", "noise.py:twice", "--arg", "x=f32[4,3]", "--arg", "key=key")
    first = run_cli(*call, "--add-ignores", "--format", "json")
    assert (first.returncode, first.stderr.count("2 ignore comments in 1 file")) == (0, 1)
    lines = path.read_bytes().decode("latin-1").split("\r\n")
    old = NOISE.splitlines()
    changed = {
        n: new for n, (was, new) in enumerate(zip(old, lines, strict=False), 1) if was != new
    }
    assert changed == {
        13: f"{old[12]}  # jaxrng: ignore[RNG001]",
        18: f"{old[17]}  # jaxrng: ignore[RNG005]",
    }
    second = run_cli(*call, "--format", "json")
    assert second.returncode == 0
    assert json.loads(second.stdout)["summary"]["suppressed"] == 2
    reported = [[t["suppressed"] for t in json.loads(p.stdout)["targets"]] for p in (first, second)]
    assert reported[0] == reported[1]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no such permissions")
def test_a_read_only_file_still_fails(run_cli: RunCli, tmp_path: Path) -> None:
    path = tmp_path / "noise.py"
    path.write_bytes(NOISE.encode("latin-1"))
    path.chmod(0o444)
    done = run_cli("check", "noise.py:twice", "--arg", "x=f32[4,3]", "--add-ignores", "--no-run")
    assert done.returncode == 1
    assert "no comment for RNG005 at noise.py:18: the file is read-only" in done.stderr
    assert path.read_bytes() == NOISE.encode("latin-1")


DRAWS = """\
import pathlib

import jax

here = pathlib.Path(__file__)


def f(x, key):
    return jax.vmap(lambda a: a + jax.random.normal(key, a.shape))(x)


"""
LONGER = 'here.write_text("# one line more\\n" + here.read_text())\n'
SHORTER = 'here.write_text("import jax\\n")\n'
CALL = "f(jax.numpy.ones((4, 3)), jax.random.key(0))\n"


@pytest.mark.parametrize("saved", [LONGER, SHORTER], ids=["longer", "shorter"])
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_file_that_is_saved_after_its_import_is_left_alone(
    command: str, saved: str, write: Callable[[str, str], Path], run_cli: RunCli
) -> None:
    text = DRAWS + (saved if command == "check" else CALL + saved)
    path = write("noise.py", text)
    arguments = {
        "check": [
            "check",
            "noise.py:f",
            "--arg",
            "x=f32[4,3]",
            "--arg",
            "key=key",
            "--add-ignores",
        ],
        "run": ["run", "--add-ignores", "noise.py"],
    }

    done = run_cli(*arguments[command])

    assert "noise.py" in done.stderr
    assert "the file has changed since it was imported" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.returncode == 1
    assert "jaxrng: ignore" not in path.read_text()


@pytest.mark.slow
def test_an_imported_file_that_is_saved_during_a_check_is_left_alone(
    write: Callable[[str, str], Path], run_cli: RunCli
) -> None:
    helper = write("helper.py", DRAWS)
    write(
        "noise.py",
        """
        import helper


        def f(x, key):
            out = helper.f(x, key)
            helper.here.write_text("# one line more\\n" + helper.here.read_text())
            return out
        """,
    )
    arguments = ["check", "noise.py:f", "--arg", "x=f32[4,3]", "--arg", "key=key"]

    cold = run_cli(*arguments, "--add-ignores", "--no-run")
    warm = run_cli(*arguments, "--add-ignores", "--no-run")  # with cached bytecode or without

    for done in (cold, warm):
        assert "the file has changed since it was imported" in " ".join(done.stderr.split())
        assert done.returncode == 1
    assert "jaxrng: ignore" not in helper.read_text()
