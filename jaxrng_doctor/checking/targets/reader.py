"""A small recursive-descent parser for pytrees.

Evaluates nothing: only quoted strings and numbers go through `ast.literal_eval`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from jaxrng_doctor.model.errors import UsageError

MAX_DEPTH = 50


class Reader:
    """Parses pytrees in a text, with errors that point at the text.

    `what` names the text in messages; `valid` lists valid examples.
    """

    def __init__(self, text: str, what: str, valid: str) -> None:
        self.text = text
        self.what = what
        self.valid = valid
        self.position = 0
        self.depth = 0

    def whole(self, read: Callable[[], Any]) -> Any:
        """The result of `read`, which must consume all of the text."""
        value = read()
        if rest := self.peek():
            self.fail(f"unexpected {rest!r}")
        return value

    def tree(self, leaf: Callable[[], Any]) -> Any:
        """A dict, tuple or list of trees, or a leaf."""
        if self.depth > MAX_DEPTH:
            self.fail("too many nested brackets")
        self.depth += 1
        try:
            if self.take("{"):
                return self._dict(leaf)
            if self.take("("):
                items, commas = self.items(")", leaf)
                return items[0] if len(items) == 1 and not commas else tuple(items)
            if self.take("["):
                return self.items("]", leaf)[0]
            return leaf()
        finally:
            self.depth -= 1

    def items(self, close: str, leaf: Callable[[], Any]) -> tuple[list[Any], int]:
        """Comma-separated trees until `close` (`""` is the end), and the number of commas."""
        items: list[Any] = []
        commas = 0
        while not self._ends(close):
            if len(items) > commas:
                self.expected(f"a comma or {close!r}" if close else "a comma")
            items.append(self.tree(leaf))
            commas += self.take(",")
        return items, commas

    def _dict(self, leaf: Callable[[], Any]) -> dict[Any, Any]:
        items: dict[Any, Any] = {}
        comma = True
        while not self._ends("}"):
            if not comma:
                self.expected("a comma or '}'")
            self.peek()
            start = self.position
            key = self._dict_key()
            if key in items:
                self.fail(f"duplicate dict key {key!r}", start)
            if items and type(key) is not type(next(iter(items))):
                self.fail(f"dict key {key!r} has another type than the others", start)
            if not self.take(":"):
                self.fail(f"missing ':' after dict key {key!r}")
            items[key] = self.tree(leaf)
            comma = self.take(",")
        return items

    def _dict_key(self) -> Any:
        if self.peek() in ("'", '"'):
            return self.string()
        word = self.match(r"-?\d{1,18}(?![\w.])|[A-Za-z_]\w*")
        if word is None:
            self.expected("a dict key")
        return word if word[0].isalpha() or word[0] == "_" else int(word)

    def _ends(self, close: str) -> bool:
        if not self.peek():
            if close:
                self.fail(f"missing {close!r}")
            return True
        return bool(close) and self.take(close)

    def peek(self) -> str:
        """The next character after any white space, `""` at the end."""
        while self.position < len(self.text) and self.text[self.position].isspace():
            self.position += 1
        return self.text[self.position : self.position + 1]

    def take(self, character: str) -> bool:
        """Consume `character` if it is next; returns whether it was."""
        if self.peek() != character:
            return False
        self.position += 1
        return True

    def match(self, pattern: str) -> str | None:
        """Consume and return a match of the pattern, `None` if it does not match."""
        self.peek()
        found = re.compile(pattern).match(self.text, self.position)
        if found is None:
            return None
        self.position = found.end()
        return found[0]

    def string(self) -> str:
        """A quoted string, with Python's escapes."""
        start = self.position
        quoted = self.match(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")
        if quoted is None:
            self.fail("missing closing quote", start)
        try:
            return str(ast.literal_eval(quoted))
        except (SyntaxError, ValueError):
            self.fail("invalid Python string", start)

    def number(self, pattern: str = r"[^\s,()\[\]{}<>'\":]+") -> int | float | complex:
        """A Python number."""
        start = self.position
        word = self.match(pattern) or ""
        try:
            value = ast.literal_eval(word)
        except (SyntaxError, ValueError):
            value = None
        if isinstance(value, bool) or not isinstance(value, int | float | complex):
            self.fail(f"{word!r} is not a number", start)
        return value

    def expected(self, what: str) -> NoReturn:
        """Raise a `UsageError` about the next character."""
        found = self.peek()
        self.fail(f"expected {what}, found {repr(found) if found else 'the end'}")

    def fail(self, problem: str, at: int | None = None, meant: Iterable[str] = ()) -> NoReturn:
        """Raise a `UsageError` that points at `at`, by default at the current position."""
        column = self.position if at is None else at
        shown = re.sub(r"\s", " ", self.text)
        nearest = "".join(f"did you mean {guess}?\n" for guess in meant)
        raise UsageError(
            f"{self.what}: {problem}", f"  {shown}\n  {' ' * column}^\n{nearest}{self.valid}"
        )
