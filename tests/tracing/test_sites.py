"""Findings give the lines of the draw and of the vmap that the user wrote."""

import functools
import importlib.util
import textwrap

import jax
import jax.numpy as jnp
import pytest

import jaxrng_doctor
from jaxrng_doctor.tracing import recording_vmaps

X = jnp.arange(12.0).reshape(4, 3)
KEY = jax.random.key(0)
SHARING = ["RNG001", "RNG003"]


@pytest.fixture
def places(tmp_path):
    """Check `fn` of a module; return the source lines of the draw and the scopes of each finding.

    The module is imported as the command line imports it, so that its vmaps are recorded.
    """

    def check(text, **others):
        sources = {f"{name}.py": textwrap.dedent(t) for name, t in others.items()}
        sources["main.py"] = textwrap.dedent(text)
        for name, source in sources.items():
            (tmp_path / name).write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location("main", tmp_path / "main.py")
        module = importlib.util.module_from_spec(spec)
        with recording_vmaps():
            spec.loader.exec_module(module)
        report = jaxrng_doctor.check(module.fn, (X, KEY), run=False, select=SHARING)

        def line(place):
            name = place.path.removeprefix(f"{tmp_path}/")
            return sources[name].splitlines()[place.line - 1].strip()

        return [(line(f.place), *(line(s.place) for s in f.scopes)) for f in report.findings]

    return check


HEAD = """
import functools
import jax
import jax.numpy as jnp

"""


def test_a_helper_that_is_jitted_and_called_from_two_lines(places):
    assert places(
        HEAD
        + """
@jax.jit
def noise(x, key):
    return x + jax.random.normal(key, x.shape)  # the draw

def fn(x, key):
    def f(row, key):
        a = noise(row, key)
        b = noise(row, key)
        return a * b
    return jax.vmap(f, (0, None))(x, key)
"""
    ) == [
        ("return x + jax.random.normal(key, x.shape)  # the draw",
         "return jax.vmap(f, (0, None))(x, key)"),
    ]  # fmt: skip


def test_a_helper_that_is_mapped_on_two_lines(places):
    found = places(
        HEAD
        + """
@jax.jit
def noise(x, key):
    return x + jax.random.normal(key, x.shape)

def fn(x, key):
    a = jax.vmap(noise, (0, None))(x, key)  # first
    b = jax.vmap(noise, (0, None))(x + 1, key)  # second
    return a + b
"""
    )

    draw = "return x + jax.random.normal(key, x.shape)"
    assert found == [
        (draw, "a = jax.vmap(noise, (0, None))(x, key)  # first"),
        (draw, "b = jax.vmap(noise, (0, None))(x + 1, key)  # second"),
    ]


def test_a_vmap_at_module_level(places):
    assert places(
        HEAD
        + """
def noise(x, key):
    return x + jax.random.normal(key, x.shape)

batched = jax.vmap(noise, in_axes=(0, None))

def fn(x, key):
    return batched(x, key)
"""
    ) == [
        ("return x + jax.random.normal(key, x.shape)",
         "batched = jax.vmap(noise, in_axes=(0, None))"),
    ]  # fmt: skip


def test_a_decorator(places):
    [(draw, vmap)] = places(
        HEAD
        + """
@functools.partial(jax.vmap, in_axes=(0, None))
def fn(x, key):
    return x + jax.random.normal(key, x.shape)
"""
    )

    assert draw == "return x + jax.random.normal(key, x.shape)"
    assert vmap in ("@functools.partial(jax.vmap, in_axes=(0, None))", "def fn(x, key):")


def test_a_vmap_imported_by_name(places):
    assert places(
        """
from jax import random, vmap

def fn(x, key):
    batched = vmap(lambda row: row * random.uniform(key))
    return batched(x)
"""
    ) == [
        ("batched = vmap(lambda row: row * random.uniform(key))",
         "batched = vmap(lambda row: row * random.uniform(key))"),
    ]  # fmt: skip


