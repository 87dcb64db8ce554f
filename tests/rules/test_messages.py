"""What rules ask of the facts, and the words that they share: each sentence is true of the facts.

The facts are hand-made, and the expected words are those that the documentation of each function
promises.
"""

from dataclasses import replace

import pytest

from jaxrng_doctor.model.facts import (
    CallUse,
    Cause,
    Joint,
    Repeated,
    Shared,
    Step,
    UseFacts,
    Variation,
    VmapSource,
)
from jaxrng_doctor.model.findings import STRIP_LENGTH, Evidence, Help, Related
from jaxrng_doctor.rules import RULES, _messages
from tests.rules.made_up import at, counted, draw, scope

pytestmark = pytest.mark.one_jax

CONSTANT, EQUAL, DISTINCT, UNKNOWN = Variation

ONE, ONE_THIS_TIME = {"reach": "one"}, {"reach": "one this time"}
TOGETHER = Joint((0, 1), counted(8, 4), ("example 0, step 1", "example 1, step 0"))


def apart(kind="vmap", **more):
    """A scope over which all keys differ."""
    return scope(kind, varies=True, variation=DISTINCT, evidence=counted(4, 4), **more)


# -- which scopes share a key ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "is_shared"),
    [
        (scope(), True),
        (scope(variation=EQUAL), True),
        (scope(variation=DISTINCT), False),
        (scope(variation=UNKNOWN), False),
        (scope(variation=UNKNOWN, evidence=counted(4, 4)), False),
        (scope(variation=UNKNOWN, evidence=counted(4, 3)), True),
        (scope(basis=True), False),
        (scope(declared=True, evidence=counted(4, 1)), False),
        (scope(size=1), False),
        (scope(**ONE), False),
        (scope(**ONE, evidence=counted(4, 1)), True),
        (scope(**ONE_THIS_TIME), True),
        (scope("device", meets=False), False),
    ],
)
def test_a_scope_shares_a_key_if_its_keys_repeat_or_would(facts, is_shared):
    assert _messages.is_shared(draw(facts), facts) is is_shared


def test_a_scope_that_only_one_example_reaches_shares_keys_together_with_another():
    one = scope(**ONE)
    assert _messages.is_shared(draw(one, apart("scan"), joint=(TOGETHER,)), one)


def test_scopes_that_share_are_of_the_unit_and_not_by_chance():
    vmap, scan, by_chance = scope(), scope("scan"), scope(**ONE_THIS_TIME)
    shared = _messages.shared_scopes
    assert shared(draw(vmap, scan, apart()), "example") == [vmap]
    assert shared(draw(vmap, scan), "step") == [scan]
    assert shared(draw(vmap, scan), "device") == []
    assert shared(draw(by_chance, vmap), "example") == [vmap]
    assert shared(draw(by_chance, scan), "example") == [by_chance]


def test_by_chance_is_only_for_the_given_inputs_and_with_no_other_scope():
    by_chance = scope(**ONE_THIS_TIME)
    assert _messages.by_chance(draw(by_chance), by_chance)
    assert not _messages.by_chance(draw(by_chance, apart(), joint=(TOGETHER,)), by_chance)
    for facts in (scope(), scope(**ONE)):
        assert not _messages.by_chance(draw(facts), facts)


def test_only_together_leaves_out_what_a_scope_shares_alone():
    one, other = apart(), apart("scan")
    assert list(_messages.only_together(draw(one, other, joint=(TOGETHER,)))) == [
        (TOGETHER, [one, other])
    ]
    assert list(_messages.only_together(draw(scope(), other, joint=(TOGETHER,)))) == []
    assert list(_messages.only_together(draw(one, other))) == []


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        (("vmap", "scan"), "RNG002"),
        (("scan", "while"), "RNG003"),
        (("scan", "device"), "RNG004"),
        (("device", "vmap"), "RNG004"),
    ],
)
def test_a_device_map_takes_precedence_over_a_vmap_and_a_vmap_over_a_loop(kinds, code):
    assert _messages.code_for([apart(kind) for kind in kinds]) == code


