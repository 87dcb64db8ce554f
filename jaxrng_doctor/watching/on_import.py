"""Calls a function when a program imports JAX.

JAX reads settings such as `JAX_ENABLE_X64` from the environment when it is imported, and a program
may set them until then. So jaxrng-doctor must not import JAX before the program does.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


@contextlib.contextmanager
def once_jax_is_imported(begin: Callable[[], None]) -> Iterator[None]:
    """Call `begin()` when JAX has been imported, immediately if it already is.

    If JAX is not imported while this is open, `begin()` is not called.
    """
    finder = _Finder(begin)
    finder.open()
    try:
        yield
    finally:
        finder.close()


class _Finder:
    """Delegates to the other finders, and calls `begin` once JAX has been imported.

    It also waits for the modules of jaxrng-doctor: one that imports JAX is not yet completely
    imported itself at that time, and `begin` may need it.
    """

    def __init__(self, begin: Callable[[], None]) -> None:
        self._begin = begin
        self._state = threading.local()

    def open(self) -> None:
        sys.meta_path.insert(0, self)
        self._look()

    def close(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "jax" and not name.startswith("jaxrng_doctor."):
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(name, path, target)
            if spec is not None:
                self._wrap_loader(spec)
                return spec
        return None

    def _wrap_loader(self, spec: ModuleSpec) -> None:
        loader: Any = spec.loader  # not shared with other modules
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module
            self._state.depth = self._depth() + 1
            try:
                execute(module)
            finally:
                self._state.depth -= 1
            self._look()

        loader.exec_module = exec_module

    def _depth(self) -> int:
        depth: int = getattr(self._state, "depth", 0)
        return depth

    def _look(self) -> None:
        if "jax" in sys.modules and not self._depth() and self in sys.meta_path:
            self.close()
            self._begin()
