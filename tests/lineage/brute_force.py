"""Checks by brute force what a transfer claims about the results of an equation.

An operand has one array for each index of two scopes. The claims about it are all true of these
arrays. What the transfer then claims about the results must be true of what JAX computes from each.
"""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import Primitive, primitives

from jaxrng_doctor.analysis.lineage.values import Value
from jaxrng_doctor.model.facts import Variation

CONSTANT, EQUAL, DISTINCT, UNKNOWN = Variation

SCOPES = (2, 3)
"""The number of examples of each of the two scopes."""

EXAMPLES = 6

SAMPLES = 80
ENOUGH = 16  # inputs with one description, to conclude that something always holds for the results
MOST = 1000  # if there are at most this many inputs, all of them are tried

Transfer = Callable[[Any, tuple[Value, ...]], Any]

NUMBERS: dict[str, tuple[Any, ...]] = {
    "bool": (False, True),
    "int8": (0, 1, 2, -1, 3, 127, -128),
    "uint8": (0, 1, 2, 255, 3, 127, 128),
    "int32": (0, 1, 2, -1, 3, 2**31 - 1, -(2**31), 5, 6, 7, -2, 64, 100),
    "uint32": (0, 1, 2, 2**32 - 1, 3, 2**31, 2**16, 5, 6, 7, 8, 64, 100),
    "float32": (0.0, 1.0, 2.0, -1.0, 0.5, 2.0**26, 1.0 + 2.0**-20, 2.0**26 + 8, 3.0, -2.0, 7.0),
}
"""The elements to try for an operand, by dtype; each dtype has a prime number of them."""

PRIMES = (2, 3, 5, 7, 11, 13)
WORDS = {"fry": 2, "rbg": 4, "urbg": 4}


@dataclass(frozen=True)
class Operand:
    """A shape and a dtype; `numbers` are the elements to try.

    The dtype can also be an impl of keys in `WORDS`, or `"words"`: then it is uint32, the last axis
    has the words of a legacy key, and different keys may have some equal words.
    """

    shape: tuple[int, ...]
    dtype: str = "int32"
    numbers: tuple[Any, ...] = ()

    @property
    def is_key(self) -> bool:
        return self.dtype in WORDS

    @property
    def elements(self) -> tuple[int, ...]:
        """The shape of the numbers of one example."""
        return (*self.shape, WORDS[self.dtype]) if self.is_key else self.shape

    @property
    def numeric(self) -> str:
        """The dtype of the numbers."""
        return "uint32" if self.is_key or self.dtype == "words" else self.dtype

    def pool(self) -> tuple[Any, ...]:
        return self.numbers or NUMBERS[self.numeric]

    def array(self, numbers: np.ndarray) -> Any:
        impl = {"fry": "threefry2x32", "urbg": "unsafe_rbg"}.get(self.dtype, self.dtype)
        if self.is_key:
            return jax.random.wrap_key_data(jnp.asarray(numbers), impl=impl)
        return jnp.asarray(numbers)


@dataclass(frozen=True)
class Case:
    """One equation: that of `primitive` in `program`, which takes the operands.

    Attributes:
        params: The equation's parameters, for a JAX in which `program` has no such equation. Then
            `program` itself computes the result.
        one_by_one: The examples are not computed under a vmap.
        samples: How many inputs to draw.
        unsound: Why the transfer claims too much, if it is known to.
        coarse: Why it claims less than always holds.
    """

    primitive: str
    program: Callable[..., Any]
    operands: tuple[Operand, ...] = ()
    label: str = ""
    params: Mapping[str, Any] | None = field(default=None, hash=False)
    one_by_one: bool = False
    samples: int = SAMPLES
    unsound: str = ""
    coarse: str = ""

    def __str__(self) -> str:
        shapes = " ".join(f"{o.dtype}[{','.join(map(str, o.shape))}]" for o in self.operands)
        return " ".join(filter(None, (self.primitive, shapes, self.label)))


def parameters(cases: Iterable[Case]) -> list[Any]:
    """The cases for `parametrize`; those known to be unsound are expected to fail."""
    return [
        pytest.param(
            case,
            id=str(case),
            marks=[pytest.mark.xfail(strict=True, reason=case.unsound)] if case.unsound else [],
        )
        for case in cases
    ]


def binding(primitive: str, **params: Any) -> Callable[..., Any]:
    """A program that consists of one equation of `primitive`."""
    found: Any = next(
        p for p in vars(primitives).values() if isinstance(p, Primitive) and p.name == primitive
    )
    return lambda *operands: found.bind(*operands, **params)


