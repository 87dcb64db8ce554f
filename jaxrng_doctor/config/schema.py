"""The settings that there are, each said once: how it is called, what it holds, what it is for.

In: a table of `pyproject.toml`. Out: its values, checked. The settings' page in `docs/` and the
JSON Schema for editors are made from the same list.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from jaxrng_doctor.config import validators as kinds
from jaxrng_doctor.config.validators import Kind, Schema, Where
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.model.findings import SEVERITIES, FailOn
from jaxrng_doctor.model.target import EXPECTATIONS

TABLE = "jaxrng-doctor"

FAIL_ON: tuple[FailOn, ...] = (*SEVERITIES, "never")


@dataclass(frozen=True)
class Setting:
    """`example` is TOML that one might write; `default` is what holds without it, if anything."""

    name: str
    kind: Kind
    doc: str
    example: str
    default: str | None = None

    @property
    def field(self) -> str:
        """The name in Python."""
        return self.name.replace("-", "_")


_SELECT = Setting("select", kinds.CODES, "Only these rules.", '["RNG001", "RNG9"]', '["ALL"]')
_IGNORE = Setting(
    "ignore",
    kinds.CODES,
    "Not these rules. Of `select` and `ignore` the longer match decides.",
    '["RNG012"]',
    "[]",
)
_FAIL_ON = Setting(
    "fail-on",
    kinds.choice(FAIL_ON),
    "The gravity from which on a finding makes the exit code 1.",
    '"error"',
    '"warning"',
)
_STRICT = Setting(
    "strict",
    kinds.SWITCH,
    "A gap makes the exit code 1 too, whatever `fail-on` says of findings.",
    "true",
    "false",
)
_EXPECT = Setting(
    "expect",
    kinds.choice(EXPECTATIONS),
    'With `"same"`, sharing is intended, and what is found of it is suppressed.',
    '"same"',
    '"different"',
)
_TIMEOUT = Setting("timeout", kinds.SECONDS, "How many seconds a function may run.", "120", "60")
_NO_RUN = Setting("no-run", kinds.SWITCH, "Trace only: run nothing on arrays.", "true", "false")

OF_A_TARGET: tuple[Setting, ...] = (
    Setting("target", kinds.TARGET, "`module:function` or `file.py:function`.", '"noise.py:f"'),
    Setting(
        "args",
        kinds.ARGUMENTS,
        "The arguments by name, in the notation of `--arg`.",
        '{ x = "f32[32,10]", key = "key" }',
    ),
    Setting("in-axes", kinds.AXES, "Check under `jax.vmap` with these.", '"0,None"'),
    Setting("axis-size", kinds.WHOLE_NUMBER, "How many examples, where no argument tells.", "32"),
    Setting("static", kinds.NAMES, "Parameters that are not traced.", '["training"]'),
    _EXPECT,
    _SELECT,
    _IGNORE,
    _FAIL_ON,
    _STRICT,
    _TIMEOUT,
    _NO_RUN,
)
"""Those of one entry of `targets`; what it does not say, the table says for all."""


def _targets(found: Any, where: Where) -> tuple[dict[str, Any], ...]:
    if not isinstance(found, list):
        where.wrong("an array of tables", found)
    entries = []
    for number, entry in enumerate(found):
        here = where.inside(f"[{number}]")
        values = read_table(entry, OF_A_TARGET, here)
        if "target" not in values:
            raise UsageError(
                f"{here}: {here.name} has no target", 'write: target = "module:function"'
            )
        entries.append(values)
    return tuple(entries)


def _table_schema(settings: Sequence[Setting]) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            setting.name: {"description": setting.doc, **setting.kind.schema}
            for setting in settings
        },
    }


_ENTRIES: Schema = {
    "type": "array",
    "items": {**_table_schema(OF_A_TARGET), "required": ["target"]},
}

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "targets",
        Kind(_targets, _ENTRIES),
        "What `jaxrng-doctor check` without a target checks: one table each, see below.",
        '[{ target = "noise.py:f" }]',
        "[]",
    ),
    _SELECT,
    _IGNORE,
    _FAIL_ON,
    _STRICT,
    _EXPECT,
    Setting(
        "per-file-ignores",
        kinds.CODES_BY_PATTERN,
        "Rules whose findings are suppressed in the files that match a pattern.",
        '{ "tests/*" = ["RNG005"] }',
        "{}",
    ),
    Setting(
        "exclude",
        kinds.PATTERNS,
        "Files and folders of which nothing is told.",
        '["vendored", "*_old.py"]',
        "[]",
    ),
    Setting(
        "baseline",
        kinds.PATH,
        "The file with the findings that are known: see `--write-baseline`.",
        '"jaxrng-baseline.json"',
    ),
    _TIMEOUT,
    _NO_RUN,
)


def read_table(found: Any, settings: Sequence[Setting], where: Where) -> dict[str, Any]:
    """The checked values of the settings that `found` has, by their names in Python.

    Raises `UsageError` for what is no table, for unknown settings and for wrong values.
    """
    if not isinstance(found, dict):
        where.wrong("a table", found)
    known = {setting.name: setting for setting in settings}
    for name in found:
        if name not in known:
            said = f"{where}: {where.name} has no setting {name!r}"
            raise kinds.wrong_word(said, name, known, "the settings")
    return {
        known[name].field: known[name].kind.read(value, where.inside(f".{name}"))
        for name, value in found.items()
    }


def schema(codes: Collection[str]) -> Schema:
    """The JSON Schema of the table `[tool.jaxrng-doctor]`."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"The settings of jaxrng-doctor: [tool.{TABLE}] in pyproject.toml",
        **_table_schema(SETTINGS),
        "definitions": kinds.definitions(codes),
    }
