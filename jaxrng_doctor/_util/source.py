"""The user's source: lines, comments, logical lines, call nodes and the text of nodes.

Reads through `linecache`, which also knows notebook cells. Lines count from 1. Missing or invalid
source never raises; there is just less to show.
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
"""Tokens that are not part of a logical line."""


_FORMATTED = {"FSTRING_START": 1, "FSTRING_END": -1, "TSTRING_START": 1, "TSTRING_END": -1}
"""Tokens of newer Python versions; in older ones an f-string is a single token."""


class _File:
    """One file's lines, tokenized and parsed lazily."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    @cached_property
    def _tokens(self) -> tuple[dict[int, str], dict[int, tuple[int, int]], set[int]]:
        comments: dict[int, str] = {}
        spans: dict[int, tuple[int, int]] = {}
        ends: set[int] = set()
        start = None
        formatted = 0  # open f-strings
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
            return  # keep the tokens before the error

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
        """The file's syntax tree, empty for invalid source."""
        try:
            with warnings.catch_warnings():  # such as those for invalid escapes
                warnings.simplefilter("ignore")
                return ast.parse("".join(self.lines))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return ast.Module([], [])

    @cached_property
    def calls(self) -> dict[tuple[int, int], list[ast.Call]]:
        """Calls by the line and byte offset of their start.

        A method call over several lines is also listed at its method's name, as in tracebacks.
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
    # linecache returns the same list until the content changes.
    if known is None or known.lines is not lines:
        known = _files[path] = _File(lines)
    return known


def line(path: str, n: int) -> str | None:
    """Line `n` without its newline, `None` if it does not exist."""
    lines = linecache.getlines(path)
    return lines[n - 1].rstrip("\n") if 1 <= n <= len(lines) else None


def logical_span(path: str, line: int) -> tuple[int, int]:
    """First and last physical line of the statement, or statement header, that contains `line`."""
    return _file(path).spans.get(line, (line, line))


def comments(path: str) -> Mapping[int, str]:
    """The comments by line, each starting with its `#`."""
    return _file(path).comments


def lines_for_comments(path: str) -> Collection[int]:
    """Lines at whose end a comment can be added: not in a string or before a continuation."""
    return _file(path).ends


def functions(path: str) -> list[tuple[int, int]]:
    """First and last line of each function and method that is not nested in another function."""
    return list(_functions(_file(path).tree))


def _functions(node: ast.AST) -> Iterator[tuple[int, int]]:
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            yield inner.lineno, inner.end_lineno or inner.lineno
        elif isinstance(inner, ast.stmt | ast.excepthandler | ast.match_case):
            yield from _functions(inner)


def call_at(place: Place) -> ast.Call | None:
    """The call at `place`.

    Without columns, the only call that starts on the line, `None` if there are several.
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
    # `f(a)(b)` and `f(a)` start at the same position: without a matching end, use the outer call.
    return exact[0] if exact else candidates[0]


def call_of_result(place: Place) -> ast.Call | None:
    """The call of a call's result: for the place of `f(a)` in `f(a)(b)`, all of it, else `None`."""
    call = call_at(place)
    if call is None:
        return None
    calls = _file(place.path).calls.get((call.lineno, call.col_offset), [])
    return next((outer for outer in calls if outer.func is call), None)


def method_calls(where: Place, name: str) -> list[Place]:
    """The method calls on the variable `name` in the lines of `where`, in order."""
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
    """The exact source text of `node`, `""` if its lines are missing."""
    first, last = node.lineno, node.end_lineno or node.lineno
    lines = linecache.getlines(path)[first - 1 : last]
    if len(lines) != last - first + 1:
        return ""
    # Cut the end first: on a single line, both offsets count from its start.
    lines[-1] = lines[-1].encode()[: node.end_col_offset].decode(errors="replace")
    lines[0] = lines[0].encode()[node.col_offset :].decode(errors="replace")
    return "".join(lines)


def char_column(path: str, line: int, column: int) -> int:
    """Convert a column in UTF-8 bytes, as Python records it, to characters. Both count from 1."""
    lines = linecache.getlines(path)
    if not 1 <= line <= len(lines):
        return column
    text = lines[line - 1].encode(errors="surrogatepass")
    return len(text[: column - 1].decode(errors="ignore")) + max(0, column - 1 - len(text)) + 1
