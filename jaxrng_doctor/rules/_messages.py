"""Queries of the facts, and the wording of findings, that several rules share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace

from jaxrng_doctor.model.facts import (
    UNNAMED_KEY,
    CallUse,
    Cause,
    DrawFacts,
    Joint,
    Repeated,
    ScopeFacts,
    Shared,
    UseFacts,
    repeats,
)
from jaxrng_doctor.model.findings import (
    STRIP_LENGTH,
    UNITS,
    Confidence,
    Evidence,
    Finding,
    Help,
    Place,
    Related,
    Severity,
)
from jaxrng_doctor.rules.rule import Rule

REFUTED = (
    "the trace shows a shared key, but the computed keys differ: "
    "this is a bug in jaxrng-doctor, please report it"
)


def shared_scopes(draw: DrawFacts, unit: str) -> list[ScopeFacts]:
    """The scopes with this unit (`UNITS`) that share a key, each considered alone.

    A scope in which at most one example drew with the given inputs is listed only if all of them
    are like this.
    """
    shared = [s for s in draw.scopes if UNITS[s.scope.kind] == unit and is_shared(draw, s)]
    return [s for s in shared if not by_chance(draw, s)] or shared


def is_shared(draw: DrawFacts, facts: ScopeFacts) -> bool:
    """Whether the examples of a scope share a key, or would if several of them drew at a time."""
    if not facts.is_checked:
        return False
    if facts.repeats:
        return True
    return facts.variation.is_same and (facts.reach != "one" or _joint(draw, facts) is not None)


def by_chance(draw: DrawFacts, facts: ScopeFacts) -> bool:
    """Whether no key is shared only because at most one example draws with the given inputs."""
    return facts.reach == "one this time" and _joint(draw, facts) is None


def only_together(draw: DrawFacts) -> Iterator[tuple[Joint, list[ScopeFacts]]]:
    """The sets of scopes that share keys together, where no scope of the set shares keys alone.

    A set with a scope whose key is the same for all examples is left out: `shared_scopes` has
    that scope.
    """
    for joint in draw.joint:
        scopes = [draw.scopes[depth] for depth in joint.scopes]
        if not any(s.variation.is_same for s in scopes):
            yield joint, scopes


def code_for(scopes: Sequence[ScopeFacts]) -> str:
    """The code of the rule that reports scopes that share keys only together.

    A device map takes precedence over a vmap, and a vmap over a loop.
    """
    units = set(map(unit, scopes))
    return "RNG004" if "device" in units else "RNG002" if "example" in units else "RNG003"


def evidence_of(draw: DrawFacts, worst: ScopeFacts) -> Evidence | None:
    """The count of keys over a shared scope, or over the scopes that share keys with it."""
    joint = _joint(draw, worst)
    return worst.evidence if joint is None or worst.repeats else joint.evidence


def _joint(draw: DrawFacts, facts: ScopeFacts) -> Joint | None:
    """The sharing over several scopes that the trace attributes to this one."""
    if not facts.variation.is_same:
        return None
    return next((j for j in draw.joint if any(draw.scopes[d] is facts for d in j.scopes)), None)


def together(draw: DrawFacts, joint: Joint, shared: Sequence[ScopeFacts]) -> str:
    """The message for keys that repeat only across scopes."""
    where = " and ".join(position(draw, s) for s in shared)
    one, other = joint.pair
    return (
        f"{joint.evidence.examples:,} draws over {where} together have only "
        f"{joint.evidence.distinct_keys:,} distinct keys: ({one}) and ({other}) share one; "
        "over each scope alone the keys differ"
    )


def worst_of(draw: DrawFacts, shared: Sequence[ScopeFacts]) -> ScopeFacts:
    """The innermost shared scope whose computed keys repeat, else the innermost."""
    return next((s for s in reversed(shared) if repeats(evidence_of(draw, s))), shared[-1])


def confidence(evidence: Evidence | None) -> Confidence:
    """The confidence of a finding that the trace shows, given the computed keys."""
    if evidence is None or evidence.examples < 2:
        return "inferred"
    return "proven" if repeats(evidence) else "refuted"


def quoted(origin: str) -> str:
    """The description of a key in backquotes, unless it is not code."""
    return origin if origin == UNNAMED_KEY else f"`{origin}`"


def the_key(origin: str) -> str:
    """``the key `split(key, 2)[0]` ``, or `a captured key`."""
    return origin if origin == UNNAMED_KEY else f"the key `{origin}`"


def unit(facts: ScopeFacts) -> str:
    return UNITS[facts.scope.kind]


def title(facts: ScopeFacts) -> str:
    """`vmap(add_noise)`, or `scan(body)`."""
    name, called = facts.scope.name, facts.called or facts.scope.kind
    return f"{called}({name})" if name and name.isidentifier() else called


def span(facts: ScopeFacts) -> str:
    """`32 examples`, or `steps` if their number is unknown."""
    size = facts.scope.size
    if (
        size is None
        and facts.evidence is not None
        and facts.evidence.examples > 1
        and not facts.cut
    ):
        size = facts.evidence.examples
    return f"{unit(facts)}s" if size is None else f"{size:,} {unit(facts)}s"


def same_numbers(facts: ScopeFacts) -> str:
    """States that all examples of a scope, or all that drew in the run, draw the same numbers."""
    size, evidence = facts.scope.size, facts.evidence
    if evidence is None or size is None or evidence.examples >= size:
        return f"all {span(facts)} of {title(facts)} draw the same numbers"
    if evidence.examples < 2:
        return (
            f"of the {span(facts)} of {title(facts)}, all that reach this draw get the same numbers"
        )
    some = f"{evidence.examples:,} of the {span(facts)} of {title(facts)}"
    return f"{some} reach this draw, and get the same numbers"


def distinct_keys(facts: ScopeFacts) -> str:
    """States how many distinct keys there are if only some are equal; else, or if unknown, `""`."""
    evidence = facts.evidence
    if evidence is None or not 1 < evidence.distinct_keys < evidence.examples:
        return ""
    return (
        f"{'the first ' if facts.cut else ''}{evidence.examples:,} {unit(facts)}s of "
        f"{title(facts)} have only "
        f"{evidence.distinct_keys:,} distinct keys"
    )


def position(draw: DrawFacts, facts: ScopeFacts) -> str:
    """`the inner vmap (32)` of two vmaps; `the scan (5)` if there is only one."""
    kind = facts.called or facts.scope.kind
    if facts.scope.kind == "device" and facts.scope.axis_name:
        return f"the axis '{facts.scope.axis_name}' ({facts.scope.size:,})"
    same = [s for s in draw.scopes if (s.called or s.scope.kind) == kind]
    size = f" ({facts.scope.size:,})" if facts.scope.size is not None else ""
    index = next(i for i, s in enumerate(same) if s is facts)
    if len(same) == 1:
        return f"the {kind}{size}"
    if len(same) == 2:
        return f"the {('outer', 'inner')[index]} {kind}{size}"
    if index in (0, len(same) - 1):
        return f"the {'innermost' if index else 'outermost'} {kind}{size}"
    ordinal = {1: "2nd", 2: "3rd"}.get(index, f"{index + 1}th")
    return f"the {ordinal} outermost {kind}{size}"


def scope_by_scope(draw: DrawFacts, shared: Sequence[ScopeFacts]) -> str:
    """`; shared over the inner vmap (32), distinct over the outer vmap (4)`, for nested scopes."""
    judged = [s for s in draw.scopes if s.is_checked]
    if len(judged) < 2:
        return ""
    words = {True: "distinct", False: "shared", None: "not known to differ"}
    parts = [
        (words[False if s in shared or _joint(draw, s) else s.scope.varies], position(draw, s))
        for s in reversed(judged)
    ]
    listed: list[str] = []
    for i, (word, where) in enumerate(parts):
        again = i > 0 and parts[i - 1][0] == word
        listed.append(f"and {where}" if again else f"{word} over {where}")
    return "; " + ", ".join(listed).replace(", and", " and")


def severity(usual: Severity, draw: DrawFacts, worst: ScopeFacts) -> Severity:
    """The severity of a shared scope: a note if at most one of its examples drew."""
    return "note" if by_chance(draw, worst) else usual


def notes(draw: DrawFacts, shared: Sequence[ScopeFacts]) -> tuple[str, ...]:
    """Facts that the source does not show: at most one example drew, or `check` added a vmap."""
    found = []
    if any(by_chance(draw, s) for s in shared):
        found.append("with these inputs at most one draws at a time, so no key was shared")
    for facts in shared:
        if facts.vmap is not None and facts.scope.place is None:
            axes = ", ".join(f"{name}: {axis}" for name, axis in facts.vmap.in_axes)
            found.append(f"mapped by the target's in_axes ({axes})")
        if facts.cut and facts.evidence is not None:
            steps = f"{facts.evidence.examples:,} steps of {title(facts)}"
            found.append(f"only the keys of the first {steps} were computed; it made more")
    return tuple(found)


def related(
    shared: Sequence[ScopeFacts],
    words: Sequence[str],
    unit_words: str,
) -> tuple[Related, ...]:
    """The places of the scopes, and of the origins of their keys, each with a label."""
    found: list[Related] = []
    every = list(words) * len(shared) if len(words) == 1 else words
    for facts, word in zip(shared, every, strict=True):
        if facts.scope.place is not None:
            found.append(Related(facts.scope.place, word))
        if facts.cause is not None:
            found.extend(_origins(facts.cause, unit_words))
    return tuple(dict.fromkeys(found))


def _origins(cause: Cause, unit_words: str) -> list[Related]:
    places = []
    if cause.made is not None and cause.made.place is not None:
        if cause.kind == "equal values":
            words = "the keys are repeated here"
        elif cause.kind == "seed":
            words = f"the key is made here, from the same seed for all {unit_words}"
        else:
            words = "the key is made here"
        places.append(Related(cause.made.place, words))
    for step in cause.steps:
        if step.place is not None:
            verb = {"split": "split", "fold_in": "folded"}.get(step.op, step.op)
            places.append(Related(step.place, f"{verb} here, the same way for all {unit_words}"))
    return places


def is_reuse(shared: Shared) -> bool:
    """Whether both uses are draws from one key, not from two keys that happen to be equal."""
    draws = not shared.first.is_split and not shared.second.is_split
    return draws and shared.first.made == shared.second.made


def of_uses(shared: Shared) -> Evidence | None:
    """The evidence for all uses at one place, of each key that is shared there."""
    if shared.evidence is None:
        return None
    used = [key for key, uses in enumerate(shared.counts) for _ in range(uses)]
    return replace(
        shared.evidence,
        examples=len(used),
        distinct_keys=len(shared.counts),
        strip=tuple(used[:STRIP_LENGTH]),
    )


def before(shared: Shared) -> str:
    """` in an earlier step` if that holds for the first use."""
    return " in an earlier step" if shared.later_step else ""


def at(place: Place | None, words: str, *, accepts: bool = False) -> tuple[Related, ...]:
    """A related place with its label, if the place is known."""
    return () if place is None else (Related(place, words, accepts),)


def in_library(use: DrawFacts | UseFacts) -> tuple[Related, ...]:
    """The line of a library that makes a use for the user, if one does."""
    line = use.library_line
    return () if line == use.place else at(line, "the library's line")


def of_pair(
    code: str,
    name: str,
    severity: Severity,
    shared: Shared | Repeated,
    *,
    message: str,
    related: tuple[Related, ...],
    help: tuple[Help, ...],
    notes: tuple[str, ...] = (),
) -> Finding:
    """A finding about two uses of one key, in one call or in several, placed at the second.

    If the second is in a library, the finding is at the call that leads there. It is only a note if
    a library makes both uses within one call, which the user cannot change, or if the given inputs
    do not reach both uses.
    """
    inside = shared.library
    place, label = shared.second.place, "split here" if shared.second.is_split else "drawn here"
    if isinstance(shared, Shared):
        derived = shared.derived
    else:
        second, derived = shared.second, shared.second.is_callback
        place = _users_place(second)
        if place != second.place:
            does = "splits it" if second.is_split else "draws"
            label = f"{second.library} {does} within this call"
    unreached = isinstance(shared, Shared) and shared.unreached
    remarks = [*notes]
    if inside:
        remarks.append(f"{inside} makes both uses, within one call from your code")
    if isinstance(shared, Shared) and not inside:
        for which, use in (("first", shared.first), ("second", shared.second)):
            if use.rule:
                remarks.append(f"the {which} use is in {use.rule}, for its derivative")
    if unreached:
        remarks.append("with these inputs the two uses do not both run, so no key was shared")
    return Finding(
        code=code,
        name=name,
        severity="note" if inside or unreached else severity,
        confidence="inferred" if shared.evidence is None else "proven",
        message=message,
        place=place,
        label=label,
        related=(*related, *(in_library(shared.second) if isinstance(shared, Shared) else ())),
        evidence=shared.evidence,
        help=() if inside else help,
        notes=tuple(remarks),
        cause_id=shared.cause_id,
        uses=shared.uses,
        derived=derived,
    )


def _users_place(use: CallUse) -> Place | None:
    """The place of a use, or the call that leads there if it is in a library."""
    return use.call if use.in_library and use.call is not None else use.place


def is_eager_reuse(repeated: Repeated) -> bool:
    """Whether the user's own code draws twice from a key, outside of compiled functions."""
    uses = (repeated.first, repeated.second)
    return not any(use.is_split or use.function or use.library for use in uses)


