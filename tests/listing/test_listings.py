"""Listings compared with independent facts: JAX's own jaxpr, and keys that the tests make."""

from __future__ import annotations

import sysconfig
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from jaxrng_doctor.checking import examine
from jaxrng_doctor.model.facts import Variation
from jaxrng_doctor.model.listing import Box, Fold, Line, walk
from jaxrng_doctor.model.target import Target
from tests.coming import SCAN3

shard_map = getattr(jax, "shard_map", None)
if shard_map is None:
    from jax.experimental.shard_map import shard_map

KINDS = {"typed": jax.random.key, "legacy": jax.random.PRNGKey}
X = jnp.arange(6.0)
DRAWN = (8,)

both_kinds = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


def inspected(fn, *args, **options):
    return examine.inspect(Target(fn.__name__, fn, args), **options)


def draws(listing):
    return [row for row in walk(listing.rows) if isinstance(row, Line) and row.kind == "draw"]


def scopes(listing):
    """Kind, size and axis name of each scope, in the order in which the boxes open."""
    marks = [m.scope for row in walk(listing.rows) if isinstance(row, Box) for m in row.scopes]
    return [(s.kind, s.size, s.axis_name) for s in marks]


def pattern(rows):
    """A number for each row: equal rows have equal numbers, in order of first appearance."""
    seen = {}
    return [seen.setdefault(tuple(np.ravel(row).tolist()), len(seen)) for row in rows]


def words(keys):
    typed = jnp.issubdtype(keys.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(keys) if typed else keys)


# -- every equation ------------------------------------------------------------------------


def straight(x, key):
    first, second = jax.random.split(key)
    noise = jax.random.normal(first, DRAWN)
    return jnp.sin(x).sum() + noise * jax.random.uniform(second, DRAWN)


def looping(x, key):
    def step(carry, k):
        return carry * jnp.cos(jax.random.normal(k)), carry + 1.0

    total, path = lax.scan(step, x.sum(), jax.random.split(key, 4))
    return path + total


def choosing(x, key):
    def one(k):
        return jax.random.normal(k, DRAWN)

    def other(k):
        return jnp.zeros(DRAWN) + X[0] * 2.0

    return lax.cond(x.sum() > 0, one, other, key)


def turning(x, key):
    def body(state):
        i, k, total = state
        return i + 1, jax.random.fold_in(k, i), total + jax.random.normal(k)

    return lax.while_loop(lambda state: state[0] < 5, body, (0, key, x.sum()))[2]


def without_keys(x, key):
    del key
    return jax.jit(lambda y: jnp.exp(y) @ y)(x)


def subjaxprs(eqn):
    for value in eqn.params.values():
        for part in value if isinstance(value, (tuple, list)) else (value,):
            if hasattr(part, "eqns") or hasattr(part, "jaxpr"):
                yield getattr(part, "jaxpr", part)


def leaves(jaxpr):
    """The number of equations without inner jaxprs, by primitive."""
    found = Counter()
    for eqn in jaxpr.eqns:
        inside = list(subjaxprs(eqn))
        found.update([eqn.primitive.name] if not inside else [])
        for inner in inside:
            found += leaves(inner)
    return found


@pytest.mark.parametrize("fn", [straight, looping, choosing, turning, without_keys])
@both_kinds
def test_every_equation_is_there_once(fn, make):
    args = (X, make(0))
    ours = inspected(fn, *args, every=True)
    shown = Counter(
        row.what
        for row in walk(ours.rows)
        if isinstance(row, Line) and not row.inside and row.kind != "draw"
    )
    wanted = leaves(jax.make_jaxpr(fn)(*args).jaxpr)
    if SCAN3:  # its carry is in refs, which are shown as their values
        for name in ("new_ref", "get", "swap"):
            del wanted[name]
    assert shown == wanted
    assert ours.equations > sum(shown.values()) or fn is without_keys


@pytest.mark.parametrize("fn", [straight, looping, choosing, turning, without_keys])
@pytest.mark.parametrize("every", [False, True])
def test_the_counts_add_up(fn, every):
    listing = inspected(fn, X, jax.random.key(0), every=every)

    def counted(rows):
        total = 0
        for row in rows:
            if isinstance(row, Box):
                inside = counted(row.rows)
                is_part = row.place is None and not row.outputs
                assert row.equations == inside + (not is_part)
                total += row.equations
            else:
                if isinstance(row, Fold) and row.rows:
                    assert row.equations == counted(row.rows)
                if isinstance(row, Line) and row.inside:
                    assert row.equations == 1 + counted(row.inside)
                total += row.equations
        return total

    assert counted(listing.rows) == listing.equations > 0


