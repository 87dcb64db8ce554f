"""The settings of `pyproject.toml`, and what is said of those that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jaxrng_doctor.config import Config, expand_codes, read_config
from jaxrng_doctor.errors import UsageError
from jaxrng_doctor.target import AS_IS

CODES = ("RNG001", "RNG002", "RNG010", "RNG900")

Write = Callable[[str, str], Path]


def test_all_settings(write: Write) -> None:
    path = write(
        "pyproject.toml",
        """
        [tool.jaxrng-doctor]
        select = ["RNG0", "RNG900"]
        ignore = ["rng002"]
        fail-on = "never"

        [[tool.jaxrng-doctor.targets]]
        target = "lab.noise:add_noise"
        args = { x = "f32[32,10]", rate = 0.5 }
        in-axes = "0,None"
        axis-size = 32
        expect = "same"
        static = ["rate"]

        [[tool.jaxrng-doctor.targets]]
        target = "noise.py:f"
        in-axes = [0, "None", [0, { w = "None" }]]
        """,
    )
    config = read_config(path.parent, CODES)
    assert config.folder == path.parent
    assert config.select == CODES
    assert config.ignore == ("RNG002",)
    assert config.fail_on == "never"
    first, second = config.targets
    assert first.target == "lab.noise:add_noise"
    assert first.example.args == {"x": "f32[32,10]", "rate": 0.5}
    assert first.example.in_axes == (0, None)
    assert (first.example.axis_size, first.example.expect) == (32, "same")
    assert first.example.static == {"rate"}
    assert second.example.in_axes == (0, None, (0, {"w": None}))
    assert second.example.expect is None


def test_the_nearest_file_that_has_settings(write: Write) -> None:
    write("pyproject.toml", '[tool.jaxrng-doctor]\nfail-on = "note"')
    write("a/pyproject.toml", "[project]\nname = 'other'")
    inner = write("a/b/c.py", "").parent
    config = read_config(inner, CODES)
    assert (config.fail_on, config.folder) == ("note", inner.parent.parent)
    write("a/b/pyproject.toml", "[tool.jaxrng-doctor]")
    assert read_config(inner, CODES) == Config(inner)


def test_no_settings(tmp_path: Path) -> None:
    config = read_config(tmp_path, CODES)
    assert (config.targets, config.select, config.ignore) == ((), None, ())
    assert config.fail_on == "warning"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("selct = []", "no setting 'selct'\ndid you mean select?"),
        ("zzz = 1", "the settings are targets, select, ignore, fail-on"),
        ("select = 'RNG001'", "select must be an array of strings, not 'RNG001'"),
        ("select = [1]", "select must be an array of strings, not [1]"),
        ("select = ['RNG011']", "there is no rule 'RNG011'\ndid you mean RNG010?"),
        ("ignore = ['']", "there is no rule ''"),
        ("fail-on = 'warn'", "fail-on is 'warn'\ndid you mean warning?"),
        ("fail-on = 1", "fail-on must be a string, not 1"),
        ("targets = {}", "targets must be an array of tables"),
        ("targets = ['a:f']", "targets[0] must be a table, not 'a:f'"),
        ("targets = [{}]", "targets[0] has no target"),
        ("targets = [{target = 1}]", "targets[0].target must be a string"),
        ("targets = [{target = 'a:f', arg = {}}]", "no setting 'arg'\ndid you mean args?"),
        ("targets = [{target = 'a:f', in_axes = 0}]", "did you mean in-axes?"),
        ("targets = [{target = 'a:f', in-axes = 0.5}]", "in-axes must be a string, or axes"),
        ("targets = [{target = 'a:f', in-axes = '0,non'}]", "targets[0].in-axes has 'non'"),
        ("targets = [{target = 'a:f', axis-size = true}]", "axis-size must be a whole number"),
        ("targets = [{target = 'a:f', axis-size = -1}]", "axis-size must be a whole number"),
        ("targets = [{target = 'a:f', expect = 'sam'}]", "did you mean same?"),
        ("targets = [{target = 'a:f', static = 'x'}]", "static must be an array of strings"),
        ("targets = [{target = 'a:f', args = []}]", "args must be a table, not []"),
        ("targets = [{target = 'a:'}]", "'a:' does not name a function"),
        ("select = [", "pyproject.toml cannot be read: "),
        ("select = 3 3", "line 2"),
    ],
)
def test_wrong_settings(write: Write, text: str, words: str) -> None:
    path = write("pyproject.toml", f"[tool.jaxrng-doctor]\n{text}")
    with pytest.raises(UsageError) as raised:
        read_config(path.parent, CODES)
    assert words in str(raised.value)
    assert "pyproject.toml" in str(raised.value)


def test_settings_that_are_no_table(write: Write) -> None:
    path = write("pyproject.toml", "[tool]\njaxrng-doctor = 1")
    with pytest.raises(UsageError, match=r"tool.jaxrng-doctor must be a table, not 1"):
        read_config(path.parent, CODES)


def test_a_file_that_is_not_text(write: Write) -> None:
    path = write("pyproject.toml", "")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        read_config(path.parent, CODES)


def test_left_out_is_not_none(write: Write) -> None:
    path = write(
        "pyproject.toml",
        """
        [[tool.jaxrng-doctor.targets]]
        target = "a:f"
        [[tool.jaxrng-doctor.targets]]
        target = "a:f"
        in-axes = "None"
        """,
    )
    axes: list[Any] = [t.example.in_axes for t in read_config(path.parent, CODES).targets]
    assert axes == [AS_IS, None]


@pytest.mark.parametrize(
    ("prefixes", "codes"),
    [
        (["RNG"], CODES),
        (["RNG0"], CODES[:3]),
        (["RNG00"], CODES[:2]),
        (["RNG900", "RNG001"], ("RNG001", "RNG900")),
        ([" rng010 "], ("RNG010",)),
    ],
)
def test_expand_codes(prefixes: list[str], codes: tuple[str, ...]) -> None:
    assert expand_codes(prefixes, CODES, "--select") == codes
