"""Where arguments come from, how they are bound, and the errors if they do not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxrng_doctor
from jaxrng_doctor.checking.targets.arg_values import short
from jaxrng_doctor.checking.targets.in_axes import parse_in_axes
from jaxrng_doctor.checking.targets.resolve import parse_flags, targets
from jaxrng_doctor.config.pyproject import Config, read_config
from jaxrng_doctor.model.errors import UsageError
from jaxrng_doctor.model.target import AS_IS, Target

Write = Callable[[str, str], Path]

MODULE = """
from __future__ import annotations
import functools
import jax
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray
import jaxrng_doctor

def add_noise(x, key): return x
def rated(x, key, rate=0.5, mode="relu"): return x
def apart(x, /, scale, *, key, train=True): return x
def typed(x: Float[Array, "32 10"], n: Int[Array, "n=4"], on: Bool[Array, ""],
          k: Key[Array, "2"], one: PRNGKeyArray, maybe: Float[Array, "3"] | None): return x
def symbolic(x: Float[Array, "batch 10"], n: int, missing: NoSuchName): return x
def keys(key, rng, rng_key, prng_key, subkey): return key
def variadic(x, *rest, **more): return x
def alone(): return 1
class Model:
    def apply(self, x, key): return x
    def __call__(self, x, key): return x
model = Model()
half = functools.partial(rated, rate=0.25)
first = functools.partial(add_noise, 1.0)
jitted = jax.jit(add_noise)
builtin = max
"""

EXAMPLES = """
import jax
import numpy as np
from jaxrng_doctor import example
from helper import helped

ARRAY = np.ones((32, 10), np.float32)

@jax.jit
@example(x="f32[32,10]", key="key", in_axes=(0, None))
@example(x=ARRAY, in_axes=[0, None], name="array", expect="same")
def add_noise(x, key): return x

@example({"name": '"relu"'}, x="npy:x.npy", static="name")
def act(x, name, key): return x

batched = jax.vmap(add_noise, in_axes=(0, None))
alias = add_noise

