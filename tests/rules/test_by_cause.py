"""One cause is one finding, with all its places. Each function says how many causes it has."""

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import pytest

import jaxrng_doctor
from jaxrng_doctor.model.findings import Finding, Place, Related
from jaxrng_doctor.rules.by_cause import MOST_PLACES, grouped, ungrouped

X = jnp.arange(3.0)
KEY = jax.random.key(0)
normal, uniform, split, fold_in = (
    jax.random.normal,
    jax.random.uniform,
    jax.random.split,
    jax.random.fold_in,
)


def check(fn):
    arguments = {"x": X, "key": KEY}
    given = [arguments[name] for name in inspect.signature(fn).parameters]
    report = jaxrng_doctor.check(fn, given)
    assert report.gaps == ()
    return report


def line(fn, text):
    """The number of the only line of a function that contains `text`."""
    lines, first = inspect.getsourcelines(fn)
    (found,) = (n for n, each in enumerate(lines, first) if text in each)
    return found


# -- several draws of one cause --------------------------------------------------------------


def eight_draws(key):
    a = normal(key)
    b = normal(key)
    c = normal(key)
    d = uniform(key)
    e = normal(key)
    f = normal(key)
    g = normal(key)
    return a, b, c, d, e, f, g, normal(key)


def drawn_and_split(key):
    a, b = split(key)
    return normal(a), normal(b), normal(key), uniform(key)


def split_in_a_loop(key):
    found = []
    for _ in range(2):
        a, b = split(key)
        found += [normal(a), normal(b)]
        key, _ = split(key)
    return found


def same_split_twice(key):
    a, b = split(key)
    c, d = split(key)
    return normal(a), normal(b), normal(c), normal(d)


def one_seed_twice(x):
    a = split(jax.random.key(3))
    b = split(jax.random.key(3))
    return x, normal(a[0]), normal(a[1]), normal(b[0]), normal(b[1])


def stale_carry(key):
    def body(key, _):
        key, _unused = split(key)
        return key, normal(key)

    return jax.lax.scan(body, key, length=4)


def stale_carry_of_a_while_loop(key):
    def body(state):
        i, key, total = state
        key, _ = split(key)
        return i + 1, key, total + normal(key)

    return jax.lax.while_loop(lambda state: state[0] < 4, body, (0, key, 0.0))


def unchanged_carry(key):
    return jax.lax.scan(lambda key, _: (key, normal(key)), key, length=4)


def unmapped(x, key):
    def one(row, key):
        a, b = split(key)
        return row + normal(a) * uniform(b) + normal(fold_in(key, 3))

    return jax.vmap(one, (0, None))(x, key)


def unmapped_tree(x, key):
    def one(row, keys):
        return row + normal(keys["a"]) * normal(keys["b"])

    a, b = split(key)
    return jax.vmap(one, (0, None))(x, {"a": a, "b": b})


def seeded_inside(x):
    def one(row):
        a, b = split(jax.random.key(0))
        return row + normal(a) * normal(b)

    return jax.vmap(one)(x)


def examples_and_steps(x, key):
    def one(row):
        return jax.lax.scan(lambda c, _: (c + normal(key), None), row, None, 20)[0]

    return jax.vmap(one)(x)


def unmapped_and_scanned(x, key):
    def one(row, key):
        return jax.lax.scan(lambda c, _: (c + normal(key), None), row, None, 20)[0]

    return jax.vmap(one, (0, None))(x, key)


def unmapped_in_a_scan(x, key):
    keys = split(key)

    def body(x, _):
        return jax.vmap(lambda row, key: row + normal(key), (0, None))(x, keys[1]), None

    return jax.lax.scan(body, x, None, 20)[0]


ONE = {
    eight_draws: ("RNG005", ()),
    drawn_and_split: ("RNG005", ("RNG006",)),
    split_in_a_loop: ("RNG006", ("RNG009",)),
    same_split_twice: ("RNG007", ("RNG006",)),
    one_seed_twice: ("RNG007", ("RNG006",)),
    stale_carry: ("RNG006", ("RNG008", "RNG009")),
    stale_carry_of_a_while_loop: ("RNG006", ("RNG008",)),
    unchanged_carry: ("RNG003", ("RNG008",)),
    unmapped: ("RNG001", ()),
    unmapped_tree: ("RNG001", ()),
    seeded_inside: ("RNG001", ()),
    examples_and_steps: ("RNG001", ("RNG003",)),
    unmapped_and_scanned: ("RNG001", ("RNG003",)),
    unmapped_in_a_scan: ("RNG001", ("RNG003",)),
}


