"""Reads the project's settings from the nearest `pyproject.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxrng_doctor._util.suggest import nearest
from jaxrng_doctor.checking.targets.examples import ConfiguredTarget, Example
from jaxrng_doctor.config.schema import FAIL_ON, SETTINGS, TABLE, read_table
from jaxrng_doctor.config.validators import Where
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.model.findings import Choices, Expect, FailOn
from jaxrng_doctor.model.target import NO_OVERRIDES, Overrides

__all__ = ["FAIL_ON", "Config", "FailOn", "read_config"]


@dataclass(frozen=True)
class Config:
    """The project's settings. Paths and patterns in them are relative to `folder`.

    `select` and `ignore` are codes or code prefixes; `select` is `None` for all rules. `timeout`
    is in seconds. `file` is the `pyproject.toml` that was read, if any, and `table` its raw table.
    """

    folder: Path
    targets: tuple[ConfiguredTarget, ...] = ()
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    fail_on: FailOn = "warning"
    expect: Expect = "different"
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    exclude: tuple[str, ...] = ()
    baseline: Path | None = None
    timeout: float = 60.0
    no_run: bool = False
    strict: bool = False
    file: Path | None = field(default=None, compare=False)
    table: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def choices(self, overrides: Overrides = NO_OVERRIDES) -> Choices:
        """What is reported for a target. `overrides` take precedence."""
        chosen = overrides.over(
            Overrides(
                select=self.select, ignore=self.ignore, fail_on=self.fail_on, strict=self.strict
            )
        )
        return Choices(
            select=chosen.select,
            ignore=chosen.ignore or (),
            expect=self.expect,
            fail_on=chosen.fail_on or "warning",
            strict=bool(chosen.strict),
            per_file_ignores=self.per_file_ignores,
            exclude=self.exclude,
            folder=str(self.folder),
        )


def read_config(start: Path, codes: Collection[str]) -> Config:
    """The settings of the nearest `pyproject.toml` with any, in `start` or a parent folder.

    `codes` are the codes of all rules. Raises `UsageError`, naming the file, for invalid TOML, a
    misspelt table name, unknown settings and values of the wrong type.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if not path.is_file():
            continue
        try:
            # `-sig`: editors on Windows may write a byte order mark.
            document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from error
        tool = document.get("tool")
        tools = tool if isinstance(tool, dict) else {}
        if TABLE in tools:
            return _config(path, tools[TABLE], codes)
        for name in (
            *(f"tool.{name}" for name in filter(_is_meant, tools)),
            *filter(_is_meant, document),
        ):
            raise UsageError(f"{path}: unknown table [{name}]", f"did you mean [tool.{TABLE}]?")
    return Config(start)


def _is_meant(name: str) -> bool:
    """Whether `name` is a misspelling of our table. `doctor` may belong to another tool."""
    return name.lower().startswith("jax") and bool(nearest(name, [TABLE]))


def _config(path: Path, table: Any, codes: Collection[str]) -> Config:
    values = read_table(table, SETTINGS, Where(path, f"tool.{TABLE}", codes))
    targets = tuple(map(_target, values.pop("targets", ())))
    return Config(path.parent, targets, **values, file=path, table=table)


def _target(values: dict[str, Any]) -> ConfiguredTarget:
    fields = Overrides.__dataclass_fields__.keys()
    example = {key: value for key, value in values.items() if key not in {"target", *fields}}
    overrides = {key: value for key, value in values.items() if key in fields}
    return ConfiguredTarget(values["target"], Example(**example), Overrides(**overrides))
