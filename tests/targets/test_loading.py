"""Finding the function: modules, files, packages, and the errors if there is none."""

from __future__ import annotations

import dataclasses
import pickle
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jaxrng_doctor.checking.targets.loading import load, split
from jaxrng_doctor.model.errors import TargetError, UsageError

Write = Callable[[str, str], Path]


def named(text: str, folder: Path) -> Any:
    loaded = load(text, folder)
    return loaded.named(loaded.attribute)


@pytest.fixture
def noise(write: Write, fresh_imports: Path) -> Path:
    """The folder of a package whose module has a function, an object and a value."""
    write("lab/__init__.py", "")
    write("lab/shared.py", "SCALE = 2")
    write(
        "lab/noise.py",
        """
        from lab.shared import SCALE
        from . import shared
        def add_noise(x, key): return x
        class Model:
            def apply(self, x): return SCALE
            @property
            def broken(self): raise RuntimeError("no weights")
        model = Model()
        PARAMS = {"w": 1}
        """,
    )
    return fresh_imports


@pytest.mark.parametrize(
    ("text", "halves"),
    [
        ("noise:f", ("noise", "f")),
        ("a.b:c.d", ("a.b", "c.d")),
        ("a/b.py:f", ("a/b.py", "f")),
        ("a/b.py", ("a/b.py", "")),
        ("noise", ("noise", "")),
        (r"C:\lab\noise.py:f", (r"C:\lab\noise.py", "f")),
        (r"C:\lab\noise.py", (r"C:\lab\noise.py", "")),
    ],
)
def test_split(text: str, halves: tuple[str, str]) -> None:
    assert split(text) == halves


@pytest.mark.parametrize("text", ["noise:", ":f", "noise:f(1)", "noise:f[0]", "noise:a b"])
def test_split_refuses_what_is_no_name(text: str) -> None:
    with pytest.raises(UsageError, match="module:function"):
        split(text)


@pytest.mark.parametrize("text", ["lab.noise:add_noise", "lab/noise.py:add_noise"])
def test_a_function_by_module_and_by_file(noise: Path, text: str) -> None:
    fn = named(text, noise)
    assert fn.__name__ == "add_noise"
    assert fn.__module__ == "lab.noise"
    assert sys.modules["lab.noise"].add_noise is fn


def test_an_attribute_of_an_object(noise: Path) -> None:
    assert named("lab.noise:model.apply", noise)(None) == 2


def test_a_file_by_its_absolute_path_from_elsewhere(write: Write, fresh_imports: Path) -> None:
    write("there/helper.py", "VALUE = 7")
    path = write("there/script.py", "import helper\ndef f(): return helper.VALUE, __name__")
    assert named(f"{path}:f", Path("/"))() == (7, "script")
    assert named(f"{path}:f", Path("/")) is sys.modules["script"].f


def test_a_file_is_imported_as_itself(write: Write, fresh_imports: Path) -> None:
    write(
        "state.py",
        """
        from __future__ import annotations
        from dataclasses import dataclass
        @dataclass
        class State:
            step: int
        def make(): return State(3)
        if __name__ == "__main__":
            raise AssertionError("run as a script")
        """,
    )
    state = named("state.py:make", fresh_imports)()
    assert dataclasses.asdict(pickle.loads(pickle.dumps(state))) == {"step": 3}


@pytest.mark.parametrize("name", ["random", "jax", "my-script", "01_demo"])
def test_a_file_of_an_awkward_name(write: Write, fresh_imports: Path, name: str) -> None:
    import jax

    write(f"sub/{name}.py", "def f(): return __name__")
    fn = named(f"sub/{name}.py:f", fresh_imports)
    assert sys.modules[fn()].f is fn
    assert sys.modules["random"] is random
    assert sys.modules["jax"] is jax


