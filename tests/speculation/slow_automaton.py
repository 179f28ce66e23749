"""The suffix automaton in plain Python, over dicts and lists: the oracle of the compiled one.

Blumer, Blumer, Haussler, Ehrenfeucht, Chen, Seiferas, "The smallest automaton recognizing the subwords of a
text" (1985). A state stands for the pieces of the text that end at the same places. `links[s]` is the state
of the longest suffix of those pieces that ends at more places; `lengths[s]` is the length of the longest
piece.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable
from typing import Final

from structgen.speculation.drafts.draft import NO_DRAFT, Draft, DraftTree
from structgen.speculation.drafts.drafter import REFUSED, View

_COUNTED: Final = 256
"""Of how many suffixes the count is kept at each token: more there are only in a text that repeats itself
hundreds of times, and then the longest ones are counted."""


class SlowAutomaton:
    """At most 2 states a token, some 600 bytes a token. A token may be any number."""

    __slots__ = ("counts", "earlier", "firsts", "last", "latest", "lengths", "links", "moves", "text")

    def __init__(self, tokens: Iterable[int] = ()) -> None:
        self.text = array("q")
        self.lengths, self.links = [0], [-1]
        self.moves: list[dict[int, int]] = [{}]
        self.counts = [0]
        """At how many places the pieces of a state end."""
        self.firsts, self.latest, self.earlier = [-1], [-1], [-1]
        """The first place, the last one, and the one before that."""
        self.last = 0
        """The state of the whole text."""
        for token in tokens:
            self.extend(token)

    def extend(self, token: int) -> None:
        """Add a token at the end. Cost: 3 us on average."""
        place = len(self.text)
        self.text.append(token)
        lengths, links, moves = self.lengths, self.links, self.moves
        whole = self._state(lengths[self.last] + 1, {}, place)
        at = self.last
        while at >= 0 and token not in moves[at]:
            moves[at][token] = whole
            at = links[at]
        if at < 0:
            links[whole] = 0
        else:
            links[whole] = self._split(at, token)
        self.last = at = whole
        for _ in range(_COUNTED):
            if at <= 0:
                break
            self.counts[at] += 1
            self.earlier[at], self.latest[at] = self.latest[at], place
            at = links[at]

    def _split(self, at: int, token: int) -> int:
        """Return the state of the longest piece of `at` with a token behind it, made if it shares one."""
        lengths, links, moves = self.lengths, self.links, self.moves
        after = moves[at][token]
        if lengths[after] == lengths[at] + 1:
            return after
        twin = self._state(lengths[at] + 1, moves[after].copy(), self.firsts[after])
        links[twin] = links[after]
        self.counts[twin] = self.counts[after]
        self.latest[twin], self.earlier[twin] = self.latest[after], self.earlier[after]
        links[after] = twin
        while at >= 0 and moves[at].get(token) == after:
            moves[at][token] = twin
            at = links[at]
        return twin

    def _state(self, length: int, moves: dict[int, int], first: int) -> int:
        self.lengths.append(length)
        self.links.append(0)
        self.moves.append(moves)
        self.counts.append(0)
        self.firsts.append(first)
        self.latest.append(-1)
        self.earlier.append(-1)
        return len(self.lengths) - 1

    def repeated(self, longest: int) -> tuple[int, int]:
        """Return the state of the longest suffix of the text, of at most `longest` tokens, that stands in it
        earlier too, and that suffix's length; (0, 0) where there is none. Cost: 1 us and the suffixes that
        are too long."""
        return self._shortened(max(self.links[self.last], 0), longest)

    def _shortened(self, state: int, longest: int) -> tuple[int, int]:
        while state > 0 and self.lengths[self.links[state]] >= longest:
            state = self.links[state]
        return state, min(self.lengths[state], longest)

    def follow(self, state: int, length: int, token: int) -> tuple[int, int]:
        """Return the state of the longest suffix of another text that stands in this one, and its length,
        after one more token of the other text. Cost: 1 us on average."""
        while state > 0 and token not in self.moves[state]:
            state = self.links[state]
            length = self.lengths[state]
        after = self.moves[state].get(token)
        return (0, 0) if after is None else (after, length + 1)

    def draft(self, state: int, view: View, most: int, branches: int) -> Draft:
        """Return the likeliest `most` continuations of a state's pieces that the grammar takes, at most
        `branches` behind each node. A share is how often the text went on so. Cost: a few steps of the
        grammar a node."""
        tree = DraftTree()
        waiting: list[tuple[float, int, int, int, float, int, int]] = []
        serial = 0

        def open_(node: int, state: int, grammar: int, chance: float) -> None:
            nonlocal serial
            moves, counts = self.moves[state], self.counts
            likeliest = sorted(
                moves.items(), key=lambda move: (counts[move[1]], self.latest[move[1]]), reverse=True
            )
            total = sum(max(counts[after], 1) for after in moves.values())
            found: list[tuple[int, int, int]] = []
            for token, after in likeliest:
                reached = view.after(grammar, token) if token >= 0 else REFUSED
                if reached == REFUSED:
                    total -= max(counts[after], 1)
                    continue
                found.append((token, after, reached))
                if len(found) == branches:  # what is not looked at is taken as allowed
                    break
            for token, after, reached in found:
                share = max(counts[after], 1) / total
                heapq.heappush(waiting, (-chance * share, serial, node, token, share, after, reached))
                serial += 1

        depths: list[int] = []
        if view.room > 0:
            open_(-1, state, view.start, 1.0)
        while waiting and len(tree) < most:
            chance, _, parent, token, share, after, reached = heapq.heappop(waiting)
            node = tree.add(parent, token, share)
            depths.append(1 if parent < 0 else depths[parent] + 1)
            if depths[node] < view.room:
                open_(node, after, reached, -chance)
        return tree.shared() if len(tree) else NO_DRAFT
