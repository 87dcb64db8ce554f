"""Inside a device map, every device draws with one key for its own part of the data.

## What it does
Looks at each draw inside `shard_map` or `pmap` and asks whether its key varies over
the mesh axes. Where it is replicated, the numbers are followed to what they meet: if
that differs from device to device, such as each device's part of a batch, it is a
fault. Parameters that all devices make alike are none.

Where a watched program runs in several processes (`jax.distributed`), the first 8 calls
of each function are compared between them in the same way: a draw that has one key in
several processes, and meets arrays that each process has for itself, such as its own
batch, is a fault. Draws outside of compiled functions are not compared, as nobody can
know what they are for, nor is data that a compiled function captured.

## Why is this bad?
The same noise is laid over every part of the batch: with eight devices, examples 0,
n/8, 2n/8, ... share their dropout mask. The same holds for the batches of several hosts.

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
Or split the key by the number of devices outside, and shard the keys as the data.
Between processes: `key = jax.random.fold_in(key, jax.process_index())`.

## When it is intended
Noise that must be alike on all devices, such as a mask of shared features: say so
with `# jaxrng: ignore[RNG004] reason` on the line of the draw or of the device map.

## How it is proven
The keys of all devices are computed, on one device, and counted along each mesh axis,
and along several axes, steps and examples together: device 0 may draw in its second step
what device 1 has drawn in its first.
Those of several processes are computed in each, and compared in process 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxrng_doctor.model.facts import Alike, DrawFacts, ProgramFacts, ScopeFacts
from jaxrng_doctor.model.findings import Evidence, Finding, Help
from jaxrng_doctor.rules import _messages
from jaxrng_doctor.rules.rule import Rule


def check(program: ProgramFacts) -> Iterator[Finding]:
    for draw in program.draws:
        yield from _on_devices(draw)
    yield from map(_in_processes, program.alike)


def _on_devices(draw: DrawFacts) -> Iterator[Finding]:
    if shared := _messages.shared_scopes(draw, "device"):
        worst = _messages.worst_of(draw, shared)
        message = _messages.some_alike(worst) or _messages.alike(worst)
        outside = Help(
            "or split outside, one key a device, and shard the keys as the data",
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
        if _messages.told_as(scopes) == RULE.code:
            device = next(s for s in reversed(scopes) if s.scope.kind == "device")
            message = _messages.together(draw, joint, scopes)
            own = _folded(device.scope.axis_name, "as well, in a fold_in of its own: a sum repeats")
            yield _finding(draw, scopes, device, joint.evidence, message, (own,))


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


def _in_processes(alike: Alike) -> Finding:
    draw, count = alike.draw, len(alike.processes)
    which = ", ".join(map(str, alike.processes[:_NAMED])) + (", ..." if count > _NAMED else "")
    data = " and ".join(alike.data) or "their data"
    return Finding(
        code=RULE.code,
        name=RULE.name,
        severity=RULE.severity,
        confidence="proven",
        message=f"{draw.op} in {draw.function} draws the same numbers in {count:,} processes, "
        f"of which each has its own {data}",
        place=draw.place,
        related=_messages.at(draw.call if draw.call != draw.place else None, "called from here"),
        evidence=Evidence(count, 1, (0,) * min(count, _STRIP), (0, 1), alike.key),
        help=(
            Help(
                "fold in the number of the process, for what is drawn for its own data",
                "key = jax.random.fold_in(key, jax.process_index())",
            ),
        ),
        notes=(f"the processes {which}: so it was in {alike.calls} of {alike.compared} calls",),
        proof=f"the keys were computed in each process and are equal ({alike.key})",
    )


_NAMED = 8
_STRIP = 256  # so many processes are shown one by one


def _at_the_map(facts: ScopeFacts) -> str:
    if facts.scope.kind != "device":
        return "together with this scope"
    if not facts.variation.is_same:
        return "the devices do not all have a key of their own"
    return "the key is the same on every device"


def _folded(axis_name: str | None, how: str = "") -> Help:
    if axis_name:
        return Help(
            " ".join(filter(None, ["fold in the index of the device", how])),
            f"key = jax.random.fold_in(key, jax.lax.axis_index({axis_name!r}))",
        )
    return Help(
        "name the axis, and fold in the index of the device",
        "key = jax.random.fold_in(key, jax.lax.axis_index('devices'))  # pmap(…, "
        "axis_name='devices')",
    )


RULE = Rule("RNG004", "same-key-on-every-device", "error", check, __doc__)