def calls_to(shared: Shared) -> tuple[Related, ...]:
    """The calls at which the paths to the two uses diverge, if the facts have them.

    An ignore comment counts at the second call, unless there are more.
    """
    words = ("called here", "and again here, with the same key")
    accepts = (False, max(shared.counts) == 2)
    calls = zip(shared.calls, words, accepts, accepts, strict=False)
    return tuple(Related(*each) for each in calls)


def places_of(repeated: Repeated, done_first: str) -> tuple[Related, ...]:
    """The place of the first use, and the calls that lead to both, each once.

    `done_first` is the label of the first use. An ignore comment counts at both uses and at the
    call that repeats the keys: other calls are other parts of the finding.
    """
    first, second = repeated.first, repeated.second
    found: dict[Place, Related] = {}
    taken = _users_place(second)
    is_one = first.place == second.place
    is_loop = first.call == second.call
    places = [
        (taken, "", False, False),
        (None if is_one else first.place, done_first, True, False),
        (first.call, "called from here" if is_loop else "the first call is here", True, is_loop),
        (second.call, "and the next one here", True, True),
        (second.place, "the library's line", False, False),
    ]
    for place, words, accepts, is_call in places:
        if place is not None:
            found.setdefault(place, Related(place, words, accepts, is_call))
    return tuple(related for place, related in found.items() if place != taken)


