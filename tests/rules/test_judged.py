"""What each rule finds in hand-made facts, and what it says about it."""

from dataclasses import replace

import pytest

from jaxrng_doctor import rules
from jaxrng_doctor.model.facts import (
    CallUse,
    Cause,
    EqualKeysInProcesses,
    Joint,
    ProgramFacts,
    Repeated,
    Returned,
    Shared,
    UseFacts,
    Variation,
)
from jaxrng_doctor.model.findings import STRIP_LENGTH, Evidence
from jaxrng_doctor.rules.rule import of_each_draw
from tests.rules.made_up import at, counted, draw, scope

pytestmark = pytest.mark.one_jax

CONSTANT, EQUAL, DISTINCT, UNKNOWN = Variation


def judged(code, **facts):
    found, gaps = rules.judge(ProgramFacts(**facts))
    assert gaps == ()
    return [finding for finding in found if finding.code == code]


def of_draw(code, *scopes, **more):
    [finding] = judged(code, draws=(draw(*scopes, **more),))
    return finding


def labels(finding):
    return [related.message for related in finding.related]


# -- scopes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "via", "label"),
    [
        (None, "", "mapped here"),
        (
            Cause("unmapped", "key", name="rng"), "",
            "`rng` is not mapped here: its entry in in_axes is None",
        ),
        (
            Cause("unmapped", "key", name="rng"), "flax.core.lift",
            "mapped here by flax, with one key for all examples",
        ),
        (
            Cause("captured", "key"), "",
            "mapped here; the function captures `key`, so in_axes does not map it",
        ),
        (
            Cause("captured", "key"), "flax.core.lift",
            "mapped here; the function captures `key`, so in_axes does not map it",
        ),
        (Cause("seed", "key(3)"), "", "mapped here; every example makes the same key, `key(3)`"),
        (Cause("equal values", "key"), "", "mapped here"),
    ],
)  # fmt: skip
def test_rng001_says_at_the_vmap_why_the_key_is_shared(cause, via, label):
    found = of_draw("RNG001", scope(place=at(2), cause=cause, via=via))
    assert labels(found)[0] == label


def test_rng001_is_for_constant_keys_and_rng002_for_those_that_are_equal():
    codes = {
        variation: [
            finding.code
            for finding in rules.judge(
                ProgramFacts(draws=(draw(scope(variation=variation, evidence=counted(4, 1))),))
            )[0]
        ]
        for variation in Variation
    }
    assert codes == {
        CONSTANT: ["RNG001"], EQUAL: ["RNG002"], DISTINCT: ["RNG002"], UNKNOWN: ["RNG002"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        (None, "the keys of all 4 examples of vmap(f) are equal"),
        (counted(4, 1), "4 examples of vmap(f) have only 1 distinct key"),
        (counted(4, 2), "4 examples of vmap(f) have only 2 distinct keys"),
        (counted(4, 4), "the keys of all 4 examples of vmap(f) are equal"),  # refuted
    ],
)
def test_rng002_counts_the_keys(evidence, message):
    assert of_draw("RNG002", scope(variation=EQUAL, evidence=evidence)).message == message


@pytest.mark.parametrize(("impl", "is_rbg"), [("fry", False), ("rbg", True), ("urbg", True)])
def test_rng002_is_a_warning_where_rbg_makes_the_rows_differ(impl, is_rbg):
    found = of_draw("RNG002", scope(variation=EQUAL, evidence=counted(4, 1)), impl=impl)
    assert found.severity == ("warning" if is_rbg else "error")
    assert [note.endswith("see RNG012") for note in found.notes] == [True] * is_rbg


@pytest.mark.parametrize(
    ("array", "label"),
    [
        ("", "mapped here, over keys that are not all different"),
        ("tile(key)", "mapped here, over keys that are not all different: `tile(key)`"),
    ],
)
def test_rng002_names_the_keys(array, label):
    found = of_draw("RNG002", scope(variation=EQUAL, place=at(2), array=array))
    assert labels(found) == [label]