@pytest.mark.parametrize("fn", ONE, ids=lambda fn: fn.__name__)
def test_one_cause(fn):
    (finding,) = check(fn).findings

    also = finding.also
    if fn is stale_carry_of_a_while_loop:
        # JAX leaves dead code in the bodies of while loops, so that the child looks used. Its
        # coming defaults do not.
        also = tuple(code for code in also if code != "RNG009")
    assert (finding.code, also) == ONE[fn]
    assert {part.code for part in finding.parts} == {finding.code, *finding.also}
    for code in finding.also:
        assert any(note.startswith(f"also {code} ") for note in finding.notes)


def seed_that_collides_with_the_argument(key):
    """The argument is `key(0)`, and what derives from the dummy meets what derives from it."""
    key, sub = split(key)
    noise = normal(sub)
    key, sub = split(key)
    first = split(sub, 3)
    dummy, again = split(jax.random.key(0))
    noise += uniform(again)
    dummy, again = split(dummy)
    second = split(again, 3)
    return noise, uniform(first[0]), uniform(first[2]), normal(second[0]), normal(second[2]), key


def test_what_derives_from_two_splits_of_equal_keys_is_one_cause():
    (finding,) = check(seed_that_collides_with_the_argument).findings

    assert (finding.code, finding.also) == ("RNG007", ("RNG006", "RNG009"))
    lines = {"dummy, again = split(jax.random.key(0))", "second = split(again, 3)"}
    marked = {part.place.line for part in finding.parts}
    assert {line(seed_that_collides_with_the_argument, text) for text in lines} <= marked


# -- several causes --------------------------------------------------------------------------


def two_keys(key):
    a, b = split(key)
    return normal(a), normal(a), normal(b), normal(b)


def two_arguments(x, key):
    a, b = split(key)
    return jax.vmap(lambda row, a, b: row + normal(a) * normal(b), (0, None, None))(x, a, b)


def two_of_any_number_of_arguments(x, key):
    def one(row, *args):
        return row + normal(args[0]) * normal(args[1])

    return jax.vmap(one, (0, None, None))(x, *split(key))


def unmapped_and_used_twice(x, key):
    return jax.vmap(lambda row, key: row + normal(key) * normal(key), (0, None))(x, key)


def two_vmaps(x, key):
    a, b = split(key)
    x = jax.vmap(lambda row, key: row + normal(key), (0, None))(x, a)
    return jax.vmap(lambda row, key: row + normal(key), (0, None))(x, b)


def repeated_in_a_scan_and_unmapped(x, key):
    keys = jnp.stack([key, fold_in(key, 1), key])

    def body(x, key):
        return jax.vmap(lambda row, key: row + normal(key), (0, None))(x, key), None

    return jax.lax.scan(body, x, keys)[0]


def split_in_each_step_and_captured(x, key):
    def body(x, _):
        a, b = split(key)
        return jax.vmap(lambda row: row + normal(a))(x) + normal(b), None

    return jax.lax.scan(body, x, None, 20)[0]


def two_collisions(key):
    a = normal(fold_in(key, 0))
    b = normal(fold_in(key, 0))
    c = normal(fold_in(key, 7))
    return a, b, c, normal(fold_in(key, 7))


def one_collision_of_two_keys(key):
    once = [normal(fold_in(key, n)) for n in (0, 7)]
    return once + [normal(fold_in(key, n)) for n in (0, 7)]


SEVERAL = {
    two_keys: ["RNG005", "RNG005"],
    two_arguments: ["RNG001", "RNG001"],
    two_of_any_number_of_arguments: ["RNG001", "RNG001"],
    unmapped_and_used_twice: ["RNG001", "RNG005"],
    two_vmaps: ["RNG001", "RNG001"],
    two_collisions: ["RNG007", "RNG007"],
    one_collision_of_two_keys: ["RNG007"],
    repeated_in_a_scan_and_unmapped: ["RNG001", "RNG003"],
    split_in_each_step_and_captured: ["RNG001", "RNG003"],
}


@pytest.mark.parametrize("fn", SEVERAL, ids=lambda fn: fn.__name__)
def test_several_causes(fn):
    assert sorted(finding.code for finding in check(fn).findings) == SEVERAL[fn]


# -- what the finding says -------------------------------------------------------------------


