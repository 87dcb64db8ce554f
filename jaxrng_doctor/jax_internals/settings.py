"""JAX's settings under which the doctor traces and computes, whatever the program has chosen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from jax._src import config as _config

# Each is a context manager of that module, where JAX has the setting (0.6 to 0.12).
#
# What is examined is traced and run several times, whole, with one key, and is kept meanwhile.
_EXAMINING = {
    "check_tracer_leaks": False,
    "debug_key_reuse": False,
    "disable_jit": False,
    "eager_constant_folding": False,
}
# JAX's new `scan` cannot be batched yet (0.12).
_OWN = {**_EXAMINING, "scan3": False}


def folds_constants() -> bool:
    """JAX computes what it can while it traces: draws from constant keys are in no jaxpr."""
    return bool(_config.eager_constant_folding.value)


def checks_leaks() -> bool:
    """JAX fails where a tracer is kept that it has done with."""
    return bool(_config.check_tracer_leaks.value)


def hides_loops() -> bool:
    """JAX's new `scan` computes each equation of its body by itself, without compilation (0.12)."""
    is_new = getattr(_config, "scan3", None)
    return is_new is not None and bool(is_new.value and _config.disable_jit.value)


def examining() -> contextlib.AbstractContextManager[None]:
    """While open, in this thread, programs are examined without what would disturb that."""
    return _set(_EXAMINING)


def own_settings() -> contextlib.AbstractContextManager[None]:
    """While open, in this thread, what is the doctor's own is traced and run."""
    return _set(_OWN)


@contextlib.contextmanager
def _set(settings: Mapping[str, bool]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name, value in settings.items():
            setting = getattr(_config, name, None)
            # Even to set what is set already would make JAX trace everything again.
            if setting is not None and setting.value != value:
                stack.enter_context(setting(value))
        yield
