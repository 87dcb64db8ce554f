"""Thirty faulty and four clean programs, to compare what key checkers find.

Each is a function of `x`, f32[4,3], and `key`, one key, typed or legacy. `CODE` has the
rule that flags it, or `""` for the clean ones.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from meshes import shard_map

PROGRAMS = {}
CODE = {}


def program(what, code=""):
    def note(fn):
        PROGRAMS[what], CODE[what] = fn, code
        return fn

    return note


def noisy(x, key):
    return x + jax.random.normal(key, x.shape)


def steps(step, x, keys=None):
    return lax.scan(step, x, keys, length=4)[0]


# -- one key twice -----------------------------------------------------------------------


@program("two draws from one key", "RNG005")
def two_draws(x, key):
    return jax.random.normal(key, x.shape) + jax.random.normal(key, x.shape)


@program("two samplers, one key", "RNG005")
def two_samplers(x, key):
    return x * jax.random.bernoulli(key, 0.5, x.shape) + jax.random.normal(key, x.shape)


@program("a jitted helper called twice with one key", "RNG005")
def helper_twice(x, key):
    f = jax.jit(noisy)
    return f(f(x, key), key)


@program("one key for all leaves of a tree", "RNG005")
def tree_leaves(x, key):
    return jax.tree.map(lambda p: noisy(p, key), {"w": x, "b": x[0]})


@program("one child of a split used twice", "RNG005")
def child_twice(x, key):
    first, _ = jax.random.split(key)
    return noisy(noisy(x, first), first)


@program("a draw after the split", "RNG006")
def draw_after_split(x, key):
    first, second = jax.random.split(key)
    return noisy(noisy(noisy(x, first), second), key)


@program("two draws under checkpoint", "RNG005")
def under_checkpoint(x, key):
    f = jax.checkpoint(lambda x: jnp.sum(jnp.sin(noisy(x, key)) * jax.random.uniform(key)))
    return jax.grad(f)(x)


@program("fold_in twice with one number", "RNG007")
def folded_twice(x, key):
    one = jax.random.normal(jax.random.fold_in(key, 3), x.shape)
    return x + one * jax.random.normal(jax.random.fold_in(key, 3), x.shape)


@program("fold_in beside a split", "RNG007")
def folded_and_split(x, key):
    x = x + jax.random.normal(jax.random.split(key)[1], x.shape)
    return x + jax.random.normal(jax.random.fold_in(key, 1), x.shape)


# -- one key for all steps ---------------------------------------------------------------


@program("scan with a constant key", "RNG003")
def scan_constant(x, key):
    return steps(lambda x, _: (noisy(x, key), None), x)


@program("scan with an unchanged carry", "RNG003")
def scan_carry(x, key):
    return steps(lambda carry, _: ((noisy(*carry), carry[1]), None), (x, key))[0]


@program("fori_loop with a constant key", "RNG003")
def fori_constant(x, key):
    return lax.fori_loop(0, 4, lambda i, x: noisy(x, key), x)


@program("while_loop with a constant key", "RNG003")
def while_constant(x, key):
    def body(state):
        return state[0] + 1, noisy(state[1], key)

    return lax.while_loop(lambda state: state[0] < 4, body, (0, x))[1]


@program("lax.map with a captured key", "RNG003")
def mapped_constant(x, key):
    return lax.map(lambda row: noisy(row, key), x)


@program("scan over a broadcast key", "RNG003")
def scan_broadcast(x, key):
    keys = jnp.broadcast_to(key, (4, *key.shape))
    return steps(lambda x, key: (noisy(x, key), None), x, keys)


# -- one key for all examples ------------------------------------------------------------


@program("vmap with in_axes=None", "RNG001")
def unmapped(x, key):
    return jax.vmap(noisy, in_axes=(0, None))(x, key)


@program("vmap with a captured key", "RNG001")
def captured(x, key):
    return jax.vmap(lambda row: noisy(row, key))(x)


@program("vmap with a constant seed inside", "RNG001")
def seed_inside(x, key):
    seed = jax.random.PRNGKey if key.ndim else jax.random.key
    return jax.vmap(lambda row: noisy(row, seed(0)))(x)


@program("vmap with a split inside", "RNG001")
def split_inside(x, key):
    return jax.vmap(lambda row, key: noisy(row, jax.random.split(key)[0]), (0, None))(x, key)


@program("vmap with a constant fold_in inside", "RNG001")
def fold_inside(x, key):
    return jax.vmap(lambda row, key: noisy(row, jax.random.fold_in(key, 5)), (0, None))(x, key)


@program("nested vmap, shared over the inner", "RNG001")
def nested_inner(x, key):
    inner = jax.vmap(noisy, (0, None))
    return jax.vmap(inner, (None, 0))(x, jax.random.split(key))


@program("nested vmap, shared over the outer", "RNG001")
def nested_outer(x, key):
    return jax.vmap(jax.vmap(noisy), (0, None))(jnp.stack([x, x]), jax.random.split(key, 4))


@program("vmap over a broadcast key", "RNG002")
def broadcast(x, key):
    return jax.vmap(noisy)(x, jnp.broadcast_to(key, (4, *key.shape)))


@program("vmap over stack([key] * 4)", "RNG002")
def stacked(x, key):
    return jax.vmap(noisy)(x, jnp.stack([key] * 4))


@program("vmap over a repeated key", "RNG002")
def repeated(x, key):
    return jax.vmap(noisy)(x, jnp.repeat(key[None], 4, axis=0))


@program("vmap over equal gathers", "RNG002")
def gathered(x, key):
    return jax.vmap(noisy)(x, jax.random.split(key, 4)[jnp.zeros(4, int)])


@program("vmap over equal seeds", "RNG002")
def equal_seeds(x, key):
    seed = jax.random.PRNGKey if key.ndim else jax.random.key
    return jax.vmap(noisy)(x, jax.vmap(seed)(jnp.zeros(4, int)))


# -- one key for all devices, and no key at all ------------------------------------------


@program("shard_map with a replicated key", "RNG004")
def sharded(x, key):
    cut = P("data")
    mesh = Mesh(jax.devices()[:4], ("data",))
    return shard_map(noisy, mesh=mesh, in_specs=(cut, P()), out_specs=cut)(x, key)


@program("pmap with a replicated key", "RNG004")
def replicated(x, key):
    return jax.pmap(noisy, in_axes=(0, None))(x, key)


@program("NumPy's generator in a jitted function", "RNG010")
def from_numpy(x, key):
    return jax.jit(lambda x: x + np.random.normal(size=x.shape))(x)


# -- clean -------------------------------------------------------------------------------


@program("vmap over split keys")
def split_keys(x, key):
    return jax.vmap(noisy)(x, jax.random.split(key, 4))


@program("vmap of a scan over split keys")
def scan_under_vmap(x, key):
    def f(row, key):
        return steps(lambda row, key: (noisy(row, key), None), row, jax.random.split(key, 4))

    return jax.vmap(f)(x, jax.random.split(key, 4))


@program("fold_in of the axis index")
def folded_index(x, key):
    def f(row):
        return noisy(row, jax.random.fold_in(key, lax.axis_index("batch")))

    return jax.vmap(f, axis_name="batch")(x)


@program("one key in exclusive branches")
def exclusive(x, key):
    return x + lax.cond(x[0, 0] < 1, jax.random.normal, jax.random.uniform, key)
