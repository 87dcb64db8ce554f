"""`jaxrng-doctor check --show-settings`: the effective settings and their sources, as TOML."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxrng_doctor._util.output import write
from jaxrng_doctor.config.schema import SETTINGS, TABLE
from jaxrng_doctor.frontends.command_settings import Settings
from jaxrng_doctor.frontends.commands import CLEAN


def show_settings(settings: Settings) -> int:
    """Print all settings. Flags take precedence over `pyproject.toml`, then come the defaults."""
    file = settings.config.file
    lines = ["# " + (f"settings in {file}" if file else "no pyproject.toml with settings found")]
    lines += [f"[tool.{TABLE}]", *_common(settings)]
    for entry in settings.config.table.get("targets", ()):
        lines += ["", f"[[tool.{TABLE}.targets]]"]
        lines += [f"{name} = {_toml(value)}" for name, value in entry.items()]
    write(sys.stdout, "\n".join(lines) + "\n")
    return CLEAN


def _common(settings: Settings) -> Iterator[str]:
    said, flags = settings.config.table, _flags(settings)
    for setting in SETTINGS:
        name = setting.name
        if name in flags:
            yield f"{name} = {_toml(flags[name])}  # flag"
        elif name == "targets":
            continue  # arrays of tables come last in TOML
        elif name in said:
            yield f"{name} = {_toml(said[name])}  # pyproject.toml"
        elif setting.default is None:
            yield f"# {name} is not set"
        else:
            yield f"{name} = {setting.default}  # default"


def _flags(settings: Settings) -> dict[str, Any]:
    said = {setting.name: getattr(settings.flags, setting.field, None) for setting in SETTINGS}
    if settings.acceptance.path != settings.config.baseline:
        said["baseline"] = settings.acceptance.path
    return {name: value for name, value in said.items() if value is not None}


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{_text(key)} = {_toml(inner)}" for key, inner in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str | Path):
        return _text(str(value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _text(text: str) -> str:
    """A TOML string or key. JSON's quotes and escapes are valid TOML, except for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