def test_only_what_keys_touch_is_unfolded():
    listing = inspected(straight, X, jax.random.key(0))
    kinds = Counter(row.kind for row in walk(listing.rows) if isinstance(row, Line))
    assert kinds["draw"] == 2
    assert kinds["split"] == 1
    assert not {"sin", "mul", "add"} & {r.what for r in walk(listing.rows) if isinstance(r, Line)}
    assert [row for row in walk(listing.rows) if isinstance(row, Fold)]


@pytest.mark.parametrize("fn", [straight, looping, choosing, turning])
def test_names_are_unique_and_every_use_has_its_variable(fn):
    listing = inspected(fn, X, jax.random.key(0), every=True)
    made = [v.name for v in listing.inputs]
    used = {atom.text for _, atom in listing.results if atom.is_variable}
    for row in walk(listing.rows):
        if isinstance(row, Line):
            made += [v.name for v in row.outputs]
            used |= {a.text for a in row.operands if a.is_variable}
        if isinstance(row, Box):
            made += [v.name for v in row.outputs]
            made += [e.inner.name for e in row.entries if e.inner]
            atoms = [*row.results, *(e.outer for e in row.entries if e.outer)]
            used |= {a.text for a in atoms if a.is_variable}
    names = [name for name in made if name != "_"]
    assert len(names) == len(set(names))
    assert used <= set(names)


# -- keys ----------------------------------------------------------------------------------


@both_kinds
def test_one_number_is_one_key(make):
    """Compared with the words of keys that are made here, without jaxrng-doctor."""
    index = jnp.array([3, 1, 1, 0, 3, 2])

    def gathered(x, key):
        keys = jax.random.split(key, 4)[index]
        return jax.vmap(lambda y, k: y + jax.random.normal(k))(x, keys)

    key = make(7)
    (draw,) = draws(inspected(gathered, X, key))
    real = words(jax.random.split(key, 4)[index])
    assert list(draw.key.strip) == pattern(real)
    assert (draw.key.count, draw.key.distinct) == (6, 4)


@both_kinds
def test_the_same_key_in_two_draws_and_in_a_nested_vmap(make):
    def twice(x, keys):
        def chain(key):
            first = jax.random.normal(key)
            inner = jax.vmap(lambda y, k: y + jax.random.uniform(k), in_axes=(0, None))
            return first + inner(x, key)

        return jax.vmap(chain)(keys)

    keys = jax.random.split(make(0), 3)
    outer, inner = draws(inspected(twice, X, keys))
    assert outer.key.strip == (0, 1, 2)
    assert inner.key.strip == tuple(np.repeat([0, 1, 2], len(X)))
    assert (inner.key.count, inner.key.distinct) == (18, 3)


@both_kinds
def test_keys_of_a_loop_and_of_its_result(make):
    def walked(x, key):
        def step(key, y):
            key, subkey = jax.random.split(key)
            return key, y + jax.random.normal(subkey)

        key, path = lax.scan(step, key, x)
        return path + jax.random.normal(key)

    key = start = make(3)
    real = []
    for _ in range(len(X)):
        key, subkey = jax.random.split(key)
        real.append(words(subkey))
    listing = inspected(walked, X, start)
    inside, after = draws(listing)
    assert list(inside.key.strip) == pattern([*real, words(key)])[:-1]
    assert after.key.strip == (6,)
    (given,) = [v for v in listing.inputs if v.key]
    assert given.key.count == 1
    assert given.key.strip[0] not in (*inside.key.strip, *after.key.strip)


@both_kinds
def test_a_while_loop_and_a_branch_show_what_was_reached(make):
    def turned(x, key):
        def body(state):
            i, k, total = state
            total += lax.cond(i < 2, lambda k: jax.random.normal(k), lambda k: 0.0, k)
            return i + 1, jax.random.fold_in(k, i), total

        return lax.while_loop(lambda state: state[0] < 5, body, (0, key, x.sum()))[2]

    (draw,) = draws(inspected(turned, X, make(0)))
    assert (draw.key.count, draw.key.strip) == (2, (0, 1))


