"""The JAX settings with which jaxrng-doctor traces and computes, whatever the program has set."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from jax._src import config as _config

# Each is a context manager of that module, if JAX has the setting (0.6 to 0.12).
#
# A program that is examined is traced and run several times, as a whole and with one key, and its
# tracers are kept meanwhile.
_EXAMINING = {
    "check_tracer_leaks": False,
    "debug_key_reuse": False,
    "disable_jit": False,
    "eager_constant_folding": False,
}
# JAX's new `scan` cannot be batched yet (0.12).
_OWN = {**_EXAMINING, "scan3": False}


def folds_constants() -> bool:
    """Whether JAX folds constants while it traces: draws from constant keys are in no jaxpr."""
    return bool(_config.eager_constant_folding.value)


def checks_leaks() -> bool:
    """Whether JAX raises an error if a tracer outlives its trace."""
    return bool(_config.check_tracer_leaks.value)


def hides_loops() -> bool:
    """Whether JAX's new `scan` runs each equation of its body alone, not compiled (0.12)."""
    is_new = getattr(_config, "scan3", None)
    return is_new is not None and bool(is_new.value and _config.disable_jit.value)


def examining() -> contextlib.AbstractContextManager[None]:
    """While open, settings that disturb the examination of a program are off in this thread."""
    return _set(_EXAMINING)


def own_settings() -> contextlib.AbstractContextManager[None]:
    """While open, this thread has the settings for jaxrng-doctor's internal traces and runs."""
    return _set(_OWN)


@contextlib.contextmanager
def _set(settings: Mapping[str, bool]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name, value in settings.items():
            setting = getattr(_config, name, None)
            # Setting even the current value again would make JAX retrace everything.
            if setting is not None and setting.value != value:
                stack.enter_context(setting(value))
        yield