def test_the_evidence_is_that_of_the_scope_or_of_the_scopes_together():
    alone, once = scope(evidence=counted(4, 2)), scope(evidence=counted(1, 1), **ONE)
    other = apart("scan")
    evidence_of = _messages.evidence_of
    assert evidence_of(draw(alone), alone) == counted(4, 2)
    assert evidence_of(draw(alone, other, joint=(TOGETHER,)), alone) == counted(4, 2)
    assert evidence_of(draw(once, other, joint=(TOGETHER,)), once) == counted(8, 4)
    assert evidence_of(draw(apart(), other, joint=(TOGETHER,)), other) == counted(4, 4)
    assert evidence_of(draw(scope()), scope()) is None


def test_the_worst_scope_is_the_innermost_whose_keys_repeat_else_the_innermost():
    outer, inner = scope(name="outer"), scope(name="inner")
    repeating = scope(name="repeating", evidence=counted(4, 1))
    worst_of = _messages.worst_of
    assert worst_of(draw(outer, inner), [outer, inner]) is inner
    assert worst_of(draw(repeating, inner), [repeating, inner]) is repeating
    again = replace(repeating, called="again")
    assert worst_of(draw(repeating, again, inner), [repeating, again, inner]) is again


@pytest.mark.parametrize(
    ("evidence", "sure"),
    [
        (None, "inferred"),
        (counted(0, 0), "inferred"),
        (counted(1, 1), "inferred"),
        (counted(2, 1), "proven"),
        (counted(2, 2), "refuted"),
        (counted(9, 8), "proven"),
    ],
)
def test_only_repeated_keys_prove_a_finding(evidence, sure):
    assert _messages.confidence(evidence) == sure


@pytest.mark.parametrize(("reach", "severity"), [("many", "error"), ("one this time", "note")])
def test_what_is_shared_by_chance_is_a_note(reach, severity):
    facts = scope(reach=reach)
    assert _messages.severity("error", draw(facts), facts) == severity


# -- words about one scope -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "title"),
    [
        (scope(), "vmap(f)"),
        (scope("scan", called="fori_loop"), "fori_loop(f)"),
        (scope(name="<lambda>"), "vmap"),
        (scope(name=None, called="vmap"), "vmap"),
    ],
)
def test_the_title_of_a_scope(facts, title):
    assert _messages.title(facts) == title


@pytest.mark.parametrize(
    ("facts", "span"),
    [
        (scope(size=32), "32 examples"),
        (scope(size=32, evidence=counted(2, 1)), "32 examples"),
        (scope("scan", 1234), "1,234 steps"),
        (scope("device", 8), "8 devices"),
        (scope("while", None), "steps"),
        (scope("while", None, evidence=counted(1, 1)), "steps"),
        (scope("while", None, evidence=counted(2, 1)), "2 steps"),
        (scope("while", None, evidence=counted(256, 1), cut=True), "steps"),
    ],
)
def test_the_span_of_a_scope_is_its_size_or_what_was_counted(facts, span):
    assert _messages.span(facts) == span


@pytest.mark.parametrize(
    ("size", "evidence", "message"),
    [
        (4, None, "all 4 examples of vmap(f) draw the same numbers"),
        (4, (4, 1), "all 4 examples of vmap(f) draw the same numbers"),
        (None, (4, 1), "all 4 examples of vmap(f) draw the same numbers"),
        (4, (3, 1), "3 of the 4 examples of vmap(f) reach this draw, and get the same numbers"),
        (4, (2, 1), "2 of the 4 examples of vmap(f) reach this draw, and get the same numbers"),
        (
            4,
            (1, 1),
            "of the 4 examples of vmap(f), all that reach this draw get the same numbers",
        ),
    ],
)
def test_who_draws_the_same_numbers(size, evidence, message):
    facts = scope(size=size, evidence=counted(*evidence) if evidence else None)
    assert _messages.same_numbers(facts) == message


@pytest.mark.parametrize(
    ("evidence", "cut", "words"),
    [
        (None, False, ""),
        (counted(4, 1), False, ""),
        (counted(4, 4), False, ""),
        (counted(4, 2), False, "4 examples of vmap(f) have only 2 distinct keys"),
        (counted(4, 3), False, "4 examples of vmap(f) have only 3 distinct keys"),
        (counted(256, 2), True, "the first 256 examples of vmap(f) have only 2 distinct keys"),
    ],
)
def test_distinct_keys_are_counted_if_only_some_are_equal(evidence, cut, words):
    assert _messages.distinct_keys(scope(evidence=evidence, cut=cut)) == words


