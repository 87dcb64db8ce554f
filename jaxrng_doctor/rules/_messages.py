"""The words that rules share: scopes by name, and what a finding says beside its message."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from jaxrng_doctor.model.facts import (
    CallUse,
    Cause,
    DrawFacts,
    Joint,
    Repeated,
    ScopeFacts,
    Shared,
    repeats,
)
from jaxrng_doctor.model.findings import (
    Confidence,
    Evidence,
    Finding,
    Help,
    Place,
    Related,
    ScopeKind,
    Severity,
)
from jaxrng_doctor.rules.rule import Rule

REFUTED = (
    "the trace says that this key is shared, the computed keys say that it is not: "
    "the doctor is wrong here, please report it"
)


def shared_scopes(draw: DrawFacts, *kinds: ScopeKind) -> list[ScopeFacts]:
    """The scopes of these kinds that share a key, each by itself as far as the trace tells.

    Those over which at most one example has drawn this time are there only if they are all.
    """
    shared = [s for s in draw.scopes if s.scope.kind in kinds and is_shared(draw, s)]
    return [s for s in shared if not by_chance(draw, s)] or shared


def is_shared(draw: DrawFacts, facts: ScopeFacts) -> bool:
    """The examples of a scope share a key, or would, if more of them drew at a time."""
    if not facts.is_judged:
        return False
    if facts.repeats:
        return True
    return facts.variation.is_same and (facts.reach != "one" or _joint(draw, facts) is not None)


def by_chance(draw: DrawFacts, facts: ScopeFacts) -> bool:
    """Nothing is shared only because at most one example draws, of the inputs that were given."""
    return facts.reach == "one this time" and _joint(draw, facts) is None


def only_together(draw: DrawFacts) -> Iterator[tuple[Joint, list[ScopeFacts]]]:
    """The scopes that share keys together and none of them alone, set by set.

    Where the trace shows that one of them shares, but where at most one of its examples draws
    at a time, that is told of this scope.
    """
    for joint in draw.joint:
        scopes = [draw.scopes[depth] for depth in joint.scopes]
        if not any(s.variation.is_same for s in scopes):
            yield joint, scopes


def told_as(scopes: Sequence[ScopeFacts]) -> str:
    """The rule for scopes that share only together: devices are gravest, then examples."""
    kinds = {s.scope.kind for s in scopes}
    return "RNG004" if "device" in kinds else "RNG002" if "vmap" in kinds else "RNG003"


def evidence_of(draw: DrawFacts, worst: ScopeFacts) -> Evidence | None:
    """What the keys say of a shared scope; where each index was drawn at once, of several."""
    joint = _joint(draw, worst)
    return worst.evidence if joint is None or worst.repeats else joint.evidence


def _joint(draw: DrawFacts, facts: ScopeFacts) -> Joint | None:
    """The sharing over several scopes of which the trace shows that this one is to blame."""
    if not facts.variation.is_same:
        return None
    return next((j for j in draw.joint if any(draw.scopes[d] is facts for d in j.scopes)), None)


def together(draw: DrawFacts, joint: Joint, shared: Sequence[ScopeFacts]) -> str:
    """The message for keys that repeat only across scopes."""
    where = " and ".join(position(draw, s) for s in shared)
    one, other = joint.pair
    return (
        f"{joint.evidence.examples:,} draws over {where} together have only "
        f"{joint.evidence.distinct_keys:,} distinct keys, such as one for ({one}) and ({other}); "
        "over each alone they are distinct"
    )


def worst_of(draw: DrawFacts, shared: Sequence[ScopeFacts]) -> ScopeFacts:
    """The innermost of the shared scopes that the keys convict, else the innermost."""
    return next((s for s in reversed(shared) if repeats(evidence_of(draw, s))), shared[-1])


def confidence(evidence: Evidence | None) -> Confidence:
    """Of a fault that the trace shows, in the light of the computed keys."""
    if evidence is None or evidence.examples < 2:
        return "inferred"
    return "proven" if repeats(evidence) else "refuted"


def unit(facts: ScopeFacts) -> str:
    return {"vmap": "example", "device": "device"}.get(facts.scope.kind, "step")


def title(facts: ScopeFacts) -> str:
    """`vmap(add_noise)`, or `scan(body)`."""
    name, called = facts.scope.name, facts.called or facts.scope.kind
    return f"{called}({name})" if name and name.isidentifier() else called


def span(facts: ScopeFacts) -> str:
    """`32 examples`, or `steps` where nobody counted them."""
    size = facts.scope.size
    if size is None and facts.evidence is not None and facts.evidence.examples > 1:
        size = facts.evidence.examples
    return f"{unit(facts)}s" if size is None else f"{size:,} {unit(facts)}s"


def alike(facts: ScopeFacts) -> str:
    """That they draw the same numbers: all of a scope, or those that the run saw to draw."""
    size, evidence = facts.scope.size, facts.evidence
    if evidence is None or size is None or evidence.examples >= size:
        return f"all {span(facts)} of {title(facts)} draw the same numbers"
    if evidence.examples < 2:
        who = f"whichever of the {span(facts)} of {title(facts)} draw here"
        return f"{who}, they draw the same numbers"
    who = f"{evidence.examples:,} of the {span(facts)} of {title(facts)} draw here"
    return f"{who}, and all of these the same numbers"


def some_alike(facts: ScopeFacts) -> str:
    """How many keys there are where only some are equal; `""` where all are, or it is unknown."""
    evidence = facts.evidence
    if evidence is None or not 1 < evidence.distinct_keys < evidence.examples:
        return ""
    return (
        f"{evidence.examples:,} {unit(facts)}s of {title(facts)} have only "
        f"{evidence.distinct_keys:,} distinct keys"
    )


def position(draw: DrawFacts, facts: ScopeFacts) -> str:
    """`the inner vmap (32)` among two vmaps; `the scan (5)` where there is but one."""
    kind = facts.called or facts.scope.kind
    if facts.scope.kind == "device" and facts.scope.axis_name:
        return f"the axis '{facts.scope.axis_name}' ({facts.scope.size:,})"
    alike = [s for s in draw.scopes if (s.called or s.scope.kind) == kind]
    size = f" ({facts.scope.size:,})" if facts.scope.size is not None else ""
    index = next(i for i, s in enumerate(alike) if s is facts)
    if len(alike) == 1:
        return f"the {kind}{size}"
    if len(alike) == 2:
        return f"the {('outer', 'inner')[index]} {kind}{size}"
    if index in (0, len(alike) - 1):
        return f"the {'innermost' if index else 'outermost'} {kind}{size}"
    ordinal = {1: "2nd", 2: "3rd"}.get(index, f"{index + 1}th")
    return f"the {ordinal} outermost {kind}{size}"


def scope_by_scope(draw: DrawFacts, shared: Sequence[ScopeFacts]) -> str:
    """`; shared over the inner vmap (32), distinct over the outer vmap (4)`, for nested scopes."""
    judged = [s for s in draw.scopes if s.is_judged]
    if len(judged) < 2:
        return ""
    words = {True: "distinct", False: "shared", None: "not known to differ"}
    parts = [
        (words[False if s in shared or _joint(draw, s) else s.scope.varies], position(draw, s))
        for s in reversed(judged)
    ]
    told: list[str] = []
    for i, (word, where) in enumerate(parts):
        again = i > 0 and parts[i - 1][0] == word
        told.append(f"and {where}" if again else f"{word} over {where}")
    return "; " + ", ".join(told).replace(", and", " and")


def severity(usual: Severity, draw: DrawFacts, worst: ScopeFacts) -> Severity:
    """Of a shared scope: only a note where at most one of its examples has drawn."""
    return "note" if by_chance(draw, worst) else usual


def notes(draw: DrawFacts, shared: Sequence[ScopeFacts]) -> tuple[str, ...]:
    """What the source cannot show: who drew, and a vmap that only `check` wrote down."""
    found = []
    if any(by_chance(draw, s) for s in shared):
        found.append("of these inputs at most one draws at a time, so nothing was shared")
    for facts in shared:
        if facts.vmap is not None and facts.scope.place is None:
            axes = ", ".join(f"{name}: {axis}" for name, axis in facts.vmap.in_axes)
            found.append(f"mapped by the in_axes that the target was given ({axes})")
    return tuple(found)


def related(
    shared: Sequence[ScopeFacts],
    words: Sequence[str],
    unit_words: str,
) -> tuple[Related, ...]:
    """The scopes and the places where their keys were made, each with its words."""
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
            words = f"the key is made here, from one seed for all {unit_words}"
        else:
            words = "the key is made here"
        places.append(Related(cause.made.place, words))
    for step in cause.steps:
        if step.place is not None:
            verb = {"split": "split", "fold_in": "folded"}.get(step.op, step.op)
            places.append(Related(step.place, f"{verb} here, alike for all {unit_words}"))
    return places


def at(place: Place | None, words: str) -> tuple[Related, ...]:
    """A related place, if it is known."""
    return () if place is None else (Related(place, words),)


def of_pair(
    code: str,
    name: str,
    severity: Severity,
    shared: Shared | Repeated,
    *,
    message: str,
    related: tuple[Related, ...],
    help: tuple[Help, ...],
) -> Finding:
    """A finding about two uses of one key, in one call or in several, at the second.

    What a library does within one call is only a note: the user cannot change it. So is what
    needs other inputs to happen.
    """
    inside = shared.library
    unreached = isinstance(shared, Shared) and shared.unreached
    notes = [f"{inside} makes both uses, in one call of yours"] if inside else []
    if isinstance(shared, Shared) and not inside:
        for which, use in (("first", shared.first), ("second", shared.second)):
            if use.rule:
                notes.append(f"the {which} use is in {use.rule}, for its derivative")
    if unreached:
        notes.append("of these inputs not both uses are made, so nothing was shared")
    return Finding(
        code=code,
        name=name,
        severity="note" if inside or unreached else severity,
        confidence="inferred" if shared.evidence is None else "proven",
        message=message,
        place=shared.second.place,
        label="split here" if shared.second.is_split else "drawn here",
        related=related,
        evidence=shared.evidence,
        help=() if inside else help,
        notes=tuple(notes),
    )


def calls_to(shared: Shared) -> tuple[Related, ...]:
    """From where the two uses are called, where both are at one place or in other functions."""
    words = ("called here", "and again here, with the same key")
    return tuple(Related(p, w) for p, w in zip(shared.calls, words, strict=False))


def calls_of(repeated: Repeated) -> tuple[Related, ...]:
    """From where the two uses are called, where that is another place than theirs."""
    first, second = repeated.first, repeated.second
    calls = [(first.call, "the first call is here"), (second.call, "and the next one here")]
    if first.call == second.call:
        calls = [(first.call, "called from here")]
    own = (first.place, second.place)
    return tuple(Related(place, words) for place, words in calls if place and place not in own)


def use_in_call(use: CallUse) -> str:
    """Such as `jax.random.normal in train_step`."""
    return f"{use.op} in {use.function}" if use.function else use.op


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
) -> Finding:
    """A finding at a draw; one that the run refutes is only a note."""
    return Finding(
        code=code,
        name=name,
        severity="note" if sure == "refuted" else severity,
        confidence=sure,
        message=message,
        place=draw.place,
        scopes=tuple(s.scope for s in draw.scopes),
        related=related,
        evidence=evidence,
        help=() if sure == "refuted" else help,
        notes=(REFUTED, *notes) if sure == "refuted" else notes,
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
    """A finding at a draw whose key some scopes share; `at` says what stands at a scope's place."""
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
    )
