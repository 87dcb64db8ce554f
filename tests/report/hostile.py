"""What a user's program may contain: in comes any report, out comes one full of markup."""

from __future__ import annotations

import dataclasses
from typing import Any

MARKUP = (
    "</script></style></title><script>window.hacked = true</script>"
    "<img src=x onerror='window.hacked = true'><a href=\"javascript:hacked=true\" "
    "onmouseover=hacked=true>&lt;{{ 7 * 7 }}{% raw %}<!--"
)

WORDS = {"kind", "severity", "confidence", "by", "stage", "code"}
"""Fields that hold one of a few words, or a rule's code, and never what a user wrote."""


def hostile(value: Any, name: str = "") -> Any:
    """The same data, each text of it ended by markup."""
    if isinstance(value, str) and name not in WORDS:
        return value + MARKUP
    if isinstance(value, tuple):
        return tuple(hostile(item, name) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value) if field.init]
        return type(value)(**{field: hostile(getattr(value, field), field) for field in fields})
    return value
