"""The fix for a scope that a library made is in terms of that library. None has to be installed.

`tests/frameworks` shows that the facts are those of the real libraries, and that the fixes work.
"""

import pytest

from jaxrng_doctor.model.facts import Cause, Step
from jaxrng_doctor.model.findings import Help, Place
from jaxrng_doctor.rules import _framework_fixes
from tests.rules.made_up import scope

pytestmark = pytest.mark.one_jax


def fix(via, kind="vmap", size=8, **more):
    return _framework_fixes.fix(scope(kind, size, via=via, **more))


@pytest.mark.parametrize(
    ("via", "code"),
    [
        ("flax.core.lift", 'nn.vmap(..., split_rngs={"dropout": True})'),
        ("flax.linen.transforms", 'nn.vmap(..., split_rngs={"dropout": True})'),
        ("flax.nnx.transforms.iteration", "@nnx.split_rngs(splits=8)\n@nnx.vmap("),
        ("haiku._src.stateful", "hk.vmap(..., split_rng=True)"),
        ("equinox._vmap_pmap", "keys = jax.random.split(key, 8)\neqx.filter_vmap("),
    ],
)
def test_each_library_has_its_own_fix(via, code):
    [found] = fix(via)
    assert found.code.startswith(code)


@pytest.mark.parametrize("via", ["", "numpyro.util", "flaxen", "haiku2.x", "equinox.nn._rnn"])
def test_no_fix_is_known_for_other_modules(via):
    assert fix(via) == ()


@pytest.mark.parametrize(
    ("via", "name"), [("flax.core.lift", "flax"), ("haiku._src", "haiku"), ("", "")]
)
def test_the_name_of_a_library_is_that_of_its_package(via, name):
    assert _framework_fixes.name(scope(via=via)) == name


# -- Flax Linen ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "lifted", "one"),
    [
        ("vmap", "vmap", "example"),
        ("scan", "scan", "step"),
        ("while", "while_loop", "step"),
        ("device", "vmap", "device"),
    ],
)
def test_linen_splits_a_stream_in_the_lifted_transform(kind, lifted, one):
    assert fix("flax.core.lift", kind) == (
        Help(
            f"let Flax split the random stream, one key per {one}",
            f'nn.{lifted}(..., split_rngs={{"dropout": True}})',
        ),
    )


CALLS = """
key = self.make_rng("noise")
key = self.make_rng(name)
key = self.make_rng()
key = self.make_rng(3)
key = other("noise")
"""


@pytest.fixture
def line(tmp_path):
    """The step that makes a key in a line of `CALLS`."""
    path = tmp_path / "module.py"
    path.write_text(CALLS, encoding="utf-8")
    return lambda number: Step("fold_in", Place(str(path), number))


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("rngs['dropout'].rng", "dropout"),
        ("rngs['noise'].rng", "noise"),
        ("rngs['noise']", "noise"),
        ("groups[0]['walk'].rng", "walk"),
        ("rngs['noise'].other", "dropout"),
        ("key", "dropout"),
    ],
)
def test_the_name_of_an_unmapped_argument_has_the_stream(name, stream):
    [found] = fix("flax.core.lift", cause=Cause("unmapped", "key", name=name))
    assert found.code == f'nn.vmap(..., split_rngs={{"{stream}": True}})'


@pytest.mark.parametrize(
    ("number", "stream"),
    [(2, "noise"), (3, "dropout"), (4, "dropout"), (5, "dropout"), (6, "dropout")],
)
def test_the_call_that_takes_the_key_has_the_stream(line, number, stream):
    [found] = fix("flax.core.lift", cause=Cause("unmapped", "key", steps=(line(number),)))
    assert found.code == f'nn.vmap(..., split_rngs={{"{stream}": True}})'


def test_the_first_step_that_names_a_stream_counts(line):
    nowhere, of_param = Step("split", None), Step("fold_in", None, ("Scope.param",))

    def stream(*steps):
        [found] = fix("flax.core.lift", cause=Cause("captured", "key", steps=steps))
        return found.code.split('"')[1]

    assert stream(of_param) == "params"
    assert stream(nowhere, of_param, line(2)) == "params"
    assert stream(nowhere, line(6), line(2), of_param) == "noise"
    assert stream(nowhere) == "dropout"


# -- the others ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "size", "lifted", "splits", "one"),
    [
        ("vmap", 8, "vmap", "8", "example"),
        ("scan", 4, "scan", "4", "step"),
        ("while", None, "vmap", "n", "step"),
    ],
)
def test_nnx_splits_the_streams_and_maps_over_them(kind, size, lifted, splits, one):
    assert fix("flax.nnx.transforms.iteration", kind, size) == (
        Help(
            f"let NNX split the model's random streams and map over them, one key per {one}",
            f"@nnx.split_rngs(splits={splits})\n"
            f"@nnx.{lifted}(in_axes=(nnx.StateAxes({{nnx.RngState: 0, ...: None}}), 0))",
        ),
    )


@pytest.mark.parametrize(
    ("kind", "message", "code"),
    [
        ("vmap", "let Haiku split its key, one per example", "hk.vmap(..., split_rng=True)"),
        (
            "scan",
            "take the key inside the loop, where Haiku has a new one for each step",
            "key = hk.next_rng_key()",
        ),
    ],
)
def test_haiku_splits_its_key_under_vmap_and_in_a_loop_has_a_new_one(kind, message, code):
    [found] = fix("haiku._src.stateful", kind)
    assert (found.message, found.code.split("  #")[0]) == (message, code)


@pytest.mark.parametrize(("size", "count"), [(8, "8"), (None, "n")])
def test_equinox_maps_over_keys(size, count):
    assert fix("equinox._vmap_pmap", size=size) == (
        Help(
            "give each example its own key: split, and map over the keys",
            f"keys = jax.random.split(key, {count})\n"
            "eqx.filter_vmap(..., in_axes=(0, 0))(x, keys)  # the function takes the key",
        ),
    )