def test_calls_over_several_lines(places):
    assert places(
        HEAD
        + """
def fn(x, key):
    def f(row):
        return (
            row
            + jax.random.truncated_normal(
                key,
                -1.0,
                1.0,
                row.shape,
            )
        )

    return jax.vmap(
        f,
        in_axes=0,
    )(
        x,
    )
"""
    ) == [("+ jax.random.truncated_normal(", "return jax.vmap(")]


def test_a_draw_in_another_file(places):
    assert places(
        """
import importlib.util, pathlib
import jax

spec = importlib.util.spec_from_file_location("other", pathlib.Path(__file__).with_name("other.py"))
other = importlib.util.module_from_spec(spec)
spec.loader.exec_module(other)

def fn(x, key):
    return jax.vmap(other.noise, (0, None))(x, key)
""",
        other="""
        import jax

        def noise(x, key):
            return x + jax.random.laplace(key, x.shape)
        """,
    ) == [
        ("return x + jax.random.laplace(key, x.shape)",
         "return jax.vmap(other.noise, (0, None))(x, key)"),
    ]  # fmt: skip


def test_nested_vmaps_and_loops_each_have_their_line(places):
    assert places(
        HEAD
        + """
def fn(x, key):
    def step(total, _):
        inner = jax.vmap(lambda v: v + jax.random.normal(key))
        return total + jax.vmap(inner)(x), None

    return jax.lax.scan(step, x, length=3)
"""
    )[0] == (
        "inner = jax.vmap(lambda v: v + jax.random.normal(key))",
        "return jax.lax.scan(step, x, length=3)",
        "return total + jax.vmap(inner)(x), None",
        "inner = jax.vmap(lambda v: v + jax.random.normal(key))",
    )


def test_under_grad_and_checkpoint(places):
    assert places(
        HEAD
        + """
@jax.checkpoint
def f(row, key):
    return jnp.sin(row * jax.random.normal(key, row.shape))

def loss(x, key):
    return jax.vmap(f, (0, None))(x, key).sum()

def fn(x, key):
    return jax.value_and_grad(loss)(x, key)
"""
    ) == [
        ("return jnp.sin(row * jax.random.normal(key, row.shape))",
         "return jax.vmap(f, (0, None))(x, key).sum()"),
    ]  # fmt: skip


def test_the_places_of_keys_made_equal_on_two_lines():
    def first(x):
        own = jax.random.key(0)  # made first
        return x + jax.random.normal(own, x.shape)

    def second(x):
        own = jax.random.key(0)  # made second
        return x * jax.random.normal(own, x.shape)

    report = jaxrng_doctor.check(
        lambda x: (jax.vmap(first)(x), jax.vmap(second)(x)), (X,), select=SHARING
    )

    made = [
        [r.place.line for r in f.related if r.message.startswith("the key is made here")]
        for f in report.findings
    ]
    lines = [first.__code__.co_firstlineno + 1, second.__code__.co_firstlineno + 1]
    assert made == [[lines[0]], [lines[1]]]


def test_columns_underline_the_call():
    def noisy(row, key):
        return row + jax.random.normal(key, row.shape)

    [finding] = jaxrng_doctor.check(noisy, (X, KEY), in_axes=(0, None), run=False).findings

    place = finding.place
    assert (place.path, place.line) == (__file__, noisy.__code__.co_firstlineno + 1)
    text = "        return row + jax.random.normal(key, row.shape)"
    assert text[place.column - 1 : place.end_column - 1] == "jax.random.normal(key, row.shape)"
    assert place.function.endswith("noisy")


def test_a_function_that_python_calls_from_elsewhere():
    """Sorting, mapping and partial application add frames that belong to no user function."""
    noise = functools.partial(lambda shape, key: jax.random.normal(key, shape), (3,))

    def fn(x, key):
        return jax.vmap(lambda row: sum(map(noise, [key]), row))(x)

    [finding] = jaxrng_doctor.check(fn, (X, KEY), run=False).findings

    assert finding.place.line == fn.__code__.co_firstlineno - 2
