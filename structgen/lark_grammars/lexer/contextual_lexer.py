"""lark's contextual lexer: the automaton of `lexemes`, with texts that lead from a state to a terminal.

Completions consist of these texts. Texts of a terminal's own pattern are tried first, in a form that a person
would write. Then the automaton is searched, which also proves that no text leads to a terminal.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.lexer import lexeme_ends as E
from structgen.lark_grammars.lexer import lexeme_rows as R
from structgen.lark_grammars.lexer import work_budget as F
from structgen.lark_grammars.lexer.lexeme_ends import EndingSearch
from structgen.lark_grammars.lexer.lexeme_items import Item, Slot
from structgen.lark_grammars.lexer.lexemes import DEAD, DECIDED, LexemeStates
from structgen.lark_grammars.lexer.regex_instructions import patterns_of
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE, ParserTables, Patterns
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import word_of, words_of

_MOST_TEXTS: Final = 4
"""Texts returned by `short_texts`; a look-ahead may invalidate the first."""
_MOST_TRIED: Final = 8
"""Texts of a terminal's pattern that are tried before the automaton is searched."""
_MOST_PAIRS: Final = 400
"""The most pairs of states that are visited to decide whether a slot ever wins."""
_MOST_FOLLOWED: Final = 2_000
"""The most states that are visited to find a text of a terminal that others nearly always overrule."""
_MOST_UNGUARDED: Final = 400
"""The most states that are visited to find a text after which no look-ahead is pending."""


class _Texts:
    """Texts that lead from some instructions to a match, generated on demand, in arrays for compiled code."""

    __slots__ = ("_arrays", "_asked", "_found", "_more", "_texts")

    def __init__(self, texts: Callable[[], Iterator[bytes]]) -> None:
        """`texts`: returns a new iterator over all texts."""
        self._texts = texts
        self._more: Iterator[bytes] | None = None
        self._found: list[bytes] = []
        self._asked = 0
        self.first(1)

    def _next(self, count: int) -> list[bytes]:
        """Return at most so many further texts. A generator that raised has ended: a new one skips the known
        texts."""
        more, self._more = self._more, None
        if more is None:
            more = islice(self._texts(), len(self._found), None)
        found = list(islice(more, max(0, count)))
        self._found, self._more = self._found + found, more
        return found

    def first(self, count: int) -> tuple[int, int, int]:
        """Return at most so many first texts, for `find_text`."""
        if count > self._asked:
            self._next(count - len(self._found))
            first = np.frombuffer(b"".join(self._found) + b"\0", np.uint8)
            begins = np.array([0, *accumulate(map(len, self._found))], np.int32)
            self._arrays, self._asked = (first, begins, address_of(first), address_of(begins)), count
        return self._arrays[2], self._arrays[3], min(count, len(self._found))

    def __getitem__(self, number: int) -> bytes:
        return self._found[number]

    def __iter__(self) -> Iterator[bytes]:
        at = 0
        while at < len(self._found) or self._next(1):
            yield self._found[at]
            at += 1


@dataclass(frozen=True, slots=True)
class LexemeEndings:
    """As which terminals a lexeme may end."""

    separated: list[tuple[int, int]]
    """Terminals that a separator decides, each after the bytes that the lexeme still needs."""
    unseparated: list[int]
    """Terminals for which no text was found that the separator decides."""
    terminals: list[int]
    """All terminals that the lexeme may become, or is."""
    flags: int
    """Bits of HAS_IGNORED and its like (`lexeme_ends`)."""
    at_end: int
    """The result at the text's end: a terminal, LAST_NOT, or LAST_OLD."""


