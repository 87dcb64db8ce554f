"""Fault injection: makes any function, rule or hook of jaxrng-doctor fail."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import pkgutil
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import jaxrng_doctor
from jaxrng_doctor import rules
from jaxrng_doctor.jax_internals import patches

MESSAGE = "injected"

# These parse user input or show results. If they fail, the command fails.
_NO_STAGES = (
    "__main__",
    "_util",
    "analysis.listing",
    "checking.targets",
    "config",
    "frontends",
    "model",
    "reports",
    "suppression.accept",
    "suppression.baseline",
    "suppression.comments",
    "suppression.globs",
    "suppression.write_comments",
    "jax_internals.patches",
)


class Injected(Exception):
    """The error that a broken part raises. Checked programs must never see it."""


def fail(*_: Any, **__: Any) -> Any:
    """The replacement for a broken part."""
    raise Injected(MESSAGE)


hits: Counter[str] = Counter()
"""How often each broken function was called."""


def stages() -> list[str]:
    """The functions and methods of the analysis modules, as `"module:name"`."""
    return list(_stages())


@functools.cache
def _stages() -> dict[str, types.FunctionType]:
    package = jaxrng_doctor.__name__
    found: dict[str, types.FunctionType] = {}
    for info in pkgutil.walk_packages(jaxrng_doctor.__path__, f"{package}."):
        short = info.name.removeprefix(f"{package}.")
        if any(short == name or short.startswith(f"{name}.") for name in _NO_STAGES):
            continue
        for name, value in _public(vars(importlib.import_module(info.name))):
            if getattr(value, "_is_protocol", False):
                continue
            if isinstance(value, type) and value.__module__ == info.name:
                methods = {f"{name}.{each}": made for each, made in _public(vars(value))}
            else:
                methods = {name: value}
            for title, made in methods.items():
                function = _function(made, info.name)
                if function is not None:
                    found[f"{short}:{title}"] = function
    return found


def _public(names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in names.items() if not name.startswith("_"))


def _function(value: Any, module: str) -> types.FunctionType | None:
    """The unwrapped function behind a value, or `None` if `module` does not define it."""
    if isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    elif isinstance(value, (property, functools.cached_property)):
        value = value.fget if isinstance(value, property) else value.func
    plain = inspect.unwrap(value) if callable(value) else value
    is_own = isinstance(plain, types.FunctionType) and plain.__module__ == module
    return plain if is_own and plain.__code__.co_filename == _file(module) else None


def _file(module: str) -> str | None:
    return sys.modules[module].__file__


@contextlib.contextmanager
def broken(stage: str) -> Iterator[None]:
    """Make a stage, or another function, fail when it is called, in whichever module."""
    function = _stages().get(stage) or _named(stage)
    before, hits[stage] = function.__code__, 0
    function.__code__ = _failing(stage, before.co_freevars)
    try:
        yield
    finally:
        function.__code__ = before


def _named(title: str) -> types.FunctionType:
    short, _, name = title.partition(":")
    module = importlib.import_module(f"{jaxrng_doctor.__name__}.{short}")
    function = _function(getattr(module, name), module.__name__)
    assert function is not None, title
    return function


@functools.cache
def _failing(stage: str, freevars: tuple[str, ...]) -> types.CodeType:
    """A code object that fails, for a function with these free variables."""
    names = ", ".join(freevars)
    source = f"""
def around({names}):
    def failing(*args, **kwargs):
        {names or "pass"}
        from {__name__} import fail, hits
        hits[{stage!r}] += 1
        fail()
    return failing
"""
    made: dict[str, Any] = {}
    exec(source, made)
    code: types.CodeType = made["around"](*freevars).__code__
    return code


def called(run: Callable[[], object]) -> list[str]:
    """The stages that `run` calls, in the order of their first calls."""
    by_code = {function.__code__: stage for stage, function in _stages().items()}
    seen: dict[str, None] = {}

    def profile(frame: types.FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in by_code:
            seen[by_code[frame.f_code]] = None

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(before)
    return list(seen)


@contextlib.contextmanager
def broken_rule(code: str) -> Iterator[None]:
    """Make the rule fail on every program."""
    before = rules.RULES
    rules.RULES = tuple(replace(r, check=fail) if r.code == code else r for r in before)
    try:
        yield
    finally:
        rules.RULES = before


def hooks(run: Callable[[], object]) -> list[str]:
    """The patched places whose handlers `run` calls, in the order of their first calls."""
    with broken_hook(None, "never") as counted:
        run()
    return list(counted)


@contextlib.contextmanager
def broken_hook(title: str | None, when: str) -> Iterator[Counter[str]]:
    """Make the handlers of a patched place, `None` for all, fail `"before"` or `"after"` they run.

    `"never"` makes none fail. Yields the number of calls of the handlers, by place.
    """
    counted: Counter[str] = Counter()
    original = patches.Handler.__init__

    def made(self: Any, make: Any, below: Any, at: str) -> None:
        original(self, make, below, at)
        run = self.run

        def failing(*args: Any, **kwargs: Any) -> Any:
            counted[at] += 1
            made = run(*args, **kwargs) if when != "before" else None
            return made if when == "never" else fail()

        if title is None or at == title:
            self.run = failing

    patches.Handler.__init__ = made  # type: ignore[method-assign]
    try:
        yield counted
    finally:
        patches.Handler.__init__ = original  # type: ignore[method-assign]
