"""Device maps in a watched program."""

import jax
import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
    import jax
    import jax.numpy as jnp

    def noisy(x, key):
        return x + jax.random.normal(key, x.shape)

    key = jax.random.key(0)
    shared = jax.pmap(noisy, in_axes=(0, None))
    split = jax.pmap(noisy)
    print(shared(jnp.ones((2, 3)), key).shape)
    print(split(jnp.ones((2, 3)), jax.random.split(key)).shape)
    print(shared.lower(jnp.ones((2, 3)), key).as_text()[:6])
"""


AGAIN = """
    import sys

    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax.sharding import Mesh, PartitionSpec as P

    def noisy(x, key, number=0):
        return x + jax.random.normal(jax.random.fold_in(key.reshape(()), number), x.shape)

    if sys.argv[1] == "pmap":
        step = jax.pmap(noisy, donate_argnums=1)
    elif sys.argv[1] == "static":
        step = jax.pmap(noisy, static_broadcasted_argnums=2)
    else:
        mesh, specs = Mesh(np.array(jax.devices()), ("d",)), (P("d"), P("d"))
        made = jax.shard_map(mesh=mesh, in_specs=specs, out_specs=P("d"))
        step = made(noisy) if sys.argv[1] == "decorator" else jax.shard_map(
            noisy, mesh=mesh, in_specs=specs, out_specs=P("d")
        )
    seed = 0
    for _ in range(3):
        keys = jax.random.wrap_key_data(np.array([[0, seed], [1, seed]], np.uint32))
        step(jnp.ones((2, 3)), keys, *([seed] if sys.argv[1] == "static" else []))
        seed += sys.argv[2] == "fresh"
"""


TWO = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}


def test_one_key_on_each_device(write, run_cli):
    write("script.py", SCRIPT)

    done = run_cli("run", "script.py", env=TWO)

    assert done.stdout == "(2, 3)\n(2, 3)\nmodule\n", done.stderr
    assert done.stderr.count("error[RNG004]") == 1
    assert "script.py:6:" in done.stderr
    assert "0 gaps" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("keys", ["fresh", "again"])
@pytest.mark.parametrize("kind", ["pmap", "static", "shard_map", "decorator"])
def test_calls_of_a_device_map_are_compared(write, run_cli, kind, keys):
    if kind in ("shard_map", "decorator") and not hasattr(jax, "shard_map"):
        pytest.skip("JAX has it in another module")
    write("script.py", AGAIN)

    done = run_cli("run", "script.py", kind, keys, env=TWO)

    assert done.stderr.count("error[") == (keys == "again"), done.stderr
    if keys == "again":
        assert "error[RNG014]" in done.stderr
        assert "AAABBB  6 uses, 2 distinct keys" in done.stderr
    elif kind == "static":
        assert "gap: calls of pmap(noisy) with other values than arrays are not compared" in (
            done.stderr
        )
    else:
        assert "0 gaps" in done.stderr


NAMED = """
    import sys

    import jax
    import jax.numpy as jnp

    @jax.pmap
    def noisy(x, *, scale, key):
        return scale * x + jax.random.normal(key)

    x = jnp.zeros(2)
    seed = 0
    for _ in range(2):
        noisy(x, scale=x, key=jax.random.split(jax.random.key(seed)))
        seed += sys.argv[1] == "fresh"
"""


@pytest.mark.parametrize("keys", ["fresh", "again"])
def test_keys_by_name_are_compared_in_whatever_order_they_are_given(write, run_cli, keys):
    write("script.py", NAMED)

    done = run_cli("run", "script.py", keys, env=TWO)

    assert done.stderr.count("error[RNG014]") == (keys == "again"), done.stderr
    assert "0 gaps" in done.stderr
