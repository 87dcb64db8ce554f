"""The settings' page and the JSON Schema for editors, made from the one list of settings."""

from __future__ import annotations

import json
from collections.abc import Sequence

from jaxrng_doctor.config.schema import OF_A_TARGET, SETTINGS, Setting, schema
from jaxrng_doctor.rules import CODES

PAGE = """\
<!-- Made by `make docs` from jaxrng_doctor/config/schema.py. -->
# The settings

They are in `pyproject.toml`, in the table `[tool.jaxrng-doctor]`: of the nearest file, in the
current folder or above, that has this table. Flags win over the settings of a target, and these
over those of all targets. A setting that is not known, or has a wrong value, is an error, and so
is a table that is almost called so, such as `[tool.jaxrng_doctor]`.
`jaxrng-doctor check --show-settings` shows what holds, and why.

{settings}
Paths and patterns are relative to the folder of `pyproject.toml`.

## For one target

In `[[tool.jaxrng-doctor.targets]]`. What an entry does not say, the table above says.

{targets}
## Patterns

As in ruff's settings: `*` crosses folders, `**/` is any number of folders or none, `{{a,b}}` is
either, a leading `!` turns a pattern round. A lone name is about files and folders of that name
anywhere, and a folder's pattern about all that is in it. What counts is the file that a finding
is in: that of the draw, not that of the `vmap`. What is excluded is not told and not counted;
what `per-file-ignores` suppresses is counted, and told as suppressed.

## Which commands they are for

| setting | `check` | `run` | `pytest --jaxrng` |
|---|---|---|---|
| `targets`, `timeout`, `no-run` | yes | | |
| all others | yes | yes | yes |

## In an editor

[`settings.schema.json`](settings.schema.json) is the JSON Schema of the table.
"""


def page() -> str:
    return PAGE.format(settings=_table(SETTINGS), targets=_table(OF_A_TARGET))


def schema_text() -> str:
    return json.dumps(schema(CODES), indent=2) + "\n"


def _table(settings: Sequence[Setting]) -> str:
    head = "| setting | what for | such as | default |\n|---|---|---|---|\n"
    return head + "".join(
        f"| `{s.name}` | {s.doc} | `{s.example}` | {f'`{s.default}`' if s.default else ''} |\n"
        for s in settings
    )