def test_without_a_run_numbers_are_derivations():
    def reused(x, key):
        other = jax.random.fold_in(key, 1)
        return (
            x
            + jax.random.normal(key, x.shape)
            + jax.random.uniform(key, x.shape) * (jax.random.normal(other, x.shape))
        )

    listing = inspected(reused, X, jax.random.key(0), run=False)
    first, again, other = draws(listing)
    assert first.key.strip == again.key.strip != other.key.strip
    assert not first.key.computed
    assert first.key.count is None
    assert listing.not_computed
    assert [(f.code, f.confidence) for f in listing.findings] == [("RNG005", "inferred")]
    assert again.findings == (0,)


def test_many_uses_are_not_computed_unless_there_is_time():
    def chain(x, key):
        for _ in range(40):
            key, subkey = jax.random.split(key)
            x = x + jax.random.normal(subkey, x.shape)
        return x

    listing = inspected(chain, X, jax.random.key(0))
    assert "--timeout" in listing.not_computed
    assert not any(draw.key.computed for draw in draws(listing))
    assert len({draw.key.strip for draw in draws(listing)}) == 40
    patient = inspected(chain, X, jax.random.key(0), timeout=100.0)
    assert patient.not_computed == ""
    assert [draw.key.strip for draw in draws(patient)] == [(n,) for n in range(40)]


# -- scopes --------------------------------------------------------------------------------


def test_scopes_are_boxes_with_kind_size_and_axis_name():
    def nested(x, keys):
        def inner(y, key):
            def step(carry, k):
                return carry + jax.random.normal(k), None

            return lax.scan(step, y, jax.random.split(key, 3))[0]

        outer = jax.vmap(inner, in_axes=(0, None), axis_name="batch")
        return jax.vmap(lambda key: outer(x, key), axis_name="chains")(keys)

    listing = inspected(nested, X, jax.random.split(jax.random.key(0), 2))
    assert scopes(listing) == [("vmap", 2, "chains"), ("vmap", 6, "batch"), ("scan", 3, None)]
    (draw,) = draws(listing)
    same = (Variation.CONSTANT, Variation.EQUAL)
    over = draw.outputs[0].over
    assert [variation in same for variation in over] == [False, True, False]
    leaf = next(node for node in listing.tree if node.kind == "draw")
    assert [mark.index for mark in leaf.scopes] == ["i", "j", "k"]


def test_a_device_map_has_a_scope_for_each_axis():
    mesh = Mesh(np.array(jax.devices()[:4]).reshape(2, 2), ("rows", "columns"))

    def on_devices(x, key):
        def block(y, k):
            return y + jax.random.normal(k, y.shape)

        specs = (PartitionSpec("rows", "columns"), PartitionSpec())
        return shard_map(
            block, mesh=mesh, in_specs=specs, out_specs=PartitionSpec("rows", "columns")
        )(x, key)

    listing = inspected(on_devices, jnp.ones((4, 4)), jax.random.key(0))
    assert scopes(listing) == [("device", 2, "rows"), ("device", 2, "columns")]
    (draw,) = draws(listing)
    assert draw.key.strip == (0, 0, 0, 0)
    (box,) = [row for row in walk(listing.rows) if isinstance(row, Box) and row.scopes]
    assert [entry.how for entry in box.entries if entry.inner.key] == ["the same for all"]


def carried_on(xs, ws, key):
    def step(x, w):
        return x @ w + jax.random.normal(key), x.sum()

    return lax.scan(step, xs, ws)


def turned_on(x, key):
    return lax.while_loop(lambda x: x.sum() < 9, lambda x: x + jax.random.normal(key) ** 2 + 1, x)


@pytest.mark.parametrize(
    ("fn", "args"), [(carried_on, (X, jnp.ones((3, 6, 6)))), (turned_on, (X,))]
)
def test_what_changes_in_a_loop_is_never_said_to_stay_the_same(fn, args):
    """What no key depends on is only followed with `every`; without it nothing is claimed."""

    def carries(every):
        listing = inspected(fn, *args, jax.random.key(0), every=every)
        boxes = [row for row in walk(listing.rows) if isinstance(row, Box)]
        return [e.inner.over for box in boxes for e in box.entries if e.how == "carry"]

    assert carries(every=False)
    assert all(over == () for over in carries(every=False))
    assert all(over == (Variation.UNKNOWN,) for over in carries(every=True))


def test_each_scope_has_an_index_separate_however_deep():
    def fn(x, key):
        def drawn(x):
            return x + jax.random.normal(key)

        for _ in range(8):
            drawn = jax.vmap(drawn)
        return drawn(x)

    listing = inspected(fn, jnp.ones((1,) * 8), jax.random.key(0))
    boxes = [row for row in walk(listing.rows) if isinstance(row, Box)]
    indices = [mark.index for box in boxes for mark in box.scopes]
    assert len(indices) == len(set(indices)) == 8
    # No variable has the name of an index, unless the user gave it that name.
    assert not set(indices) & {v.name for box in boxes for v in box.outputs}


