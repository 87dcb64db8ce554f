"""The single definition of all settings: names, types, descriptions and defaults.

Validates a table of `pyproject.toml`. The settings page in `docs/` and the JSON Schema for editors
are generated from the same definitions.
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
    """One setting. `example` and `default` are TOML; `default` is `None` if there is none."""

    name: str
    kind: Kind
    doc: str
    example: str
    default: str | None = None

    @property
    def field(self) -> str:
        """The setting's name as a Python identifier."""
        return self.name.replace("-", "_")


_SELECT = Setting(
    "select",
    kinds.CODES,
    "Rules to enable, as codes or code prefixes.",
    '["RNG001", "RNG9"]',
    '["ALL"]',
)
_IGNORE = Setting(
    "ignore",
    kinds.CODES,
    "Rules to disable, as codes or code prefixes. If a rule matches both `select` and `ignore`, "
    "the longer match wins.",
    '["RNG012"]',
    "[]",
)
_FAIL_ON = Setting(
    "fail-on",
    kinds.choice(FAIL_ON),
    "Minimum severity that causes exit code 1.",
    '"error"',
    '"warning"',
)
_STRICT = Setting(
    "strict",
    kinds.SWITCH,
    "Gaps also cause exit code 1, whatever `fail-on` is.",
    "true",
    "false",
)
_EXPECT = Setting(
    "expect",
    kinds.choice(EXPECTATIONS),
    'With `"same"`, sharing is intended, and findings about it are suppressed.',
    '"same"',
    '"different"',
)
_TIMEOUT = Setting(
    "timeout", kinds.SECONDS, "Time limit per stage (import, trace, run), in seconds.", "120", "60"
)
_NO_RUN = Setting("no-run", kinds.SWITCH, "Trace only; do not execute anything.", "true", "false")

OF_A_TARGET: tuple[Setting, ...] = (
    Setting("target", kinds.TARGET, "`module:function` or `file.py:function`.", '"noise.py:f"'),
    Setting(
        "args",
        kinds.ARGUMENTS,
        "Argument values by parameter name, in the syntax of `--arg`.",
        '{ x = "f32[32,10]", key = "key" }',
    ),
    Setting("in-axes", kinds.AXES, "Check under `jax.vmap` with these `in_axes`.", '"0,None"'),
    Setting("axis-size", kinds.WHOLE_NUMBER, "Batch size, if no argument determines it.", "32"),
    Setting("static", kinds.NAMES, "Parameters that are not traced.", '["training"]'),
    _EXPECT,
    _SELECT,
    _IGNORE,
    _FAIL_ON,
    _STRICT,
    _TIMEOUT,
    _NO_RUN,
)
"""The settings of one entry of `targets`. Missing ones are taken from the table itself."""


def _targets(found: Any, where: Where) -> tuple[dict[str, Any], ...]:
    if not isinstance(found, list):
        where.wrong("an array of tables", found)
    entries = []
    for number, entry in enumerate(found):
        here = where.inside(f"[{number}]")
        values = read_table(entry, OF_A_TARGET, here)
        if "target" not in values:
            raise UsageError(
                f"{here}: {here.name} has no target", 'add: target = "module:function"'
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
        "The targets of `jaxrng-doctor check` without arguments, one table each: see below.",
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
        "Rules whose findings are suppressed in files that match a pattern.",
        '{ "tests/*" = ["RNG005"] }',
        "{}",
    ),
    Setting(
        "exclude",
        kinds.PATTERNS,
        "Files and folders in which nothing is reported.",
        '["vendored", "*_old.py"]',
        "[]",
    ),
    Setting(
        "baseline",
        kinds.PATH,
        "Baseline of accepted findings to hide: see `--write-baseline`.",
        '"jaxrng-baseline.json"',
    ),
    _TIMEOUT,
    _NO_RUN,
)


def read_table(found: Any, settings: Sequence[Setting], where: Where) -> dict[str, Any]:
    """The validated settings in the table `found`, by Python name.

    Raises `UsageError` if `found` is not a table, for unknown settings and for invalid values.
    """
    if not isinstance(found, dict):
        where.wrong("a table", found)
    known = {setting.name: setting for setting in settings}
    for name in found:
        if name not in known:
            message = f"{where}: unknown setting {name!r} in {where.name}"
            raise kinds.wrong_word(message, name, known, "the settings")
    return {
        known[name].field: known[name].kind.read(value, where.inside(f".{name}"))
        for name, value in found.items()
    }


def schema(codes: Collection[str]) -> Schema:
    """The JSON Schema of the table `[tool.jaxrng-doctor]`."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"Settings of jaxrng-doctor: [tool.{TABLE}] in pyproject.toml",
        **_table_schema(SETTINGS),
        "definitions": kinds.definitions(codes),
    }
