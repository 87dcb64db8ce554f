"""The project's settings: in comes a folder, out comes the `Config` of its `pyproject.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, cast

from jaxrng_doctor.errors import UsageError
from jaxrng_doctor.findings import SEVERITIES, Expect
from jaxrng_doctor.nearest import nearest
from jaxrng_doctor.target import AS_IS, EXPECTATIONS
from jaxrng_doctor.target.examples import Example
from jaxrng_doctor.target.inaxes import parse_in_axes
from jaxrng_doctor.target.loading import split

TABLE = "jaxrng-doctor"

FailOn = Literal["error", "warning", "note", "never"]

FAIL_ON: tuple[FailOn, ...] = (*SEVERITIES, "never")


@dataclass(frozen=True)
class ConfiguredTarget:
    """One `[[tool.jaxrng-doctor.targets]]`: a target, and the arguments to call it with."""

    target: str
    example: Example


@dataclass(frozen=True)
class Config:
    """The settings under the flags. Paths in them are relative to `folder`.

    `select` is `None` for every rule; `select` and `ignore` are whole codes.
    """

    folder: Path
    targets: tuple[ConfiguredTarget, ...] = ()
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    fail_on: FailOn = "warning"


def read_config(start: Path, codes: Collection[str]) -> Config:
    """The settings of the nearest `pyproject.toml`, in `start` or above, that has any.

    `codes` are the known rules'. Raises `UsageError`, naming the file, for TOML
    that does not parse, for unknown settings and for values of the wrong type.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if not path.is_file():
            continue
        try:
            tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from error
        if isinstance(tool, dict) and TABLE in tool:
            return _Table(path, f"tool.{TABLE}", tool[TABLE]).config(codes)
    return Config(start)


def expand_codes(prefixes: Sequence[str], codes: Collection[str], what: str) -> tuple[str, ...]:
    """The codes that begin with one of `prefixes`, in the order of `codes`.

    `what` names the setting in the `UsageError` that an unknown one raises.
    """
    wanted = [prefix.strip().upper() for prefix in prefixes]
    for prefix in wanted:
        if not prefix or not any(code.startswith(prefix) for code in codes):
            raise UsageError(
                f"{what}: there is no rule {prefix!r}", _instead(prefix, codes, "the rules")
            )
    return tuple(code for code in codes if code.startswith(tuple(wanted)))


def _instead(wrong: str, known: Collection[str], what: str) -> str:
    guess = nearest(wrong, known)
    listed = f"{what} are {', '.join(known)}"
    return f"did you mean {guess[0]}?\n{listed}" if guess else listed


class _Table:
    """One TOML table, and the words to complain of it with."""

    def __init__(self, path: Path, name: str, values: Any) -> None:
        self.path = path
        self.name = name
        if not isinstance(values, dict):
            self.fail("", "a table", values)
        self.values: dict[str, Any] = values

    def config(self, codes: Collection[str]) -> Config:
        self.only("targets", "select", "ignore", "fail-on")
        targets = self.typed("targets", list, "an array of tables", [])
        select = self.codes("select", codes)
        fail_on = self.choice("fail-on", FAIL_ON, "warning")
        return Config(
            folder=self.path.parent,
            targets=tuple(
                _Table(self.path, f"{self.name}.targets[{number}]", entry).target()
                for number, entry in enumerate(targets)
            ),
            select=select,
            ignore=self.codes("ignore", codes) or (),
            fail_on=cast(FailOn, fail_on),
        )

    def target(self) -> ConfiguredTarget:
        self.only("target", "args", "in-axes", "axis-size", "expect", "static")
        if "target" not in self.values:
            raise UsageError(
                f"{self.path}: {self.name} has no target", 'write: target = "module:function"'
            )
        in_axes = self.values.get("in-axes", AS_IS)
        if isinstance(in_axes, str):
            in_axes = parse_in_axes(in_axes, f"{self.path}: {self.name}.in-axes")
        elif in_axes is not AS_IS:
            in_axes = self.axes(in_axes)
        axis_size = self.typed("axis-size", int, "a whole number", None)
        if axis_size is not None and axis_size < 0:
            self.fail("axis-size", "a whole number", axis_size)
        expect = self.choice("expect", EXPECTATIONS, None)
        target = self.typed("target", str, "a string", "")
        try:
            split(target)
        except UsageError as error:
            raise UsageError(f"{self.path}: {error.message}", error.hint) from error
        return ConfiguredTarget(
            target=target,
            example=Example(
                args=self.typed("args", dict, "a table", {}),
                in_axes=in_axes,
                axis_size=axis_size,
                expect=cast("Expect | None", expect),
                static=frozenset(self.strings("static")),
            ),
        )

    def only(self, *known: str) -> None:
        for setting in self.values:
            if setting not in known:
                raise UsageError(
                    f"{self.path}: {self.name} has no setting {setting!r}",
                    _instead(setting, known, "the settings"),
                )

    def typed(self, setting: str, kind: type, words: str, default: Any) -> Any:
        if setting not in self.values:
            return default
        found = self.values[setting]
        if type(found) is not kind:
            self.fail(setting, words, found)
        return found

    def strings(self, setting: str) -> list[str]:
        found: list[Any] = self.typed(setting, list, "an array of strings", [])
        if not all(isinstance(item, str) for item in found):
            self.fail(setting, "an array of strings", found)
        return found

    def codes(self, setting: str, codes: Collection[str]) -> tuple[str, ...] | None:
        if setting not in self.values:
            return None
        what = f"{self.path}: {self.name}.{setting}"
        return expand_codes(self.strings(setting), codes, what)

    def choice(self, setting: str, known: Sequence[str], default: str | None) -> str | None:
        found = self.typed(setting, str, "a string", default)
        if found is not default and found not in known:
            raise UsageError(
                f"{self.path}: {self.name}.{setting} is {found!r}",
                _instead(found, known, "the choices"),
            )
        return cast("str | None", found)

    def axes(self, found: Any) -> Any:
        """`in-axes` written in TOML, which has no `None` and no tuples."""
        if found == "None":
            return None
        if type(found) is int:
            return found
        if isinstance(found, list):
            return tuple(self.axes(item) for item in found)
        if isinstance(found, Mapping):
            return {key: self.axes(item) for key, item in found.items()}
        return self.fail("in-axes", 'a string, or axes and "None"s in arrays and tables', found)

    def fail(self, setting: str, words: str, found: Any) -> NoReturn:
        name = f"{self.name}.{setting}" if setting else self.name
        raise UsageError(f"{self.path}: {name} must be {words}, not {found!r}")
