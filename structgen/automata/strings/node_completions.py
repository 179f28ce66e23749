"""The shortest completions of nodes: which search finds them, and how they are written."""

from __future__ import annotations

from collections.abc import Callable

from structgen.automata.programs import determinizer_tables as ar
from structgen.automata.programs.determinizer_tables import QueueEntry, StringNode, StringTables
from structgen.automata.strings import determinizer as k
from structgen.automata.strings import node_searches as searches
from structgen.automata.strings.implicit_states import ImplicitStates
from structgen.automata.strings.spec_loading import StringSpec
from structgen.automata.strings.string_memory import StringMemory
from structgen.automata.unicode.decoded_text import encode
from structgen.errors import LimitError

_MOST_IN_ANY_ORDER = 11
"""With more atoms that are met in any order no search looks for the shortest completion: it would visit a
node for each set of them."""
_STEPS_IN_BREADTH, _STEPS_BY_BOUNDS, _STEPS_TO_NEXT = 5_000, 20_000, 5_000
"""Steps of the searches for a shortest completion, and for a text that meets one more atom."""


class NodeCompletions:
    """Finds completions in the memory of a pool. `specs`: those that were loaded, by number."""

    def __init__(self, memory: StringMemory, specs: list[StringSpec], texts: ImplicitStates) -> None:
        self._memory, self._specs, self._texts = memory, specs, texts

    def of(self, node: int, most: int = ar.NONE) -> dict[int, bytes]:
        """Return for each demand that a node can still meet the shortest text that does, in UTF-8; `most`: of
        those with at most so many characters."""
        words = self._memory.words
        words[StringTables.most_characters] = most
        try:
            return self._of(node)
        finally:
            words[StringTables.most_characters] = ar.NONE

    def _of(self, node: int) -> dict[int, bytes]:
        nodes = self._memory.arrays["nodes"]
        spec = self._specs[int(nodes[node, StringNode.spec])]
        if self._texts.at(node):
            end = self._texts.end(node)
            for char in end:
                node = self._memory.ask(k.ASK_AFTER, node, ord(char))
            outcome = int(self._memory.arrays["nodes"][node, StringNode.outcome])
            return dict.fromkeys(sorted(spec.demands.get(outcome, ())), end.encode())
        if len(spec.nodes) == 1 and spec.spec.judge is None:
            way = self._way(spec, node)
            return {} if way is None else {0: _spell(spec, way)}
        return self._of_demands(spec, node)

    def _of_demands(self, spec: StringSpec, node: int) -> dict[int, bytes]:
        """Return the completions of several demands: the search ends when each is met or out of reach."""
        wanted = (
            set(self._memory.members(self._memory.ask(k.ASK_POSSIBLE, node)))
            if spec.spec.judge is None
            else {len(spec.nodes) - 1}
        )
        met: dict[int, bytes] = {}
        resume = 0
        while wanted:
            entry = self._search(node, resume)
            if entry < 0:
                break
            resume = searches.AGAIN
            arrays = self._memory.arrays
            outcome = int(arrays["nodes"][arrays["queue"][entry, QueueEntry.node], StringNode.outcome])
            new = spec.demands[outcome] & wanted
            if new:
                met.update(dict.fromkeys(new, _spell(spec, self._path(entry))))
                wanted -= new
        return dict(sorted(met.items()))

    def _way(self, spec: StringSpec, node: int) -> list[int] | None:
        """Return the classes of a completion of one demand, or None.

        It is the shortest, then smallest, if _STEPS_IN_BREADTH find that; else one of the shortest, if
        _STEPS_BY_BOUNDS find one; else a short one: each time the shortest text after which one more atom has
        matched for good, so that from each node on its way the same rest is found. Where its characters are
        bounded it is the shortest, then smallest, if _STEPS_IN_BREADTH find that, else one of the fewest
        characters.
        """
        if self._memory.words[StringTables.most_characters] >= 0:
            entry = self._within(_STEPS_IN_BREADTH, self._search, node, 0)
            if entry is None:
                entry = self._search(node, searches.FEWEST)
            return None if entry < 0 else self._path(entry)
        if spec.exact:
            return self._path(self._seek(node, searches.SHORTEST))
        if len(spec.numbers) <= _MOST_IN_ANY_ORDER or not self._memory.ask(k.ASK_IS_SURE, node):
            entry = self._within(_STEPS_IN_BREADTH, self._search, node, 0)
            if entry is None:
                entry = self._within(_STEPS_BY_BOUNDS, self._seek, node, searches.SHORTEST)
            if entry is not None:
                return None if entry < 0 else self._path(entry)
        found: list[int] = []
        while self._memory.arrays["nodes"][node, StringNode.outcome] < 0:
            entry = self._within(_STEPS_TO_NEXT, self._search, node, searches.TO_NEXT)
            if entry is None:
                entry = self._seek(node, searches.ANY_END)
            if entry < 0:
                return None
            found += self._path(entry)
            node = int(self._memory.arrays["queue"][entry, QueueEntry.node])
        return found

    def _seek(self, node: int, aim: int) -> int:
        return self._memory.ask(k.ASK_SEEK, node, aim)

    def _search(self, node: int, resume: int) -> int:
        """Return the next queue entry that ends a search from a node, or -1.

        After an interrupt the search continues with the same entry; one to the next atom, or for the fewest
        characters, begins anew.
        """
        memory = self._memory
        if resume in (searches.TO_NEXT, searches.FEWEST):
            return memory.ask(k.ASK_SEARCH, node, resume)
        while True:
            try:
                return memory.once(k.ASK_SEARCH, node, resume)
            except ar.Interrupt:
                memory.resolve()
                resume = searches.AGAIN
                memory.words[StringTables.search_steps] -= 1

    def _within(self, steps: int, search: Callable[[int, int], int], node: int, how: int) -> int | None:
        """Return what a search finds; None if it does not end within so many steps."""
        words = self._memory.words
        try:
            with self._memory.at_most(steps):
                return search(node, how)
        except LimitError:
            if words[StringTables.cause] != ar.OVER_STEPS:
                raise
            return None

    def _path(self, entry: int) -> list[int]:
        """Return the character classes on the way to an entry of the queue."""
        queue = self._memory.arrays["queue"]
        path = []
        while int(queue[entry, QueueEntry.parent]) >= 0:
            path.append(int(queue[entry, QueueEntry.kind]))
            entry = int(queue[entry, QueueEntry.parent])
        return path[::-1]


def _spell(spec: StringSpec, kinds: list[int]) -> bytes:
    points = spec.partition.cheapest
    return encode("".join([chr(points[kind]) for kind in kinds]))