@dataclass
class Outcome:
    """The claims made, those that are false, and those that always hold but were not made."""

    claimed: set[Variation]
    false: list[str]
    missed: list[str]


Claims = tuple[tuple[Variation, ...], tuple[Variation, ...]]
"""How one operand varies over the scopes and along its axes."""

Description = tuple[tuple[Claims, ...], tuple[int, ...]]
"""The claims about each operand, and for each the first operand that is the same value."""


@dataclass(frozen=True)
class Tried:
    """The results for all inputs. `groups` has the inputs that each description is true of."""

    case: Case
    eqn: Any
    groups: dict[Description, list[int]]
    results: tuple[tuple[np.ndarray, np.ndarray], ...]  # same, distinct: [dimension, input]
    ranks: tuple[int, ...]


# -- inputs ------------------------------------------------------------------------------------


def _every(operands: Sequence[Operand]) -> Iterator[list[np.ndarray]]:
    """All inputs made of the first three numbers, unless there are more than `MOST`."""
    shapes = [(*SCOPES, *operand.elements) for operand in operands]
    sizes = [int(np.prod(shape)) for shape in shapes]
    few = [operand.pool()[:3] for operand in operands]
    count = np.prod([float(len(f)) ** size for f, size in zip(few, sizes, strict=True)])
    if not operands or count > MOST:
        return
    for chosen in itertools.product(
        *(itertools.product(f, repeat=size) for f, size in zip(few, sizes, strict=True))
    ):
        yield [_numbers(o, c, s) for o, c, s in zip(operands, chosen, shapes, strict=True)]


