"""The message of a finding is true of the run; the code in its help can be pasted and fixes it."""

import importlib.util

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import Mesh, PartitionSpec

from jaxrng_doctor import check
from tests.rules.meshes import shard_map

X = jnp.arange(12.0).reshape(4, 3)
KEY = jax.random.key(0)


def noisy(row, key):
    return row + jax.random.normal(key, row.shape)


def reported(fn, *args, run=True):
    [finding] = check(fn, args, run=run, select=["RNG001", "RNG003", "RNG004"]).findings
    return finding


def of_large_rows(limit):
    def f(row, key):
        return jax.lax.cond(row[0] > limit, noisy, lambda row, key: row, row, key)

    return jax.vmap(f, (0, None))


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (-1, "all 4 examples of vmap(f) draw the same numbers"),
        (5, "2 of the 4 examples of vmap(f) reach this draw, and get the same numbers"),
        (8, "of the 4 examples of vmap(f), all that reach this draw get the same numbers"),
    ],
)
def test_examples_that_did_not_draw_are_not_said_to(limit, message):
    assert reported(of_large_rows(limit), X, KEY).message == message


def test_without_a_run_nobody_knows_which_examples_draw():
    finding = reported(of_large_rows(8), X, KEY, run=False)

    assert finding.message == "all 4 examples of vmap(f) draw the same numbers"