@pytest.mark.parametrize(
    ("more", "label"),
    [
        ({}, "the loop; some of its steps share a key"),
        ({"array": "keys"}, "the loop; some of its steps share a key: `keys`"),
        (
            {"cause": Cause("captured", "key"), "variation": UNKNOWN},
            "the loop; some of its steps share a key",
        ),
        ({"cause": Cause("equal values", "keys")}, "the loop, over keys that are all equal"),
        (
            {"cause": Cause("seed", "key(3)")},
            "the loop; every step makes the same key, `key(3)`",
        ),
        (
            {"cause": Cause("loop constant", "key")},
            "the loop; its key does not change from step to step: `key`",
        ),
    ],
)
def test_rng003_says_at_the_loop_why_the_key_is_shared(more, label):
    found = of_draw("RNG003", scope("scan", place=at(2), evidence=counted(4, 2), **more))
    assert labels(found)[0] == label
    assert found.message == "4 steps of scan(f) have only 2 distinct keys"


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        (None, "all 4 devices of device(f) draw the same numbers"),
        (counted(4, 1), "all 4 devices of device(f) draw the same numbers"),
        (counted(4, 3), "4 devices of device(f) have only 3 distinct keys"),
    ],
)
def test_rng004_counts_the_keys_of_devices(evidence, message):
    found = of_draw("RNG004", scope("device", evidence=evidence))
    assert found.message == message
    assert found.help[1].code == "keys = jax.random.split(key, 4)"


@pytest.mark.parametrize(
    ("axis_name", "variation", "label", "code"),
    [
        (
            "data", CONSTANT, "the key is the same on every device",
            "key = jax.random.fold_in(key, jax.lax.axis_index('data'))",
        ),
        (
            None, UNKNOWN, "some of the devices share a key",
            "key = jax.random.fold_in(key, jax.lax.axis_index('devices'))  # pmap(…, "
            "axis_name='devices')",
        ),
    ],
)  # fmt: skip
def test_rng004_folds_in_the_index_along_the_axis(axis_name, variation, label, code):
    device = scope(
        "device", axis_name=axis_name, variation=variation, place=at(2), evidence=counted(4, 2)
    )
    found = of_draw("RNG004", device)
    assert labels(found) == [label]
    assert found.help[0].code == code


TOGETHER = Joint((0, 1), counted(8, 4), ("0, 1", "1, 0"))


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        (("vmap", "scan"), "RNG002"),
        (("scan", "while"), "RNG003"),
        (("scan", "device"), "RNG004"),
        (("device", "scan"), "RNG004"),
    ],
)
def test_one_rule_reports_what_scopes_share_only_together(kinds, code):
    scopes = [
        scope(kind, variation=DISTINCT, varies=True, place=at(2), axis_name="d") for kind in kinds
    ]
    found, _ = rules.judge(ProgramFacts(draws=(draw(*scopes, joint=(TOGETHER,)),)))
    assert [finding.code for finding in found] == [code]
    assert found[0].evidence == counted(8, 4)
    assert found[0].message.startswith("8 draws over the")
    if code == "RNG004":
        assert "together with this scope" in labels(found[0])
        [help] = found[0].help
        assert help.message.endswith("in a separate fold_in, because sums can repeat")


# -- processes -------------------------------------------------------------------------------------

LOCAL = CallUse("jax.random.normal", at(5), "step", at(11), 1)


def in_processes(count, data=("batch",), use=LOCAL):
    equal = EqualKeysInProcesses(use, tuple(range(count)), data, 7, 8, "0 7")
    [finding] = judged("RNG004", equal_in_processes=(equal,))
    return finding


@pytest.mark.parametrize(
    ("count", "processes"),
    [
        (2, "0 and 1"),
        (3, "0, 1 and 2"),
        (8, "0, 1, 2, 3, 4, 5, 6 and 7"),
        (9, "0, 1, 2, 3, 4, 5, 6, 7, ..."),
    ],
)
def test_rng004_lists_the_processes_with_one_key(count, processes):
    found = in_processes(count)
    assert found.message == (
        f"jax.random.normal in step draws the same numbers in {count} processes, "
        "each with its own batch"
    )
    assert found.notes == (f"processes {processes}; seen in 7 of the 8 compared calls",)
    assert found.evidence == Evidence(count, 1, (0,) * count, (0, 1), "0 7")


def test_rng004_shows_the_keys_of_only_so_many_processes():
    assert in_processes(1000).evidence.strip == (0,) * STRIP_LENGTH


