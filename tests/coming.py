"""JAX's upcoming defaults, and the programs that JAX itself cannot run under them yet.

Tests of such programs are skipped, with a reason.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

COMING = any(os.environ.get(name) == "1" for name in ("JAX_SCAN3", "JAX_REMAT3", "JAX_CUSTOM_VJP3"))
SCAN3 = os.environ.get("JAX_SCAN3") == "1"

# As of JAX 0.12.0.1, the new scan supports neither `vmap` nor `grad`, cannot carry typed keys, and
# does not run in an eager `shard_map`.
_REFUSALS = re.compile(
    r"for (vmap|grad) support, subclass <class 'jax\._src\."
    r"|Eager shard_map cannot return a `jax\.Ref`"
    r"|Invalid dtype for `swap`\. Ref dtype: \[\('float0'"
    r"|'TypedNdArray' object has no attribute 'committed'"
)


@contextlib.contextmanager
def skipping_refusals() -> Iterator[None]:
    """Skip the test if JAX, under its upcoming defaults, raises that it does not support this."""
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        if COMING and (found := _REFUSALS.search(str(error))):
            pytest.skip(f"JAX itself refuses: {found[0]}")
        raise


def skip_if_refused(fn: Callable[..., Any], *args: Any) -> None:
    """Skip the test if JAX alone cannot run `fn(*args)` under its upcoming defaults."""
    if COMING:
        with skipping_refusals():
            fn(*args)
