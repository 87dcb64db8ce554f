"""The settings of `pyproject.toml`, and the error messages for invalid ones."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft7Validator

from jaxrng_doctor.config.pyproject import Config, read_config
from jaxrng_doctor.config.schema import OF_A_TARGET, SETTINGS, schema
from jaxrng_doctor.config.validators import known_codes
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.model.target import AS_IS, Overrides
from jaxrng_doctor.rules import CODES as ALL_CODES

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
        expect = "same"
        exclude = ["vendored", "*_old.py"]
        baseline = "sub/known.json"
        timeout = 30
        no-run = true

        [tool.jaxrng-doctor.per-file-ignores]
        "tests/*" = ["rng0"]
        "a.py" = ["ALL"]

        [[tool.jaxrng-doctor.targets]]
        target = "lab.noise:add_noise"
        select = ["RNG001"]
        ignore = ["RNG002"]
        fail-on = "error"
        timeout = 0.5
        no-run = false
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
    assert config.select == ("RNG0", "RNG900")
    assert config.ignore == ("RNG002",)
    assert config.fail_on == "never"
    assert config.expect == "same"
    assert config.per_file_ignores == (("tests/*", ("RNG0",)), ("a.py", ("ALL",)))
    assert config.exclude == ("vendored", "*_old.py")
    assert config.baseline == path.parent / "sub" / "known.json"
    assert (config.timeout, config.no_run) == (30.0, True)
    first, second = config.targets
    assert first.overrides == Overrides(("RNG001",), ("RNG002",), "error", 0.5, False)
    assert second.overrides == Overrides()
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
        ("selct = []", "unknown setting 'selct' in tool.jaxrng-doctor\ndid you mean select?"),
        ("zzz = 1", "the settings are targets, select, ignore, fail-on"),
        ("select = 'RNG001'", "select must be an array of strings, not 'RNG001'"),
        ("select = [1]", "select must be an array of strings, not [1]"),
        ("select = ['RNG011']", "unknown rule 'RNG011'\ndid you mean RNG010?"),
        ("ignore = ['']", "unknown rule ''"),
        ("fail-on = 'warn'", "invalid tool.jaxrng-doctor.fail-on 'warn'\ndid you mean warning?"),
        ("fail-on = 1", "fail-on must be a string, not 1"),
        ("pre-file-ignores = {}", "did you mean per-file-ignores?"),
        ("per-file-ignores = []", "per-file-ignores must be a table of patterns and codes"),
        ("per-file-ignores = {'a.py' = 'RNG001'}", """per-file-ignores."a.py" must be an array"""),
        ("per-file-ignores = {'a.py' = ['RNG003']}", "unknown rule 'RNG003'"),
        ("exclude = 'a.py'", "exclude must be an array of strings"),
        ("expect = 'sam'", "invalid tool.jaxrng-doctor.expect 'sam'\ndid you mean same?"),
        ("baseline = ''", "baseline must be a file name"),
        ("baseline = true", "baseline must be a file name"),
        ("timeout = 0", "timeout must be a positive number of seconds, not 0"),
        ("timeout = nan", "timeout must be a positive number of seconds"),
        ("timeout = true", "timeout must be a positive number of seconds"),
        ("no-run = 1", "no-run must be true or false, not 1"),
        ("no_run = true", "did you mean no-run?"),
        (
            "targets = [{target = 'a:f', selct = []}]",
            "unknown setting 'selct' in tool.jaxrng-doctor.targets[0]",
        ),
        (
            "targets = [{target = 'a:f', exclude = []}]",
            "unknown setting 'exclude' in tool.jaxrng-doctor.targets[0]",
        ),
        (
            "targets = [{target = 'a:f', timeout = -1}]",
            "targets[0].timeout must be a positive number",
        ),
        ("targets = {}", "targets must be an array of tables"),
        ("targets = ['a:f']", "targets[0] must be a table, not 'a:f'"),
        ("targets = [{}]", "targets[0] has no target"),
        ("targets = [{target = 1}]", "targets[0].target must be a string"),
        (
            "targets = [{target = 'a:f', arg = {}}]",
            "unknown setting 'arg' in tool.jaxrng-doctor.targets[0]\ndid you mean args?",
        ),
        ("targets = [{target = 'a:f', in_axes = 0}]", "did you mean in-axes?"),
        (
            "targets = [{target = 'a:f', in-axes = 0.5}]",
            "in-axes must be a string, or a tree of axes",
        ),
        (
            "targets = [{target = 'a:f', in-axes = '0,non'}]",
            "targets[0].in-axes: 'non' is not an axis",
        ),
        (
            "targets = [{target = 'a:f', axis-size = true}]",
            "axis-size must be a non-negative integer",
        ),
        (
            "targets = [{target = 'a:f', axis-size = -1}]",
            "axis-size must be a non-negative integer",
        ),
        ("targets = [{target = 'a:f', expect = 'sam'}]", "did you mean same?"),
        ("targets = [{target = 'a:f', static = 'x'}]", "static must be an array of strings"),
        ("targets = [{target = 'a:f', args = []}]", "args must be a table, not []"),
        ("targets = [{target = 'a:'}]", "'a:' does not name a function"),
        ("targets = [{target = 'a b:f'}]", "'a b' is neither a module nor a .py file"),
        ("targets = [{target = ''}]", "'' is neither a module nor a .py file"),
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


@pytest.mark.parametrize(
    "name",
    [
        "tool.jaxrng_doctor",
        "tool.jaxrngdoctor",
        "tool.JaxRNG-Doctor",
        "tool.jaxrng",
        "jaxrng-doctor",
    ],
)
def test_a_table_that_is_almost_called_so(write: Write, name: str) -> None:
    path = write("pyproject.toml", f"[{name}]\nfail-on = 'error'")
    with pytest.raises(UsageError) as raised:
        read_config(path.parent, CODES)
    said = f"{path}: unknown table [{name}]\ndid you mean [tool.jaxrng-doctor]?"
    assert str(raised.value) == said


def test_the_tables_of_others(write: Write) -> None:
    path = write(
        "pyproject.toml",
        """
        [tool.doctor]
        [tool.jaxtyping]
        [tool.jax]
        [jax]
        [project]
        """,
    )
    assert read_config(path.parent, CODES) == Config(path.parent)
    write("pyproject.toml", "[tool.jaxrng-doctor]\n[tool.jaxrng_doctor]")
    assert read_config(path.parent, CODES) == Config(path.parent)


def test_a_file_that_begins_with_a_byte_order_mark(write: Write) -> None:
    path = write("pyproject.toml", "")
    path.write_bytes(b'\xef\xbb\xbf[tool.jaxrng-doctor]\r\nfail-on = "note"\r\n')
    assert read_config(path.parent, CODES).fail_on == "note"


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
    ("given", "codes"),
    [
        (["RNG"], ("RNG",)),
        (["RNG900", "RNG001"], ("RNG900", "RNG001")),
        ([" rng010 ", "all"], ("RNG010", "ALL")),
    ],
)
def test_codes_are_given_in_any_case(given: list[str], codes: tuple[str, ...]) -> None:
    assert known_codes(given, CODES, "--select") == codes


def test_flags_win_over_a_target_and_a_target_over_all() -> None:
    config = Config(Path(), select=("RNG001",), ignore=("RNG9",), fail_on="error", expect="same")
    target = Overrides(ignore=(), fail_on="note")
    choices = config.choices(Overrides(fail_on="never").over(target))
    assert (choices.select, choices.ignore) == (("RNG001",), ())
    assert (choices.fail_on, choices.expect) == ("never", "same")
    assert config.choices().fail_on == "error"


def test_the_defaults_that_are_reported_are_those_that_hold(write: Write) -> None:
    defaults = "\n".join(f"{s.name} = {s.default}" for s in SETTINGS if s.default is not None)
    path = write("pyproject.toml", f"[tool.jaxrng-doctor]\n{defaults}")
    config = read_config(path.parent, ALL_CODES)
    assert replace(config, select=None) == Config(path.parent)
    assert config.select == ("ALL",)


SAID = [
    *(f"{setting.name} = {setting.example}" for setting in SETTINGS),
    *(f"targets = [{{ target = 'a:f', {s.name} = {s.example} }}]" for s in OF_A_TARGET[1:]),
    "select = []",
    "select = ['RNG', 'ALL', 'RNG01']",
    "select = ['rng001', ' Rng001 ', 'R', 'all']",
    "per-file-ignores = { 'a.py' = [] }",
    "targets = [{ target = 'a:f', in-axes = [0, 'None', [1, { w = 'None' }]] }]",
    "timeout = 0.5",
    *(
        f"targets = [{{ target = {target!r} }}]"
        for target in (
            *("a", "a.b", "a.b:f", "a:C.f", "größe:länge", " a:f "),
            *("a.py", "a.py:f", "a b.py:f", "a/b c/d:f", "C:\\a.py", "C:\\a.py:f", "a:b/c.py"),
            *("a,b%:c.py:f", ".", "src/"),
        )
    ),
    *(
        f"targets = [{{ target = 'a:f', in-axes = {axes!r} }}]"
        for axes in (
            "0",
            "-1",
            "None",
            "0,None",
            "(0, {w: None, 'b c': [1]})",
            " ( 0 , ) ",
            "{0: 1}",
        )
    ),
]


@pytest.mark.parametrize("text", SAID)
def test_an_editor_takes_what_the_doctor_takes(write: Write, text: str) -> None:
    path = write("pyproject.toml", f"[tool.jaxrng-doctor]\n{text}")
    read_config(path.parent, ALL_CODES)
    jsonschema.validate(tomllib.loads(text), schema(ALL_CODES), Draft7Validator)


@pytest.mark.parametrize(
    "text",
    [
        "selct = []",
        "select = 'RNG001'",
        "ignore = ['RNG777']",
        "fail-on = 'warn'",
        "expect = 1",
        "exclude = [1]",
        "baseline = ''",
        "timeout = 0",
        "timeout = '3'",
        "no-run = 'yes'",
        "per-file-ignores = { 'a.py' = 'RNG001' }",
        "per-file-ignores = []",
        "targets = [{}]",
        "targets = {}",
        "targets = ['a:f']",
        "targets = [{ target = 'a:f', arg = {} }]",
        "targets = [{ target = 'a:f', in-axes = 0.5 }]",
        "timeout = inf",
        "targets = [{ target = '' }]",
        "targets = [{ target = ' ' }]",
        *(
            f"targets = [{{ target = 'a:f', in-axes = {axes} }}]"
            for axes in (
                *("''", "' '", "true", "['x']", "[0, ['0']]", "[true]"),
                *("{ w = 0.5 }", "[{ w = '0' }]"),
            )
        ),
        "targets = [{ target = 'a:f', axis-size = -1 }]",
        "targets = [{ target = 'a:f', static = 'x' }]",
        "targets = [{ target = 'a:f', baseline = 'b.json' }]",
    ],
)
def test_an_editor_refuses_what_the_doctor_refuses(write: Write, text: str) -> None:
    path = write("pyproject.toml", f"[tool.jaxrng-doctor]\n{text}")
    with pytest.raises(UsageError):
        read_config(path.parent, ALL_CODES)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), schema(ALL_CODES), Draft7Validator)


@pytest.mark.parametrize(
    "text",
    [
        *(
            f"targets = [{{ target = '{target}' }}]"
            for target in ("a:", ":f", "a:f g", "a b", "a b:f", "a:1", "a-b:f", "a/b:f g", "a..b")
        ),
        *(
            f"targets = [{{ target = 'a:f', in-axes = '{axes}' }}]"
            for axes in (",", "x", "0,non", "0.5", "True", "a:f", "{1.5: 0}")
        ),
    ],
)
def test_what_has_a_notation_separate_the_doctor_refuses(write: Write, text: str) -> None:
    path = write("pyproject.toml", f"[tool.jaxrng-doctor]\n{text}")
    with pytest.raises(UsageError):
        read_config(path.parent, ALL_CODES)


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(schema(ALL_CODES))
