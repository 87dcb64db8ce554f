"""If a part of jaxrng-doctor fails, programs compute the same, and the report is incomplete."""

import functools

import faults
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrng_doctor
from jaxrng_doctor.rules import CODES
from jaxrng_doctor.rules.by_cause import ungrouped

pytestmark = [pytest.mark.slow, pytest.mark.one_jax]

X, KEY = np.arange(12.0, dtype="float32").reshape(4, 3), jax.random.key(0)


@jax.custom_vjp
def ruled(x, key):
    return x + jax.random.normal(key, x.shape)


def forward(x, key):
    return ruled(x, key), key


def backward(key, ct):
    return ct * jax.random.normal(key, ct.shape), None


ruled.defvjp(forward, backward)


def shared(x, key):
    return jax.vmap(lambda a, k: a + jax.random.normal(k, a.shape), (0, None))(x, key)


def used_twice(x, key):
    first, _ = jax.random.split(key)
    noise = jax.random.normal(first) + jax.random.normal(key) + jax.random.uniform(key)
    return x + noise + np.random.normal(), jax.random.fold_in(key, 1)


def looped(x, key):
    def step(carry, a):
        carry = jax.lax.cond(a.sum() > 0, lambda c: c + jax.random.normal(key), lambda c: c, carry)
        return carry, a * jax.random.normal(key)

    total, out = jax.lax.scan(step, 0.0, x)
    total = jax.lax.while_loop(lambda c: c < 9, lambda c: c + jax.random.uniform(key), total)
    keys = jax.random.split(key, 4)
    drawn = jax.vmap(lambda k: jax.random.normal(k))(keys[jnp.array([0, 0, 1, 2])])
    return out, total, drawn


def derived(x, key):
    def loss(w):
        body = jax.checkpoint(lambda v: jnp.sin(v * jax.random.normal(key)).sum())
        return body(w) + ruled(w, key).sum()

    return jax.grad(loss)(x), jax.jacfwd(lambda v: v * jax.random.normal(key))(x[0])


def on_devices(x, key):
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:4]), ("d",))
    specs = jax.sharding.PartitionSpec("d"), jax.sharding.PartitionSpec()
    shard_map = getattr(jax, "shard_map", None) or jax.experimental.shard_map.shard_map

    def body(a, k):
        return a + jax.random.normal(k, a.shape) + jax.lax.psum(a, "d")

    return shard_map(body, mesh=mesh, in_specs=specs, out_specs=specs[0])(x, key)


def in_refs(x, key):
    ref = jax.new_ref(jax.random.key_data(key))
    first, second = jax.random.split(jax.random.wrap_key_data(ref[...]))
    ref[...] = jax.random.key_data(second)
    return x + jax.random.normal(first) + jax.random.normal(second)


TARGETS = {f.__name__: f for f in (shared, on_devices, in_refs, used_twice, looped, derived)}
if not hasattr(jax, "new_ref"):
    del TARGETS["in_refs"]


def check(name):
    np.random.seed(0)
    return jaxrng_doctor.check(TARGETS[name], (X, KEY), detail=name == "shared")


# -- programs to watch; each returns what it computes ----------------------------------------


def eager():
    first, second = jax.random.split(KEY)
    drawn = jax.random.normal(first), jax.random.normal(first), jax.random.uniform(KEY)
    for key in jax.random.split(jax.random.fold_in(second, 3), 2):
        drawn = *drawn, jax.random.bits(key)
    return drawn


def steps():
    step = jax.jit(lambda x, key: x + jax.random.normal(key, x.shape))
    x = jnp.asarray(X)
    for _ in range(4):
        x = step(x, KEY)
    return x, step(x[:2], KEY)


def threaded():
    @functools.partial(jax.jit, donate_argnums=1, static_argnums=2)
    def step(x, key, scale):
        key, sub = jax.random.split(key)
        return x * scale + jax.random.normal(sub) + np.random.normal(), key

    x, key = jnp.asarray(X), jax.random.key(1)
    for _ in range(3):
        x, key = step(x, key, 0.5)
    return x


def ahead():
    compiled = jax.jit(lambda k: jax.random.normal(k)).lower(KEY).compile()
    return compiled(KEY), compiled(KEY)


def scanned():
    def step(carry, _):
        return carry + jax.random.normal(KEY), None

    return jax.lax.scan(step, 0.0, None, length=3)[0]


def checkpointed():
    return jax.checkpoint(lambda a: a + jax.random.normal(KEY))(jnp.asarray(X))


def in_batches():
    return jax.lax.map(lambda a: a + jax.random.normal(KEY), jnp.asarray(X), batch_size=2)


def mapped():
    inner = jax.jit(lambda a, k: a + jax.random.normal(k))
    return [jax.vmap(inner, (0, None))(jnp.asarray(X), KEY) for _ in range(2)]


def vectorized():
    return jnp.vectorize(lambda a: a + jax.random.normal(KEY))(jnp.asarray(X))


def scanned_in_vmap():
    def example(a):
        return jax.lax.scan(lambda c, _: (c + jax.random.normal(KEY), c), a, None, 2)[0]

    return jax.vmap(example)(jnp.asarray(X))


def differentiated():
    return jax.grad(lambda v: (v * jax.random.normal(KEY)).sum())(jnp.asarray(X))


def mapped_over_devices():
    mapped = jax.pmap(lambda a, k: a + jax.random.normal(k), in_axes=(0, None), axis_name="d")
    return mapped(jnp.asarray(X), KEY), mapped(jnp.asarray(X), KEY)


