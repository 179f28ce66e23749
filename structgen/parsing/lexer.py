"""lark's contextual lexer as an automaton (`lexemes`), with the texts that lead from one of its states to a
terminal: what completions are written with, and what proves that there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from structgen.parsing.lexeme_items import Item, Slot
from structgen.parsing.lexemes import DEAD, DECIDED, LexemeState, LexemeStates
from structgen.parsing.ordered import Nest
from structgen.parsing.tables import ParserTables

_SEVERAL: Final = 4
"""Texts of a terminal whose end a look-ahead may undo that are offered."""
_TRIES: Final = 8
"""Texts of a terminal, as its pattern has them, that are tried where the first is another's: they are what a
person would write. Then come those of the automaton."""
_PAIRS: Final = 100
"""Pairs of states that are gone through for whether a slot ever wins."""
_FOLLOWED: Final = 2_000
"""States of a lexeme that are gone through for a text of a terminal that is nearly always another's."""


class Lexer(LexemeStates):
    """The states of lexemes, and texts between them. Not thread-safe."""

    def __init__(self, tables: ParserTables) -> None:
        super().__init__(tables)
        self._words: dict[tuple[int, int], bytes | None] = {}
        self._texts: dict[tuple[int, int], list[bytes]] = {}
        self._all_words: dict[int, tuple[dict[int, bytes], bool]] = {}
        self._gives_way: dict[tuple[int, int], bool] = {}

    def least(self) -> list[int]:
        """Return the bytes of each terminal's shortest lexeme, as if every look-around held; 0 for those that
        no lexeme is of."""
        found = [0] * len(self.tables.terminals)
        for terminal, first in self._first.items():
            found[terminal] = self.program.least(first, terminal)
        for string, (first, number) in self._exact.items():
            found[string] = self.program.least(first, number)
        return found

    def samples(self, terminal: int) -> Iterator[bytes]:
        """Yield short texts that a terminal's own pattern matches, as if every look-around held."""
        for first, number in ((self._first.get(terminal), terminal), self._exact.get(terminal, (None, 0))):
            if first is not None:
                yield from self.program.words([first], number)

    def word(self, state: int, terminal: int) -> bytes | None:
        """Return a shortest text after which a lexeme may end as a terminal's (empty: where it may now); None
        where none was found: `never` says whether there is none."""
        key = state, terminal
        if key not in self._words:
            self._words[key] = self._word(state, terminal)
        return self._words[key]

    def words(self, state: int, terminal: int) -> list[bytes]:
        """Return the text of `word`, and where a look-ahead may still undo that end, some more, to other
        states: `AS` is no name where names are no keywords, `ASa` is. Empty where `word` is None."""
        key = state, terminal
        if key not in self._texts:
            self._texts[key] = self._several(state, terminal)
        return self._texts[key]

    def _several(self, state: int, terminal: int) -> list[bytes]:
        word = self.word(state, terminal)
        if word is None:
            return []
        found, met = [word], set[int]()
        after, ended = self._ended(state, word, terminal)
        if after < 0 or not any(slot.terminal == terminal and slot.guards for slot in ended):
            return found
        met.add(after)
        for text in islice(self.program.words(self._waiting(self.states[state]), terminal), 8 * _TRIES):
            after, ended = self._ended(state, text, terminal)
            if text and after not in met and (after == DECIDED or ended):
                met.add(after)
                found.append(text)
                if len(found) == _SEVERAL:
                    break
        return found

    def _ended(self, state: int, text: bytes, terminal: int) -> tuple[int, tuple[Slot, ...]]:
        """Return the state after a text, and those of its slots that are a terminal's; DECIDED where the
        lexeme has ended as it with the last byte, DEAD where it has otherwise."""
        for at, byte in enumerate(text):
            move = self.move(state, byte)
            if move.after == DECIDED and at == len(text) - 1 and move.sources[0] == -1 - terminal:
                return DECIDED, ()
            if move.after < 0:
                return DEAD, ()
            state = move.after
        return state, tuple(slot for slot in self.states[state].slots if slot.terminal == terminal)

    def _word(self, state: int, terminal: int) -> bytes | None:
        held = self.states[state]
        if any(slot.terminal == terminal for slot in held.slots):
            return b""
        words, complete = self._all_words.get(state, ({}, False))
        if complete and terminal not in words:
            return None
        found = self.near_word(state, terminal)
        return self._followed(state)[0].get(terminal) if found is None else found

    def near_word(self, state: int, terminal: int) -> bytes | None:
        """Return the text of `word` where it is among the first that the terminal's pattern has."""
        held = self.states[state]
        for at, number in (
            (held.tracked, self._exact.get(terminal, (0, -1))[1]),
            (self._waiting(held), terminal),
        ):
            for text in islice(self.program.words(sorted(at), number), _TRIES):
                after, ended = self._ended(state, text, terminal)
                if after == DECIDED or ended:
                    return text
        return None

    def never(self, state: int, terminal: int) -> bool:
        """Return whether it is sure that no lexeme of a terminal goes on from a state: better ones always
        win."""
        words, complete = self._followed(state)
        return complete and terminal not in words

    def gives_way(self, state: int, other: int) -> bool:
        """Return whether a lexeme with one slot that is not new never ends with it, as all bytes after which
        it would are errors to what is read on from the slot (`other`, a state with no such slots). False
        where it is not clear."""
        key = state, other
        known = self._gives_way.get(key)
        if known is None:
            known = self._gives_way[key] = self._yields(state, other)
        return known

    def _yields(self, state: int, other: int) -> bool:
        pairs = [(state, other)]
        seen = set(pairs)
        for here, beside in pairs:
            slot = [item.terminal for item in self.states[here].slots].index(-1)
            ends = self.end(here).sources == (slot,) and self.end(beside).after == DECIDED
            if ends or len(pairs) > _PAIRS:
                return False
            for _byte, move in self.ways(here):
                # of the bytes that do the same here, those that are errors beside are let go
                kinds = [kind for kind, one in enumerate(self.row(here)) if one == move]
                if slot not in move.sources:
                    continue
                for kind in kinds:
                    after = self.row(beside)[kind]
                    if after.after == DEAD:
                        continue
                    if move.after < 0 or after.after < 0 or any(source >= 0 for source in after.sources):
                        return False
                    pair = move.after, after.after
                    if pair not in seen:
                        seen.add(pair)
                        pairs.append(pair)
        return True

    def _followed(self, state: int) -> tuple[dict[int, bytes], bool]:
        """Return a shortest text for each terminal that a lexeme may become, found in the automaton itself,
        and whether those are all. Cost: the moves of _FOLLOWED states at most, shared by all that they lead
        to."""
        known = self._all_words.get(state)
        if known is None:
            reached = {state: None}
            pending = [state]
            for here in pending:
                if here in self._all_words and self._all_words[here][1]:
                    continue
                if len(reached) > _FOLLOWED:
                    break
                for _byte, move in self.ways(here):
                    if move.after >= 0 and move.after not in reached:
                        reached[move.after] = None
                        pending.append(move.after)
            complete = len(reached) <= _FOLLOWED
            found = self._backwards(pending if complete else pending[:_FOLLOWED])
            if complete:
                self._all_words.update((here, (words, True)) for here, words in found.items())
            known = self._all_words[state] = found[state], complete
        return known

    def _backwards(self, states: list[int]) -> dict[int, dict[int, bytes]]:
        """Return for each of some states a shortest text for each terminal that a lexeme may become without
        leaving them."""
        words: dict[int, dict[int, bytes]] = {state: {} for state in states}
        before: dict[int, list[tuple[int, int]]] = {}
        layers: list[list[tuple[int, int, bytes]]] = [[]]

        def note(state: int, terminal: int, text: bytes) -> None:
            while len(layers) <= len(text):
                layers.append([])
            layers[len(text)].append((state, terminal, text))

        for state in states:
            known, complete = self._all_words.get(state, ({}, False))
            if complete:
                for terminal, text in known.items():
                    note(state, terminal, text)
                continue
            ended = self.end(state)
            if ended.after == DECIDED and ended.sources[0] < 0:
                note(state, -1 - ended.sources[0], b"")
            for byte, move in self.ways(state):
                for source in move.sources:
                    if source < 0:
                        note(state, -1 - source, bytes((byte,)))
                if move.after in words:
                    before.setdefault(move.after, []).append((state, byte))
        # shortest first: a text is its state's once, and is handed on with one byte more
        for layer in layers:
            for state, terminal, text in layer:
                if terminal not in words[state]:
                    words[state][terminal] = text
                    for earlier, byte in before.get(state, ()):
                        if terminal not in words[earlier]:
                            note(earlier, terminal, bytes((byte,)) + text)
        return words

    def _waiting(self, state: LexemeState) -> list[int]:
        pending: list[Item] = list(reversed(state.items))
        found: dict[int, None] = {}
        while pending:
            item = pending.pop()
            if isinstance(item, Nest):
                pending += reversed(item.threads)
            elif not isinstance(item, Slot):
                found[item[0]] = None
        return list(found)