class Lexer(LexemeStates):
    """The states of lexemes, and texts between them. Not thread-safe."""

    def __init__(self, tables: ParserTables) -> None:
        super().__init__(tables)
        self._shortest: dict[tuple[int, int], bytes | None] = {}
        self._short_texts: dict[tuple[int, int], list[bytes]] = {}
        self._texts: dict[tuple[tuple[int, ...], int], _Texts] = {}
        self._waiting_of: dict[int, list[tuple[int, int]]] = {}
        self._strings_of_state: dict[int, list[tuple[int, int]]] = {}
        self._unreachable: dict[int, set[int]] = {}
        """For each terminal, states from which no text leads to it."""
        self._never_ends: dict[tuple[int, int], bool] = {}
        self._placed: dict[bytes, tuple[int, npt.NDArray[np.uint8]]] = {}
        self._class_array = np.frombuffer(self.classes, np.uint8)
        self._classes_at = address_of(self._class_array)
        self._finders: dict[int, _EndingFinder] = {}

    def shortest_lengths(self) -> list[int]:
        """Return the length of each terminal's shortest lexeme, as if look-arounds held; UNREACHABLE if
        nothing matches or makes it; 0 for the indenter's terminals."""
        if self.tables.patterns is not None:
            kept: list[int] = self.tables.patterns.least.tolist()
            return kept
        never = self.tables.remarks.never_made
        found = [UNREACHABLE if one.name in never else 0 for one in self.tables.terminals]
        for terminal, first in self._first.items():
            found[terminal] = self.program.least(first, terminal)
        for string, (first, number) in self._exact.items():
            found[string] = self.program.least(first, number)
        return found

    def patterns(self) -> Patterns:
        """Return the patterns as arrays, from which another lexer of the same tables can start. Cost: about
        10 us for each instruction."""
        if self.tables.patterns is not None:
            return self.tables.patterns
        program = self.program
        code = [program.code[at] for at in range(program.code.count - len(program.inner))]
        reach = [program.reach(at) for at in range(len(code))]
        return patterns_of(
            code,
            reach,
            program.looks,
            self._first,
            self._exact,
            self.classes,
            self.shortest_lengths(),
            self.is_local,
        )

    def sample_lexemes(self, terminal: int) -> Iterator[bytes]:
        """Yield short texts that a terminal's own pattern matches, as if every look-around held."""
        for first, number in ((self._first.get(terminal), terminal), self._exact.get(terminal, (None, 0))):
            if first is not None:
                yield from self.program.texts([first], number)

    def shortest_text(self, state: int, terminal: int) -> bytes | None:
        """Return a shortest text after which a lexeme may end as a terminal (empty: it may end now); None if
        none was found: `never` tells whether there is none."""
        key = state, terminal
        if key not in self._shortest:
            self._shortest[key] = self._find_shortest_text(state, terminal)
        return self._shortest[key]

    def possible_terminals(self, state: int) -> frozenset[int]:
        """Return the terminals that a lexeme may become, or is if it ends now."""
        slots = self.states[state].slots
        return self.viable_terminals(state).union([slot.terminal for slot in slots if slot.terminal >= 0])

    def may_become(self, state: int, terminal: int) -> bool:
        """Return whether a lexeme may become a terminal, or is one if it ends now."""
        bits = int(self.items.array("viable")[state, terminal >> 6])
        return bool(bits >> (terminal & 63) & 1 or self._ended(state, terminal, b"") & 1)

    def may_become_rows(self, first: int, last: int, terminal: int) -> npt.NDArray[np.uint8]:
        """Return `may_become` for the states from one up to another."""
        found = np.zeros(last - first, np.uint8)
        E.find_may_become(self.items.ready(), first, len(found), terminal, address_of(found))
        return found

    def short_texts(self, state: int, terminal: int) -> list[bytes]:
        """Return `shortest_text`; if a pending look-ahead may undo that end, also some longer texts. For
        example, if keywords are not names, `AS` is no name, but `ASa` is. Empty if there is none."""
        key = state, terminal
        if key not in self._short_texts:
            self._short_texts[key] = list(self._find_short_texts(state, terminal))
        return self._short_texts[key]

    def _find_short_texts(self, state: int, terminal: int) -> Iterator[bytes]:
        text = self.shortest_text(state, terminal)
        if text is None:
            return
        yield text
        end = self._ended(state, terminal, text)
        if end < 0 or not end & 2:
            return
        if self.pending_lookaheads(end >> 2):
            settled = self._unguarded_text(state, terminal)
            if settled is not None:
                yield settled
                return
        met = {end >> 2}
        texts, tried = self._texts_of(self._waiting(state), terminal), 0
        for most in (_MOST_TRIED, 8 * _MOST_TRIED):
            ends = self._every_end(state, terminal, *texts.first(most))
            for number in range(tried, len(ends)):
                text, end = texts[number], ends[number]
                after = end if end < 0 else end >> 2
                if text and after not in met and (after == DECIDED or (end >= 0 and end & 1)):
                    met.add(after)
                    yield text
                    if len(met) == _MOST_TEXTS:
                        return
            tried = len(ends)

    def _ask(self, call: Callable[..., int], state: int, terminal: int, *arguments: int) -> int:
        """Call a routine of `lexeme_rows`, making rows until none is missing; return its result."""
        while True:
            found = call(self.items.ready(), self._classes_at, state, terminal, *arguments)
            if found > R.MISSING:
                return found
            self.items.make_rows([R.MISSING - found], 1)

    def _ended(self, state: int, terminal: int, text: bytes) -> int:
        """Return 4 times the state after a text, plus bits: 1, it has a slot of the terminal; 2, that slot
        can still be overruled. DECIDED if the lexeme has ended as the terminal with the last byte, DEAD if it
        ended otherwise."""
        return self._ask(R.find_end, state, terminal, self._at(text), len(text))

    def _every_end(self, state: int, terminal: int, texts: int, begins: int, count: int) -> list[int]:
        """Return `_ended` of each text; the arguments are those that `_Texts.first` returns."""
        found = np.empty(count, np.int32)
        items, arguments = self.items, (self._classes_at, state, terminal, texts, begins, count)
        while R.find_every_end(items.ready(), *arguments, address_of(found)):
            rows = np.unique(R.MISSING - found[found <= R.MISSING]).tolist()
            items.make_rows(rows, len(rows))
        return found.tolist()

    def is_separated(self, state: int, terminal: int, text: bytes, separator: int) -> bool:
        """Return whether a lexeme that a text ends as a terminal has certainly ended so, if a separator
        follows."""
        return self._ask(R.find_separated, state, terminal, self._at(text), len(text), separator) > 0

    def endings(self, state: int, separator: int) -> LexemeEndings:
        """Return the endings of a lexeme before a separator. Cost: about 10 us, and 20 us for each terminal
        whose first text from one of the state's items is not known yet."""
        separated, left, every, flags, last = self._finder(separator).find(state)
        sizes = [(self._separated_at(state, one, separator), one) for one in left]
        separated += [one for one in sizes if one[0] >= 0]
        if last == E.LAST_UNKNOWN:
            last = self._at_end(state)
        return LexemeEndings(sorted(separated), [one for size, one in sizes if size < 0], every, flags, last)

    def prepare_endings(self, states: Sequence[int], separator: int) -> None:
        """Prepare `endings` of several states together, with fewer calls."""
        self._finder(separator).prepare(states)

    def _finder(self, separator: int) -> _EndingFinder:
        found = self._finders.get(separator)
        if found is None:
            indentation = self.tables.indentation
            newline = -1 if indentation is None else indentation.newline
            found = self._finders[separator] = _EndingFinder(self, separator, newline)
        return found

    def _separated_at(self, state: int, terminal: int, separator: int) -> int:
        """Return the bytes that a lexeme still needs so that a separator decides it as a terminal; -1 if no
        text was found."""
        words = self._short_texts.get((state, terminal)) or self._find_short_texts(state, terminal)
        return next((len(text) for text in words if self.is_separated(state, terminal, text, separator)), -1)

    def _at_end(self, state: int) -> int:
        """Return the result for a lexeme at the text's end: a terminal, LAST_NOT, or LAST_OLD."""
        end = self.end(state)
        if end.after != DECIDED:
            return E.LAST_NOT
        source = end.sources[0]
        terminal = -1 - source if source < 0 else self.states[state].slots[source].terminal
        return terminal if terminal >= 0 else E.LAST_OLD

    def first_text(self, item: int, number: int) -> bytes | None:
        """Return the shortest first text from an item to a match, as if every look-around held."""
        best: bytes | None = None
        for at in _instructions([self.items.objects[item]]):
            text = self.program.first_text(at, number)
            if text is not None and (best is None or len(text) < len(best)):
                best = text
        return best

    def bytes_until_separated(self, state: int, terminal: int, separator: int) -> int:
        """Return how many further bytes make a lexeme surely a terminal if a separator follows, though its
        present bytes may still become another. For example `match` is a name in `match1`, and a keyword
        before a pattern. 0: none was found."""
        for text in islice(self._texts_of(self._waiting(state), terminal), _MOST_TRIED):
            if text and self.is_separated(state, terminal, text, separator):
                return len(text)
        return 0

    def _at(self, text: bytes) -> int:
        """Return the address of a text."""
        known = self._placed.get(text)
        if known is None:
            array = np.frombuffer(text + b"\0", np.uint8)
            known = self._placed[text] = address_of(array), array
        return known[0]

    def _find_shortest_text(self, state: int, terminal: int) -> bytes | None:
        if self._ended(state, terminal, b"") & 1:
            return b""
        if state in self._unreachable.get(terminal, ()):
            return None
        found = self.pattern_text(state, terminal)
        return self._search(state, terminal)[0] if found is None else found

    def pattern_text(self, state: int, terminal: int) -> bytes | None:
        """Return `shortest_text` if it is among the first texts of the terminal's pattern."""
        exact = self._exact.get(terminal, (0, -1))[1]
        for tracked, number in ((True, exact), (False, terminal)):
            if number < 0:
                continue
            texts = self._texts_of(self._strings(state) if tracked else self._waiting(state), number)
            for tries in (1, _MOST_TRIED):  # usually the first one works
                found = self._ask(R.find_text, state, terminal, *texts.first(tries))
                if found >= 0:
                    return texts[found]
        return None

    def _texts_of(self, waiting: list[tuple[int, int]], number: int) -> _Texts:
        """Return texts that lead from some instructions to a match, as if every look-around held."""
        bit = 2 << number
        starts = tuple([at for at, reach in waiting if reach & bit])
        known = self._texts.get((starts, number))
        if known is None:
            known = self._texts[starts, number] = _Texts(lambda: self.program.texts(starts, number))
        return known

    def _strings(self, state: int) -> list[tuple[int, int]]:
        """Return the same for the strings that may replace a match."""
        tracked = self.items.state(state)[R.S_TRACKED]
        known = self._strings_of_state.get(tracked)
        if known is None:
            reach = self.program.reach
            known = self._strings_of_state[tracked] = [
                (at, reach(at)) for at in sorted(self.states[state].tracked)
            ]
        return known

    def is_unreachable(self, state: int, terminal: int) -> bool:
        """Return whether no text leads from a state to a terminal, because better threads always win. False
        if this is undecided."""
        text, complete = self._search(state, terminal)
        return complete and text is None

    def never_ends_at_slot(self, state: int, other: int) -> bool:
        """Return whether a lexeme with one old slot never ends at that slot, because each byte at which it
        would is an error for `other`, the state read on from the slot (without old slots). False if this is
        undecided."""
        known = self._never_ends.get((state, other))
        return self._find_never_ends(state, other) if known is None else known

    def _find_never_ends(self, state: int, other: int) -> bool:
        """Search for `never_ends_at_slot`. If it holds, it holds for all visited pairs of states."""
        level = [(state, other)]
        met = dict.fromkeys(level, True)
        holds = True
        while level and holds:
            self.after([one for pair in level for one in pair])  # makes all rows in one call
            reached: dict[tuple[int, int], bool] = {}
            for pair in level:
                steps = self._pairs_after(*pair)
                holds = holds and steps is not None and all(self._never_ends.get(one, True) for one in steps)
                reached |= dict.fromkeys(steps or (), True)
            level = [one for one in reached if one not in met and one not in self._never_ends]
            met |= reached
            holds = holds and len(met) <= _MOST_PAIRS
        self._never_ends |= met if holds else {(state, other): False}
        return holds

    def _pairs_after(self, here: int, beside: int) -> list[tuple[int, int]] | None:
        """Return the pairs of states after bytes that keep the old slot and are no errors for the second
        state; None if the lexeme may end at the slot."""
        slot = [item.terminal for item in self.states[here].slots].index(-1)
        if self.end(here).sources == (slot,) and self.end(beside).after == DECIDED:
            return None
        found = []
        afters, sources = self.items.array("after"), self.items.array("sources")
        rows = (rows[state].tolist() for state in (here, beside) for rows in (afters, sources))
        for after, of, other, of_other in set(zip(*rows, strict=True)):
            # bytes that are errors for the second state do not matter
            if other != DEAD and slot in self.items.sources(of):
                if after < 0 or other < 0 or any(source >= 0 for source in self.items.sources(of_other)):
                    return None
                found.append((after, other))
        return found

    def _search(self, state: int, terminal: int) -> tuple[bytes | None, bool]:
        """Search the automaton for a short text after which a lexeme may end as a terminal. Return it, or
        None, and whether the search was complete. Cost: the moves of at most _MOST_FOLLOWED states."""
        unreachable = self._unreachable.setdefault(terminal, set())
        if state in unreachable:
            return None, True
        before: dict[int, tuple[int, int]] = {state: (-1, 0)}
        queue, gone = [(0, 0, state)], [state]
        while queue:
            _pending, _order, here = heapq.heappop(queue)
            self.items.budget.spend(F.FOLLOW_STEPS)
            found: int | None = None
            ended = self.end(here)
            if ended.after == DECIDED and ended.sources[0] == -1 - terminal:
                return self._text_to(before, here), True
            for byte, move in self.ways(here):
                if -1 - terminal in move.sources:
                    found = byte
                    break
            if found is not None:
                return self._text_to(before, here) + bytes((found,)), True
            if len(gone) > _MOST_FOLLOWED:
                return None, False
            for byte, move in self.ways(here):
                after = move.after
                if after >= 0 and after not in before and after not in unreachable:
                    before[after] = here, byte
                    if terminal in self.viable_terminals(after):
                        gone.append(after)
                        heapq.heappush(queue, (self.pending_lookaheads(after), len(gone), after))
        unreachable.update(gone)
        return None, True

    def _unguarded_text(self, state: int, terminal: int) -> bytes | None:
        """Return a text after which a lexeme may end as a terminal with no guard left; None if none was
        found. Cost: the moves of at most _MOST_UNGUARDED states."""
        before: dict[int, tuple[int, int]] = {state: (-1, 0)}
        queue = [(0, 0, state)]
        for _ in range(_MOST_UNGUARDED):
            if not queue:
                break
            _pending, _order, here = heapq.heappop(queue)
            self.items.budget.spend(F.FOLLOW_STEPS)
            for byte, move in self.ways(here):
                after = move.after
                if after == DECIDED and move.sources[0] == -1 - terminal:
                    return self._text_to(before, here) + bytes((byte,))
                if after < 0 or after in before or terminal not in self.viable_terminals(after):
                    continue
                before[after] = here, byte
                if self._ended(after, terminal, b"") & 3 == 1:
                    return self._text_to(before, after)
                heapq.heappush(queue, (self.pending_lookaheads(after), len(before), after))
        return None

    def _text_to(self, before: dict[int, tuple[int, int]], state: int) -> bytes:
        """Return the text that led to a state."""
        found = []
        while before[state][0] >= 0:
            state, byte = before[state]
            found.append(byte)
        return bytes(reversed(found))

    def _waiting(self, state: int) -> list[tuple[int, int]]:
        """Return the instructions at which a state's threads wait, best first, with the matches that each can
        reach."""
        known = self._waiting_of.get(state)
        if known is None:
            found = _instructions(self.states[state].items)
            reach = self.program.reach
            known = self._waiting_of[state] = [(at, reach(at)) for at in found]
        return known


