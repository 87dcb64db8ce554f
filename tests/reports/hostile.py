"""Reports whose texts contain markup, as those of a user's program may."""

from __future__ import annotations

import dataclasses
from typing import Any

MARKUP = (
    "</script></style></title><script>window.hacked = true</script>"
    "<img src=x onerror='window.hacked = true'><a href=\"javascript:hacked=true\" "
    "onmouseover=hacked=true>&lt;{{ 7 * 7 }}{% raw %}<!--"
)

WORDS = {"kind", "severity", "confidence", "by", "stage", "code"}
"""Fields whose value is one of a few words or the code of a rule, never text from a user."""


def hostile(value: Any, name: str = "") -> Any:
    """The same data, with `MARKUP` appended to each text."""
    if isinstance(value, str) and name not in WORDS:
        return value + MARKUP
    if isinstance(value, tuple):
        return tuple(hostile(item, name) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value) if field.init]
        return type(value)(**{field: hostile(getattr(value, field), field) for field in fields})
    return value