# -- words about several scopes --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "positions"),
    [
        ([scope("scan", 5)], ["the scan (5)"]),
        ([scope("while", None, called="while_loop")], ["the while_loop"]),
        ([scope(size=4), scope("scan", 5)], ["the vmap (4)", "the scan (5)"]),
        ([scope(size=4), scope(size=32)], ["the outer vmap (4)", "the inner vmap (32)"]),
        (
            [scope(size=n) for n in (1, 2, 3, 4, 5000)],
            [
                "the outermost vmap (1)",
                "the 2nd outermost vmap (2)",
                "the 3rd outermost vmap (3)",
                "the 4th outermost vmap (4)",
                "the innermost vmap (5,000)",
            ],
        ),
        (
            [scope("device", 2, axis_name="data"), scope("device", 3, called="pmap")],
            ["the axis 'data' (2)", "the pmap (3)"],
        ),
        ([scope(axis_name="i", size=3)], ["the vmap (3)"]),
    ],
)
def test_the_position_of_a_scope_among_those_of_its_kind(scopes, positions):
    assert [_messages.position(draw(*scopes), facts) for facts in scopes] == positions


def test_scope_by_scope_says_of_each_scope_what_is_known_from_the_inside_out():
    outer, middle, inner = apart(), scope("scan", 5), scope("while", None)
    unknown = scope("device", 2, axis_name="d", varies=None, variation=UNKNOWN)
    say = _messages.scope_by_scope
    assert say(draw(middle), [middle]) == ""
    assert (
        say(draw(outer, middle), [middle]) == "; shared over the scan (5), distinct over the "
        "vmap (4)"
    )
    assert say(draw(outer, middle, inner), [middle, inner]) == (
        "; shared over the while and the scan (5), distinct over the vmap (4)"
    )
    assert say(draw(outer, unknown, middle), [middle]) == (
        "; shared over the scan (5), not known to differ over the axis 'd' (2), "
        "distinct over the vmap (4)"
    )
    again = apart(size=3)
    assert say(draw(again, middle, outer), [middle]) == (
        "; distinct over the inner vmap (4), shared over the scan (5), "
        "distinct over the outer vmap (3)"
    )


def test_scope_by_scope_leaves_out_scopes_over_which_sharing_is_no_fault():
    assert _messages.scope_by_scope(draw(scope(), scope(basis=True)), [scope()]) == ""


def test_a_scope_that_shares_with_another_is_said_to_be_shared():
    once, other = scope(varies=True, **ONE), apart("scan")
    both = draw(once, other, joint=(TOGETHER,))
    assert _messages.scope_by_scope(both, [other]).startswith("; shared over the scan (4) and the")


def test_the_message_for_keys_that_repeat_across_scopes():
    scopes = [apart(), apart("scan", size=2)]
    assert _messages.together(draw(*scopes, joint=(TOGETHER,)), TOGETHER, scopes) == (
        "8 draws over the vmap (4) and the scan (2) together have only 4 distinct keys: "
        "(example 0, step 1) and (example 1, step 0) share one; over each scope alone the keys "
        "differ"
    )


# -- notes and places ------------------------------------------------------------------------------

BY_CHANCE = "with these inputs at most one draws at a time, so no key was shared"
AXES = VmapSource("f", (("x", 0), ("key", None)))


@pytest.mark.parametrize(
    ("scopes", "notes"),
    [
        ([scope()], ()),
        ([scope(**ONE_THIS_TIME)], (BY_CHANCE,)),
        ([scope(), scope(**ONE_THIS_TIME)], (BY_CHANCE,)),
        ([scope(vmap=AXES)], ("mapped by the target's in_axes (x: 0, key: None)",)),
        ([scope(vmap=AXES, place=at(3))], ()),
        ([scope("while", None, cut=True)], ()),
        (
            [scope("while", None, "step", cut=True, evidence=counted(256, 1))],
            ("only the keys of the first 256 steps of while(step) were computed; it made more",),
        ),
    ],
)
def test_the_notes_say_what_the_source_does_not_show(scopes, notes):
    assert _messages.notes(draw(*scopes), scopes) == notes