def _instructions(items: Sequence[Item]) -> list[int]:
    """Return the instructions at which the threads of some items wait, best first, without repetitions."""
    pending: list[Item] = list(reversed(items))
    found: dict[int, None] = {}
    while pending:
        item = pending.pop()
        if not isinstance(item, Slot):
            found[item[0]] = None
    return list(found)


class _EndingFinder:
    """The compiled search for endings (`lexeme_ends`): its memory, and the texts that it requests."""

    def __init__(self, lexer: Lexer, separator: int, newline: int) -> None:
        self._lexer = lexer
        self._terminals = terminals = len(lexer.tables.terminals)
        ignored, exact = np.zeros((2, terminals), np.uint8)
        ignored[sorted(lexer.tables.ignored)] = 1
        exact[
            sorted(
                {string for context in lexer.tables.contexts for _t, of in context.unless for string in of}
            )
        ] = 1
        self._words = np.zeros(words_of(EndingSearch), np.int64)
        self._found = np.zeros(E.F_LISTS + 4 * terminals, np.int32)
        self._notes = np.zeros(E.MOST_TEXTS, np.int64)
        self._rows = np.zeros(E.MOST_TEXTS, np.int32)
        self._words[word_of(EndingSearch, "missing")] = address_of(self._rows)
        self._kept = ignored, exact, np.zeros((terminals + 63) // 64, np.int64)
        self._texts: dict[int, bytes | None] = {}
        """The known texts by key."""
        self._places: dict[bytes, int] = {}
        self._size = 0
        self._words[word_of(EndingSearch, "classes")], self._words[EndingSearch.separator] = (
            address_of(lexer._class_array),
            separator,
        )
        self._words[EndingSearch.newline], self._words[word_of(EndingSearch, "is_string")] = (
            newline,
            address_of(exact),
        )
        self._words[word_of(EndingSearch, "ignored")], self._words[word_of(EndingSearch, "bits")] = (
            address_of(ignored),
            address_of(self._kept[2]),
        )
        self._words[word_of(EndingSearch, "found")], self._words[word_of(EndingSearch, "notes")] = (
            address_of(self._found),
            address_of(self._notes),
        )
        self._address = address_of(self._words)
        self._pool = np.zeros(1 << 12, np.uint8)
        self._words[word_of(EndingSearch, "texts")] = address_of(self._pool)
        self._make_table(1 << 10)

    def find(self, state: int) -> tuple[list[tuple[int, int]], list[int], list[int], int, int]:
        """Return for a lexeme: the terminals that a separator decides, each after the bytes that it needs;
        the undecided terminals; all terminals; the flags; the result at the text's end."""
        self.prepare([state])
        counts, width = self._found[: E.F_LISTS].tolist(), self._terminals
        lists = self._found[E.F_LISTS :].reshape(4, width)
        decided, left, every, flags, last = counts
        separated = list(zip(lists[2, :decided].tolist(), lists[1, :decided].tolist(), strict=True))
        return separated, lists[3, :left].tolist(), lists[0, :every].tolist(), flags, last

    def prepare(self, states: Sequence[int]) -> None:
        """Make the texts and rows that some states need."""
        ready = self._lexer.items.ready
        while states := [one for one in states if E.find_endings(ready(), self._address, one) != 0]:
            self._answer()

    def _answer(self) -> None:
        """Add the requested texts, and make the missing rows."""
        words = self._words
        if missing := int(words[EndingSearch.missing_count]):
            words[EndingSearch.missing_count] = 0
            rows = dict.fromkeys(self._rows[:missing].tolist())
            self._lexer.items.make_rows([*rows], len(rows))
        count = int(words[EndingSearch.note_count])
        words[EndingSearch.note_count] = 0
        for key in self._notes[:count].tolist():
            if key not in self._texts:
                self._texts[key] = self._lexer.first_text(*divmod(key, 2 * self._terminals))
                if 2 * len(self._texts) > self._words[EndingSearch.mask]:
                    self._make_table(4 * len(self._texts))
                else:
                    self._put(key)

    def _put(self, key: int) -> None:
        text = self._texts[key]
        E.put_text(self._address, key, E.NO_TEXT if text is None else self._place(text))

    def _place(self, text: bytes) -> int:
        """Return the position and length of a text in the pool."""
        known = self._places.get(text)
        if known is None:
            begin, self._size = self._size, self._size + len(text)
            if self._size > len(self._pool):
                grown = np.zeros(2 * self._size, np.uint8)
                grown[:begin] = self._pool[:begin]
                self._pool = grown
                self._words[word_of(EndingSearch, "texts")] = address_of(grown)
            self._pool[begin : self._size] = np.frombuffer(text, np.uint8)
            known = self._places[text] = begin << E.SIZE_BITS | len(text)
        return known

    def _make_table(self, count: int) -> None:
        """Make a hash table for so many texts, and add the known ones."""
        size = 1 << (2 * count).bit_length()
        self._table = np.zeros((size, 2), np.int64)
        self._words[word_of(EndingSearch, "table")], self._words[EndingSearch.mask] = (
            address_of(self._table),
            size - 1,
        )
        for key in self._texts:
            self._put(key)