def use_in_call(use: CallUse) -> str:
    """The use and its function, such as `jax.random.normal in train_step`."""
    where = use.function or use.library
    return f"{use.op} in {where}" if where else use.op


def finding(
    code: str,
    name: str,
    severity: Severity,
    draw: DrawFacts,
    *,
    message: str,
    evidence: Evidence | None,
    related: tuple[Related, ...],
    help: tuple[Help, ...] = (),
    notes: tuple[str, ...] = (),
    sure: Confidence,
    cause_id: Hashable = None,
) -> Finding:
    """A finding at a draw; one that the computed keys refute is only a note."""
    return Finding(
        code=code,
        name=name,
        severity="note" if sure == "refuted" else severity,
        confidence=sure,
        message=message,
        place=draw.place,
        scopes=tuple(s.scope for s in draw.scopes),
        related=(*related, *in_library(draw)),
        evidence=evidence,
        help=() if sure == "refuted" else help,
        notes=(REFUTED, *notes) if sure == "refuted" else notes,
        cause_id=cause_id,
    )


def of_scopes(
    rule: Rule,
    draw: DrawFacts,
    shared: Sequence[ScopeFacts],
    worst: ScopeFacts,
    evidence: Evidence | None,
    message: str,
    *,
    at: Callable[[ScopeFacts], str],
    units: str,
    help: tuple[Help, ...],
    more: tuple[str, ...] = (),
) -> Finding:
    """A finding at a draw whose key some scopes share; `at` gives the label of a scope's place."""
    return finding(
        rule.code,
        rule.name,
        severity(rule.severity, draw, worst),
        draw,
        message=message,
        evidence=evidence,
        related=related(shared, [at(s) for s in shared], units),
        help=help,
        notes=(*notes(draw, shared), *more),
        sure=confidence(evidence),
        cause_id=worst.cause_id,
    )