def sharded():
    return on_devices(jnp.asarray(X), KEY)


PROGRAMS = {
    f.__name__: f
    for f in (
        eager,
        steps,
        ahead,
        scanned,
        checkpointed,
        vectorized,
        differentiated,
        mapped,
        threaded,
        in_batches,
        scanned_in_vmap,
        mapped_over_devices,
        sharded,
    )
}


def run(name):
    """The outputs of the program as NumPy arrays, and the next number of NumPy's generator."""
    np.random.seed(0)
    outs = jax.tree.map(np.asarray, PROGRAMS[name]())
    return outs, np.random.normal()


alone = functools.cache(run)


def watch(name):
    with jaxrng_doctor.watch(detail=name == "eager") as report:
        outs = run(name)
    return outs, report


# -- the stages -------------------------------------------------------------------------------

# These call the checked function: their faults are reported as faults of the function.
AS_THE_FUNCTION = {"tracing.returned_values:without_non_arrays", "tracing.program:trace_program"}

# This reports faults.
REPORTING = {"watching.recorder:Recorder.gap"}

# This can only prove that fewer examples draw: if it fails, a finding remains.
ONLY_CLEARING = {"analysis.lineage.transfers.elementwise:elementwise"}

MODULES = sorted({stage.partition(":")[0] for stage in faults.stages()})


@functools.cache
def ways(see, names, parts=faults.called):
    """For each part, the first of the programs `names` with which `see` calls it."""
    found = {}
    for name in names:
        see(name)  # does what is done only once per process
        for part in parts(functools.partial(see, name)):
            found.setdefault(part, name)
    return found


def of_module(module, see, programs):
    left_out = AS_THE_FUNCTION | REPORTING | ONLY_CLEARING
    found = ways(see, tuple(programs)).items()
    return [(s, name) for s, name in found if s.partition(":")[0] == module and s not in left_out]


@functools.cache
def clean(see, name):
    """The messages of the gaps without a fault."""
    report = see(name)
    return messages(report[1] if isinstance(report, tuple) else report)


def messages(report):
    return frozenset(gap.message for gap in report.gaps)


def is_reported(report, usual):
    """Whether the report is incomplete, with a failure or a gap that is not in `usual`."""
    return not report.complete and bool(report.failures or messages(report) - usual)


def is_same(one, other):
    leaves, tree = jax.tree.flatten(one)
    others, its_tree = jax.tree.flatten(other)
    return tree == its_tree and all(map(np.array_equal, leaves, others))


@pytest.mark.parametrize("module", MODULES)
def test_a_check_of_which_a_stage_fails_is_not_complete(module):
    silent = []
    for stage, name in of_module(module, check, TARGETS):
        with faults.broken(stage):
            report = check(name)
        if faults.hits[stage] and not is_reported(report, clean(check, name)):
            silent.append((stage, name))
    assert silent == []


def test_most_stages_are_tried():
    seen = {*ways(check, tuple(TARGETS)), *ways(watch, tuple(PROGRAMS))}
    assert len(seen) > 0.75 * len(faults.stages())


@pytest.mark.parametrize("stage", sorted(AS_THE_FUNCTION))
def test_where_the_call_of_the_function_fails_there_is_no_verdict(stage):
    with faults.broken(stage), pytest.raises(faults.Injected):
        check("shared")


@pytest.mark.parametrize("module", MODULES)
def test_a_watched_program_goes_on_where_a_stage_fails(module):
    silent, changed = [], []
    for stage, name in of_module(module, watch, PROGRAMS):
        expected = alone(name)
        with faults.broken(stage):
            outs, report = watch(name)
        if not is_same(outs, expected):
            changed.append((stage, name))
        if faults.hits[stage] and not is_reported(report, clean(watch, name)):
            silent.append((stage, name))
    assert (changed, silent) == ([], [])


# -- the hooks --------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_check_of_which_a_hook_fails_is_not_complete(when):
    silent = []
    for title, name in ways(check, tuple(TARGETS), faults.hooks).items():
        with faults.broken_hook(title, when) as counted:
            report = check(name)
        assert counted[title]
        if not is_reported(report, clean(check, name)):
            silent.append((title, name))
    assert silent == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_watched_program_goes_on_where_a_hook_fails(when):
    silent, changed = [], []
    for title, name in ways(watch, tuple(PROGRAMS), faults.hooks).items():
        expected = alone(name)
        with faults.broken_hook(title, when) as counted:
            outs, report = watch(name)
        assert counted[title]
        if not is_same(outs, expected):
            changed.append((title, name))
        if not is_reported(report, clean(watch, name)):
            silent.append((title, name))
    assert (changed, silent) == ([], [])


# -- the rules --------------------------------------------------------------------------------

# RNG900 does not check programs: it is applied once all reports are made.
JUDGED = [code for code in CODES if code != "RNG900"]


@pytest.mark.parametrize("code", JUDGED)
def test_a_rule_that_fails_is_a_gap(code):
    usual = check("used_twice")
    with faults.broken_rule(code):
        report = check("used_twice")
        outs, watched = watch("steps")
    assert f"{code} could not be checked: Injected: injected" in messages(report)
    others = [f.code for f in ungrouped(usual.findings) if f.code != code]
    assert sorted(f.code for f in ungrouped(report.findings)) == sorted(others)
    assert is_same(outs, alone("steps"))
    assert any(code in message for message in messages(watched))