MADE = Step("random_seed", at(20))
CHAIN = (Step("fold_in", at(5)), Step("split", at(4)), Step("split", None), Step("other", at(3)))


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (None, []),
        (Cause("unmapped", "key"), []),
        (Cause("unmapped", "key", made=Step("random_seed", None)), []),
        (Cause("unmapped", "key", made=MADE), [(20, "the key is made here")]),
        (Cause("equal values", "key", made=MADE), [(20, "the keys are repeated here")]),
        (
            Cause("seed", "key(3)", made=MADE),
            [(20, "the key is made here, from the same seed for all examples")],
        ),
        (
            Cause("captured", "key", steps=CHAIN),
            [
                (5, "folded here, the same way for all examples"),
                (4, "split here, the same way for all examples"),
                (3, "other here, the same way for all examples"),
            ],
        ),
    ],
)
def test_the_origins_of_a_key_are_related_places(cause, words):
    found = _messages.related([scope(cause=cause)], ["mapped here"], "examples")
    assert found == tuple(Related(at(line), text) for line, text in words)


def test_the_places_of_scopes_come_before_the_origins_of_their_keys_and_each_once():
    cause = Cause("unmapped", "key", made=MADE)
    made = Related(at(20), "the key is made here")
    outer, inner = scope(place=at(1), cause=cause), scope(place=at(2), cause=cause)
    related = _messages.related
    assert related([outer, inner], ["one", "two"], "examples") == (
        Related(at(1), "one"), made, Related(at(2), "two"),
    )  # fmt: skip
    assert related([outer, inner], ["both"], "examples") == (
        Related(at(1), "both"), made, Related(at(2), "both"),
    )  # fmt: skip
    assert related([scope(), inner], ["one", "two"], "examples") == (Related(at(2), "two"), made)


@pytest.mark.parametrize("accepts", [False, True])
def test_a_place_is_related_if_it_is_known(accepts):
    assert _messages.at(None, "here", accepts=accepts) == ()
    assert _messages.at(at(3), "here", accepts=accepts) == (Related(at(3), "here", accepts),)


# -- two uses --------------------------------------------------------------------------------------

DRAWN, DRAWN_AGAIN = (UseFacts("jax.random.normal", at(n), "key", at(1)) for n in (5, 6))
SPLIT = UseFacts("split", at(7), "key", at(1))
PAIR = Shared(DRAWN, DRAWN_AGAIN, evidence=counted(2, 1))


@pytest.mark.parametrize(
    ("first", "second", "is_reuse"),
    [
        (DRAWN, DRAWN_AGAIN, True),
        (DRAWN, replace(DRAWN_AGAIN, made=at(2)), False),
        (SPLIT, DRAWN, False),
        (DRAWN, SPLIT, False),
        (SPLIT, SPLIT, False),
    ],
)
def test_a_reuse_is_two_draws_from_one_key(first, second, is_reuse):
    assert _messages.is_reuse(Shared(first, second)) is is_reuse


def test_the_evidence_of_uses_counts_each_use_of_each_key():
    shared = replace(PAIR, counts=(3, 2))
    assert _messages.of_uses(shared) == Evidence(5, 2, (0, 0, 0, 1, 1), key="0 7")
    many = _messages.of_uses(replace(PAIR, counts=(1000,)))
    assert many is not None
    assert (many.examples, many.strip) == (1000, (0,) * STRIP_LENGTH)
    assert _messages.of_uses(replace(shared, evidence=None)) is None


def pair(shared, severity="error"):
    return _messages.of_pair(
        "RNG005", "reused-key", severity, shared,
        message="twice", related=(Related(at(5), "first"),), help=(Help("split"),),
    )  # fmt: skip


def test_a_finding_about_two_uses_is_at_the_second():
    found = pair(PAIR)
    assert (found.code, found.name, found.message) == ("RNG005", "reused-key", "twice")
    assert (found.severity, found.confidence) == ("error", "proven")
    assert (found.place, found.label, found.notes) == (at(6), "drawn here", ())
    assert (found.related, found.help) == ((Related(at(5), "first"),), (Help("split"),))
    assert found.evidence == counted(2, 1)
    assert pair(replace(PAIR, second=SPLIT)).label == "split here"
    assert pair(replace(PAIR, evidence=None)).confidence == "inferred"


def test_two_uses_within_a_library_are_a_note_without_help():
    by_rule = replace(DRAWN, rule="the rule `bwd` of `f`")
    found = pair(replace(PAIR, first=by_rule, library="flax"))
    assert (found.severity, found.help) == ("note", ())
    assert found.notes == ("flax makes both uses, within one call from your code",)


