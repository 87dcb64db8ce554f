"""Validators for the values of settings.

Each kind of value also has a JSON Schema, for editors. Invalid values raise a `UsageError` that
names the file and the setting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from jaxrng_doctor._util.suggest import nearest
from jaxrng_doctor.checking.targets.in_axes import parse_in_axes
from jaxrng_doctor.checking.targets.loading import split
from jaxrng_doctor.model.errors import UsageError

Schema = dict[str, Any]


@dataclass(frozen=True)
class Where:
    """The location of a value: the file and the name, such as `tool.jaxrng-doctor.select`.

    `codes` are the codes of all rules.
    """

    path: Path
    name: str
    codes: Collection[str]

    def inside(self, key: str) -> Where:
        return Where(self.path, f"{self.name}{key}", self.codes)

    def wrong(self, words: str, found: Any) -> NoReturn:
        raise UsageError(f"{self}: {self.name} must be {words}, not {found!r}")

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class Kind:
    """`read` validates a value; `schema` describes it and may refer to `definitions`."""

    read: Callable[[Any, Where], Any]
    schema: Schema


def wrong_word(message: str, word: str, known: Collection[str], what: str) -> UsageError:
    """The error for a `word` that is not in `known`, with the closest match as a hint."""
    guess = nearest(word, known)
    listed = f"{what} are {', '.join(known)}"
    return UsageError(message, f"did you mean {guess[0]}?\n{listed}" if guess else listed)


def known_codes(given: Iterable[str], codes: Collection[str], what: str) -> tuple[str, ...]:
    """The codes, code prefixes or `ALL` in `given`, in capitals. `what` names the setting.

    Raises `UsageError` for a prefix of no code.
    """
    wanted = tuple(prefix.strip().upper() for prefix in given)
    for prefix in wanted:
        if prefix != "ALL" and (not prefix or not any(c.startswith(prefix) for c in codes)):
            raise wrong_word(f"{what}: unknown rule {prefix!r}", prefix, codes, "the rules")
    return wanted


def _typed(kind: type | tuple[type, ...], words: str) -> Callable[[Any, Where], Any]:
    kinds = kind if isinstance(kind, tuple) else (kind,)

    def read(found: Any, where: Where) -> Any:
        if type(found) not in kinds:  # unlike in Python, `true` is not a number in TOML
            where.wrong(words, found)
        return found

    return read


def _strings(found: Any, where: Where) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        where.wrong("an array of strings", found)
    return found


def _codes(found: Any, where: Where) -> tuple[str, ...]:
    return known_codes(_strings(found, where), where.codes, f"{where}: {where.name}")


def _codes_by_pattern(found: Any, where: Where) -> tuple[tuple[str, tuple[str, ...]], ...]:
    table = _typed(dict, "a table of patterns and codes")(found, where)
    return tuple((key, _codes(table[key], where.inside(f'."{key}"'))) for key in table)


def _seconds(found: Any, where: Where) -> float:
    if type(found) not in (int, float) or not 0 < found < threading.TIMEOUT_MAX:
        where.wrong("a positive number of seconds", found)
    return float(found)


def _whole_number(found: Any, where: Where) -> int:
    if type(found) is not int or found < 0:
        where.wrong("a non-negative integer", found)
    return found


def _path(found: Any, where: Where) -> Path:
    if type(found) is not str or not found:
        where.wrong("a file name", found)
    return where.path.parent / found


def _target(found: Any, where: Where) -> str:
    text: str = _typed(str, "a string")(found, where)
    try:
        split(text)
    except UsageError as error:
        raise UsageError(f"{where}: {error.message}", error.hint) from error
    return text


def _in_axes(found: Any, where: Where) -> Any:
    """`in-axes` in TOML, which has neither `None` nor tuples."""
    if isinstance(found, str):
        return parse_in_axes(found, f"{where}: {where.name}")
    return _axes(found, where)


def _axes(found: Any, where: Where) -> Any:
    if found == "None":
        return None
    if type(found) is int:
        return found
    if isinstance(found, list):
        return tuple(_axes(item, where) for item in found)
    if isinstance(found, Mapping):
        return {key: _axes(item, where) for key, item in found.items()}
    return where.wrong('a string, or a tree of axes and "None"', found)


def choice(known: Sequence[str]) -> Kind:
    """One of `known`."""

    def read(found: Any, where: Where) -> str:
        text: str = _typed(str, "a string")(found, where)
        if text not in known:
            message = f"{where}: invalid {where.name} {text!r}"
            raise wrong_word(message, text, known, "the choices")
        return text

    return Kind(read, {"enum": list(known)})


# Schemas do not describe the syntax of targets and axes.
_TEXT: Schema = {"type": "string", "pattern": r"\S"}
_STRINGS: Schema = {"type": "array", "items": {"type": "string"}}
_CODES: Schema = {"type": "array", "items": {"$ref": "#/definitions/code"}}
_TREES_OF_AXES: list[Schema] = [
    {"type": "integer"},
    {"type": "array", "items": {"$ref": "#/definitions/axes"}},
    {"type": "object", "additionalProperties": {"$ref": "#/definitions/axes"}},
]

ARGUMENTS = Kind(_typed(dict, "a table"), {"type": "object"})
AXES = Kind(_in_axes, {"anyOf": [_TEXT, *_TREES_OF_AXES]})
CODES = Kind(_codes, _CODES)
CODES_BY_PATTERN = Kind(_codes_by_pattern, {"type": "object", "additionalProperties": _CODES})
NAMES = Kind(lambda found, where: frozenset(_strings(found, where)), _STRINGS)
PATH = Kind(_path, {"type": "string", "minLength": 1})
PATTERNS = Kind(lambda found, where: tuple(_strings(found, where)), _STRINGS)
SECONDS = Kind(
    _seconds,
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": int(threading.TIMEOUT_MAX)},
)
SWITCH = Kind(_typed(bool, "true or false"), {"type": "boolean"})
TARGET = Kind(_target, _TEXT)
WHOLE_NUMBER = Kind(_whole_number, {"type": "integer", "minimum": 0})


def definitions(codes: Collection[str]) -> dict[str, Schema]:
    """The definitions that the schemas refer to. `codes` are the codes of all rules."""
    words = ["ALL", *sorted({code[:n] for code in codes for n in range(1, len(code) + 1)})]
    in_any_case = "|".join(
        "".join(f"[{c}{c.lower()}]" if c.isalpha() else c for c in word) for word in words
    )
    return {
        # Editors offer the listed codes and also accept other capitalisation.
        "code": {
            "anyOf": [
                {"enum": [word for word in words if len(word) > 2]},
                {"type": "string", "pattern": rf"^\s*(?:{in_any_case})\s*$"},
            ]
        },
        "axes": {"anyOf": [{"const": "None"}, *_TREES_OF_AXES]},
    }
