"""`StringPool`: all string automata of one compiled grammar. An automaton is made when its spec is started.

A *demand* is a formula on one string, such as "matches `^a`"; a *spec* is several demands, numbered from 0.
The *outcome* of a string is a number for the set of demands that it meets. A *rest* or *completion* is the
part of a string that is not written yet.

A state of the pool is one of three kinds:
- A state of an automaton. It stands between two characters; its row is complete.
- A place inside a character: some but not all bytes of its UTF-8 have been read (`utf8_rows`).
- A *live* state: the string may be a text of a grammar that is not regular (`live_strings`). Its row is
  filled column by column, when a text comes.

*Phases* are ranges of lengths in which the demands ask the same (`length_phases`): with `maxLength` 5000, a
string of at most 5000 characters is in the first phase, and a longer one in the second.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np

from structgen.automata.formats.named_formats import meaning_of
from structgen.automata.strings.automata import EVERY, MOST_STATES
from structgen.automata.strings.automaton_pool import AutomatonPool, Outcome
from structgen.automata.strings.completions import StringCompletions
from structgen.automata.strings.formula_automata import FormulaReader, SpecAutomaton, group_outcomes
from structgen.automata.strings.held_automata import HeldByContent
from structgen.automata.strings.kernels import FAR, Row, Table, longest_rests
from structgen.automata.strings.length_phases import (
    Phase,
    at_length,
    divide_into_phases,
    length_cuts,
    phase_at,
)
from structgen.automata.strings.live_strings import (
    UNASKED,
    LiveState,
    Make,
    TextDemand,
    TextReader,
    name_texts,
    speaks_of_texts,
    unsupported_error,
    ways_of,
)
from structgen.automata.strings.utf8_rows import PLACE_BYTES, ByteRows, byte_rows
from structgen.automata.unicode.charsets import SURROGATES
from structgen.automata.unicode.decoded_text import (
    LONE_BYTE,
    LONE_COLUMN,
    TOTAL_COLUMN,
    WIDTH,
    count_characters,
    encode_text,
    escape_surrogates,
)
from structgen.automata.unicode.partition import ASCII, JSON, PLAIN
from structgen.automata.unicode.utf8 import DONE, ByteNode, node_of
from structgen.base.errors import LimitError
from structgen.base.language.ir import (
    DEAD,
    FALSE,
    TRUE,
    All,
    Any_,
    Demands,
    Format,
    Formula,
    Formulas,
    Length,
    Spec,
    Texts,
    conjuncts,
)
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.base.native.array_types import Int64Array
from structgen.base.system.public_calls import THIS_CALL, billed_cache

HELD: Final[HeldByContent[ByteRows]] = HeldByContent()
"""The rows of the specs that this process used last."""
_DIVIDED: Final[HeldByContent[SpecAutomaton]] = HeldByContent(16 << 20)
"""The automata that divide keys into classes. Specs that group these classes differently share one."""
_FIRST_DEMAND: Final = frozenset((0,))
_ASCII: Final = 128
"""The number of columns of bytes that are whole characters: those of ASCII."""
_SWEEPS: Final = 16
"""The most characters of a rest for which `farthest_of_many` counts rests."""
PLACES: Final = 1 + len(PLACE_BYTES)
"""The number of states of the free string: one between characters, seven places inside a character."""
_FEWEST_TO_COUNT: Final = 1_000
"""The least bound on a length that is never written out as states. Where a spec has more than ten bounds,
this number is multiplied by a tenth of their number."""
_ROWS_A_STATE: Final = 3
"""The rows of bytes that a spec may have, for each state that an automaton may have. They are more than the
states because places inside characters have rows too."""


class _Part(NamedTuple):
    """The facts of one spec in the pool."""

    local: Row
    """The local number (in `rows`) of each state that the spec added to the pool."""
    places: Row
    """The state of the pool for each local number. It may be a state of the free string."""
    rows: ByteRows
    """The automaton of the spec and the facts of its states. The rows themselves stand in the pool."""
    phases: tuple[Phase, ...] = ()
    """The phases of a spec whose lengths are counted outside its automaton; empty for other specs."""


_LIVE_ROW: Final[Row] = np.array(
    [UNASKED] * (LONE_COLUMN + 1) + [DEAD] * (TOTAL_COLUMN - LONE_COLUMN - 1) + [UNASKED],
    np.int32,
)
"""The row of a new live state. Its last column is UNASKED, which no state of an automaton has there."""


@billed_cache(1)
def _free_string() -> tuple[_Part, Table, Row]:
    """Return the facts, the rows and the outcomes of the free string, the first automaton of each pool.

    Its rows have transitions for lone surrogates too.
    """
    rows = byte_rows(EVERY, (_FIRST_DEMAND,), True)
    # state FREE comes first, then the places inside a character in the order of PLACE_BYTES
    local = np.array(rows.free_places(1), np.int32)
    # the inverse of `local`, with DEAD as its last entry, which index -1 reads
    inverse = np.argsort(local)
    places = np.append(inverse, DEAD).astype(np.int32)
    table = np.empty((PLACES, WIDTH), np.int32)
    rows.write_rows(local, places, table)
    ends = np.full(PLACES, -1, np.int32)
    ends[StringPool.FREE] = 0
    return _Part(local, places[:-1], rows), table, ends


def _with_open_format(formula: Formula) -> Formula:
    """Replace a format by its meaning where only lengths stand beside it; return the formula.

    The meaning may contain lengths, which phases have to count. Other formulas are returned as they are.
    """
    parts = conjuncts(formula)
    others = [part for part in parts if not isinstance(part, Length)]
    if len(others) != 1 or not isinstance(others[0], Format):
        return formula
    format_part = others[0]
    meaning = meaning_of(format_part.name, is_denied=False, alone=True)
    return All(tuple([meaning if part is format_part else part for part in parts]))


class StringPool(AutomatonPool["_Part | LiveState"]):
    """All string automata of one compiled grammar. Not thread-safe.

    States 0 to 7 belong to the *free string*, which may be any text; its outcome is 0. A row has a column
    for each byte, and some more for lone surrogates and for whole characters (`unicode.decoded_text`).
    """

    FREE: Final = 0
    """The state of the free string between two characters. States 1 to 7 are places inside a character."""

    def __init__(
        self,
        limits: Limits,
        *,
        spelling: int = JSON,
        lone: bool = False,
        missing: frozenset[int] = frozenset(),
        texts: Make | None = None,
    ) -> None:
        """Make a pool without specs.

        `limits`: the bounds on states. `spelling`: how characters are written (`unicode.partition`); it
        decides which completion is the shortest. `lone`: whether lone surrogates can be written; if not, a
        string that only they would complete is dead. `missing`: bytes that no token can write, so that no
        completion has them. `texts`: makes the readers of grammars (`live_strings`); without it, formulas
        with grammars are refused.
        """
        super().__init__(limits, WIDTH)
        self._texts = texts
        self._live: dict[LiveState, int] = {}
        self._noted_states = set[int]()
        """The live states whose rows have DEAD for each ASCII character with which no string goes on."""
        self._outcomes: dict[int, Outcome] = {}
        """For each live state, the function that numbers the sets of demands of its strings."""
        self._spelling = spelling
        self.lone = lone
        self._missing = missing
        self._max_states = min(limits.automaton_states, MOST_STATES)
        self._reader = FormulaReader(self._max_states)
        part, rows, ends = _free_string()
        self._add_states(part, rows, ends)
        self._completions: dict[int, StringCompletions] = {}

    # Specs.

    def _has_states(self, spec: Spec, outcome: Outcome, formulas: Formulas) -> bool:
        """Return whether the automaton of a spec counts its lengths in its states.

        It does where the bounds are small, where they are not a bound on all texts, and where the automaton
        stays below the limit. `formulas`: those of the spec, after `_with_open_format`.
        """
        bounds = length_cuts(formulas)
        largest = bounds[-1]
        tens_of_bounds = len(bounds) // 10
        # Where no formula has a text longer than the largest bound, that bound limits all texts.
        bounds_all = not tens_of_bounds and all(at_length(formula, largest) == FALSE for formula in formulas)
        if bounds_all or largest >= _FEWEST_TO_COUNT * max(tens_of_bounds, 1):
            return False
        # Only making the automaton shows whether its states stay below the limit of the grammar.
        try:
            self.start(spec, outcome)
        except LimitError:
            return False
        return True

    @remember_answers
    def start_in_phases(self, spec: Spec, outcome: Outcome) -> int | None:
        """Return the start state of a spec in phases. The caller then counts the characters of its strings.

        The states of the spec are numbered without a gap from the start on; `phases_of` has the phases.
        Returns DEAD where no string meets the spec. Returns None where the spec has no lengths, or where
        they are so small that the automaton counts them: use `start` then. Errors: those of `start`.
        """
        if spec.groups is not None or any(map(speaks_of_texts, spec.formulas)):
            return None
        formulas = tuple(map(_with_open_format, spec.formulas))
        if not length_cuts(formulas) or self._has_states(spec, outcome, formulas):
            return None
        rows_and_phases = divide_into_phases(formulas, self._rows_of)
        if rows_and_phases is None:
            return DEAD
        rows, phases = rows_and_phases
        start_is_alive = phases[0].alive_states(0)[0]
        if not start_is_alive:
            return DEAD
        # Two specs may share an automaton and differ in their phases alone: the digest names both.
        name = repr([(phase.end, *map(sorted, phase.outcomes)) for phase in phases]).encode()
        digest = blake2b(rows.digest + name, digest_size=16).digest()
        local = np.arange(rows.states, dtype=np.int32)
        places = self.count + local
        part = _Part(local, places, replace(rows, digest=digest), phases)
        # The outcome depends on the length. So all states have no outcome here; readers use `phases_of`.
        no_outcomes = np.full_like(local, -1)
        table = self._reserve_states(part, no_outcomes)
        rows.write_rows(local, np.append(places, np.int32(DEAD)), table)
        return int(places[0])

    def phases_of(self, state: int) -> tuple[tuple[Phase, ...], Row]:
        """Return the phases of the spec that a state belongs to, and the outcome number of each state of its
        automaton. There are no phases where the automaton counts all lengths of the spec."""
        part, _ = self._locate_row(state)
        return part.phases, part.rows.automaton.accept

    def _start_of_spec(self, spec: Spec, outcome: Outcome) -> int:
        if spec.groups is None and any(map(speaks_of_texts, spec.formulas)):
            return self._start_live(spec, outcome)
        rows = self._rows_of(spec)
        if rows.is_empty:
            return DEAD
        places = np.full(rows.states, -1, np.int32)
        # Where every rest has the outcome 0, the state is that of the free string, which all specs share.
        for number, met in enumerate(rows.outcomes, 1):
            if met == _FIRST_DEMAND and outcome(met) == 0:
                free = rows.free_places(number)
                if free is not None:
                    places[list(free)] = np.arange(PLACES)
        # The other states are new: they are numbered after those of the pool.
        local = np.flatnonzero(places < 0).astype(np.int32)
        places[local] = np.arange(self.count, self.count + len(local))
        ends = np.full(rows.states, -1, np.int32)
        outcome_numbers = np.array([-1, *map(outcome, rows.outcomes)], np.int32)
        # No text ends inside a character, so only states of the automaton have an outcome.
        ends[: rows.automaton.states] = outcome_numbers[rows.automaton.accept]
        table = self._reserve_states(_Part(local, places, rows), ends[local])
        rows.write_rows(local, np.append(places, np.int32(DEAD)), table)
        return int(places[0])

    def _rows_of(self, spec: Spec) -> ByteRows:
        """Return the rows of a spec. All pools of the process share them."""

        def make_rows() -> ByteRows:
            if spec.groups is None:
                spec_automaton = self._reader.automaton_of_spec(spec, lone=self.lone)
            else:
                spec_automaton = group_outcomes(self._dividing_automaton(spec.formulas), spec.groups)
            return byte_rows(
                spec_automaton.automaton,
                spec_automaton.outcomes,
                self.lone,
                _ROWS_A_STATE * self._max_states,
            )

        return HELD.get((spec, self.lone, self._max_states), make_rows)

    def _dividing_automaton(self, formulas: Formulas) -> SpecAutomaton:
        """Return the automaton whose outcomes are the sets of `formulas` that are true of a text."""
        key = formulas, self.lone, self._max_states
        return _DIVIDED.get(key, lambda: self._reader.automaton_of_spec(Spec(formulas), lone=self.lone))

    def text_classes(self, formulas: Formulas) -> dict[frozenset[int], bool]:
        """Return each set of formulas that is exactly the set of the true ones for some text.

        The value of a set is whether infinitely many texts have it. The empty set is left out. For example,
        the formulas `^a` and `^ab$` give {{0}: True, {0, 1}: False}. Cost and errors: those of `start`.
        """
        spec_automaton = self._dividing_automaton(formulas)
        trans = spec_automaton.automaton.trans
        accept = spec_automaton.automaton.accept
        state_count = len(trans)
        # An edge of several classes counts once. The number of an edge is that of its tail and its head.
        tails, kinds = np.nonzero(trans >= 0)
        edges = np.unique(tails * state_count + trans[tails, kinds])
        tails, heads = np.divmod(edges, state_count)
        begins = np.searchsorted(tails, np.arange(state_count + 1)).tolist()
        ways = np.bincount(heads, minlength=state_count)
        # States that no cycle leads to are removed (Kahn's algorithm): finitely many texts end there.
        removed_states = np.flatnonzero(ways == 0).tolist()
        remaining_ways = ways.tolist()
        after = heads.tolist()
        for state in removed_states:  # the list grows during the loop
            for to in after[begins[state] : begins[state + 1]]:
                remaining_ways[to] -= 1
                if not remaining_ways[to]:
                    removed_states.append(to)
        endless = np.ones(state_count, bool)
        endless[removed_states] = False
        infinite = set(accept[endless].tolist())
        met = np.unique(accept).tolist()
        return {spec_automaton.outcomes[number - 1]: number in infinite for number in met if number > 0}

    # Live states.

    def _start_live(self, spec: Spec, outcome: Outcome) -> int:
        """Return the state before the first byte of a string of a spec with texts of grammars, or DEAD."""
        ways: list[TextDemand] = []
        regular: list[list[Formula]] = [[] for _ in spec.formulas]
        for demand, formula in enumerate(spec.formulas):
            for texts, beside in ways_of(formula):
                if texts is None:
                    regular[demand].append(beside)
                elif (reader := self._reader_of(texts, beside)) is not None:
                    ways.append(TextDemand(demand, reader))
        # A demand without a regular way becomes a disjunction of no parts, which is false. So the numbers
        # of the other demands stay the same.
        others = Spec(tuple([Any_(tuple(parts)) for parts in regular]))
        start = self.start(others, outcome) if any(regular) else DEAD
        if not ways:
            return start
        reader_starts = tuple([way.reader.start for way in ways])
        live = LiveState(tuple(ways), reader_starts, start)
        return self._live_state(live, outcome)

    @remember_answers
    def _reader_of(self, texts: Texts, beside: Formula) -> TextReader | None:
        """Return the reader of those texts of a grammar that also meet the formula `beside`; None where no
        text does."""
        if self._texts is None:
            raise unsupported_error(
                f"A string must be {name_texts(texts)}, which is not supported here.",
                "Use a regular grammar.",
            )
        return self._texts(texts.of if beside == TRUE else texts.of.narrowed(beside))

    def _live_state(self, live: LiveState, outcome: Outcome) -> int:
        """Return the number of a live state. A new one is added to the pool."""
        number = self._live.get(live)
        if number is None:
            # Whether the text may end is computed now. The state after a byte is computed in `step`.
            met: set[int] = set()
            for way, state in live.alive_ways():
                if way.reader.machine.may_end(state):
                    met.add(way.demand)
            if live.regular >= 0:
                met |= self.demands_met(live.regular)
            outcome_number = outcome(frozenset(met)) if met else -1
            ends = np.array([outcome_number], np.int32)
            number = self.count
            self._reserve_states(live, ends)[:] = _LIVE_ROW
            self._outcomes[number] = outcome
            self._live[live] = number
        return number

    def demands_met(self, state: int) -> frozenset[int]:
        """Return the demands that a string meets if it ends in `state`, a state of an automaton."""
        part, local = self._locate_row(state)
        automaton = part.rows.automaton
        number = int(automaton.accept[local]) if local < automaton.states else 0
        if number > 0:
            return part.rows.outcomes[number - 1]
        return frozenset()

    def is_live(self, state: int) -> LiveState | None:
        """Return the ways of a live state, as `LiveState`; None for a state of an automaton."""
        part, _ = self._locate_state(state)
        return part if isinstance(part, LiveState) else None

    def step(self, state: int, column: int) -> int:
        """Return the state after the byte of a column; DEAD where no string goes on with it."""
        after = int(self.trans[state, column])
        if after == UNASKED:
            live = self.is_live(state)
            assert live is not None, "states of automata are whole"
            if column < _ASCII and state not in self._noted_states:
                self._note_dead_characters(state, live)
            after = self._after_live(live, column, self._outcomes[state])
            self.trans[state, column] = after
        return after

    def _note_dead_characters(self, state: int, live: LiveState) -> None:
        """Write DEAD in the row of a live state for each ASCII character with which no string goes on."""
        goes_on = np.zeros(_ASCII, np.bool_)
        for way, at in live.alive_ways():
            goes_on |= way.reader.machine.after_ascii(at) >= 0
        if live.regular >= 0:
            goes_on |= self.trans[live.regular, :_ASCII] >= 0
        self.trans[state, :_ASCII][~goes_on] = DEAD
        self._noted_states.add(state)

    def token_kinds(self, live: LiveState, tokens: Int64Array) -> Int64Array:
        """Return a number for each token: tokens with equal numbers lead from a live state to one state.

        Tokens that close the string or escape characters have -1. The caller makes sure that no regular way
        of the live state goes on.
        """
        after = np.stack([way.reader.after_tokens(at, tokens) for way, at in live.alive_ways()])
        # Tokens with equal columns lead every reader to equal states.
        _, inverse = np.unique(after, axis=1, return_inverse=True)
        # numpy 2.0 gives the inverse of an axis in two dimensions, other versions in one
        kinds: Int64Array = inverse.reshape(-1)
        leads_nowhere = after.max(axis=0) < 0
        return np.where(leads_nowhere, -1, kinds)

    def _after_live(self, live: LiveState, column: int, outcome: Outcome) -> int:
        """Compute the state after a byte that is UNASKED in the row of a live state."""
        states = [
            -1 if at < 0 else way.reader.step(at, column)
            for way, at in zip(live.ways, live.states, strict=True)
        ]
        regular = DEAD if live.regular < 0 else int(self.trans[live.regular, column])
        if max(states) < 0:
            # Only regular ways remain: the next state is an ordinary state of an automaton.
            return regular
        return self._live_state(LiveState(live.ways, tuple(states), regular), outcome)

    # States.

    def _locate_row(self, state: int) -> tuple[_Part, int]:
        """Return the part of a state of an automaton, and its number in the part's rows."""
        part, at = self._locate_state(state)
        assert isinstance(part, _Part), "a live state has no rows"
        return part, int(part.local[at])

    def may_end_anywhere(self, state: int) -> bool:
        """Return whether a string of the state's spec may end between any two characters, as where texts are
        banned and nothing else is asked: then the tokens of its states differ little."""
        part, _ = self._locate_state(state)
        if state < PLACES or isinstance(part, LiveState):
            return False
        return bool((part.rows.automaton.accept > 0).all())

    def going_on(self, state: int) -> list[tuple[int, int]]:
        """Return the bytes that may follow in a state, ascending, each with the state after it."""
        if self.is_live(state) is not None:
            for column in range(256):
                self.step(state, column)
        # The column of a lone surrogate comes directly after those of the bytes.
        row = self.trans[state, : LONE_COLUMN + 1 if self.lone else 256]
        columns = np.flatnonzero(row >= 0).tolist()
        return [(LONE_BYTE if column == LONE_COLUMN else column, int(row[column])) for column in columns]

    def states_after(self, state: int, low: int, high: int) -> dict[int, int]:
        """Return the states after the characters from `low` to `high`, each with the smallest character that
        leads to it. The characters are code points.

        A state inside a character has no answer: the result is empty. Cost: some microseconds for each run
        of characters that the automaton tells apart.
        """
        live = self.is_live(state)
        if live is not None:
            targets = dict[int, int]()
            range_node = node_of(((low, high),))
            for point, after in self._list_characters(state, range_node, b"", set()):
                targets.setdefault(after, point)
            # surrogates that stand alone are in no text of a grammar
            low, high = max(low, SURROGATES[0]), min(high, SURROGATES[1])
            if live.regular >= 0 and low <= high:
                return targets | self.states_after(live.regular, low, high)
            return targets
        part, local = self._locate_row(state)
        of = part.rows.automaton
        targets = dict[int, int]()
        if local >= of.states:
            return targets  # the state is inside a character
        starts = of.alphabet.starts
        kinds = of.alphabet.kinds
        at = int(np.searchsorted(starts, low, "right")) - 1
        while at < len(starts) and starts[at] <= high:
            is_last_run = at + 1 == len(starts)
            end = high if is_last_run else min(high, int(starts[at + 1]) - 1)
            point = max(low, int(starts[at]))
            if not self.lone and 0xD800 <= point < 0xE000:
                # 0xD800 to 0xDFFF are the surrogates. They cannot be written, so the run begins after them.
                point = 0xE000
            after = int(of.trans[local, kinds[at]])
            if after >= 0 and point <= end:
                targets.setdefault(int(part.places[after]), point)
            at += 1
        return targets

    def _alike_key(self, state: int) -> LiveState | int:
        """Return a key for a state. States with equal keys have the same completions, as far as readers
        know."""
        live = self.is_live(state)
        if live is None:
            return state
        states = zip(live.ways, live.states, strict=True)
        return live._replace(states=tuple(at if at < 0 else way.reader.alike(at) for way, at in states))

    def _list_characters(
        self,
        state: int,
        node: ByteNode,
        bytes_read: bytes,
        tried_pairs: set[tuple[LiveState | int, ByteNode]],
    ) -> Iterator[tuple[int, int]]:
        """Yield (code point, state after it) for the characters that may follow in a live state, ascending.

        Of characters that lead to states with the same completions, only the first is yielded.
        `node`: the trie of the bytes of the characters to try (`unicode.utf8`). `bytes_read`: the bytes of
        the present character that were read already, such as `b"\\xc3"`. `tried_pairs`: the pairs of a state
        and a node that were followed already; it grows.
        """
        if node is DONE:
            yield ord(bytes_read.decode()), state
        for byte, below in enumerate(node.after):
            if below is None:
                continue
            after = self.step(state, byte)
            if after < 0:
                continue
            # States that are completed alike lead to alike characters: one of them is followed.
            pair = self._alike_key(after), below
            if pair not in tried_pairs:
                tried_pairs.add(pair)
                yield from self._list_characters(after, below, bytes_read + bytes((byte,)), tried_pairs)

    def is_infinite(self, state: int) -> bool:
        """Return whether a state between two characters has infinitely many completions.

        For a live state that is not known, and the answer is False.
        """
        if self.is_live(state) is not None:
            return False
        part, local = self._locate_row(state)
        return int(longest_rests(part.rows.automaton.trans)[local]) >= FAR

    def is_finite(self, state: int, max_count: int) -> list[bytes] | None:
        """Return all completions of a state, sorted, if there are at most `max_count`; otherwise None.

        The state stands between two characters. Where its spec is in phases, it must be the start.
        Cost: a few times `max_count` rows for each byte of the longest completion.
        """
        phases: tuple[Phase, ...] = ()
        accept: Row = np.empty(0, np.int32)
        if self.is_live(state) is None:
            phases, accept = self.phases_of(state)
        numbers = np.append(accept, np.int32(0))
        if not phases and self.is_infinite(state):
            return None
        words: list[bytes] = []
        # Some string goes on from every state, so each entry of the queues is a prefix of a completion.
        # `branching` has the prefixes that several bytes may follow. They are taken first, because each of
        # them stands for several completions and so the limit is reached soon.
        branching = deque([(state, b"")])
        later = deque[tuple[int, bytes]]()
        while branching or later:
            THIS_CALL.count_work(256)
            # an entry of `later` has one next byte: as far as is known, it is one completion
            at, text = (branching or later).popleft()
            following = [(after, text + bytes((byte,))) for byte, after in self.going_on(at)]
            if self.outcome[at] >= 0:
                words.append(text)
            if phases:
                # In phases the length decides which demands a text meets, and from which states it goes on.
                met = phase_at(phases, count_characters(text)).outcomes
                # Places inside a character are numbered after the states of the automaton. They all read
                # the last entry of `numbers`, which is 0: no outcome.
                row = min(at - state, len(accept))
                if met[numbers[row]]:
                    words.append(text)
                counts = [(to, longer_text, count_characters(longer_text)) for to, longer_text in following]
                following = [
                    (to, longer_text)
                    for to, longer_text, count in counts
                    if phase_at(phases, count).alive_states(count)[to - state]
                ]
            queue = branching if len(following) > 1 else later
            queue.extend(following)
            if len(words) + len(branching) + len(later) > max_count:
                return None
        return sorted(words)

    def longest_rest(self, start: int) -> int:
        """Return an upper bound on the shortest rest, in characters, for all states of a spec.

        `start`: the start state of the spec. Returns `FAR` where the spec asks for texts of grammars.
        """
        part, _ = self._locate_state(start)
        if isinstance(part, LiveState):
            return FAR
        return int(part.rows.rests.max())

    def widest_character(self, start: int) -> int:
        """Return the largest cost, in bytes as spelled, of the cheapest character of any class of a spec.

        `start`: the start state of the spec. `longest_rest` times this number bounds the bytes of a rest.
        """
        return self._completions_of(self._locate_row(start)[0]).max_character_cost()

    def farthest_of_many(self, start: int, plain: bytes, widest: int, many: int) -> int:
        """Return an upper bound, in bytes, on a rest that differs from any `many` - 1 given strings.

        The bound holds for all states of the spec whose start state is `start`. A state may have no such
        rest; then the bound is that of its longest rest. Returns `FAR` where no bound is known.
        `plain`: characters that take one byte each. `widest`: the bytes that any other character takes
        (`widest_character`). Cost: some sweeps over the automaton.
        """
        of = self._locate_row(start)[0].rows.automaton
        kinds = of.alphabet.classes_of(np.array(list(plain), np.int64))
        # `weights`: how many plain characters each class has. Floats, because the counts of texts may be
        # larger than any int64; they are only compared with `many`.
        weights = np.bincount(kinds, minlength=of.alphabet.width).astype(np.float64)
        # First bound: the longest rest, where a state has finitely many. Second bound, in the loop: a length
        # up to which at least `many` rests are made of plain characters alone.
        finite = longest_rests(of.trans)
        far = np.where(finite < FAR, widest * finite, FAR)
        ends = (of.accept > 0).astype(np.float64)
        ways = ends
        for size in range(1, _SWEEPS):
            # Index -1 (nothing follows) reads the number that is appended at the end.
            ways_after = np.append(ways, 0.0)[of.trans]
            ways = ends + ways_after @ weights
            far = np.minimum(far, np.where(ways >= many, size, FAR))
            # Third bound: one character of any kind, and then the bound of the next state.
            nearest_after = np.append(far, FAR)[of.trans].min(axis=1)
            far = np.minimum(far, widest + nearest_after)
        return int(far.max())

    def byte_classes(self) -> bytes:
        """Return the class of each byte: bytes of one class behave alike in every state.

        Cost: a look at each entry of the arrays.
        """
        numbers: dict[bytes, int] = {}
        columns = np.ascontiguousarray(self.trans[: self.count, :256].T)
        return bytes(numbers.setdefault(column.tobytes(), len(numbers)) for column in columns)

    def language_key(self, state: int) -> bytes:
        """Return a key for the completions of a state and their outcomes.

        Equal keys mean equal completions with equal outcomes. Different keys may mean that, too. The key of
        a state of an automaton is 16 bytes that are the same in every process.
        """
        if self.is_live(state) is not None:
            # A live state has no digest. Its key names this pool, so it differs from each key of other pools.
            return b"live %d %d" % (id(self), state)
        part, local = self._locate_row(state)
        name = b"%s %d" % (part.rows.digest, local)
        return blake2b(name, digest_size=16).digest()

    # Completions.

    def shortest_rests(self, state: int, written_count: int = 0) -> Demands:
        """Return, for each demand that can still be met, the shortest completion, as bytes of the string.

        A completion is short if its JSON text is. Of several shortest ones, the one with the smallest JSON
        text is taken. A space takes one byte; `"` and `\\` take two; control characters take two or six
        (RFC 8259, section 7); the `spelling` of the pool decides for others. Lone surrogates are written as
        in `unicode.decoded_text`.

        `written_count`: for a spec in phases, the number of characters that are written already, without one
        that was only begun. Cost: that of `StringCompletions.complete_state`. Raises `LimitError`.
        """
        return self._find_rests(state, written_count)

    def _completions_of(self, part: _Part) -> StringCompletions:
        """Return the `StringCompletions` of a spec. It is made once."""
        completions = self._completions.get(id(part))
        if completions is None:
            # The pool keeps each part as long as itself, so no other object gets the part's id.
            completions = self._completions[id(part)] = StringCompletions(
                part.rows.automaton,
                part.rows.outcomes,
                self._spelling,
                self.lone,
                self._missing,
            )
        return completions

    @remember_answers
    def _find_rests(self, state: int, written_count: int) -> Demands:
        """Return the answer of `shortest_rests`. Answers are remembered by both arguments."""
        live = self.is_live(state)
        if live is not None:
            return self._live_finish(live, state)
        part, local = self._locate_row(state)
        is_between_characters = not part.rows.open_bytes[local]
        if is_between_characters:
            completions = self._completions_of(part)
            texts = (
                completions.complete_in_phases(local, part.phases, written_count)
                if part.phases
                else completions.complete_state(local)
            )
            return {demand: encode_text(text) for demand, text in sorted(texts.items())}
        # `leads`: for each state that the begun character can lead to, the smallest bytes to that state
        leads = {state: b""}
        for _ in range(int(part.rows.open_bytes[local])):
            after: dict[int, bytes] = {}
            for at, lead in leads.items():
                for byte, to in self.going_on(at):
                    if byte not in self._missing:
                        after.setdefault(to, lead + bytes((byte,)))
            leads = after
        rests = ((lead, self.shortest_rests(at, written_count)) for at, lead in leads.items())
        ways = ({demand: lead + text for demand, text in texts.items()} for lead, texts in rests)
        return self._least_texts(ways)

    def _live_finish(self, live: LiveState, state: int) -> Demands:
        """Return the answer of `shortest_rests` for a live state: the shortest rest that any of its readers,
        or the automaton of its regular ways, gives for each demand."""
        continuations: list[tuple[int, int]] = []
        if self._missing:
            # Bytes 0x80 to 0xBF go on with a character that has begun (RFC 3629, section 3).
            continuations = [step for step in self.going_on(state) if 0x80 <= step[0] < 0xC0]
        if continuations:  # a character has begun: only bytes that tokens can write complete it
            ways = []
            for byte, after in continuations:
                if byte not in self._missing:
                    rests = self.shortest_rests(after)
                    ways.append({demand: bytes((byte,)) + rest for demand, rest in rests.items()})
        else:
            ways = [{way.demand: way.reader.rest(at)} for way, at in live.alive_ways()]
            if live.regular >= 0:
                ways.append(dict(self.shortest_rests(live.regular)))
        return self._least_texts(ways)

    def _least_texts(self, ways: Iterable[Demands]) -> Demands:
        """Return for each demand the text that comes first by `_order_of_text`, of all `ways`."""
        best: dict[int, bytes] = {}
        for texts in ways:
            for demand, text in texts.items():
                least = best.get(demand)
                if least is None or self._order_of_text(text) < self._order_of_text(least):
                    best[demand] = text
        return dict(sorted(best.items()))

    def _order_of_text(self, text: bytes) -> tuple[int, bytes]:
        """Return a sort key for completions: the length as spelled, then the spelled bytes. A completion may
        begin inside a character."""
        if self._spelling == PLAIN:
            return len(text), text
        characters = text.decode(errors="surrogateescape")
        json_text = json.dumps(characters, ensure_ascii=self._spelling == ASCII)
        data = escape_surrogates(json_text.encode(errors="surrogateescape"))
        return len(data), data