def test_two_uses_that_do_not_both_run_are_a_note():
    found = pair(replace(PAIR, unreached=True))
    assert (found.severity, found.help) == ("note", (Help("split"),))
    assert found.notes == ("with these inputs the two uses do not both run, so no key was shared",)


def test_a_use_in_a_derivative_rule_is_named():
    by_rule = {"rule": "the rule `bwd` of `f`"}
    assert pair(replace(PAIR, first=replace(DRAWN, **by_rule))).notes == (
        "the first use is in the rule `bwd` of `f`, for its derivative",
    )
    assert pair(replace(PAIR, second=replace(DRAWN, **by_rule))).notes == (
        "the second use is in the rule `bwd` of `f`, for its derivative",
    )


@pytest.mark.parametrize(("counts", "accepts"), [((2,), True), ((2, 2), True), ((2, 3), False)])
def test_a_comment_counts_at_the_second_of_two_calls(counts, accepts):
    shared = replace(PAIR, counts=counts, calls=(at(11), at(12)))
    assert _messages.calls_to(shared) == (
        Related(at(11), "called here"),
        Related(at(12), "and again here, with the same key", accepts, is_call=accepts),
    )
    assert _messages.calls_to(replace(shared, calls=())) == ()


USED = CallUse("jax.random.normal", at(5), "step", at(11), 1)


def test_the_places_that_lead_to_two_uses():
    def places(first, second):
        repeated = Repeated(first, second, (2,), "0 7")
        return _messages.places_of(repeated, "the first draw from this key")

    elsewhere = replace(USED, call=at(12), number=2)
    next_call = Related(at(12), "and the next one here", accepts=True, is_call=True)
    first_call = Related(at(11), "the first call is here", accepts=True)
    assert places(USED, USED) == (Related(at(11), "called from here", accepts=True, is_call=True),)
    assert places(USED, elsewhere) == (first_call, next_call)
    # A use that is called where it is written needs no second place.
    assert places(replace(USED, call=at(5)), elsewhere) == (next_call,)
    assert places(replace(USED, call=None), replace(USED, call=None)) == ()
    # The finding is at the second use, so the first one is a place.
    first = replace(USED, place=at(4))
    assert places(first, elsewhere) == (
        Related(at(4), "the first draw from this key", accepts=True),
        first_call,
        next_call,
    )


def test_a_use_in_a_library_is_shown_beside_the_call_that_leads_there():
    used = replace(USED, library="numpyro", in_library=True)
    repeated = Repeated(used, replace(used, call=at(12), number=2), (2,), "0 7")
    assert _messages.places_of(repeated, "the first draw from this key") == (
        Related(at(11), "the first call is here", accepts=True),
        Related(at(5), "the library's line"),
    )


@pytest.mark.parametrize(
    ("function", "words"),
    [("step", "jax.random.normal in step"), ("", "jax.random.normal")],
)
def test_a_use_is_named_with_its_function(function, words):
    assert _messages.use_in_call(replace(USED, function=function)) == words


# -- findings --------------------------------------------------------------------------------------


def of_scopes(facts, evidence, **more):
    [rule] = [rule for rule in RULES if rule.code == "RNG001"]
    return _messages.of_scopes(
        rule, draw(facts), [facts], facts, evidence, "shared",
        at=lambda facts: f"mapped by {facts.called}", units="examples", help=(Help("split"),),
        **more,
    )  # fmt: skip


def test_a_finding_about_a_draw():
    facts = scope(place=at(2), called="vmap")
    found = of_scopes(facts, counted(4, 1), more=("more",))
    assert (found.code, found.severity, found.confidence) == ("RNG001", "error", "proven")
    assert (found.place, found.message, found.scopes) == (at(9), "shared", (facts.scope,))
    assert found.related == (Related(at(2), "mapped by vmap"),)
    assert (found.evidence, found.help, found.notes) == (
        counted(4, 1), (Help("split"),), ("more",),
    )  # fmt: skip


def test_a_finding_that_the_computed_keys_refute_is_a_note_without_help():
    found = of_scopes(scope(), counted(4, 4), more=("more",))
    assert (found.severity, found.confidence, found.help) == ("note", "refuted", ())
    assert found.notes == (_messages.REFUTED, "more")


def test_a_finding_by_chance_is_a_note_and_says_why():
    found = of_scopes(scope(**ONE_THIS_TIME), counted(1, 1))
    assert (found.severity, found.confidence) == ("note", "inferred")
    assert found.notes == (BY_CHANCE,)
