"""Reading the user's source: lines, comments, statements, calls, columns."""

from __future__ import annotations

import ast
import linecache
import textwrap

import pytest

from jaxrng_doctor._util import source
from jaxrng_doctor.model.findings import Place

CELL = "<cell 7>"


@pytest.fixture
def cell():
    def put(text):
        text = textwrap.dedent(text)
        linecache.cache[CELL] = (len(text), None, text.splitlines(keepends=True), CELL)

    yield put
    linecache.cache.pop(CELL, None)


def test_line(cell):
    cell("a = 1\n\nb = 2")
    assert [source.line(CELL, n) for n in (0, 1, 2, 3, 4)] == [None, "a = 1", "", "b = 2", None]
    assert source.line("/no/such/file.py", 1) is None


def test_a_real_file(tmp_path):
    path = tmp_path / "bom.py"
    path.write_bytes(b"\xef\xbb\xbfkey = 1  # first\r\nx = f(key)\r\n")
    assert source.line(str(path), 2) == "x = f(key)"
    assert dict(source.comments(str(path))) == {1: "# first"}


def test_logical_spans(cell):
    cell(
        '''\
        x = f(
            a,  # why

            b,
        )
        if (x and
                y): z = 1; w = 2
        @jax.vmap
        def g():
            """One
            two"""
            # alone
            return a + \\
                b
        '''
    )
    spans = {n: source.logical_span(CELL, n) for n in range(1, 16)}
    assert spans == {
        **dict.fromkeys(range(1, 6), (1, 5)),
        **dict.fromkeys((6, 7), (6, 7)),
        8: (8, 8),
        9: (9, 9),
        **dict.fromkeys((10, 11), (10, 11)),
        12: (12, 12),
        **dict.fromkeys((13, 14), (13, 14)),
        15: (15, 15),
    }


def test_broken_source_still_tells_what_comes_before_the_fault(cell):
    cell("x = f(  # one\n    1)\ny = 'open\nz = (  # two\n")
    assert source.comments(CELL)[1] == "# one"
    assert source.logical_span(CELL, 2) == (1, 2)
    assert source.logical_span(CELL, 4) == (4, 4)
    assert source.call_at(Place(CELL, 1, 5, 2, 7)) is None
    assert source.logical_span("/no/such/file.py", 3) == (3, 3)
    assert source.comments("/no/such/file.py") == {}


def test_comments_are_tokens(cell):
    cell('a = "# jaxrng: ignore"  # real\nb = """\n# jaxrng: ignore\n"""\n')
    assert dict(source.comments(CELL)) == {1: "# real"}


def running_place(text, **names):
    """The places that Python itself reports for the calls of `here` in `text`."""
    import sys

    places = []

    def here(*args):
        frame = sys._getframe(1)
        position = list(frame.f_code.co_positions())[frame.f_lasti // 2]
        line, end_line, column, end_column = position
        places.append(Place(CELL, line, column + 1, end_line, end_column + 1))
        return here

    here.method = here
    exec(compile(text, CELL, "exec"), {"here": here, **names})
    return places


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("x = [here(1)]\n", ["here(1)"]),
        ("é = 'ü'; print if here(1)(2, 3) else 0\n", ["here(1)", "here(1)(2, 3)"]),
        ("here(\n    here( 1 ),\n)\n", ["here( 1 )", "here(\n    here( 1 ),\n)"]),
        ("(here\n    .method(1)\n    .method(2))\n", None),
        ("@here(5)\ndef f(): pass\n", ["here(5)", "here(5)"]),
        ("'日本', here.method('語')\n", ["here.method('語')"]),
    ],
)
def test_call_at_the_places_that_python_reports(cell, text, calls):
    cell(text)
    if calls is None:
        calls = ["here\n    .method(1)", "here\n    .method(1)\n    .method(2)"]
    found = [source.call_at(place) for place in running_place(text)]
    assert [source.segment(CELL, node) for node in found] == calls


def test_call_at_does_not_guess(cell):
    cell("f(a)\ng(h(a))\nx + y\n")
    assert source.segment(CELL, source.call_at(Place(CELL, 1))) == "f(a)"
    assert source.call_at(Place(CELL, 2)) is None
    assert source.call_at(Place(CELL, 3, 1, 3, 6)) is None
    assert source.call_at(Place(CELL, 9, 1)) is None
    assert source.call_at(Place("/no/such/file.py", 1, 1)) is None


def test_call_at_without_an_end_is_the_whole(cell):
    cell("f(a)(b)\n")
    assert source.segment(CELL, source.call_at(Place(CELL, 1, 1))) == "f(a)(b)"


def test_segments_are_what_python_says(cell):
    text = "def f(x):\n    return ('日' + \\\n        g(x,\n  'é'))  # end\n"
    cell(text)
    nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.expr | ast.stmt)]
    assert len(nodes) > 5
    for node in nodes:
        assert source.segment(CELL, node) == ast.get_source_segment(text, node)
    nodes[0].end_lineno = 99
    assert source.segment(CELL, nodes[0]) == ""


def test_char_columns(cell):
    cell("日é = f(x)\n")
    assert [source.char_column(CELL, 1, n) for n in (1, 4, 6, 7, 14, 16)] == [1, 2, 3, 4, 11, 13]
    assert source.char_column(CELL, 9, 4) == 4


def test_an_invalid_escape_in_the_users_file_is_not_ours_to_warn_about(cell):
    cell("x = f('\\d')\n")
    assert source.call_at(Place(CELL, 1)) is not None


def test_a_file_is_parsed_once_until_it_changes(cell, monkeypatch):
    parses = []
    parse = ast.parse
    monkeypatch.setattr(ast, "parse", lambda text: parses.append(text) or parse(text))
    cell("f(a)  # one\n")
    for _ in range(100):
        source.call_at(Place(CELL, 1))
    assert len(parses) == 1
    cell("g(b)  # two\n")
    assert source.segment(CELL, source.call_at(Place(CELL, 1))) == "g(b)"
    assert source.comments(CELL)[1] == "# two"