@pytest.mark.parametrize(
    ("data", "own"),
    [((), "their data"), (("x",), "x"), (("x", "y"), "x and y")],
)
def test_rng004_names_the_data_of_processes(data, own):
    assert in_processes(2, data).message.endswith(f"each with its own {own}")


def test_rng004_shows_the_call_if_it_is_elsewhere():
    assert labels(in_processes(2)) == ["called from here"]
    assert labels(in_processes(2, use=replace(LOCAL, call=at(5)))) == []


# -- uses ------------------------------------------------------------------------------------------

DRAWN, AGAIN = (UseFacts("jax.random.normal", at(n), "key", at(1)) for n in (5, 6))
SPLIT, SPLIT_AGAIN = (UseFacts("split", at(n), "key", at(1)) for n in (7, 8))
OTHER = replace(AGAIN, made=at(2), origin="other")


@pytest.mark.parametrize(
    ("first", "second", "codes"),
    [
        (DRAWN, AGAIN, ["RNG005"]),
        (DRAWN, DRAWN, ["RNG005"]),
        (DRAWN, OTHER, ["RNG007"]),
        (SPLIT, DRAWN, ["RNG006"]),
        (DRAWN, SPLIT, ["RNG006"]),
        (SPLIT, replace(DRAWN, made=at(2)), ["RNG006"]),
        (SPLIT, SPLIT_AGAIN, ["RNG006"]),
        (SPLIT, SPLIT, []),  # a helper that splits and is called twice
        (replace(SPLIT, is_unused=True), DRAWN, []),
        (DRAWN, replace(SPLIT, is_unused=True), []),
        (replace(SPLIT, unused=(1,)), DRAWN, ["RNG006", "RNG009"]),
        (DRAWN, replace(SPLIT, unused=(1,)), ["RNG006", "RNG009"]),
        (replace(SPLIT, unused=(1,)), replace(SPLIT, origin="other"), []),
        (replace(SPLIT, unused=(0, 1), is_unused=True), DRAWN, ["RNG009"]),
        (replace(SPLIT, unused=(0, 1), is_unused=True), OTHER, []),
        (replace(DRAWN, siblings=(1,)), AGAIN, ["RNG005", "RNG009"]),
        (replace(DRAWN, siblings=(1,)), OTHER, ["RNG007"]),
        (replace(DRAWN, siblings=(1,)), DRAWN, ["RNG005"]),
    ],
)
def test_which_rules_report_two_uses_of_one_key(first, second, codes):
    found, gaps = rules.judge(ProgramFacts(shared=(Shared(first, second),)))
    assert (sorted(finding.code for finding in found), gaps) == (codes, ())


@pytest.mark.parametrize(
    ("counts", "message", "parts"),
    [
        ((2,), "draws 2 times from the key `key`", 2),
        ((3, 3), "draws 3 times from each of 2 keys, such as `key`", 3),
        ((3, 2), "draws 5 times from 2 keys, such as `key`", 3),
        ((2,) * 1000, "draws 2 times from each of 1,000 keys, such as `key`", 2),
    ],
)
def test_rng005_counts_the_draws_at_one_place(counts, message, parts):
    shared = Shared(DRAWN, DRAWN, counts, evidence=counted(2, 1))
    [found] = judged("RNG005", shared=(shared,))
    assert found.message == f"jax.random.normal {message}"
    assert found.help[0].code == f"keys = jax.random.split(key, {parts})"
    assert (found.evidence.examples, found.evidence.distinct_keys) == (sum(counts), len(counts))


def test_rng005_shows_the_first_of_two_draws():
    [found] = judged("RNG005", shared=(Shared(DRAWN, AGAIN),))
    assert found.message == (
        "jax.random.normal draws from the key `key`, which jax.random.normal already drew from"
    )
    assert [(r.place, r.message) for r in found.related] == [
        (at(5), "the first draw from this key"),
        (at(1), "this key is made here"),
    ]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (SPLIT, DRAWN, "the key `key` is drawn from after it was split"),
        (DRAWN, SPLIT, "the key `key` is split after it was drawn from"),
        (SPLIT, SPLIT_AGAIN, "the key `key` is split after it was split"),
    ],
)
def test_rng006_says_what_came_first(first, second, message):
    [found] = judged("RNG006", shared=(Shared(first, second),))
    assert found.message == message