def test_all_uses_of_a_key_are_places_and_are_counted():
    (finding,) = check(eight_draws).findings
    first = line(eight_draws, "a = normal")

    assert finding.place.line == first + 1
    assert [r.place.line for r in finding.related] == [first, *range(first + 2, first + 8)]
    assert finding.message == (
        "jax.random.normal draws from the key `key`, which jax.random.normal already drew from; "
        "8 uses of this key in all"
    )
    assert (finding.evidence.examples, finding.evidence.distinct_keys) == (8, 1)
    assert finding.evidence.strip == (0,) * 8
    assert [help.code for help in finding.help] == ["keys = jax.random.split(key, 8)"]


def test_the_cause_is_told_before_what_follows_from_it():
    (finding,) = check(split_in_a_loop).findings

    assert finding.place.line == line(split_in_a_loop, "key, _ = split(key)")
    assert "`key` is split after it was split" in finding.message


def test_a_carry_is_split_in_the_step_after_the_draw():
    (finding,) = check(stale_carry).findings

    assert finding.place.line == line(stale_carry, "split(key)")
    assert [r.place.line for r in finding.related] == [line(stale_carry, "normal(key)")]
    assert finding.message.endswith("is split after it was drawn from in an earlier step")
    (unused,) = (part for part in finding.parts if part.code == "RNG009")
    assert unused.message == "of this split, child 1 is never used, and its sibling is used again"


def test_the_evidence_counts_what_the_finding_is_about():
    (finding,) = check(examples_and_steps).findings
    of_each = {part.code: part.evidence for part in finding.parts}

    assert (of_each["RNG001"].examples, of_each["RNG001"].unit) == (3, "example")
    assert (of_each["RNG003"].examples, of_each["RNG003"].unit) == (20, "step")


def drawn_again_in_a_later_step(key):
    def body(total, numbers):
        total = total + normal(fold_in(key, numbers[0]))
        return total + uniform(fold_in(key, numbers[1])), None

    numbers = jnp.array([[0, 4], [5, 6], [7, 0]])
    return jax.lax.scan(body, 0.0, numbers, reverse=True)


def test_the_last_step_of_a_reversed_scan_is_the_first_to_draw():
    (finding,) = check(drawn_again_in_a_later_step).findings

    assert finding.place.line == line(drawn_again_in_a_later_step, "normal(")
    assert finding.message.endswith("which jax.random.uniform already drew from in an earlier step")


def overwritten(key):
    key, other = split(key)
    return normal(key), uniform(key), normal(other)


def test_a_key_that_was_overwritten_is_shown_by_the_line_that_makes_it():
    (finding,) = check(overwritten).findings

    made = [r for r in finding.related if r.place.line == line(overwritten, "split(key)")]
    assert [r.message for r in made] == ["this key is made here"]


# -- the parts of a finding ------------------------------------------------------------------


def part(number, code="RNG005", severity="error", cause=1):
    place = Place("/no/a.py", number)
    return Finding(code, "name", severity, "proven", f"on line {number}", place, cause_id=cause)


def test_at_most_so_many_places_and_a_count_of_the_others():
    (finding,) = grouped([part(number) for number in range(1, 21)])

    assert [r.place.line for r in finding.related] == list(range(2, MOST_PLACES + 1))
    assert finding.notes == (f"and at {20 - MOST_PLACES} more places",)


def test_the_most_severe_part_comes_first():
    parts = [part(1, "RNG009", "note"), part(2, "RNG008", "warning"), part(3, "RNG006", "warning")]

    (finding,) = grouped(parts)

    assert (finding.code, finding.severity, finding.also) == (
        "RNG006",
        "warning",
        ("RNG008", "RNG009"),
    )
    assert finding.notes == (
        "also RNG008 (name): on line 2",
        "also RNG009 (name): on line 1",
    )


def test_no_finding_without_a_cause_is_grouped():
    findings = [part(1, cause=None), part(2, cause=None), part(3, cause=0)]

    assert grouped(findings) == tuple(findings)


def test_the_parts_can_be_had_again():
    parts = [part(1), part(2, cause=2), part(3), part(4, "RNG006", "warning", cause=2)]

    assert sorted(ungrouped(grouped(parts)), key=lambda f: f.place.line) == parts
    assert list(ungrouped(grouped(ungrouped(grouped(parts))))) == list(ungrouped(grouped(parts)))


def test_a_place_is_marked_once():
    call = Related(Place("/no/a.py", 9), "called here")
    parts = [
        Finding("RNG005", "name", "error", "proven", "", part(n).place, related=(call,), cause_id=1)
        for n in (1, 2)
    ]

    (finding,) = grouped(parts)

    assert [r.place.line for r in finding.related] == [9, 2]
