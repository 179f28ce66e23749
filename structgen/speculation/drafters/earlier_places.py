"""Where a text, or another one, was at the same point before, and what followed there.

`EarlierPlaces` keeps the tokens of a text, and for the last one, two and four tokens before each place the
places where they stood. The longest common suffix of two texts is found by comparing backwards from these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Final

import numpy as np

from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.drafts.drafter import REFUSED, View, allowed_part

_SIZES: Final = (4, 2, 1)
"""Tokens by which places are looked up: few places share four tokens, and some share one."""
_MOST_COMPARED: Final = 48
"""Places that are compared for one lookup: the first one and the latest."""
_MORE: Final = 2
"""Under a grammar a draft is grown by this factor in nodes and branches, because some will be refused."""

Place = tuple[int, int]
"""How many tokens before it are the same, and the position of the token that followed there."""


class EarlierPlaces:
    """A text of tokens that grows at its end; separators are negative. Memory: some 400 bytes a token.

    Only one thread may extend it. Once it is no longer extended, any number of threads may read it.
    """

    __slots__ = ("_places", "text")

    def __init__(self, tokens: Iterable[int] = ()) -> None:
        self.text: list[int] = []
        self._places: dict[tuple[int, ...], list[int]] = {}
        """For each run of tokens of a known size, the positions behind it."""
        self.extend(tokens)

    def __len__(self) -> int:
        return len(self.text)

    def extend(self, tokens: Iterable[int]) -> None:
        """Add tokens at the end. Cost: 1 us a token."""
        text, places = self.text, self._places
        for token in tokens:
            text.append(token)
            for size in _SIZES:
                if len(text) >= size:
                    places.setdefault(tuple(text[-size:]), []).append(len(text))

    def alike(self, before: Sequence[int], longest: int) -> list[Place]:
        """Return the places before which the tokens are those at the end of `before`, at least one and at
        most `longest`: those with most equal tokens first, of equal ones the earliest.

        Where more than some fifty places share one, two or four tokens, the first and the latest of them are
        compared. The end of the text itself is no place. Cost: 0.5 us a place and an equal token.
        """
        found: set[int] = set()
        for size in _SIZES:
            places = self._places.get(tuple(before[-size:]), ()) if len(before) >= size else ()
            found.update(places[:1], places[-_MOST_COMPARED:])
        alike = [(self._common(place, before, longest), place) for place in found if place < len(self.text)]
        return sorted(alike, key=lambda one: (-one[0], one[1]))

    def _common(self, place: int, before: Sequence[int], longest: int) -> int:
        """Return how many tokens before a place are those at the end of another text."""
        text, count, most = self.text, 0, min(place, len(before), longest)
        while count < most and text[place - 1 - count] == before[-1 - count]:
            count += 1
        return count

    def draft(self, places: Iterable[int], view: View, most: int, branches: int) -> Draft:
        """Return the likeliest `most` continuations of places that the grammar allows, at most `branches`
        after each node. A share is the frequency of a continuation. Cost: 1 us a place and a node, and a step
        of the grammar for each node."""
        if most < 1 or view.room < 1:
            return NO_DRAFT
        more = 1 if view.matcher is None else _MORE
        tree = self._tree(list(places), more * most, more * branches, view.room)
        return allowed_part(tree, view, most, branches)

    def _tree(self, places: list[int], most: int, branches: int, deepest: int) -> Draft:
        """Return the tree of the likeliest continuations, the likeliest first: each node is a set of places
        whose texts went on alike."""
        tokens: list[int] = []
        parents: list[int] = []
        shares: list[float] = []
        waiting: list[tuple[float, int, int, int, float, int, list[int]]] = []
        parent, worth, depth, made = -1, 1.0, 0, 0
        while True:
            if depth < deepest:
                after = self._after(places)
                total = sum(map(len, after.values()))
                likeliest = sorted(after.items(), key=lambda one: (-len(one[1]), -one[1][-1]))
                for token, further in likeliest[:branches]:
                    share = len(further) / total
                    made += 1
                    heappush(waiting, (-worth * share, made, parent, token, share, depth + 1, further))
            if len(tokens) == most or not waiting:
                break
            worth, _, at, token, share, depth, places = heappop(waiting)
            worth, parent = -worth, len(tokens)
            tokens.append(token)
            parents.append(at)
            shares.append(share)
        return Draft.made(
            np.array(tokens, np.int32), np.array(parents, np.int32), np.array(shares, np.float32)
        )

    def _after(self, places: Iterable[int]) -> dict[int, list[int]]:
        """Return the tokens at places, each with the places behind it; separators are left out."""
        found: defaultdict[int, list[int]] = defaultdict(list)
        for place in sorted(places):
            if place < len(self.text) and self.text[place] >= 0:
                found[self.text[place]].append(place + 1)
        return found

    def copy_from(self, place: int, view: View, most: int) -> Draft:
        """Return the tokens from a position of the text on, as far as the grammar allows them."""
        found: list[int] = []
        state = view.start
        for token in self.text[place : place + min(most, view.room)]:
            state = view.after(state, token) if token >= 0 else REFUSED
            if state == REFUSED:
                break
            found.append(token)
        return Draft.chain(found)