@pytest.mark.parametrize(
    ("origin", "words"),
    [("key", "derived a second time"), ("other", "the same key as `key`")],
)
def test_rng007_says_where_the_key_was_made_again(origin, words):
    [found] = judged("RNG007", shared=(Shared(DRAWN, replace(OTHER, origin=origin)),))
    assert found.message == (
        f"jax.random.normal draws from `{origin}`, {words}, which jax.random.normal already "
        "drew from"
    )
    assert [(r.place.line, r.message) for r in found.related] == [
        (5, "the first draw from this key"),
        (1, "its key is made here"),
        (2, "the same key is made again here"),
    ]


@pytest.mark.parametrize(
    ("use", "output", "unreached", "severity", "message"),
    [
        (DRAWN, "", False, "warning", "drawn from by jax.random.normal, and returned unchanged as "
         "the output"),
        (SPLIT, "[1]", False, "warning", "split, and returned unchanged as output [1]"),
        (SPLIT, "[1]", True, "note", "split, and returned unchanged as output [1]"),
    ],
)  # fmt: skip
def test_rng008_says_how_the_returned_key_was_used(use, output, unreached, severity, message):
    returned = Returned(use, output, counted(2, 1), unreached)
    [found] = judged("RNG008", returned=(returned,))
    assert (found.message, found.severity) == (f"the key `key` is {message}", severity)
    assert (found.confidence, found.place) == ("proven", use.place)
    assert found.label == ("split here" if use is SPLIT else "drawn here")
    assert found.notes == ("with these inputs this use does not run",) * unreached


def test_rng008_ignores_a_split_that_nothing_uses():
    unused = replace(SPLIT, is_unused=True)
    assert judged("RNG008", returned=(Returned(unused, ""),)) == []


@pytest.mark.parametrize(
    ("first", "second", "message", "place", "again"),
    [
        (
            replace(SPLIT, unused=(1,)), DRAWN,
            "of this split, child 1 is never used, and its parent is used again", at(7), at(5),
        ),
        (
            DRAWN, replace(SPLIT, unused=(0, 2)),
            "of this split, children 0, 2 are never used, and its parent is used again",
            at(7), at(5),
        ),
        (
            replace(DRAWN, siblings=(1,)), AGAIN,
            "of this split, child 1 is never used, and its sibling is used again", at(1), at(6),
        ),
    ],
)  # fmt: skip
def test_rng009_says_which_child_is_unused(first, second, message, place, again):
    [found] = judged("RNG009", shared=(Shared(first, second),))
    assert (found.message, found.place) == (message, place)
    assert [(r.place, r.accepts) for r in found.related] == [(again, True)]
    assert found.confidence == "inferred"


# -- rbg -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "impl", "is_found"),
    [
        (scope(variation=DISTINCT), "rbg", True),
        (scope(variation=EQUAL), "urbg", True),
        (scope(variation=DISTINCT), "fry", False),
        (scope(variation=CONSTANT), "rbg", False),
        (scope(variation=DISTINCT, basis=True), "rbg", False),
        (scope("scan", variation=DISTINCT), "rbg", False),
        (scope("device", variation=DISTINCT), "rbg", False),
    ],
)
def test_rng012_is_about_rbg_keys_that_a_vmap_maps(facts, impl, is_found):
    found = judged("RNG012", draws=(draw(facts, impl=impl),))
    assert len(found) == is_found
    name = "unsafe_rbg" if impl == "urbg" else "rbg"
    for finding in found:
        assert finding.message.startswith(f"of the {name} keys of the 4 examples of vmap(f), only")


@pytest.mark.parametrize(
    ("scopes", "more", "is_found"),
    [
        (("vmap", "while"), {"impl": "rbg", "decides": True}, True),
        (("vmap", "while"), {"impl": "urbg", "decides": True}, True),
        (("vmap", "while"), {"impl": "fry", "decides": True}, False),
        (("vmap", "while"), {"impl": "rbg"}, False),
        (("while", "vmap"), {"impl": "rbg", "decides": True}, False),
        (("vmap", "scan"), {"impl": "rbg", "decides": True}, False),
        (("scan", "while"), {"impl": "rbg", "decides": True}, False),
    ],
)
def test_rng015_is_about_a_loop_that_rbg_draws_under_a_vmap_decide(scopes, more, is_found):
    made = [
        scope(kind, None if kind == "while" else 4, variation=DISTINCT, place=at(n))
        for n, kind in enumerate(scopes)
    ]
    found = judged("RNG015", draws=(draw(*made, **more),))
    assert len(found) == is_found
    for finding in found:
        assert finding.message.startswith("while(f) under vmap(f) redraws with mapped ")
        assert labels(finding) == ["mapped here", "the loop that redraws"]
        assert (finding.severity, finding.confidence) == ("error", "inferred")