def test_scopes_are_called_what_the_user_called():
    def fn(x, key):
        def draw(x):
            return x + jax.random.normal(key)

        mesh = Mesh(np.array(jax.devices()[:1]), ("d",))
        cut = PartitionSpec("d")
        x = shard_map(draw, mesh=mesh, in_specs=cut, out_specs=cut)(x)
        x = lax.map(draw, lax.fori_loop(0, 3, lambda i, x: draw(x), x))
        return lax.while_loop(lambda x: x.sum() < 0, draw, jax.vmap(draw)(x))

    listing = inspected(fn, X, jax.random.key(0))
    boxes = [row for row in walk(listing.rows) if isinstance(row, Box)]
    called = [mark.called for box in boxes for mark in box.scopes]
    assert called == ["shard_map", "fori_loop", "lax.map", "vmap", "while_loop"]


def test_a_finding_stands_at_the_draw_and_at_the_vmap_that_shares():
    def helper(key):
        return jax.random.normal(key)

    def both(x, key, keys):
        shared = jax.vmap(lambda y: y + helper(key))(x)
        own = jax.vmap(lambda y, k: y + helper(k))(x, keys)
        return shared + own

    key, other = jax.random.split(jax.random.key(0))
    listing = inspected(both, X, key, jax.random.split(other, 6))
    shared, own = draws(listing)
    assert [listing.findings[n].code for n in shared.findings] == ["RNG001"]
    assert own.findings == ()
    boxes = [row for row in walk(listing.rows) if isinstance(row, Box) and row.scopes]
    assert [bool(box.findings) for box in boxes] == [True, False]
    assert [bool(n.findings) for n in listing.tree if n.kind == "draw"] == [True, False]


# -- the key tree --------------------------------------------------------------------------


def test_a_finding_stands_at_the_draw_and_not_at_what_made_its_key_on_the_same_line():
    text = "def dropout(x, key): return x + jax.random.normal(jax.random.fold_in(key, 3))"
    library = {"jax": jax}
    exec(compile(text, f"{sysconfig.get_paths()['purelib']}/library.py", "exec"), library)

    def fn(x, key):
        return jax.vmap(lambda row: library["dropout"](row, key))(x)

    listing = inspected(fn, X, jax.random.key(0))
    lines = {row.kind: row for row in walk(listing.rows) if isinstance(row, Line)}
    assert lines["draw"].place == lines["fold_in"].place  # only the user's line is known
    assert lines["draw"].findings == (0,)
    assert lines["fold_in"].findings == ()


@both_kinds
def test_the_tree_leads_from_the_seed_to_the_draws(make):
    def seeded(x):
        key = make(5)
        first, second = jax.random.split(key)
        keys = jax.random.split(jax.random.fold_in(second, 9), 6)
        noise = jax.vmap(lambda y, k: y + jax.random.normal(k))(x, keys)
        return noise + jax.random.uniform(first, x.shape)

    tree = inspected(seeded, X).tree

    def way(node):
        above = () if node.parent is None else way(tree[node.parent])
        return (*above, node.label)

    ways = {way(node) for node in tree if node.kind == "draw"}
    assert ways == {
        ("key(5)", "split(2)", "[0]", "jax.random.uniform"),
        ("key(5)", "split(2)", "[1]", "fold_in(9)", "split(6)", "[i]", "jax.random.normal"),
    }
    assert all(node.parent is None or node.parent < n for n, node in enumerate(tree))


def test_a_split_that_nothing_uses_and_a_returned_key_are_in_the_tree():
    def returning(x, key):
        jax.random.split(key)
        new, subkey = jax.random.split(key, 3)[:2]
        return x + jax.random.normal(subkey, x.shape), new

    tree = inspected(returning, X, jax.random.key(0)).tree
    (leaf,) = [node for node in tree if node.kind == "returned"]
    assert leaf.label == "returned as output[1]"
    assert [node.label for node in tree if node.kind == "split"] == ["split(2)", "split(3)"]


def test_a_long_chain_needs_no_stack():
    def chain(x, key):
        for i in range(1500):
            key = jax.random.fold_in(key, i)
        return x + jax.random.normal(key, x.shape)

    tree = inspected(chain, X, jax.random.key(0), run=False).tree
    assert [node.kind for node in tree] == ["input", *["fold_in"] * 1500, "draw"]
