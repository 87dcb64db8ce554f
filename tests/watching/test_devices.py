"""Device maps in a watched program."""

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


TWO = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}


def test_one_key_on_each_device(write, run_cli):
    write("script.py", SCRIPT)

    done = run_cli("run", "script.py", env=TWO)

    assert done.stdout == "(2, 3)\n(2, 3)\nmodule\n", done.stderr
    assert done.stderr.count("error[RNG004]") == 1
    assert "script.py:6:" in done.stderr
    assert "0 gaps" in done.stderr
    assert done.returncode == 1