# -- calls -----------------------------------------------------------------------------------------

CALLED = CallUse("jax.random.normal", at(5), "step", at(11), 1)
NEXT = replace(CALLED, call=at(12), number=2)


@pytest.mark.parametrize(
    ("second", "calls", "library", "message"),
    [
        (NEXT, (3,), "", "draws from one key in 3 calls"),
        (NEXT, (1234,), "", "draws from one key in 1,234 calls"),
        (NEXT, (3, 2), "", "draws from 2 keys, each in more than one call"),
        (
            replace(NEXT, place=at(6)), (2,), "",
            "draws from the key that jax.random.normal in step already drew from in another call",
        ),
        (
            replace(NEXT, place=at(6)), (2, 2), "",
            "draws from 2 keys that jax.random.normal in step already drew from in another call",
        ),
        (
            replace(NEXT, place=at(6)), (2,), "flax",
            "draws from the key that jax.random.normal in step already drew from",
        ),
    ],
)  # fmt: skip
def test_rng014_counts_the_calls_or_names_the_first(second, calls, library, message):
    [found] = judged("RNG014", repeated=(Repeated(CALLED, second, calls, "0 7", library),))
    assert found.message == f"jax.random.normal in step {message}"
    assert ("the first draw from this key" in labels(found)) is (second.place != CALLED.place)


def test_rng014_compares_the_functions_too():
    elsewhere = replace(NEXT, function="evaluate")
    [found] = judged("RNG014", repeated=(Repeated(CALLED, elsewhere, (2,), "0 7"),))
    assert found.message == (
        "jax.random.normal in evaluate draws from the key that jax.random.normal in step already "
        "drew from in another call"
    )


# -- all rules -------------------------------------------------------------------------------------


def test_a_draw_that_a_backward_pass_repeats_is_skipped():
    shared = draw(scope())
    assert judged("RNG001", draws=(replace(shared, redone=True),)) == []
    assert len(judged("RNG001", draws=(shared,))) == 1


SURE = {"refuted": counted(4, 4), "inferred": None, "proven": counted(4, 1)}


@pytest.mark.parametrize(
    ("confidences", "kept"),
    [
        (("refuted", "inferred"), "inferred"),
        (("inferred", "refuted"), "inferred"),
        (("inferred", "proven"), "proven"),
        (("proven", "inferred"), "proven"),
        (("refuted", "proven"), "proven"),
    ],
)
def test_of_several_findings_at_one_place_the_surest_is_kept(confidences, kept):
    draws = tuple(draw(scope(evidence=SURE[each])) for each in confidences)
    assert [finding.confidence for finding in judged("RNG001", draws=draws)] == [kept]


@pytest.mark.parametrize("order", [("refuted", "inferred"), ("inferred", "refuted")])
def test_of_several_notes_at_one_place_the_surest_is_kept(monkeypatch, order):
    [rule] = [rule for rule in rules.RULES if rule.code == "RNG012"]

    def found(draw):
        [finding] = rule.check(ProgramFacts(draws=(replace(draw, impl="rbg"),)))
        return replace(finding, severity="note", confidence=draw.origin)

    monkeypatch.setattr(rules, "RULES", (replace(rule, check=of_each_draw(found)),))
    draws = tuple(replace(draw(scope(variation=DISTINCT)), origin=each) for each in order)
    assert [finding.confidence for finding in judged("RNG012", draws=draws)] == ["inferred"]


def test_findings_at_other_places_are_kept_apart():
    one, other = draw(scope()), replace(draw(scope()), place=at(10))
    assert [f.place for f in judged("RNG001", draws=(one, other, one))] == [at(9), at(10)]


def test_a_rule_is_known_by_its_code_and_its_name_in_lower_case():
    words = rules.codes_by_word()
    assert words["rng001"] == words["shared-key-under-vmap"] == "RNG001"
    assert len(words) == 2 * len(rules.RULES)
