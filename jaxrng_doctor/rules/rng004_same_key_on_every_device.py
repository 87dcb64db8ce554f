"""Inside a device map, devices use one key for noise on different parts of the data.

## What it does
Finds draws inside `shard_map` or `pmap` whose key is the same along a mesh axis, if
the numbers are combined with data that differs between the devices, such as each
device's part of a batch. Parameters that are initialized the same way on all devices
are not reported.

If a watched program runs in several processes (`jax.distributed`), the first 8 calls
of each function are compared in the same way: a draw is reported if several processes
use one key for it and combine the numbers with their own data, such as a local batch.
Draws outside of compiled functions are not compared, because their use is unknown, nor
is data that a compiled function captured.

## Why is this bad?
Every part of the batch gets the same noise: with eight devices, examples 0, n/8,
2n/8, ... share a dropout mask. The same holds for the batches of several hosts.

## Example
```python
def dropout(x, key):
    return x * jax.random.bernoulli(key, 0.5, x.shape)

parts = x.reshape(jax.device_count(), -1, x.shape[-1])
jax.pmap(dropout, axis_name="data", in_axes=(0, None))(parts, key)
```

## Use instead
```python
def dropout(x, key):
    key = jax.random.fold_in(key, jax.lax.axis_index("data"))
    return x * jax.random.bernoulli(key, 0.5, x.shape)

parts = x.reshape(jax.device_count(), -1, x.shape[-1])
jax.pmap(dropout, axis_name="data", in_axes=(0, None))(parts, key)
```
Or split the key outside, one key per device, and shard the keys like the data.
For several processes: `key = jax.random.fold_in(key, jax.process_index())`.

## When it is intended
For noise that must be the same on all devices, such as a mask of shared features: put
`# jaxrng: ignore[RNG004] reason` on the line of the draw or of the device map.

## How it is proven
The keys of all devices are computed, on one device, and counted along each mesh axis.
They are also counted along several axes, steps and examples together: device 0 may use
a key in its second step that device 1 uses in its first.
Each process computes its own keys, and process 0 compares them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxrng_doctor.model.facts import DrawFacts, EqualKeysInProcesses, ProgramFacts, ScopeFacts
from jaxrng_doctor.model.findings import STRIP_LENGTH, Evidence, Finding, Help
from jaxrng_doctor.rules import _messages
from jaxrng_doctor.rules.rule import Rule


def check(program: ProgramFacts) -> Iterator[Finding]:
    for draw in program.draws:
        yield from _on_devices(draw)
    yield from map(_in_processes, program.equal_in_processes)


def _on_devices(draw: DrawFacts) -> Iterator[Finding]:
    if shared := _messages.shared_scopes(draw, "device"):
        worst = _messages.worst_of(draw, shared)
        message = _messages.distinct_keys(worst) or _messages.same_numbers(worst)
        outside = Help(
            "or split outside, one key per device, and shard the keys like the data",
            f"keys = jax.random.split(key, {worst.scope.size})",
        )
        yield _finding(
            draw,
            shared,
            worst,
            _messages.evidence_of(draw, worst),
            message + _messages.scope_by_scope(draw, shared),
            (_folded(worst.scope.axis_name), outside),
        )
    for joint, scopes in _messages.only_together(draw):
        if _messages.code_for(scopes) == RULE.code:
            device = next(s for s in reversed(scopes) if s.scope.kind == "device")
            message = _messages.together(draw, joint, scopes)
            help = _folded(device.scope.axis_name, "in a separate fold_in, because sums can repeat")
            yield _finding(draw, scopes, device, joint.evidence, message, (help,))


def _finding(
    draw: DrawFacts,
    shared: Sequence[ScopeFacts],
    worst: ScopeFacts,
    evidence: Evidence | None,
    message: str,
    help: tuple[Help, ...],
) -> Finding:
    return _messages.of_scopes(
        RULE, draw, shared, worst, evidence, message, at=_at_the_map, units="devices", help=help
    )


def _in_processes(equal: EqualKeysInProcesses) -> Finding:
    draw, count = equal.draw, len(equal.processes)
    data = " and ".join(equal.data) or "their data"
    return Finding(
        code=RULE.code,
        name=RULE.name,
        severity=RULE.severity,
        confidence="proven",
        message=f"{draw.op} in {draw.function} draws the same numbers in {count:,} processes, "
        f"each with its own {data}",
        place=draw.place,
        related=_messages.at(draw.call if draw.call != draw.place else None, "called from here"),
        evidence=Evidence(count, 1, (0,) * min(count, STRIP_LENGTH), (0, 1), equal.key),
        help=(
            Help(
                "fold in the process index for noise on the process's own data",
                "key = jax.random.fold_in(key, jax.process_index())",
            ),
        ),
        notes=(
            f"processes {_listed(equal.processes)}; "
            f"seen in {equal.calls} of the {equal.compared} compared calls",
        ),
        proof=f"the keys were computed in each process and are equal ({equal.key})",
    )


def _listed(processes: Sequence[int]) -> str:
    """`0, 1 and 2`; only the first eight if there are more."""
    *some, last = map(str, processes[:_NAMED])
    if len(processes) > _NAMED:
        return ", ".join([*some, last, "..."])
    return " and ".join(filter(None, [", ".join(some), last]))


_NAMED = 8


def _at_the_map(facts: ScopeFacts) -> str:
    if facts.scope.kind != "device":
        return "together with this scope"
    if not facts.variation.is_same:
        return "some of the devices share a key"
    return "the key is the same on every device"


def _folded(axis_name: str | None, how: str = "") -> Help:
    if axis_name:
        return Help(
            " ".join(filter(None, ["fold in the device's index", how])),
            f"key = jax.random.fold_in(key, jax.lax.axis_index({axis_name!r}))",
        )
    return Help(
        "name the axis, and fold in the device's index",
        "key = jax.random.fold_in(key, jax.lax.axis_index('devices'))  # pmap(…, "
        "axis_name='devices')",
    )


RULE = Rule(
    "RNG004", "same-key-on-every-device", "error", check, __doc__, shares=True, draws_alone=True
)
