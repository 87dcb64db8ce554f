"""Imports the objects named by `pkg.module:fn` or `file.py:fn`.

This is where user code runs first: as a module, never as `__main__`.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from jaxrng_doctor._util.suggest import nearest
from jaxrng_doctor._util.tracebacks import failure, has_user_frames
from jaxrng_doctor.model.errors import TargetError, UsageError

COMMAND = "jaxrng-doctor check"

_TYPE = f"run: {COMMAND} module:function, or {COMMAND} path/to/file.py:function"

_FOLDERS = (".", "..", "~")
"""Names of folders without a slash."""


@dataclass(frozen=True)
class Loaded:
    """An imported module. `attribute` is the requested attribute, `""` for the module alone.

    `where` and `attribute` are the two parts of the user's text.
    """

    where: str
    attribute: str
    module: ModuleType

    def named(self, attribute: str) -> Callable[..., Any]:
        """The function with the dotted name `attribute`.

        Raises `UsageError` if it does not exist or is not callable, and `TargetError` if a
        property raises.
        """
        found: Any = self.module
        where = self.where
        for part in attribute.split("."):
            try:
                inner = getattr(found, part)
            except AttributeError as error:
                names = self.functions() if found is self.module else _public(dir(found))
                raise UsageError(
                    f"{where} has no {part!r}", self._instead(part, names, where)
                ) from error
            except Exception as error:
                raise TargetError(failure("import", f"{where}: {part}", error)) from error
            where = f"{where}:{part}" if found is self.module else f"{where}.{part}"
            found = inner
        if not callable(found):
            raise UsageError(
                f"{where} is of type {type(found).__name__}, not a function",
                self._instead("", self.functions(), self.where),
            )
        return found  # type: ignore[no-any-return]

    def functions(self) -> list[str]:
        """The names of the functions that the module itself defines, in order."""
        return [
            name
            for name, value in vars(self.module).items()
            if callable(value)
            and not isinstance(value, type)
            and not name.startswith("_")
            and (
                isinstance(value, functools.partial)
                or getattr(value, "__module__", None) == self.module.__name__
            )
        ]

    def _instead(self, wrong: str, names: Sequence[str], where: str) -> str:
        listed = (
            f"the functions are {', '.join(names)}" if names else f"{where} defines no functions"
        )
        if guess := nearest(wrong, names):
            joint = ":" if where == self.where else "."
            return f"did you mean {where}{joint}{guess[0]}?\n{listed}"
        return listed


def load(text: str, folder: Path) -> Loaded:
    """Import the module or file in `text`. Paths and modules are relative to `folder`.

    Raises `UsageError` if it does not exist, `TargetError` if importing it raises or exits.
    """
    # Import JAX before the user's folder is on the path, because it may contain a `jax.py`.
    import jaxrng_doctor.tracing  # noqa: F401

    where, attribute = split(text)
    path = _as_path(where, folder)
    _importable(folder)
    if path is None:
        return Loaded(where, attribute, _import(where, where))
    return Loaded(where, attribute, _import_file(path, where))


def split(text: str) -> tuple[str, str]:
    r"""The module or file, and the dotted name after the last colon, `""` if there is none.

    A colon that belongs to a path, as in `C:\noise.py`, is no separator. Raises `UsageError` for
    invalid names.
    """
    where, colon, attribute = text.strip().rpartition(":")
    if not colon or any(mark in attribute for mark in "/\\"):
        return _where(text.strip()), ""
    if not where or not _is_dotted(attribute):
        raise UsageError(f"{text!r} does not name a function", _TYPE)
    return _where(where), attribute


def _where(text: str) -> str:
    if not _looks_like_path(text) and not _is_dotted(text):
        raise UsageError(f"{text!r} is neither a module nor a .py file", _TYPE)
    return text


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def same_module(where: str, folder: Path, module: ModuleType) -> bool:
    """Whether `where`, relative to `folder`, names this module. Does not import anything."""
    file = getattr(module, "__file__", None)
    if _looks_like_path(where):
        return file is not None and _same_file(folder / Path(where).expanduser(), file)
    if where == module.__name__:
        return True
    stem = folder.joinpath(*where.split("."))
    candidates = (stem.with_name(f"{stem.name}.py"), stem / "__init__.py")
    return file is not None and any(_same_file(candidate, file) for candidate in candidates)


def _as_path(where: str, folder: Path) -> Path | None:
    """The file that `where` names, `None` if it names a module."""
    if not _looks_like_path(where):
        return None
    path = folder / Path(where).expanduser()
    if path.is_file() and path.suffix == ".py":
        return path
    if path.is_file():
        raise UsageError(f"{where} is not a .py file", "use a Python file or a module")
    if path.is_dir():
        raise UsageError(f"{where} is a folder", "use a .py file in it, or a module")
    near = path.parent
    stems = sorted(p.stem for p in near.glob("*.py")) if near.is_dir() else []
    guess = [Path(where).with_name(f"{stem}.py") for stem in nearest(path.stem, stems)]
    hint = f"did you mean {guess[0]}?" if guess else f"looked in {near}"
    raise UsageError(f"file not found: {where}", hint)


def _looks_like_path(where: str) -> bool:
    return where.endswith(".py") or any(mark in where for mark in "/\\") or where in _FOLDERS


def _same_file(one: str | Path, other: str | Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _importable(folder: Path) -> None:
    """Put `folder` first on `sys.path`, as `python -m` does with the current folder."""
    entry = str(folder.resolve())
    if entry in sys.path:
        sys.path.remove(entry)
    sys.path.insert(0, entry)


def _import_file(path: Path, where: str) -> ModuleType:
    path = path.resolve()
    root = path.parent
    parts = [] if path.name == "__init__.py" else [path.stem]
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    _importable(root)
    if len(parts) == 1 and path.name != "__init__.py":
        return _import_alone(path, where)
    module = _import(".".join(parts), where)
    if not _same_file(getattr(module, "__file__", None) or "", path):
        raise UsageError(
            f"{where} cannot be imported: {'.'.join(parts)} is already another module",
            f"rename its package: {getattr(module, '__file__', None)} was imported first",
        )
    return module


def _import_alone(path: Path, where: str) -> ModuleType:
    """Import a file outside any package, under its own name unless that is taken.

    A file named `random.py` must not replace the standard library's `random`.
    """
    name = path.stem.replace(".", "_")
    known = sys.modules.get(name)
    if known is not None and _same_file(getattr(known, "__file__", None) or "", path):
        return known
    if known is not None or name in sys.stdlib_module_names:
        name = f"{name}_{zlib.crc32(str(path).encode()):08x}"
        if name in sys.modules:
            return sys.modules[name]

    def execute() -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"no loader for {path}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(name, None)
            raise
        return sys.modules.get(name, module)

    return _run(execute, where)


def _import(name: str, where: str) -> ModuleType:
    try:
        return _run(lambda: importlib.import_module(name), where)
    except TargetError as error:
        # Without user frames, the module itself is missing, not one that it imports.
        cause = error.__cause__
        if not isinstance(cause, ModuleNotFoundError) or has_user_frames(cause):
            raise
        raise UsageError(f"module not found: {where}", _instead_of_module(where)) from cause


def _run(imports: Callable[[], ModuleType], where: str) -> ModuleType:
    try:
        return imports()
    except (Exception, SystemExit) as error:
        raise TargetError(failure("import", f"importing {where}", error)) from error


def _instead_of_module(where: str) -> str:
    parent, _, last = where.rpartition(".")
    if parent:
        module = sys.modules.get(parent)
        if module is not None and hasattr(module, last):
            return f"did you mean {parent}:{last}?"
        folders = list(getattr(module, "__path__", ()))
    else:
        folders = sys.path[:1]
    names = [
        entry.stem
        for folder in map(Path, folders)
        if folder.is_dir()
        for entry in folder.iterdir()
        if entry.suffix == ".py" or (entry / "__init__.py").is_file()
    ]
    if guess := nearest(last, names):
        return f"did you mean {parent + '.' if parent else ''}{guess[0]}?"
    return f"looked in {', '.join(folders) or 'sys.path'}; for a file, use path/to/file.py:function"


def _public(names: Any) -> list[str]:
    return [name for name in names if not name.startswith("_")]