def _numbers(operand: Operand, numbers: Any, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(numbers, operand.numeric).reshape(shape)


def _some(operand: Operand, rng: np.random.Generator) -> np.ndarray:
    """A random array that is the same along some dimensions and distinct along others."""
    shape = (*SCOPES, *operand.elements)
    pool = np.asarray(operand.pool())
    roles = rng.choice(3, size=len(shape), p=(0.35, 0.4, 0.25))
    least = max([2, *(n for n, role in zip(shape, roles, strict=True) if role == 1)])
    possible = [p for p in PRIMES if least <= p <= len(pool)] or [len(pool)]
    count = int(rng.choice(possible))
    drawn = tuple(n if role == 2 else 1 for n, role in zip(shape, roles, strict=True))
    numbers = rng.integers(0, count, drawn)
    for axis, (size, role) in enumerate(zip(shape, roles, strict=True)):
        if role == 1:
            along = [1] * len(shape)
            along[axis] = size
            numbers = numbers + int(rng.integers(1, count)) * np.arange(size).reshape(along)
    numbers = np.broadcast_to(numbers % count, shape)
    found = rng.permutation(pool)[numbers]
    if _is_words(operand) and 0 not in shape and rng.random() < 0.5:
        found = found.copy()  # one word is equal in all, as the first word of keys from seeds is
        found[..., rng.integers(shape[-1])] = found.flat[0]
    return _numbers(operand, found, shape)


def _inputs(case: Case, rng: np.random.Generator) -> Iterator[list[np.ndarray]]:
    operands = case.operands
    yield from _every(operands)
    for _ in range(case.samples):
        found: list[np.ndarray] = []
        for number, operand in enumerate(operands):
            twins = [i for i, other in enumerate(operands[:number]) if other == operand]
            twin = bool(twins) and rng.random() < 0.3
            found.append(found[rng.choice(twins)] if twin else _some(operand, rng))
        yield found


# -- what is true of arrays -----------------------------------------------------------------


def _is_words(operand: Operand) -> bool:
    return operand.is_key or operand.dtype == "words"


def _compare(numbers: np.ndarray, rank: int, *, words: bool) -> tuple[np.ndarray, np.ndarray]:
    """Whether each input is all the same, and whether it is distinct, along each scope and axis.

    `numbers` has the shape `[input, *SCOPES, *elements]`, both results `[dimension, input]`. Keys,
    also as raw words, differ if any of their words differ. Numbers are the same if their bits are.
    """
    if numbers.dtype.kind == "f":
        numbers = numbers.view(f"u{numbers.dtype.itemsize}")
    same, distinct = [], []
    for axis in range(1, 1 + len(SCOPES) + rank):
        moved = np.moveaxis(numbers, axis, 1)
        rest = tuple(range(1, moved.ndim))
        same.append((moved == moved[:, :1]).all(rest))
        if words and axis < numbers.ndim - 1:
            pairs = itertools.combinations(range(moved.shape[1]), 2)
            differ = [(moved[:, i] != moved[:, j]).any(-1) for i, j in pairs]
        else:
            ordered = np.sort(moved, axis=1)
            differ = [ordered[:, 1:] != ordered[:, :-1]]
        found = [each.reshape(len(numbers), each[0].size).all(1) for each in differ]
        distinct.append(np.logical_and.reduce(found, axis=0) & np.ones(len(numbers), bool))
    return np.array(same), np.array(distinct)


def _describe(same: Sequence[bool], distinct: Sequence[bool], rng: np.random.Generator) -> Claims:
    """True claims about an array; one in ten dimensions is `UNKNOWN`, whatever holds for it."""
    found = []
    for number, (is_same, is_distinct) in enumerate(zip(same, distinct, strict=True)):
        options = [EQUAL] * bool(is_same) + [DISTINCT] * bool(is_distinct)
        if is_same and number < len(SCOPES):
            options.append(CONSTANT)
        is_reported = options and rng.random() < 0.9
        found.append(options[rng.integers(len(options))] if is_reported else UNKNOWN)
    return tuple(found[: len(SCOPES)]), tuple(found[len(SCOPES) :])


# -- trying ------------------------------------------------------------------------------------


def equation(case: Case) -> Any:
    """The equation of the case, or a substitute for it if this JAX makes none."""
    one = [o.array(np.zeros(o.elements, o.numeric)) for o in case.operands]
    jaxpr = jax.make_jaxpr(case.program)(*one)
    found = [eqn for eqn in jaxpr.eqns if eqn.primitive.name == case.primitive]
    if found:
        return found[0]
    assert case.params is not None, f"there is no {case.primitive} in {jaxpr}"
    primitive = SimpleNamespace(
        name=case.primitive,
        bind=lambda *args, **_: case.program(*args),
        multiple_results=isinstance(out := case.program(*one), (list, tuple)),
    )
    avals = [SimpleNamespace(aval=jax.typeof(v)) for v in one]
    outs = [SimpleNamespace(aval=jax.typeof(v)) for v in jax.tree.leaves(out)]
    return SimpleNamespace(primitive=primitive, invars=avals, outvars=outs, params=case.params)


@functools.lru_cache(maxsize=1)
def _computed(cases: tuple[Case, ...]) -> dict[Case, tuple[Any, list[list[np.ndarray]], Any]]:
    """The equation, inputs and results of each case; compiled together, which is faster."""
    programs, arguments = [], []
    eqns, inputs = [], []
    for case in cases:
        eqn = equation(case)
        eqns.append(eqn)
        inputs.append(list(_inputs(case, np.random.default_rng(sum(map(ord, str(case)))))))
        programs.append(functools.partial(_results, case, eqn))
        arguments.append(
            [
                operand.array(
                    np.reshape([one[i] for one in inputs[-1]], (-1, *operand.elements))
                    if 0 not in operand.elements
                    else np.zeros((len(inputs[-1]) * EXAMPLES, *operand.elements), operand.numeric)
                )
                for i, operand in enumerate(case.operands)
            ]
        )
    results = jax.jit(lambda all_: [f(args) for f, args in zip(programs, all_, strict=True)])(
        arguments
    )
    return dict(zip(cases, zip(eqns, inputs, results, strict=True), strict=True))


def tried(case: Case, cases: Iterable[Case] = ()) -> Tried:
    """The results of the case; it is compiled together with those of `cases` of its primitive."""
    together = tuple(other for other in cases if other.primitive == case.primitive)
    eqn, inputs, outs = _computed(together or (case,))[case]
    rng = np.random.default_rng(0)
    stacked = [np.stack([one[i] for one in inputs]) for i in range(len(case.operands))]
    truths = [
        _compare(array, len(operand.shape), words=_is_words(operand))
        for operand, array in zip(case.operands, stacked, strict=True)
    ]
    groups: dict[Description, list[int]] = defaultdict(list)
    for number, one in enumerate(inputs):
        claims = [_describe(same[:, number], distinct[:, number], rng) for same, distinct in truths]
        twins = list(range(len(one)))
        for i, j in itertools.combinations(range(len(one)), 2):
            equal = case.operands[i] == case.operands[j] and np.array_equal(one[i], one[j])
            if twins[j] == j and equal and rng.random() < 0.7:
                twins[j], claims[j] = twins[i], claims[i]
        groups[tuple(claims), tuple(twins)].append(number)
    of_keys = any(map(_is_words, case.operands))
    results, ranks = [], []
    for var, out in zip(eqn.outvars, outs, strict=True):
        is_key = jax.dtypes.issubdtype(var.aval.dtype, jax.dtypes.prng_key)
        numbers = np.asarray(jax.random.key_data(out) if is_key else out)
        numbers = numbers.reshape(len(inputs), *SCOPES, *numbers.shape[1:])
        words = is_key or (of_keys and var.aval.dtype == "uint32" and var.aval.ndim > 0)
        results.append(_compare(numbers, var.aval.ndim, words=words))
        ranks.append(var.aval.ndim)
    return Tried(case, eqn, dict(groups), tuple(results), tuple(ranks))


def _results(case: Case, eqn: Any, operands: Sequence[Any]) -> list[Any]:
    """The results of each example, computed by JAX."""

    def one(args: Sequence[Any]) -> Any:
        return eqn.primitive.bind(*args, **eqn.params)

    if not operands:
        found = jnp.broadcast_to(out := one(()), (case.samples * EXAMPLES, *out.shape))
    elif case.one_by_one:
        found = jax.lax.map(one, operands)
    else:
        found = jax.vmap(one)(operands)
    return list(found) if eqn.primitive.multiple_results else [found]


def values(claims: Sequence[Claims], twins: Sequence[int] = ()) -> tuple[Value, ...]:
    """Abstract operands with these claims; `twins` has the first operand that is the same value."""
    made: list[Value] = []
    for number, (over, axes) in enumerate(claims):
        if twins and twins[number] != number:
            made.append(made[twins[number]])
            continue
        varying = {depth: v for depth, v in enumerate(over) if v is not CONSTANT}
        made.append(Value("input", f"x{number}", (), varying, axes, None, number))
    return tuple(made)


def outcome(tried: Tried, transfer: Transfer) -> Outcome:
    found = Outcome(set(), [], [])
    wanted: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    unclaimed: dict[tuple[Any, ...], str] = {}
    for description, inputs in tried.groups.items():
        args = values(*description)
        over, axes = transfer(tried.eqn, args)
        claims = [over.get(depth, CONSTANT) for depth in range(len(SCOPES))]
        for out, rank in enumerate(tried.ranks):
            assert len(axes) == rank, f"{len(axes)} axes claimed for an array of rank {rank}"
            for dimension, claim in enumerate([*claims, *axes]):
                words = f"{_phrase(description)}: {claim.name} along {_name(dimension)}"
                found.claimed.add(claim)
                if not _holds(tried, out, dimension, claim, inputs):
                    found.false.append(words)
                if dimension < len(SCOPES) and claim.is_same:
                    mapped = any(
                        arg.along(dimension) is not CONSTANT for arg in _made_of(tried.eqn, args)
                    )
                    if mapped is (claim is CONSTANT):
                        found.false.append(
                            f"{words}, of operands that are{' not' * (not mapped)} mapped"
                        )
                about = (out, dimension, _along(description, dimension))
                wanted[about] += inputs
                if claim is UNKNOWN:
                    unclaimed[about] = words
    for (out, dimension, along), words in unclaimed.items():
        inputs = wanted[out, dimension, along]
        holding = [v for v in (EQUAL, DISTINCT) if _holds(tried, out, dimension, v, inputs)]
        shape = tried.eqn.outvars[out].aval.shape
        is_short = dimension >= len(SCOPES) and shape[dimension - len(SCOPES)] == 1
        if len(inputs) >= ENOUGH and holding and not is_short and 0 not in shape:
            found.missed.append(f"{words}, and it is {holding[0].name}")
    return found


def _made_of(eqn: Any, args: Sequence[Value]) -> Sequence[Value]:
    """The operands that the result is made of, without the one that a `select_n` chooses by."""
    return args[1:] if eqn.primitive.name == "select_n" else args


def _holds(tried: Tried, out: int, dimension: int, claim: Variation, inputs: Sequence[int]) -> bool:
    same, distinct = tried.results[out]
    if claim is UNKNOWN:
        return True
    return bool((distinct if claim is DISTINCT else same)[dimension, inputs].all())


def _along(description: Description, dimension: int) -> tuple[Any, ...]:
    """The part of a description that a claim about one dimension of the result depends on."""
    claims, twins = description
    if dimension < len(SCOPES):
        return (*(over[dimension] for over, _ in claims), twins)
    return (*(axes for _, axes in claims), twins)


def _name(dimension: int) -> str:
    first = len(SCOPES)
    return f"scope {dimension}" if dimension < first else f"axis {dimension - first}"


def _phrase(description: Description) -> str:
    found = []
    for number, ((over, axes), twin) in enumerate(zip(*description, strict=True)):
        words = (" ".join(v.name for v in variations) for variations in (over, axes))
        own = "over {}, axes {}".format(*words)
        found.append(f"{number}: {own if twin == number else f'as {twin}'}")
    return "; ".join(found)