def test_devices_of_which_some_share_are_not_said_to_draw_all_the_same():
    mesh = Mesh(jax.devices()[:4], ("d",))

    def f(part, key):
        return noisy(part, jax.random.fold_in(key, jax.lax.axis_index("d") // 2))

    part, whole = PartitionSpec("d"), PartitionSpec()
    devices = shard_map(f, mesh=mesh, in_specs=(part, whole), out_specs=part)
    finding = reported(lambda x, key: devices(x, key), X, KEY)

    assert finding.message == "4 devices of shard_map(f) have only 2 distinct keys"
    [related] = finding.related
    assert related.message == "some of the devices share a key"


def test_a_pmap_is_called_so_and_no_name_of_jaxs_own_is_to_be_pasted():
    finding = reported(jax.pmap(noisy, in_axes=(0, None)), X, KEY)

    assert "4 devices of pmap" in finding.message
    assert "shard_map" not in finding.message
    assert finding.scopes[0].axis_name is None
    assert finding.help[0].code == (
        "key = jax.random.fold_in(key, jax.lax.axis_index('devices'))"
        "  # pmap(…, axis_name='devices')"
    )


def test_the_axis_of_a_pmap_with_a_name_is_folded_in_by_it():
    finding = reported(jax.pmap(noisy, in_axes=(0, None), axis_name="i"), X, KEY)

    assert finding.scopes[0].axis_name == "i"
    assert finding.help[0].code == "key = jax.random.fold_in(key, jax.lax.axis_index('i'))"


def test_an_index_of_a_device_is_not_called_a_step():
    mesh = Mesh(jax.devices()[:4], ("d",))

    def f(part, keys):
        return jax.lax.scan(lambda c, _: (noisy(c, keys[0]), None), part, length=3)[0]

    part = PartitionSpec("d")
    devices = shard_map(f, mesh=mesh, in_specs=(part, part), out_specs=part, check_vma=False)

    assert reported(devices, X, jax.random.split(KEY, 4)).evidence.fixed == "device 0"


BATCHED = """\
import jax


def fn(row, key):
    return row + jax.random.normal(key, row.shape)


def bad(x, key):
    return jax.lax.map(lambda row: fn(row, key), x, batch_size={size})


def good(x, key):
    {keys}
    return {call}
"""


@pytest.mark.parametrize("size", [2, 3])
def test_the_fix_of_a_map_in_batches_has_a_key_for_each_element(size, tmp_path):
    def module(name, **parts):
        path = tmp_path / f"{name}.py"
        path.write_text(BATCHED.format(size=size, **parts), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        found = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found)
        return found

    findings = check(module("ill", keys="pass", call="x").bad, (X, KEY)).findings
    shared = [f for f in findings if f.code in ("RNG001", "RNG003")]
    [fix] = {h.code for f in shared for h in f.help}
    keys, call = fix.splitlines()
    separate = check(module("separate", keys=keys, call=call).good, (X, KEY))

    assert "lax.map's vmap" in shared[0].message
    assert separate.findings == ()
    assert len({draw.place for draw in separate.draws}) == 1


def drawing_while_less_than(limit):
    def fn(x, key):
        def step(carry):
            return carry[0] + 1, carry[1] + jax.random.normal(key)

        return jax.lax.while_loop(lambda carry: carry[0] < limit, step, (0, 0.0))

    return fn


@pytest.mark.parametrize(
    ("limit", "message", "notes"),
    [
        (12, "all 12 steps of while_loop(step) draw the same numbers", 0),
        # Only the first 256 are counted.
        (1000, "all steps of while_loop(step) draw the same numbers", 1),
    ],
)
def test_the_steps_of_a_while_loop_are_not_said_to_be_those_that_were_counted(
    limit, message, notes
):
    (finding,) = check(drawing_while_less_than(limit), (X, KEY)).findings
    assert (finding.code, finding.message) == ("RNG003", message)
    assert len(finding.notes) == notes
    assert all("the first 256 steps of while_loop(step)" in note for note in finding.notes)


def three_times(x, key):
    return [jax.random.normal(key, x.shape) for _ in range(3)]


def twice_from_two(x, key):
    keys = jax.random.split(key, 4)
    return sum(jax.random.normal(keys[i % 2], x.shape) for i in range(4))


def unequally_from_two(x, key):
    a, b = jax.random.split(key)
    return sum(jax.random.normal(k, x.shape) for k in (a, a, b, b, b, b))


def by_a_traced_index(x, key):
    keys = jax.random.split(key, 6)

    def step(carry, i):
        k = keys[i]
        return carry, jax.random.randint(k, (), 0, 5) + jax.random.randint(k, (), 0, 9)

    return jax.lax.scan(step, 0, jnp.arange(6))


@pytest.mark.parametrize(
    ("fn", "message", "uses", "keys"),
    [
        (three_times, "jax.random.normal draws 3 times from the key `key`", 3, 1),
        (
            twice_from_two,
            "jax.random.normal draws 2 times from each of 2 keys, such as `split(key, 4)[0]`",
            4,
            2,
        ),
        (
            unequally_from_two,
            "jax.random.normal draws 6 times from 2 keys, such as `split(key, 2)[0]`",
            6,
            2,
        ),
        (
            by_a_traced_index,
            "jax.random.randint draws from the key `split(key, 6)[i]`, which jax.random.randint "
            "already drew from",
            2,
            1,
        ),
    ],
)
def test_the_uses_of_a_key_are_counted(fn, message, uses, keys):
    (finding,) = check(fn, (X, KEY)).findings
    assert (finding.code, finding.message) == ("RNG005", message)
    assert (finding.evidence.examples, finding.evidence.distinct_keys) == (uses, keys)
    assert check(fn, (X, KEY), run=False).findings[0].message == message


def samplers_of_others(x, key):
    p = jnp.ones(7) / 7
    return (
        jax.random.choice(key, 7, (3,)),
        jax.random.choice(key, 7, (3,), p=p),
        jax.random.choice(key, 7, (3,), replace=False),
        jax.random.categorical(key, p),
        jax.random.permutation(key, x),
    )


def test_samplers_have_the_names_that_the_program_calls_them_by():
    report = check(samplers_of_others, (X, KEY))
    called = {draw.place.line: draw.sampler for draw in report.draws}
    names = ("choice", "choice", "choice", "categorical", "permutation")
    first = samplers_of_others.__code__.co_firstlineno + 3
    assert called == {first + n: f"jax.random.{name}" for n, name in enumerate(names)}
