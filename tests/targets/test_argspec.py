"""The notation of arguments: what parses, which values it makes, and how typos are reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrng_doctor.checking.targets.arg_specs import Array, Factory, File, Key, Literal, parse
from jaxrng_doctor.checking.targets.arg_values import short, value
from jaxrng_doctor.model.errors import TargetError, UsageError


def make(spec: Any, *, seed: int = 0, position: int = 0, folder: Path | None = None) -> Any:
    return value(spec, "x", seed=seed, position=position, folder=folder or Path())


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("f32[32,10]", Array("float32", (32, 10))),
        ("f32[]", Array("float32", ())),
        (" f32 [ 32 , 10 ] ", Array("float32", (32, 10))),
        ("f32[0]", Array("float32", (0,))),
        ("i32[32]", Array("int32", (32,))),
        ("s32[32]", Array("int32", (32,))),
        ("u8[2]", Array("uint8", (2,))),
        ("bool[3]", Array("bool", (3,))),
        ("bf16[8]", Array("bfloat16", (8,))),
        ("c64[2]", Array("complex64", (2,))),
        ("f8_e4m3fn[2]", Array("float8_e4m3fn", (2,))),
        ("float32[3]", Array("float32", (3,))),
        ("bfloat16[3]", Array("bfloat16", (3,))),
        ("key", Key(None, ())),
        ("key[]", Key(None, ())),
        ("key[4,32]", Key(None, (4, 32))),
        ("key<fry>", Key("threefry2x32", ())),
        ("key<threefry2x32>", Key("threefry2x32", ())),
        ("key<rbg>[4,32]", Key("rbg", (4, 32))),
        ("key<phx4>", Key("philox4x32", ())),
        ("key<threefry4x32>[2]", Key("threefry4x32", (2,))),
        ("key < urbg > [ 2 ]", Key("unsafe_rbg", (2,))),
        ("key<unsafe_rbg>", Key("unsafe_rbg", ())),
        ("prngkey", Key(None, (), legacy=True)),
        ("prngkey<rbg>[32]", Key("rbg", (32,), legacy=True)),
        ("0.5", Literal(0.5)),
        ("-3", Literal(-3)),
        ("1e-3", Literal(1e-3)),
        (".5", Literal(0.5)),
        ("1_000", Literal(1000)),
        ("True", Literal(True)),
        ("None", Literal(None)),
        ('"relu"', Literal("relu")),
        ("'a, b]'", Literal("a, b]")),
        (r'"a\"b"', Literal('a"b')),
        ("'é'", Literal("é")),
        ("()", ()),
        ("[]", []),
        ("{}", {}),
        ("(key)", Key(None, ())),
        ("(key,)", (Key(None, ()),)),
        ("(f32[3], key)", (Array("float32", (3,)), Key(None, ()))),
        ("[f32[3], 1,]", [Array("float32", (3,)), Literal(1)]),
        (
            '{w: f32[10,4], "b c": {0: key}, }',
            {"w": Array("float32", (10, 4)), "b c": {0: Key(None, ())}},
        ),
        ("{w:f32[3]}", {"w": Array("float32", (3,))}),
        ("npy:a b(1).npy", File("npy", "a b(1).npy")),
        ("(npy:a.npy, key)", (File("npy", "a.npy"), Key(None, ()))),
        ("npz:a.npz", File("npz", "a.npz")),
        ("npz:dir/a.npz:w", File("npz", "dir/a.npz", "w")),
        ("pkg.module:make", Factory("pkg.module:make")),
        ("../01_a.py:make.params", Factory("../01_a.py:make.params")),
        ("{w: mod:make}", {"w": Factory("mod:make")}),
    ],
)
def test_what_parses(text: str, spec: Any) -> None:
    assert parse(text, "x") == spec


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("f23[32,10]", 0, "unknown dtype 'f23'"),
        ("f32[32,1o]", 7, "invalid size '1o'"),
        ("f32[-1]", 4, "invalid size '-1'"),
        ("f32[batch]", 4, "invalid size 'batch'"),
        ("f32[3.0]", 4, "invalid size '3.0'"),
        ("f32[3,]", 6, "invalid size ']'"),
        ("f32[3 4]", 6, "expected a comma or ']', found '4'"),
        ("f32[3", 5, "expected a comma or ']', found the end"),
        ("f32[", 4, "missing ']'"),
        ("f32", 3, "missing shape"),
        ("f32[3] key", 7, "unexpected 'k'"),
        ("", 0, "missing value"),
        ("(f32[3], key", 12, "missing ')'"),
        ("(f32[3] key)", 8, "expected a comma or ')', found 'k'"),
        ("(", 1, "missing ')'"),
        ("{w f32[3]}", 3, "missing ':' after dict key 'w'"),
        ("{w: 1, w: 2}", 7, "duplicate dict key 'w'"),
        ("{w: 1, 2: 2}", 7, "dict key 2 has another type than the others"),
        ("{[]: 1}", 1, "expected a dict key, found '['"),
        ("key<foo>", 4, "unknown key implementation 'foo'"),
        ("key<rbg", 7, "missing '>'"),
        ('"relu', 0, "missing closing quote"),
        ("1.2.3", 0, "'1.2.3' is not a number"),
        ("1" * 5000, 0, "is not a number"),
        ("$", 0, "unexpected '$'"),
        ("w: f32[3]", 0, "is not of the form module:factory"),
        ("npy:", 4, "missing file name after npy:"),
        ("(" * 60, 51, "too many nested brackets"),
    ],
)
def test_a_typo_is_pointed_at(text: str, column: int, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text, "x")
    error = raised.value
    assert "argument x: " in error.message
    assert words in error.message
    shown, caret, *_ = error.hint.splitlines()
    assert shown == f"  {text}"
    assert caret == " " * (2 + column) + "^"
    assert "valid examples: f32[32,10]" in error.hint


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("f23[3]", "did you mean f32?"),
        ("flaot32[3]", "did you mean float32?"),
        ("kye", "did you mean key?"),
        ("none", "did you mean None?"),
        ("relu", 'did you mean "relu"'),
        ("key<frey>", "did you mean fry?"),
    ],
)
def test_a_typo_shows_what_was_meant(text: str, meant: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text, "x")
    assert meant in raised.value.hint


def test_parsing_evaluates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("open('made', 'w')", "__import__('os').mkdir('made')", "[x for x in ()]"):
        with pytest.raises(UsageError):
            parse(text, "x")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("f32[32,10]", "f32[32,10]"),
        ("f32[]", "f32[]"),
        ("f16[2]", "f16[2]"),
        ("bf16[2]", "bf16[2]"),
        ("f8_e5m2[2]", "f8_e5m2[2]"),
        ("i32[4]", "i32[4]"),
        ("u8[300]", "u8[300]"),
        ("bool[3]", "bool[3]"),
        ("c64[2]", "c64[2]"),
        ("f32[0,3]", "f32[0,3]"),
        ("key", "key<fry>[]"),
        ("key<rbg>[4,2]", "key<rbg>[4,2]"),
        ("key<urbg>", "key<urbg>[]"),
        ("key[0]", "key<fry>[0]"),
        ("prngkey", "u32[2]"),
        ("prngkey[3]", "u32[3,2]"),
        ("prngkey<rbg>[3]", "u32[3,4]"),
        ('"relu"', "'relu'"),
    ],
)
def test_values_have_the_dtype_and_shape_asked_for(text: str, shown: str) -> None:
    assert short(make(text)) == shown


def test_literals_stay_python_values() -> None:
    made = make('{a: True, b: (0.5, None), c: ["x", 2]}')
    assert made == {"a": True, "b": (0.5, None), "c": ["x", 2]}
    assert type(made["a"]) is bool


def test_a_run_repeats_and_arguments_differ() -> None:
    again, other_seed, other_place = (
        make("f32[8]"),
        make("f32[8]", seed=1),
        make("f32[8]", position=1),
    )
    first = make("f32[8]")
    assert jnp.array_equal(first, again)
    assert not jnp.any(first == other_seed)
    assert not jnp.any(first == other_place)
    left, right = make("(f32[8], f32[8])")
    assert not jnp.any(left == right)


@pytest.mark.parametrize("impl", ["philox2x32", "philox4x32", "threefry4x32"])
def test_a_kind_of_key_that_only_some_versions_have(impl: str) -> None:
    try:
        own = jax.random.key(0, impl=impl)
    except ValueError:
        with pytest.raises(UsageError, match=f"JAX .* has no key implementation {impl}"):
            make(f"key<{impl}>[3]")
    else:
        made = make(f"key<{impl}>[3]")
        assert (made.dtype, made.shape) == (own.dtype, (3,))


def test_keys_are_all_distinct() -> None:
    keys = [make("key[8]"), make("key[8]", position=1), *make("(key[8], key[8])", position=2)]
    words = np.concatenate([jax.random.key_data(k) for k in keys])
    assert len({tuple(row) for row in words.tolist()}) == 32
    assert jax.random.key_data(make("key")).tolist() == make("prngkey").tolist()
    assert make("prngkey").tolist() != jax.random.PRNGKey(0).tolist()


def test_integers_count_and_wrap() -> None:
    assert make("i32[2,3]").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert make("i8[130]").tolist()[-3:] == [127, 0, 1]
    assert make("u8[257]").tolist()[-2:] == [255, 0]
    assert set(make("bool[64]").tolist()) == {True, False}


@pytest.mark.parametrize("dtype", ["f64", "i64", "u64", "c128"])
def test_wide_dtypes_need_x64(dtype: str) -> None:
    with pytest.raises(UsageError, match="JAX_ENABLE_X64=1"):
        make(f"{dtype}[3]")


def test_wide_dtypes_with_x64() -> None:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        assert [short(make(f"{d}[3]")) for d in ("f64", "i64", "u64", "c128")] == [
            "f64[3]", "i64[3]", "u64[3]", "c128[3]",
        ]  # fmt: skip
    finally:
        jax.config.update("jax_enable_x64", before)


def test_too_large() -> None:
    with pytest.raises(
        UsageError, match="argument x is too large: 810,000,000,000,000,000,000 elements"
    ):
        make("f32[900000000000000,900000]")


def test_python_values_are_taken_as_they_are() -> None:
    array = np.arange(3.0)
    assert make(array) is array
    assert make(0.5) == 0.5


def test_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6.0).reshape(2, 3))
    np.savez(tmp_path / "b.npz", w=np.ones(3, np.float32), n=np.arange(2))
    assert make("npy:a.npy", folder=tmp_path).tolist() == [[0, 1, 2], [3, 4, 5]]
    both = make("npz:b.npz", folder=tmp_path)
    assert {name: array.shape for name, array in both.items()} == {"w": (3,), "n": (2,)}
    assert make(f"({{x: npz:{tmp_path}/b.npz:n}},)")[0]["x"].tolist() == [0, 1]


def _pickled(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("write", "spec", "words"),
    [
        (_pickled, "npy:a.npy", "contains pickled objects"),
        (lambda path: np.save(path, np.array(["text"])), "npy:a.npy", "which JAX does not support"),
        (lambda path: path.write_bytes(b"nonsense"), "npy:a.npy", "contains pickled objects"),
        (lambda path: path.write_bytes(b""), "npy:a.npy", "cannot be read"),
        (lambda path: np.save(path, np.ones(2)), "npz:a.npy", "use npy:a.npy"),
        (lambda path: np.save(path, np.ones(2)), "npy:aa.npy", "did you mean a.npy?"),
        (lambda path: np.savez(path.with_name("a.npz"), w=1), "npz:a.npz:v", "did you mean w?"),
        (lambda path: np.savez(path.with_name("a.npz"), w=1), "npy:a.npz", "use npz:a.npz"),
        (lambda path: path.mkdir(), "npy:a.npy", "cannot be read"),
    ],
)
def test_bad_files(tmp_path: Path, write: Callable[[Path], object], spec: str, words: str) -> None:
    write(tmp_path / "a.npy")
    with pytest.raises(UsageError) as raised:
        make(spec, folder=tmp_path)
    assert words in str(raised.value)


def test_factories(fresh_imports: Path, write: Callable[[str, str], Path]) -> None:
    write(
        "made.py",
        """
        import sys
        def make(): return {"w": 1}
        def needs(n): return n
        def raises(): raise KeyError("gone")
        def leaves(): sys.exit(3)
        """,
    )
    assert make("made:make", folder=fresh_imports) == {"w": 1}
    assert make("(made.py:make, 2)", folder=fresh_imports) == ({"w": 1}, 2)
    with pytest.raises(UsageError, match="must be callable without arguments"):
        make("made:needs", folder=fresh_imports)
    with pytest.raises(UsageError, match="did you mean made:make"):
        make("made:mak", folder=fresh_imports)
    with pytest.raises(TargetError, match="raised KeyError") as raised:
        make("made:raises", folder=fresh_imports)
    failure = raised.value.failure
    assert failure.stage == "run"
    assert "argvalues" not in failure.traceback
    assert failure.traceback.endswith("KeyError: 'gone'")
    with pytest.raises(TargetError, match=r"called sys.exit\(3\)"):
        make("made:leaves", folder=fresh_imports)
