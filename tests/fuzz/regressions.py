"""Programs on which jaxrng-doctor and the oracle once disagreed, by what is special about them."""

from __future__ import annotations

import numpy as np

from tests.fuzz import ops
from tests.fuzz.tree import Assign, Block, Call, Cond, Draw, Helper, Loop, Program, Var, Vmap

_KEY = (Var("key", "key"), ops.words((0, 1), ()))
_KEYS = (Var("keys", "key", (3,)), ops.words([(0, 5), (0, 6), (0, 7)], (3,)))
_DATA = (Var("data", "int", (4,)), np.array([0, 1, 1, 1]))


def _program(body: Block, *helpers: Helper) -> Program:
    return Program([], list(helpers), body, [_KEY, _KEYS, _DATA])


def _do(out: str, op: str, *args: str, **params: object) -> Assign:
    return Assign(out, op, list(args), {"legacy": False, **params})


def _loop(
    id: int,
    count: int | str,
    body: Block,
    how: str = "scan",
    index: str = "_",
    carry: list[tuple[str, str, str, str]] | None = None,
) -> Loop:
    return Loop(id, how, count, False, index, carry or [], [], [], body)


REGRESSIONS: dict[str, Program] = {
    # Counting failed on an axis of size 0 inside one that is longer.
    "a loop of no steps inside a vmap": _program(
        [
            Vmap(1, 3, [("k", "keys", 0, "0")], [], None, [_loop(2, 0, [Draw(3, "bits", "k")])]),
        ]
    ),
    # The proof gave up: the initial carry is not read, but the final one is.
    "a carry that each step makes anew": _program(
        [
            _loop(
                1, 2, [_do("k1", "fold_const", "key", number=1)], carry=[("k0", "key", "k1", "k2")]
            ),
            Vmap(3, 3, [("k", "keys", 0, "0")], [], None, [Draw(4, "bits", "k2")]),
        ]
    ),
    "a carry that no step makes anew": _program(
        [
            _loop(
                1, 0, [_do("k1", "fold_const", "key", number=1)], carry=[("k0", "key", "k1", "k2")]
            ),
            Vmap(3, 3, [("k", "keys", 0, "0")], [], None, [Draw(4, "bits", "k2")]),
        ]
    ),
    # If no row had equal keys, the first one was counted, even if it did not draw.
    "drawn in a branch that the first example does not take": _program(
        [
            Vmap(
                1,
                4,
                [("n", "data", 0, "0")],
                [],
                None,
                [
                    Cond(
                        2,
                        "n",
                        [
                            ([], []),
                            (
                                [
                                    Vmap(
                                        3,
                                        3,
                                        [("k", "keys", 0, "0")],
                                        [],
                                        None,
                                        [
                                            _do("k1", "fold", "k", "n"),
                                            Draw(4, "bits", "k1"),
                                        ],
                                    ),
                                ],
                                [],
                            ),
                        ],
                        [],
                    ),
                ],
            ),
        ]
    ),
    # The inner loop has another number of steps, and so another result, in each outer step.
    "what is left by a loop that turns ever more often": _program(
        [
            _loop(
                1,
                3,
                [
                    _loop(
                        2,
                        "n",
                        [_do("k1", "child", "k0", count=2, index=1)],
                        how="while",
                        index="m",
                        carry=[("k0", "key", "k1", "k2")],
                    ),
                    Draw(3, "bits", "k2"),
                ],
                how="fori",
                index="n",
            ),
        ]
    ),
    # Different seeds give different keys, but the first word of all of them is 0.
    "folded with the first word of a key made from a seed": _program(
        [
            Vmap(
                1,
                4,
                [("n", "data", 0, "0")],
                [],
                None,
                [
                    _do("k0", "key_of", "n"),
                    _do("k1", "fold_word", "key", "k0", index=0),
                    Draw(2, "bits", "k1"),
                ],
            ),
            _loop(
                3,
                4,
                [
                    _do("k2", "key_of", "m"),
                    _do("k3", "fold_word", "key", "k2", index=0),
                    Draw(4, "bits", "k3"),
                ],
                how="fori",
                index="m",
            ),
        ]
    ),
    # The innermost scope that shares the key made one step, which proves nothing about the outer.
    "shared over a scan, within a loop of one step": _program(
        [
            _do("one", "int_item", "data", index=1),
            _loop(1, 3, [_loop(2, "one", [Draw(3, "bits", "key")], how="while", index="n")]),
        ]
    ),
    "a helper called twice, once where it is never reached": _program(
        [
            _do("zero", "int_item", "data", index=0),
            _loop(1, "zero", [Call(2, "helper", ["key"], [])], how="while", index="n"),
            Call(3, "helper", ["key"], []),
        ],
        Helper("helper", ["k"], [_loop(4, 3, [Draw(5, "bits", "k")])], []),
    ),
    "a key's first use and its last, with uses in an exclusive branch between": _program(
        [
            Draw(1, "bits", "key"),
            _loop(
                2,
                4,
                [
                    _do("n", "int_item_at", "data", "i", size=4),
                    Cond(
                        3,
                        "n",
                        [
                            ([Draw(10 + i, "bits", "key") for i in range(40)], []),
                            ([Draw(4, "bits", "key")], []),
                        ],
                        [],
                    ),
                ],
                how="fori",
                index="i",
            ),
        ],
    ),
    # No scope alone has two draws: one example draws at each step, a different one each time.
    "one constant key, drawn from at different steps by different examples": _program(
        [
            _do("data1", "arange", count=3),
            Vmap(
                1,
                3,
                [("n", "data1", 0, "0")],
                [],
                None,
                [
                    _loop(
                        2,
                        3,
                        [
                            _do("n1", "sum", "n", "m"),
                            Cond(3, "n1", [([], []), ([], []), ([Draw(4, "bits", "key")], [])], []),
                        ],
                        how="fori",
                        index="m",
                    )
                ],
            ),
        ]
    ),
    # By the trace, the innermost scope shares its keys, but only one of its examples ever draws.
    # The keys that are proven to be equal are equal over the scopes around it.
    "equal keys in a vmap of which one example draws, inside scopes that share together": _program(
        [
            _do("data1", "arange", count=3),
            _do("keys1", "broadcast", "key", shape=(2,)),
            Vmap(
                1,
                3,
                [("n", "data1", 0, "0")],
                [],
                None,
                [
                    _loop(
                        2,
                        2,
                        [
                            _do("n1", "sum", "n", "m"),
                            _do("data2", "arange", count=2),
                            Vmap(
                                3,
                                2,
                                [("k", "keys1", 0, "0"), ("i", "data2", 0, "0")],
                                [],
                                None,
                                [
                                    _do("k1", "fold", "k", "n1"),
                                    Cond(4, "i", [([], []), ([Draw(5, "bits", "k1")], [])], []),
                                ],
                            ),
                        ],
                        how="fori",
                        index="m",
                    )
                ],
            ),
        ]
    ),
}
