"""Keys that are deleted or have changed by the time they are compared."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import jaxrng_doctor


def watched(program):
    with jaxrng_doctor.watch() as report:
        program()
    return report


def codes(report):
    return [finding.code for finding in report.findings]


def test_numpys_keys_are_those_of_their_time():
    draw = jax.jit(lambda key: jax.random.normal(key))

    def program(step):
        key = np.array([0, 0], np.uint32)
        for _ in range(3):
            key += np.uint32(step)
            draw(key)
            key += np.uint32(step)
            jax.random.normal(key)

    assert codes(watched(lambda: program(1))) == []
    assert set(codes(watched(lambda: program(0)))) == {"RNG014"}


def test_a_key_that_is_donated_later_is_compared():
    @functools.partial(jax.jit, donate_argnums=0)
    def train(state):
        return state[0] + jax.random.normal(state[1]), jax.random.fold_in(state[1], 0)

    @jax.jit
    def evaluate(state):
        return state[0] + jax.random.uniform(state[1])

    def program(evaluated, drawn):
        state = jnp.zeros(()), jax.random.key(0)
        for _ in range(3):
            if evaluated:
                evaluate(state)
            if drawn:
                jax.random.bits(state[1])
            state = train(state)

    assert codes(watched(lambda: program(False, False))) == []
    for evaluated, drawn in [(True, False), (False, True)]:
        report = watched(lambda e=evaluated, d=drawn: program(e, d))
        assert report.gaps == ()
        (finding,) = report.findings
        assert (finding.code, finding.confidence) == ("RNG014", "proven")


def test_where_a_key_is_deleted_the_others_are_compared():
    def program():
        gone = jax.random.key(1)
        jax.random.normal(gone)
        jax.random.key_data(gone).delete()
        for _ in range(2):
            jax.random.normal(jax.random.key(0))

    report = watched(program)

    assert codes(report) == ["RNG005"]
    assert [gap.message for gap in report.gaps] == [
        "some calls are not compared: their keys have been donated or deleted since"
    ]
