"""Reading pytrees out of text: in come a text and what a leaf is, out comes a tree of leaves.

A small recursive-descent reader, which evaluates nothing: only quoted strings
and numbers go through `ast.literal_eval`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from jaxrng_doctor.model.errors import UsageError

MAX_DEPTH = 50


class Reader:
    """Reads pytrees of something out of a text, and points at what is wrong in it.

    `what` names the text in messages; `valid` lists what could have stood there.
    """

    def __init__(self, text: str, what: str, valid: str) -> None:
        self.text = text
        self.what = what
        self.valid = valid
        self.position = 0
        self.depth = 0

    def whole(self, read: Callable[[], Any]) -> Any:
        """What `read` reads, which must be all of the text."""
        value = read()
        if rest := self.peek():
            self.fail(f"{rest!r} after its end")
        return value

    def tree(self, leaf: Callable[[], Any]) -> Any:
        """A dict, tuple or list of trees, or what `leaf` reads."""
        if self.depth > MAX_DEPTH:
            self.fail("brackets nested too deep")
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
        """Trees separated by commas up to `close` (`""` is the text's end), and the commas."""
        items: list[Any] = []
        commas = 0
        while not self._ends(close):
            if len(items) > commas:
                self.fail(f"{self.peek() or 'its end'!r} where a comma or {close!r} should be")
            items.append(self.tree(leaf))
            commas += self.take(",")
        return items, commas

    def _dict(self, leaf: Callable[[], Any]) -> dict[Any, Any]:
        items: dict[Any, Any] = {}
        comma = True
        while not self._ends("}"):
            if not comma:
                self.fail(f"{self.peek() or 'its end'!r} where a comma or '}}' should be")
            self.peek()
            start = self.position
            key = self._dict_key()
            if key in items:
                self.fail(f"the key {key!r} twice", start)
            if items and type(key) is not type(next(iter(items))):
                self.fail(f"the key {key!r} beside keys of another type", start)
            if not self.take(":"):
                self.fail(f"no ':' after the key {key!r}")
            items[key] = self.tree(leaf)
            comma = self.take(",")
        return items

    def _dict_key(self) -> Any:
        if self.peek() in ("'", '"'):
            return self.string()
        word = self.match(r"-?\d{1,18}(?![\w.])|[A-Za-z_]\w*")
        if word is None:
            self.fail(f"{self.peek() or 'its end'!r} where a dict's key should be")
        return word if word[0].isalpha() or word[0] == "_" else int(word)

    def _ends(self, close: str) -> bool:
        if not self.peek():
            if close:
                self.fail(f"no closing {close!r}")
            return True
        return bool(close) and self.take(close)

    def peek(self) -> str:
        """The next character that is not white space, `""` at the end."""
        while self.position < len(self.text) and self.text[self.position].isspace():
            self.position += 1
        return self.text[self.position : self.position + 1]

    def take(self, character: str) -> bool:
        """Step over `character` if it is the next one."""
        if self.peek() != character:
            return False
        self.position += 1
        return True

    def match(self, pattern: str) -> str | None:
        """Step over what the pattern matches here, if it does."""
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
            self.fail("a string without its closing quote", start)
        try:
            return str(ast.literal_eval(quoted))
        except (SyntaxError, ValueError):
            self.fail("a string that Python does not read", start)

    def number(self, pattern: str = r"[^\s,()\[\]{}<>'\":]+") -> int | float | complex:
        """A number as Python writes it."""
        start = self.position
        word = self.match(pattern) or ""
        try:
            value = ast.literal_eval(word)
        except (SyntaxError, ValueError):
            value = None
        if isinstance(value, bool) or not isinstance(value, int | float | complex):
            self.fail(f"{word!r}, which is no number", start)
        return value

    def fail(self, found: str, at: int | None = None, meant: Iterable[str] = ()) -> NoReturn:
        """Raise the `UsageError` that points at `at`, by default at the current position."""
        column = self.position if at is None else at
        shown = re.sub(r"\s", " ", self.text)
        nearest = "".join(f"did you mean {guess}?\n" for guess in meant)
        raise UsageError(
            f"{self.what} has {found}", f"  {shown}\n  {' ' * column}^\n{nearest}{self.valid}"
        )
