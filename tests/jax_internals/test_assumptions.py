"""The assumptions about JAX internals: reports have a gap for each one that no longer holds."""

import contextlib
import importlib.util
import inspect
import subprocess
import sys
import types

import jax
import jax.numpy as jnp
import pytest
from jax._src import ad_checkpoint, api, core, pjit, source_info_util
from jax._src.interpreters import batching, partial_eval
from jax._src.state import discharge
from jax.extend.core import primitives

import jaxrng_doctor
from jaxrng_doctor.jax_internals import check_assumptions, remembered
from jaxrng_doctor.jax_internals.assumptions import ASSUMPTIONS


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """Forget which facts hold, before and after the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    jax.clear_caches()
    check_assumptions.forget()
    yield
    check_assumptions.forget()
    jax.clear_caches()


def recode(monkeypatch, function, change):
    """Apply `change` to the code of a function and of the functions within it."""

    def changed(code):
        inner = [changed(c) if isinstance(c, types.CodeType) else c for c in code.co_consts]
        return change(code.replace(co_consts=tuple(inner)))

    function = inspect.unwrap(function)
    monkeypatch.setattr(function, "__code__", changed(function.__code__))


def renaming(old, new="renamed"):
    """A change for `recode`: the function called `old` gets another name."""
    return lambda code: code.replace(co_name=new) if code.co_name == old else code


def not_using(old, new="renamed"):
    """A change for `recode`: the code looks up the name `new` instead of `old`."""
    return lambda code: code.replace(
        co_names=tuple(new if name == old else name for name in code.co_names)
    )


def vmap(patch):
    patch.setattr(api, "batching", types.SimpleNamespace(**vars(batching)))


def jacobian(patch):
    recode(patch, api.jacfwd, renaming("jacfun"))


def loop_callers(patch):
    recode(patch, jax.lax.while_loop, renaming("while_loop"))


def loop_parameters(patch):
    patch.setattr(primitives.while_p, "name", "renamed")


def loop_functions(patch):
    recode(patch, jax.lax.fori_loop, renaming("fori_loop"))


def pmap(patch):
    from jax._src import pmap

    patch.setattr(pmap, "_cached_shard_map", lambda fun, mesh: jax.shard_map(fun, mesh=mesh))


def checkpoint(patch):
    recode_all(patch, ad_checkpoint, renaming("fun_remat"))
    recode_all(patch, ad_checkpoint, renaming("decorator"))  # with `jax_remat3`


def recomputation(patch):
    original = source_info_util.NameStack.extend

    def extend(self, name):
        return original(self, "renamed" if name == "rematted_computation" else name)

    patch.setattr(source_info_util.NameStack, "extend", extend)


def name_stack(patch):
    patch.setattr(source_info_util, "transform_name_stack", lambda _: contextlib.nullcontext())


def places(patch):
    patch.setattr(source_info_util, "current", source_info_util.new_source_info)


def samplers(patch):
    jit = partial_eval.custom_staging_rules
    (primitive,) = [primitive for primitive in jit if primitive.name in ("jit", "pjit")]
    patch.setattr(primitive, "name", "renamed")


def key_primitives(patch):
    patch.setattr(primitives.random_split_p, "name", "renamed")


def splits(patch):
    patch.setattr(partial_eval, "dce_rules", dict(partial_eval.dce_rules))


def callbacks(patch):
    from jax._src import callback

    patch.setattr(callback.pure_callback_p, "name", "renamed")


def derivative_rules(patch):
    def defvjp(self, fwd, bwd, **_):
        original(self, fwd, bwd)
        vars(self)["renamed"] = vars(self).pop("bwd")

    original = jax.custom_vjp.defvjp
    patch.setattr(jax.custom_vjp, "defvjp", defvjp)


def refs(patch):
    patch.setattr(discharge, "discharge_state", lambda jaxpr, *_: jaxpr)


def state(patch):
    patch.setattr(core, "EvalTrace", type("Renamed", (), {}))


def tracers(patch):
    original = batching.BatchTracer.__init__

    def made(self, *args, **kwargs):
        original(self, *args, **kwargs)
        del self.batch_dim

    patch.setattr(batching.BatchTracer, "__init__", made)


def recode_all(monkeypatch, holder, change):
    """Recode all functions of a module or class."""
    for value in list(vars(holder).values()):
        function = inspect.unwrap(value) if callable(value) else None
        home = getattr(holder, "__module__", holder.__name__)
        if isinstance(function, types.FunctionType) and function.__module__ == home:
            recode(monkeypatch, function, change)


def traces(patch):
    frame = partial_eval.JaxprStackFrame
    renamed = type("Renamed", (frame,), {"to_jaxpr": frame.to_jaxpr})
    recode(patch, partial_eval.DynamicJaxprTrace.__init__, not_using("JaxprStackFrame"))
    patch.setattr(partial_eval, "renamed", renamed, raising=False)


def jitted_calls(patch):
    name = "_infer_params" if hasattr(pjit, "_infer_params") else "_trace_for_jit"
    recode_all(patch, pjit, not_using(name))
    patch.setattr(pjit, "renamed", getattr(pjit, name), raising=False)


def jit_path(patch):
    recode(patch, pjit._cpp_pjit, renaming("cache_miss"))


def shortcuts(patch):
    patch.delattr(pjit, "_cpp_pjit_cache_explicit_attributes")


def eager_uses(patch):
    recode(patch, jax.random.split, not_using("_check_prng_key"))


def eager_loops(patch):
    patch.setattr(primitives.while_p, "impl", lambda *args, **params: None)


def shapes(patch):
    recode(patch, api.eval_shape, renaming("eval_shape"))


def stages(patch):
    patch.delattr(jax.stages.Lowered, "compile")


BREAKING = {
    "vmap": vmap,
    "jacobian": jacobian,
    "loop callers": loop_callers,
    "loop functions": loop_functions,
    "loop parameters": loop_parameters,
    "pmap": pmap,
    "checkpoint": checkpoint,
    "recomputation": recomputation,
    "name stack": name_stack,
    "places": places,
    "samplers": samplers,
    "key primitives": key_primitives,
    "splits": splits,
    "callbacks": callbacks,
    "derivative rules": derivative_rules,
    "refs": refs,
    "state": state,
    "tracers": tracers,
    "traces": traces,
    "jitted calls": jitted_calls,
    "jit path": jit_path,
    "shortcuts": shortcuts,
    "eager uses": eager_uses,
    "eager loops": eager_loops,
    "shapes": shapes,
    "stages": stages,
}


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("fact", ASSUMPTIONS, ids=lambda fact: fact.name)
def test_each_fact_that_no_longer_holds_is_a_gap(fact):
    if fact.name == "refs" and not hasattr(jax, "new_ref"):
        pytest.skip("this JAX has no refs")
    if fact.name == "pmap" and importlib.util.find_spec("jax._src.pmap") is None:
        pytest.skip("to this JAX a pmap is a primitive")
    with pytest.MonkeyPatch.context() as patch:
        BREAKING[fact.name](patch)
        assert any(fact.lost in message for message in check_assumptions.broken(watch=True))
    jax.clear_caches()

    args = jnp.zeros(3), jax.random.key(0)
    report = jaxrng_doctor.check(noisy, args, run=False)
    reported = [gap.message for gap in report.gaps if fact.lost in gap.message]
    assert len(reported) == (0 if fact.watch else 1)
    assert all(jax.__version__ in message for message in reported)
    with jaxrng_doctor.watch() as report:
        jax.jit(noisy)(*args)
    assert any(fact.lost in gap.message for gap in report.gaps)
    assert not report.complete


def test_on_this_jax_all_facts_hold():
    assert check_assumptions.broken(watch=True) == ()


def test_that_all_hold_is_remembered_for_the_very_same_jax(monkeypatch):
    assert not remembered.known_to_hold()
    check_assumptions.broken(watch=True)
    assert remembered.known_to_hold()
    monkeypatch.setattr(jax, "__version__", "99.0.0")
    assert not remembered.known_to_hold()


def test_an_answer_that_is_something_else_is_not_believed():
    check_assumptions.broken(watch=True)
    (file,) = remembered.folder().iterdir()
    file.write_text("something else")
    assert not remembered.known_to_hold()


def test_that_a_fact_does_not_hold_is_not_remembered():
    with pytest.MonkeyPatch.context() as patch:
        stages(patch)
        assert check_assumptions.broken(watch=True)
    assert not remembered.folder().exists()


def test_a_folder_that_cannot_be_written_is_no_fault(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert check_assumptions.broken(watch=True) == ()


def test_settings_are_part_of_what_is_remembered():
    check_assumptions.broken(watch=True)
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        pass  # a setting of this thread only, not of the process
    assert remembered.known_to_hold()
    before = jax.config.jax_numpy_rank_promotion
    jax.config.update("jax_numpy_rank_promotion", "warn")
    try:
        assert not remembered.known_to_hold()
    finally:
        jax.config.update("jax_numpy_rank_promotion", before)


def test_nothing_is_compiled_or_printed(cli_environment, tmp_path):
    program = (
        "import jax\n"
        "from jaxrng_doctor.jax_internals import check_assumptions\n"
        "seen = []\n"
        "listen = jax.monitoring.register_event_duration_secs_listener\n"
        "listen(lambda name, *_, **__: seen.append(name))\n"
        "assert check_assumptions.broken(watch=True) == ()\n"
        "assert not [name for name in seen if 'backend_compile' in name], seen\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**cli_environment, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
