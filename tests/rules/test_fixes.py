"""The suggested fixes use the names of the user's source where they are known."""

from dataclasses import replace

import pytest

from jaxrng_doctor.model.facts import Cause, VmapSource
from jaxrng_doctor.model.findings import Help, Place
from jaxrng_doctor.rules import _fixes
from tests.rules.made_up import draw, scope

pytestmark = pytest.mark.one_jax

SPLIT = (
    "give each example its own key: split, and map over the keys; "
    "right if the examples may draw independently"
)
ONCE = (
    "or draw once for the whole batch, outside the vmap; right if every example needs noise of "
    "the same shape"
)
UNMAPPED = Cause("unmapped", "key", name="key")
TWO = VmapSource("noisy", (("x", 0), ("key", None)))


@pytest.fixture
def written(tmp_path):
    """The place of a call, in a file that contains only `line`, which starts with the call."""

    def write(line, call=None):
        path = tmp_path / "written.py"
        path.write_text(f"{line}\n", encoding="utf-8")
        return Place(str(path), 1, 1, 1, 1 + len(call or line))

    return write


def own_keys(vmap=TWO, cause=UNMAPPED, sampler="jax.random.normal", **more):
    facts = scope(vmap=vmap, cause=cause, **more)
    return _fixes.own_keys(replace(draw(facts), sampler=sampler), facts)


# -- under a vmap ----------------------------------------------------------------------------------


def test_without_the_vmap_or_the_cause_or_the_size_there_is_no_fix():
    assert own_keys(vmap=None) == ()
    assert own_keys(cause=None) == ()
    assert own_keys(size=None) == ()


def test_an_unmapped_key_is_split_or_drawn_from_once():
    assert own_keys() == (
        Help(
            SPLIT,
            "keys = jax.random.split(key, 4)\njax.vmap(noisy, in_axes=(0, 0))(x, keys)",
        ),
        Help(
            ONCE,
            "noise = jax.random.normal(key, (4, 3))\n"
            "jax.vmap(noisy, in_axes=(0, 0))(x, noise)  # noisy uses the noise it is given",
        ),
    )


@pytest.mark.parametrize(
    ("sampler", "ways"),
    [
        ("jax.random.uniform", 2),
        ("jax.random.bits", 2),
        ("jax.random.randint", 1),
        ("jax.random.permutation", 1),
        ("jax.random.categorical", 1),
    ],
)
def test_only_a_sampler_whose_second_argument_is_the_shape_is_drawn_from_once(sampler, ways):
    found = own_keys(sampler=sampler)
    assert len(found) == ways
    assert all(f"noise = {sampler}(key, (4, 3))" in help.code for help in found[1:])


@pytest.mark.parametrize(
    ("in_axes", "name", "call"),
    [
        ((("x", 0), ("key", None)), "key", "(0, 0))(x, keys)"),
        ((("key", None), ("x", 1)), "key", "(0, 1))(keys, x)"),
        ((("x", 0), ("key", None), ("y", None)), "key", "(0, 0, None))(x, keys, y)"),
        ((("p['w']", 2), ("p['b']", 0), ("key", None)), "key", "(2, 0))(p, keys)"),
        ((("s.key", None), ("x", 0)), "s.key", "(0, 0))(keys, x)"),
        ((("x", 0), ("s[0]", None)), "s[0]", "(0, 0))(x, keys)"),
        ((("", 0), ("key", None)), "key", "(0, 0))(x, keys)"),
    ],
)
def test_the_axis_of_the_key_becomes_0_and_the_others_stay(in_axes, name, call):
    cause = Cause("unmapped", "key", name=name)
    [split, once] = own_keys(VmapSource("noisy", in_axes), cause)
    assert split.code.splitlines()[1] == f"jax.vmap(noisy, in_axes={call}"
    assert once.code.splitlines()[1].startswith(
        f"jax.vmap(noisy, in_axes={call.replace('keys', 'noise')}  #"
    )


@pytest.mark.parametrize(
    ("cause", "key"),
    [
        (Cause("captured", "key"), "key"),
        (Cause("captured", "rng"), "rng"),
        (Cause("captured", "split(key, 2)[0]"), "key"),
        (Cause("captured", "keys"), "key"),  # the name of what is split off
        (Cause("seed", "key(3)"), "jax.random.key(3)"),
        (Cause("equal values", "rng"), "rng"),
    ],
)
def test_a_key_that_is_no_argument_becomes_the_last_one(cause, key):
    assert own_keys(VmapSource("noisy", (("x", 1),)), cause) == (
        Help(
            SPLIT,
            f"keys = jax.random.split({key}, 4)\n"
            "jax.vmap(noisy, in_axes=(1, 0))(x, keys)  # noisy takes the key as an argument",
        ),
    )


def test_a_function_without_a_name_is_called_the_function():
    [split] = own_keys(VmapSource("<lambda>", (("x", 0),)), Cause("captured", "key"))
    assert "jax.vmap(fn, in_axes=(0, 0))(x, keys)  # fn takes the key" in split.code


