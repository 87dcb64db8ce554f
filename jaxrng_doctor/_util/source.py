"""The user's source, read through `linecache`, so that notebook cells have one too.

In: an absolute path (or the name of a cell) and a line, counted from 1. Out: lines,
comments, logical lines, call nodes and the text of nodes. Source that is missing or
broken never raises: there is then less to tell.
"""

from __future__ import annotations

import ast
import linecache
import tokenize
import warnings
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property

from jaxrng_doctor.model.findings import Place

_SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
"""Tokens that neither begin nor belong to a logical line."""


_FORMATTED = {"FSTRING_START": 1, "FSTRING_END": -1, "TSTRING_START": 1, "TSTRING_END": -1}
"""Tokens that older versions of Python do not have: there an f-string is one token."""


class _File:
    """One file's lines, tokenized and parsed at most once, and only when asked."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    @cached_property
    def _tokens(self) -> tuple[dict[int, str], dict[int, tuple[int, int]], set[int]]:
        comments: dict[int, str] = {}
        spans: dict[int, tuple[int, int]] = {}
        ends: set[int] = set()
        start = None
        formatted = 0  # how many f-strings are open
        for token in self._readable_tokens():
            formatted += _FORMATTED.get(tokenize.tok_name[token.type], 0)
            if token.type in (tokenize.NL, tokenize.NEWLINE) and not formatted:
                ends.add(token.start[0])
            if token.type == tokenize.COMMENT:
                comments[token.start[0]] = token.string
            if token.type == tokenize.NEWLINE:
                span = (start or token.start[0], token.start[0])
                spans.update((n, span) for n in range(span[0], span[1] + 1))
                start = None
            elif start is None and token.type not in _SILENT:
                start = token.start[0]
        return comments, spans, ends

    def _readable_tokens(self) -> Iterator[tokenize.TokenInfo]:
        try:
            yield from tokenize.generate_tokens(iter(self.lines).__next__)
        except (tokenize.TokenError, SyntaxError):
            return  # what was read up to the fault still counts

    @property
    def comments(self) -> dict[int, str]:
        return self._tokens[0]

    @property
    def spans(self) -> dict[int, tuple[int, int]]:
        return self._tokens[1]

    @property
    def ends(self) -> set[int]:
        return self._tokens[2]

    @cached_property
    def tree(self) -> ast.Module:
        """The file's syntax, empty where it is broken."""
        try:
            with warnings.catch_warnings():  # an invalid escape is not for us to complain about
                warnings.simplefilter("ignore")
                return ast.parse("".join(self.lines))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return ast.Module([], [])

    @cached_property
    def calls(self) -> dict[tuple[int, int], list[ast.Call]]:
        """Calls by the line and byte offset of their start.

        A method call over several lines is also at its method's name: there Python puts it.
        """
        found: dict[tuple[int, int], list[ast.Call]] = {}
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.Call):
                continue
            found.setdefault((node.lineno, node.col_offset), []).append(node)
            method = node.func
            if isinstance(method, ast.Attribute) and method.end_lineno != node.lineno:
                line, end = method.end_lineno or 0, method.end_col_offset or 0
                name = (line, end - len(method.attr.encode()))
                found.setdefault(name, []).append(node)
        return found


_files: dict[str, _File] = {}


def _file(path: str) -> _File:
    lines = linecache.getlines(path)
    known = _files.get(path)
    # linecache hands out one list for as long as it trusts it: another list is another content.
    if known is None or known.lines is not lines:
        known = _files[path] = _File(lines)
    return known


def line(path: str, n: int) -> str | None:
    """Line `n` without its newline, or `None` where there is no such line."""
    lines = linecache.getlines(path)
    return lines[n - 1].rstrip("\n") if 1 <= n <= len(lines) else None


def logical_span(path: str, line: int) -> tuple[int, int]:
    """First and last physical line of the statement (or its header) that `line` is part of."""
    return _file(path).spans.get(line, (line, line))


def comments(path: str) -> Mapping[int, str]:
    """The comments by line, each from its `#` on. A `#` inside a string is none."""
    return _file(path).comments


def lines_for_comments(path: str) -> Collection[int]:
    """The lines that may end in a comment: not inside of a string or before a backslash's."""
    return _file(path).ends


def functions(path: str) -> list[tuple[int, int]]:
    """First and last line of each function of a file, methods too, that is in no other function."""
    return list(_functions(_file(path).tree))


def _functions(node: ast.AST) -> Iterator[tuple[int, int]]:
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            yield inner.lineno, inner.end_lineno or inner.lineno
        elif isinstance(inner, ast.stmt | ast.excepthandler | ast.match_case):
            yield from _functions(inner)


def call_at(place: Place) -> ast.Call | None:
    """The call that `place` spans.

    Without columns it is the only call that begins on the line; `None` rather than a guess.
    """
    calls = _file(place.path).calls
    if place.column is None:
        on_line = {id(c): c for (n, _), cs in calls.items() if n == place.line for c in cs}
        return next(iter(on_line.values())) if len(on_line) == 1 else None
    candidates = calls.get((place.line, place.column - 1), [])
    if not candidates:
        return None
    end = (place.end_line or place.line, (place.end_column or 0) - 1)
    exact = [c for c in candidates if (c.end_lineno, c.end_col_offset) == end]
    # `f(a)(b)` begins where `f(a)` begins: without a matching end the whole is meant.
    return exact[0] if exact else candidates[0]


def call_of_result(place: Place) -> ast.Call | None:
    """In `f(a)(b)` the whole, for a `place` that spans `f(a)`; `None` for a lone call."""
    call = call_at(place)
    if call is None:
        return None
    calls = _file(place.path).calls.get((call.lineno, call.col_offset), [])
    return next((outer for outer in calls if outer.func is call), None)


def method_calls(where: Place, name: str) -> list[Place]:
    """The calls of methods of the variable `name` in the lines that `where` spans, in order."""
    last = where.end_line or where.line
    found = {
        (call.lineno, call.col_offset): call
        for calls in _file(where.path).calls.values()
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == name
        and where.line <= call.lineno <= last
    }
    return [
        Place(where.path, line, column + 1, call.end_lineno, (call.end_col_offset or 0) + 1)
        for (line, column), call in sorted(found.items())
    ]


def segment(path: str, node: ast.expr | ast.stmt) -> str:
    """The exact source text of `node`, or `""` where its lines are missing."""
    first, last = node.lineno, node.end_lineno or node.lineno
    lines = linecache.getlines(path)[first - 1 : last]
    if len(lines) != last - first + 1:
        return ""
    # The end is cut first: on a single line both offsets count from the same start.
    lines[-1] = lines[-1].encode()[: node.end_col_offset].decode(errors="replace")
    lines[0] = lines[0].encode()[node.col_offset :].decode(errors="replace")
    return "".join(lines)


def char_column(path: str, line: int, column: int) -> int:
    """A column counted in UTF-8 bytes, as Python records it, counted in characters. Both from 1."""
    lines = linecache.getlines(path)
    if not 1 <= line <= len(lines):
        return column
    text = lines[line - 1].encode(errors="surrogatepass")
    return len(text[: column - 1].decode(errors="ignore")) + max(0, column - 1 - len(text)) + 1