def test_vmaps_made_on_import_are_kept(write: Write, fresh_imports: Path) -> None:
    write("mapped.py", "from jax import vmap\nbatched = vmap(lambda x: x + 1)")
    import jax.numpy as jnp

    before = __import__("jax").vmap
    assert named("mapped:batched", fresh_imports)(jnp.zeros(2)).tolist() == [1, 1]
    assert __import__("jax").vmap is before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lab.nose:add_noise", "did you mean lab.noise?"),
        ("laab:add_noise", "did you mean lab?"),
        ("lab.noise.add_noise", "did you mean lab.noise:add_noise?"),
        ("no_such_thing_at_all", "module not found: no_such_thing_at_all"),
        ("lab.noise:add_nosie", "did you mean lab.noise:add_noise?"),
        ("lab.noise:model.aply", "did you mean lab.noise:model.apply?"),
        ("lab.noise:PARAMS", "of type dict, not a function\nthe functions are add_noise"),
        ("lab/nois.py:f", "did you mean lab/noise.py?"),
        ("lab/", "lab/ is a folder"),
        ("la b", "neither a module nor a .py file"),
        ("lab/notes.txt:f", "lab/notes.txt is not a .py file"),
    ],
)
def test_what_is_not_there(noise: Path, write: Write, text: str, words: str) -> None:
    write("lab/notes.txt", "")
    with pytest.raises(UsageError) as raised:
        named(text, noise)
    assert words in str(raised.value)


def test_two_files_of_one_name_in_two_packages_of_one_name(
    write: Write, fresh_imports: Path
) -> None:
    for side in ("left", "right"):
        write(f"{side}/twin/__init__.py", "")
        write(f"{side}/twin/noise.py", f"def f(): return {side!r}")
    assert named("left/twin/noise.py:f", fresh_imports)() == "left"
    with pytest.raises(UsageError, match="is already another module"):
        named("right/twin/noise.py:f", fresh_imports)


@pytest.mark.parametrize(
    ("source", "message", "last_line"),
    [
        ("import sys\nsys.exit()", "importing bad.py called sys.exit()", "SystemExit"),
        ("raise SystemExit('bye')", "called sys.exit('bye')", "SystemExit: bye"),
        ("1 / 0", "raised ZeroDivisionError: division by zero", "division by zero"),
        ("def f(:", "raised SyntaxError", "SyntaxError: invalid syntax"),
        ("import no_such_thing", "No module named 'no_such_thing'", "'no_such_thing'"),
        ("import bad.inner", "raised ModuleNotFoundError", "'bad' is not a package"),
        ("raise ValueError", "importing bad.py raised ValueError", "ValueError"),
    ],
)
def test_a_module_that_does_not_import(
    write: Write, fresh_imports: Path, source: str, message: str, last_line: str
) -> None:
    path = write("bad.py", source)
    for text in ("bad.py", "bad"):
        with pytest.raises(TargetError) as raised:
            load(text, fresh_imports)
        failure = raised.value.failure
        assert failure.stage == "import"
        assert message.replace("bad.py", text) in failure.message
        assert failure.traceback.splitlines()[-1].endswith(last_line)
        assert str(path) in failure.traceback
        assert "importlib" not in failure.traceback
        assert "jaxrng_doctor" not in failure.traceback
        assert "bad" not in sys.modules


def test_the_chain_of_an_exception_is_kept(write: Write, fresh_imports: Path) -> None:
    write(
        "chain.py",
        """
        import jax
        def inner(x): raise KeyError("first")
        try:
            jax.jit(inner)(1.0)
        except KeyError as error:
            raise ValueError("second") from error
        """,
    )
    with pytest.raises(TargetError) as raised:
        load("chain", fresh_imports)
    text = raised.value.failure.traceback
    assert text.index("KeyError: 'first'") < text.index("direct cause") < text.index("second")
    assert "in inner" in text
    assert "JAX has removed" not in text
    assert text.count("chain.py") == text.count('File "')


def test_a_property_that_raises(noise: Path) -> None:
    with pytest.raises(TargetError, match="broken raised RuntimeError: no weights"):
        named("lab.noise:model.broken", noise)


def test_an_interrupt_is_not_taken_for_a_failure(write: Write, fresh_imports: Path) -> None:
    write("stopped.py", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load("stopped", fresh_imports)
