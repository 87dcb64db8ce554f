"""Groups of things that belong together, as union-find."""

from __future__ import annotations

from collections.abc import Hashable


class Groups:
    """Disjoint groups of nodes. A node that was never joined is alone in its group."""

    def __init__(self) -> None:
        self._parents: dict[Hashable, Hashable] = {}
        self._numbers: dict[Hashable, int] = {}

    def join(self, node: Hashable, *others: Hashable) -> None:
        """Put all these nodes, and the groups that they are in, into one group."""
        for other in others:
            self._parents[self._top(other)] = self._top(node)

    def number_of(self, node: Hashable) -> int:
        """The number of the group of `node`. It may change when groups are joined."""
        return self._numbers.setdefault(self._top(node), len(self._numbers))

    def _top(self, node: Hashable) -> Hashable:
        way = []
        while (parent := self._parents.setdefault(node, node)) != node:
            way.append(node)
            node = parent
        for passed in way:
            self._parents[passed] = node
        return node