def plain(x): return x
"""


@pytest.fixture
def module(write: Write, fresh_imports: Path) -> Path:
    write("noise.py", MODULE)
    return fresh_imports


def find(text: str, *args: str, config: Config | None = None, **flags: Any) -> list[Target]:
    options: dict[str, Any] = {
        "static": [], "in_axes": None, "axis_size": None, "seed": 0, "expect": None, **flags
    }  # fmt: skip
    return targets(text, parse_flags(args, **options), config or Config(Path()), Path())


def shapes(target: Target) -> str:
    keyword = [f"{name}={short(value)}" for name, value in target.kwargs.items()]
    return " ".join([*map(short, target.args), *keyword])


@pytest.mark.parametrize(
    ("target", "args", "shown"),
    [
        ("add_noise", ["x=f32[3]"], "f32[3] key<fry>[]"),
        ("add_noise", ["key=key<rbg>[2]", "x=f32[3]"], "f32[3] key<rbg>[2]"),
        ("jitted", ["x=f32[3]"], "f32[3] key<fry>[]"),
        ("rated", ["x=f32[3]"], "f32[3] key<fry>[]"),
        ("rated", ["x=f32[3]", 'mode="tanh"'], "f32[3] key<fry>[] 0.5 'tanh'"),
        ("half", ["x=f32[3]"], "f32[3] key<fry>[]"),
        ("half", ["x=f32[3]", "rate=0.1"], "f32[3] key<fry>[] rate=0.1"),
        ("first", [], "key<fry>[]"),
        ("apart", ["x=f32[3]", "scale=2"], "f32[3] 2 key=key<fry>[]"),
        ("apart", ["x=f32[3]", "scale=2", "train=False"], "f32[3] 2 key=key<fry>[] train=False"),
        ("keys", [], " ".join(["key<fry>[]"] * 5)),
        ("keys", ["rng=prngkey"], "key<fry>[] u32[2] key<fry>[] key<fry>[] key<fry>[]"),
        ("typed", [], "f32[32,10] i32[4] bool[] key<fry>[2] key<fry>[] f32[3]"),
        ("alone", [], ""),
        ("variadic", ["x=1"], "1"),
        ("variadic", ["x=1", "rest=(2, f32[3])", "y=key"], "1 2 f32[3] y=key<fry>[]"),
        ("model.apply", ["x=f32[3]"], "f32[3] key<fry>[]"),
        ("model", ["x=f32[3]"], "f32[3] key<fry>[]"),
    ],
)
def test_arguments_of_each_kind_of_function(
    module: Path, target: str, args: list[str], shown: str
) -> None:
    (found,) = find(f"noise:{target}", *args)
    assert shapes(found) == shown
    assert found.name == f"noise:{target}"
    assert found.in_axes is AS_IS
    assert found.expect == "different"


def test_in_axes_reach_default_values(module: Path) -> None:
    (two,) = find("noise:rated", "x=f32[8,2]", in_axes="0,None")
    assert shapes(two) == "f32[8,2] key<fry>[]"
    (four,) = find("noise:rated", "x=f32[8,2]", in_axes="0,None,None,None")
    assert shapes(four) == "f32[8,2] key<fry>[] 0.5 'relu'"


def test_flags_are_passed_on(module: Path) -> None:
    (found,) = find(
        "noise:add_noise", "x=f32[3]", in_axes="None", axis_size=4, expect="same", static=["x"]
    )
    assert (found.in_axes, found.axis_size, found.expect) == (None, 4, "same")
    assert found.static == {"x"}
    (other,) = find("noise:add_noise", "x=f32[3]", seed=1)
    assert found.args[0].tolist() != other.args[0].tolist()


def test_keys_of_several_parameters_differ(module: Path) -> None:
    (found,) = find("noise:keys")
    words = {tuple(jax.random.key_data(key).tolist()) for key in found.args}
    assert len(words) == 5


@pytest.mark.parametrize(
    ("target", "args", "flags", "lines"),
    [
        (
            "add_noise",
            [],
            {},
            [
                "add_noise() needs a value for: x",
                "run: jaxrng-doctor check noise:add_noise --arg 'x=f32[32,10]'",
                "or, to check it under jax.vmap: jaxrng-doctor check noise:add_noise "
                "--arg 'x=f32[32,10]' --in-axes 0,None",
            ],
        ),
        (
            "add_noise",
            [],
            {"in_axes": "0,None"},
            [
                "add_noise() needs a value for: x",
                "run: jaxrng-doctor check noise:add_noise --arg 'x=f32[32,10]' --in-axes 0,None",
            ],
        ),
        (
            "apart",
            ["scale=2"],
            {},
            [
                "apart() needs a value for: x",
                "run: jaxrng-doctor check noise:apart --arg scale=2 --arg 'x=f32[32,10]'",
                "or, to check it under jax.vmap: jaxrng-doctor check noise:apart --arg scale=2 "
                "--arg 'x=f32[32,10]' --arg 'key=key[32]' --in-axes 0,None",
            ],
        ),
        (
            "symbolic",
            ["missing=1"],
            {"in_axes": "0"},
            [
                "symbolic() needs a value for: x, n",
                "run: jaxrng-doctor check noise:symbolic --arg missing=1 "
                "--arg 'x=f32[32,10]' --arg n=10 --in-axes 0",
            ],
        ),
        (
            "Model.apply",
            [],
            {},
            [
                "Model.apply() needs a value for: self, x",
                "check a method of an instance that the module creates: module:obj.fn",
            ],
        ),
    ],
)
def test_what_is_missing_comes_with_the_command(
    module: Path, target: str, args: list[str], flags: dict[str, Any], lines: list[str]
) -> None:
    with pytest.raises(UsageError) as raised:
        find(f"noise:{target}", *args, **flags)
    assert str(raised.value).splitlines() == lines


def test_an_open_axis_of_an_annotation(write: Write, fresh_imports: Path) -> None:
    write(
        "open.py",
        """
        from jaxtyping import Array, Float
        def f(x: Float[Array, "batch 10"]): return x
        """,
    )
    with pytest.raises(UsageError) as raised:
        find("open:f")
    assert "x: the annotation does not fix the size of batch: adjust f32[32,10]" in str(
        raised.value
    )


@pytest.mark.parametrize(
    ("args", "static", "words"),
    [
        (["X=f32[3]"], [], "did you mean x?"),
        (["z=f32[3]"], [], "the parameters are x, key"),
        (["x=f32[3]"], ["kye"], "did you mean key?"),
        (["x"], [], "invalid --arg 'x': expected NAME=SPEC"),
        (["x:f32[3]"], [], "invalid --arg 'x:f32[3]': expected NAME=SPEC"),
        (["x=1", "x=2"], [], "duplicate --arg x"),
        (["x=f23[3]"], [], "did you mean f32?"),
    ],
)
def test_wrong_names(module: Path, args: list[str], static: list[str], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        find("noise:add_noise", *args, static=static)
    assert words in str(raised.value)


def test_a_function_whose_parameters_cannot_be_read(module: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the function's signature"):
        find("noise:builtin")


def test_variadic_takes_brackets(module: Path) -> None:
    with pytest.raises(UsageError, match=r"--arg 'rest=\(f32"):
        find("noise:variadic", "x=1", "rest=2")


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        ("0", 0),
        ("None", None),
        ("-1", -1),
        ("0,None", (0, None)),
        ("0,", (0,)),
        (" 0 , None , ", (0, None)),
        ("(0, None)", (0, None)),
        ("(0,)", (0,)),
        ("{a: 0, 'b': None}", {"a": 0, "b": None}),
        ("(0, {w: None}),-1", ((0, {"w": None}), -1)),
        ("[0, None],0", ([0, None], 0)),
    ],
)
def test_in_axes_that_parse(text: str, axes: Any) -> None:
    assert parse_in_axes(text) == axes


@pytest.mark.parametrize("text", ["", "x", "0,none", "0.5", "True", "(0", "0 1", "f32[3]", ",0"])
def test_in_axes_that_do_not_parse(text: str) -> None:
    with pytest.raises(UsageError, match="valid examples: 0, None, 0,None") as raised:
        parse_in_axes(text)
    assert raised.value.hint.splitlines()[1].strip() == "^"


@pytest.mark.parametrize(
    ("target", "args", "in_axes", "axis_size", "words"),
    [
        ("add_noise", ["x=f32[3]"], "0", None, "key is key<fry>[], which has no axis 0 to map"),
        ("add_noise", ["x=f32[3]"], "0", None, "--in-axes 0,None\nor pass a batch: --arg 'key="),
        ("add_noise", ["x=f32[3]"], "1,None", None, "has no axis 1 to map\nits axes are 0 to 0"),
        ("add_noise", ["x=f32[3]"], "-2,None", None, "has no axis -2 to map"),
        ("add_noise", ["x=0.5"], "0,None", None, "x is 0.5, which has no axis 0"),
        (
            "add_noise",
            ["x=f32[3]"],
            "0,None,None",
            None,
            "has 3 entries, but add_noise() is called",
        ),
        ("add_noise", ["x=f32[3]"], "0,", None, "2 positional arguments (x, key)"),
        ("add_noise", ["x=f32[3]"], "None", None, "--axis-size 32"),
        ("add_noise", ["x=f32[3]", "key=key[4]"], "0", None, "x is f32[3]: 3 examples"),
        ("add_noise", ["x=f32[3]", "key=key[4]"], "0", None, "key is key<fry>[4]: 4 examples"),
        ("add_noise", ["x=f32[3]"], "0,None", 4, "--axis-size is 4"),
        ("add_noise", ["x={w: f32[3]}"], "{v: 0},None", None, "for x, which is {'w': f32[3]}"),
        ("add_noise", ["x=(f32[3], 1)"], "(0,),None", None, "for x, which is (f32[3], 1)"),
        ("add_noise", ["x=f32[3]"], "(0,),None", None, "for x, which is f32[3]"),
        ("add_noise", ["x={w: f32[]}"], "{w: 0},None", None, "x['w'] is f32[]"),
        ("apart", ["x=f32[3]", "scale=1"], "0,None", None, "--arg 'key=key[32]'"),
        (
            "add_noise",
            ["x=f32[3]"],
            "{a: 0}",
            None,
            "in_axes must be an axis, None or a tuple, not {'a': 0}",
        ),
        ("add_noise", ["x=f32[3]"], None, 4, "an axis size needs in_axes"),
    ],
)
def test_in_axes_that_do_not_fit(
    module: Path, target: str, args: list[str], in_axes: str, axis_size: int | None, words: str
) -> None:
    with pytest.raises(UsageError) as raised:
        find(f"noise:{target}", *args, in_axes=in_axes, axis_size=axis_size)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("args", "in_axes", "axis_size"),
    [
        (["x=f32[0,2]"], "0,None", None),
        (["x=f32[1]"], "-1,None", None),
        (["x={w: f32[2,4], b: None, c: 0.5}"], "{w: 1, b: None, c: None},None", None),
        (["x={w: f32[4], b: f32[4]}", "key=key[4]"], "0", None),
        (["x=(f32[4], None)", "key=key[4]"], "0", 4),
        (["x=f32[4]"], "None", 7),
        (["x=f32[4]", "key=prngkey[4]"], "0", None),
    ],
)
def test_in_axes_that_fit_are_those_that_vmap_takes(
    module: Path, args: list[str], in_axes: str, axis_size: int | None
) -> None:
    (found,) = find("noise:add_noise", *args, in_axes=in_axes, axis_size=axis_size)
    jax.vmap(lambda x, key: 0, found.in_axes, axis_size=found.axis_size)(*found.args)


@pytest.fixture
def declared(write: Write, fresh_imports: Path) -> Path:
    write(
        "lab/helper.py",
        """
        import jaxrng_doctor
        @jaxrng_doctor.example(x="f32[5]")
        def helped(x): return x
        """,
    )
    write("lab/declared.py", EXAMPLES)
    np.save(fresh_imports / "lab" / "x.npy", np.ones(4, np.float32))
    return fresh_imports


def test_a_file_alone_is_every_example_declared_in_it(declared: Path) -> None:
    found = find("lab/declared.py")
    assert [(t.name, shapes(t), t.in_axes, t.expect, t.static) for t in found] == [
        ("lab/declared.py:add_noise[1]", "f32[32,10] key<fry>[]", (0, None), "different", set()),
        ("lab/declared.py:add_noise[array]", "f32[32,10] key<fry>[]", (0, None), "same", set()),
        ("lab/declared.py:act", "f32[4] 'relu' key<fry>[]", AS_IS, "different", {"name"}),
    ]


def test_a_flag_overrides_one_parameter_of_an_example(declared: Path) -> None:
    found = find("lab/declared.py:add_noise", "key=key<rbg>", in_axes="None", axis_size=2)
    assert [shapes(t) for t in found] == ["f32[32,10] key<rbg>[]"] * 2
    assert [(t.in_axes, t.axis_size) for t in found] == [(None, 2)] * 2
    with pytest.raises(UsageError, match="--axis-size is 2"):
        find("lab/declared.py:add_noise", axis_size=2)


def test_a_vmap_of_a_function_does_not_inherit_its_examples(declared: Path) -> None:
    (found,) = find("lab/declared.py:batched", "x=f32[6,2]")
    assert found.name == "lab/declared.py:batched"
    assert found.in_axes is AS_IS


def test_an_example_leaves_the_function_as_it_was() -> None:
    def f(x: Any) -> Any:
        return x

    assert jaxrng_doctor.example(x="f32[3]")(f) is f
    with pytest.raises(
        TypeError, match="cannot declare an example on a builtin_function_or_method"
    ):
        jaxrng_doctor.example(x="f32[3]")(max)
    with pytest.raises(TypeError, match="expect must be 'different' or 'same', not 'equal'"):
        jaxrng_doctor.example(expect="equal")  # type: ignore[arg-type]


def test_configured_arguments(declared: Path, write: Write) -> None:
    path = write(
        "pyproject.toml",
        """
        [[tool.jaxrng-doctor.targets]]
        target = "lab/declared.py:plain"
        args = { x = "npy:lab/x.npy" }
        in-axes = "0"
        expect = "same"
        [[tool.jaxrng-doctor.targets]]
        target = "lab/declared.py:plain"
        args = { x = "f32[7]" }
        [[tool.jaxrng-doctor.targets]]
        target = "lab/declared.py:act"
        args = { key = "key<rbg>", x = "f32[9]" }
        """,
    )
    config = read_config(path.parent, ())
    found = find("lab/declared.py:plain", config=config)
    assert [(t.name, shapes(t), t.in_axes, t.expect) for t in found] == [
        ("lab/declared.py:plain[1]", "f32[4]", 0, "same"),
        ("lab/declared.py:plain[2]", "f32[7]", AS_IS, "different"),
    ]
    # Examples declared on the function come first; the configuration fills in the rest.
    (act,) = find("lab/declared.py:act", config=config)
    assert shapes(act) == "f32[4] 'relu' key<rbg>[]"
    names = [target.name for target in find("lab/declared.py", config=config)]
    assert "lab/declared.py:plain[2]" in names


def test_a_module_without_examples_or_functions(module: Path, write: Write) -> None:
    with pytest.raises(UsageError, match="run: jaxrng-doctor check noise:add_noise"):
        find("noise")
    write("empty.py", "X = 1")
    with pytest.raises(UsageError, match=r"empty.py defines no functions"):
        find("empty.py")