WRITTEN = [
    # The line; its first call, whose place is known; and the call in the fix.
    ("vmap(add, (0, None))(data, rng)", 20, "vmap(add, in_axes=(0, 0))(data, keys)"),
    ("jax.vmap(add, (0, None))(data, rng)", 24, "jax.vmap(add, in_axes=(0, 0))(data, keys)"),
    ("vmap(add, (0, None))(data, rng)", 31, "vmap(add, in_axes=(0, 0))(data, keys)"),
    ("vmap(add, (0, None))", 20, "vmap(add, in_axes=(0, 0))(x, keys)"),
    ("vmap(add, (0, None))(*both)", 20, "vmap(add, in_axes=(0, 0))(x, keys)"),
    ("vmap(in_axes=(0, None))", 23, "vmap(noisy, in_axes=(0, 0))(x, keys)"),
    ("mapped(add)(data, rng)", 11, "jax.vmap(noisy, in_axes=(0, 0))(x, keys)"),
    ("loss = 1", 8, "jax.vmap(noisy, in_axes=(0, 0))(x, keys)"),
    (
        "vmap(lambda x, k: x, (0, None))(data, rng)", 31,
        "vmap(lambda x, k: x, in_axes=(0, 0))(data, keys)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "end", "call"), WRITTEN)
def test_the_vmap_is_repeated_as_it_is_written(written, line, end, call):
    split, _ = own_keys(place=written(line, line[:end]))
    assert split.code.splitlines()[1] == call


def test_the_key_is_split_that_is_passed_to_the_vmap(written):
    split, once = own_keys(place=written("vmap(add, (0, None))(data, rng)", "vmap(add, (0, None))"))
    assert split.code.startswith("keys = jax.random.split(rng, 4)\n")
    assert once.code.startswith("noise = jax.random.normal(rng, (4, 3))\n")
    assert once.code.endswith("(data, noise)  # add uses the noise it is given")


def test_a_function_that_is_an_expression_is_called_the_function(written):
    line = "vmap(lambda x, k: x, (0, None))(data, rng)"
    _, once = own_keys(place=written(line, line[:31]))
    assert once.code.endswith("# the function uses the noise it is given")


def test_a_vmap_over_several_lines_is_not_repeated(written):
    place = written("vmap(lambda x, k: (x,\n  k), (0, None))(data, rng)")
    split, _ = own_keys(place=replace(place, end_line=2, end_column=22))
    assert split.code.splitlines()[1] == "jax.vmap(noisy, in_axes=(0, 0))(x, keys)"


def test_the_vmap_of_a_library_has_the_fix_of_the_library():
    [found] = own_keys(via="flax.core.lift")
    assert found.code.startswith("nn.vmap(")
    assert own_keys(via="numpyro.util") == (
        Help(
            "give each example its own key: numpyro makes the vmap, so pass it an array of keys, "
            "one per example",
            "keys = jax.random.split(key, 4)",
        ),
    )


@pytest.mark.parametrize(("size", "count"), [(4, "4"), (None, "n")])
def test_equal_keys_are_split_or_folded_apart(size, count):
    split, fold = _fixes.distinct_keys(scope(size=size))
    assert split.code == f"keys = jax.random.split(key, {count})"
    assert fold.code == (
        f"keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, jnp.arange({count}))"
    )


# -- in a loop -------------------------------------------------------------------------------------


def test_the_steps_of_a_loop_get_a_key_each():
    split, fold = _fixes.key_for_each_step(scope("scan", 5))
    assert split.code.startswith("keys = jax.random.split(key, 5)  #")
    assert fold.code == "step_key = jax.random.fold_in(key, i)"


def test_a_loop_whose_length_is_unknown_carries_the_key():
    [found] = _fixes.key_for_each_step(scope("while", None))
    assert found.message == "carry the key, and split it in every step"
    assert found.code.startswith("key, subkey = jax.random.split(key)  #")


def test_a_loop_of_a_library_has_the_fix_of_the_library():
    [found] = _fixes.key_for_each_step(scope("scan", 5, via="flax.core.lift"))
    assert found.code.startswith("nn.scan(")


BATCHED = [
    ("lax.map(f, xs, batch_size=2)", "lax.map", "xs", "xs.shape[0]", "2"),
    ("jax.lax.map(f, (a, b), batch_size=n)", "jax.lax.map", "(a, b)", "n", "n"),
]
UNBATCHED = [
    "lax.map(f, xs)",
    "lax.map(f, batch_size=2)",
    "lax.map(f, xs, ys, batch_size=2)",
    "train(f, xs, batch_size=2)",
    "lax.map(f, xs, size=2)",
    "xs = 1",
]


@pytest.mark.parametrize(("call", "name", "xs", "count", "size"), BATCHED)
def test_a_map_in_batches_splits_a_key_for_each_element(written, call, name, xs, count, size):
    wanted = (
        Help(
            "give each element its own key: split, and map over the keys too",
            f"keys = jax.random.split(key, {count})\n"
            f"{name}(lambda x_and_key: fn(*x_and_key), ({xs}, keys), batch_size={size})"
            "  # fn takes the key as an argument",
        ),
    )
    assert own_keys(place=written(call)) == wanted
    assert _fixes.key_for_each_step(scope("scan", 5, place=written(call))) == wanted


@pytest.mark.parametrize("call", UNBATCHED)
def test_another_call_is_no_map_in_batches(written, call):
    assert len(_fixes.key_for_each_step(scope("scan", 5, place=written(call)))) == 2
