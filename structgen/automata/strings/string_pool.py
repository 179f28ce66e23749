"""The entrance: all string automata of one compiled grammar, made whole when a spec is started."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

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
    Length,
    Spec,
    Texts,
    conjuncts,
)
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL, billed_cache

HELD: Final[HeldByContent[ByteRows]] = HeldByContent()
"""The rows of specs that this process met last."""
_DIVIDED: Final[HeldByContent[SpecAutomaton]] = HeldByContent(16 << 20)
"""The automata that divide keys into classes, each of many groupings of these."""
_FIRST_DEMAND: Final = frozenset((0,))
_ASCII: Final = 128
"""Columns of the bytes that are characters."""
_SWEEPS: Final = 16
"""Characters of strings that are counted, at most."""
PLACES: Final = 1 + len(PLACE_BYTES)
"""The states of the free string."""
_FEWEST_TO_COUNT: Final = 1_000
"""The least bound that is never written out as states; of many bounds, so many for each ten of them."""
_ROWS_A_STATE: Final = 3
"""A spec may have so many rows of bytes for each state that an automaton may have: places inside characters
have rows too."""


class _Part(NamedTuple):
    """A spec in the pool."""

    local: Row
    """Of each of its states the number in `rows`."""
    places: Row
    """Of each number in `rows` the state of the pool, which may be one of the free string."""
    rows: ByteRows
    """The other facts of the spec; the pool has its rows."""
    phases: tuple[Phase, ...] = ()
    """The phases of a spec whose lengths are counted beside its automaton."""


_LIVE_ROW: Final[Row] = np.array(
    [UNASKED] * (LONE_COLUMN + 1) + [DEAD] * (TOTAL_COLUMN - LONE_COLUMN - 1) + [UNASKED],
    np.int32,
)
"""The row of a new live state. The last column tells it from a state of an automaton."""


@billed_cache(1)
def _free_string() -> tuple[_Part, Table, Row]:
    """Return the free string as the first part of a pool, its rows, and its outcomes; lone surrogates have
    theirs."""
    rows = byte_rows(EVERY, (_FIRST_DEMAND,), True)
    # state FREE comes first, then the places inside a character in the order of PLACE_BYTES
    local = np.array(rows.free_places(1), np.int32)
    # the inverse of `local`, with DEAD behind it: index -1 is then DEAD
    inverse = np.argsort(local)
    places = np.append(inverse, DEAD).astype(np.int32)
    table = np.empty((PLACES, WIDTH), np.int32)
    rows.write_rows(local, places, table)
    ends = np.full(PLACES, -1, np.int32)
    ends[StringPool.FREE] = 0
    return _Part(local, places[:-1], rows), table, ends


def _with_open_format(formula: Formula) -> Formula:
    """Return a formula in which a format beside lengths alone is what it means there: that may hold a
    length."""
    parts = conjuncts(formula)
    others = [part for part in parts if not isinstance(part, Length)]
    if len(others) != 1 or not isinstance(others[0], Format):
        return formula
    format_part = others[0]
    meaning = meaning_of(format_part.name, is_denied=False, alone=True)
    return All(tuple([meaning if part is format_part else part for part in parts]))


class StringPool(AutomatonPool["_Part | LiveState"]):
    """All string automata of one compiled grammar. Not thread-safe.

    States 0 to 7 are the free string (any text, outcome 0). A row has a column for each byte, and some more
    (`unicode.decoded_text`).
    """

    FREE: Final = 0
    """The state of the free string between two characters."""

    def __init__(
        self,
        limits: Limits,
        *,
        spelling: int = JSON,
        lone: bool = False,
        missing: frozenset[int] = frozenset(),
        texts: Make | None = None,
    ) -> None:
        """Make a pool without specs. `spelling` (`unicode.partition`): by which completions are short.
        `lone`: lone surrogates can be written; if not, a string that only they complete is dead. `missing`:
        bytes that no rest of a character has. `texts` makes the readers of grammars (`live_strings`); without
        it they are refused."""
        super().__init__(limits, WIDTH)
        self._texts = texts
        self._live: dict[LiveState, int] = {}
        self._noted_states = set[int]()
        """Live states of which the dead characters of ASCII are noted."""
        self._outcomes: dict[int, Outcome] = {}
        """Live state -> the function that numbers the sets of demands that its strings meet."""
        self._spelling = spelling
        self.lone = lone
        self._missing = missing
        self._max_states = min(limits.automaton_states, MOST_STATES)
        self._reader = FormulaReader(self._max_states)
        part, rows, ends = _free_string()
        self._add_states(part, rows, ends)
        self._completions: dict[int, StringCompletions] = {}

    # Specs.

    def _has_states(self, spec: Spec, outcome: Outcome, formulas: tuple[Formula, ...]) -> bool:
        """Return whether the lengths of a spec, whose formulas are these with their formats opened, are
        states: they are few, and no bound on all texts."""
        bounds = length_cuts(formulas)
        largest = bounds[-1]
        tens_of_bounds = len(bounds) // 10
        # No formula has a text beyond the largest bound: it bounds all texts.
        bounds_all = not tens_of_bounds and all(at_length(formula, largest) == FALSE for formula in formulas)
        if bounds_all or largest >= _FEWEST_TO_COUNT * max(tens_of_bounds, 1):
            return False
        # Only the attempt shows whether the states stay below the limit of the grammar.
        try:
            self.start(spec, outcome)
        except LimitError:
            return False
        return True

    @remember_answers
    def start_in_phases(self, spec: Spec, outcome: Outcome) -> int | None:
        """Return where a spec starts if whoever reads its strings counts their characters, in `phases_of`:
        the first of its states, which are numbered one behind another, or DEAD. None where it has no lengths,
        or where they are so few that they are states. Errors: those of `start`."""
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
        # The outcome depends on the length: all states have none here, and readers ask `phases_of`.
        no_outcomes = np.full_like(local, -1)
        table = self._reserve_states(part, no_outcomes)
        rows.write_rows(local, np.append(places, np.int32(DEAD)), table)
        return int(places[0])

    def phases_of(self, state: int) -> tuple[tuple[Phase, ...], Row]:
        """Return the phases of the spec of a state (none: it has no more lengths than those that are states),
        and of each state of its automaton the number of the outcome."""
        part, _ = self._locate_row(state)
        return part.phases, part.rows.automaton.accept

    def _start_of_spec(self, spec: Spec, outcome: Outcome) -> int:
        if spec.groups is None and any(map(speaks_of_texts, spec.formulas)):
            return self._start_live(spec, outcome)
        rows = self._rows_of(spec)
        if rows.is_empty:
            return DEAD
        places = np.full(rows.states, -1, np.int32)
        # States that accept every text are those of the free string, which all specs share.
        for number, met in enumerate(rows.outcomes, 1):
            if met == _FIRST_DEMAND and outcome(met) == 0:
                free = rows.free_places(number)
                if free is not None:
                    places[list(free)] = np.arange(PLACES)
        # The other states are new, and stand behind those that the pool has.
        local = np.flatnonzero(places < 0).astype(np.int32)
        places[local] = np.arange(self.count, self.count + len(local))
        ends = np.full(rows.states, -1, np.int32)
        outcome_numbers = np.array([-1, *map(outcome, rows.outcomes)], np.int32)
        # Inside a character no text ends, so only states of the automaton have an outcome.
        ends[: rows.automaton.states] = outcome_numbers[rows.automaton.accept]
        table = self._reserve_states(_Part(local, places, rows), ends[local])
        rows.write_rows(local, np.append(places, np.int32(DEAD)), table)
        return int(places[0])

    def _rows_of(self, spec: Spec) -> ByteRows:
        """Return the rows of a spec; they are shared by the process."""

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

    def _dividing_automaton(self, formulas: tuple[Formula, ...]) -> SpecAutomaton:
        """Return the automaton that tells which of some formulas are true of a text."""
        key = formulas, self.lone, self._max_states
        return _DIVIDED.get(key, lambda: self._reader.automaton_of_spec(Spec(formulas), lone=self.lone))

    def text_classes(self, formulas: tuple[Formula, ...]) -> dict[frozenset[int], bool]:
        """Return the sets of formulas that are true together, and no others, of some text, but for the empty
        set; each with whether infinitely many texts are such. Cost and errors: those of `start`."""
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
        # States that no cycle leads to are taken away (A. Kahn's order): few texts end there.
        removed_states = np.flatnonzero(ways == 0).tolist()
        remaining_ways = ways.tolist()
        after = heads.tolist()
        for state in removed_states:  # it grows meanwhile
            for to in after[begins[state] : begins[state + 1]]:
                remaining_ways[to] -= 1
                if not remaining_ways[to]:
                    removed_states.append(to)
        endless = np.ones(state_count, bool)
        endless[removed_states] = False
        infinite = set(accept[endless].tolist())
        met = np.unique(accept).tolist()
        classes: dict[frozenset[int], bool] = {}
        for number in met:
            if number > 0:
                classes[spec_automaton.outcomes[number - 1]] = number in infinite
        return classes

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
        # A disjunction of no parts is false: a demand without a regular way keeps its number.
        others = Spec(tuple([Any_(tuple(parts)) for parts in regular]))
        start = self.start(others, outcome) if any(regular) else DEAD
        if not ways:
            return start
        reader_starts = tuple([way.reader.start for way in ways])
        live = LiveState(tuple(ways), reader_starts, start)
        return self._live_state(live, outcome)

    @remember_answers
    def _reader_of(self, texts: Texts, beside: Formula) -> TextReader | None:
        """Return the reader of the texts of a grammar that meet a regular formula; None where there are
        none."""
        if self._texts is None:
            raise unsupported_error(
                f"A string is asked to be {name_texts(texts)}.", "Write a regular grammar."
            )
        return self._texts(texts.of if beside == TRUE else texts.of.narrowed(beside))

    def _live_state(self, live: LiveState, outcome: Outcome) -> int:
        """Return the number of a live state, made if it is new."""
        number = self._live.get(live)
        if number is None:
            # Whether the text may end is asked once. What follows a byte is asked when a text comes (`step`).
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
        """Return the demands that a string meets which ends in a state of an automaton."""
        part, local = self._locate_row(state)
        automaton = part.rows.automaton
        number = int(automaton.accept[local]) if local < automaton.states else 0
        if number > 0:
            return part.rows.outcomes[number - 1]
        return frozenset()

    def is_live(self, state: int) -> LiveState | None:
        """Return the parts of a live state; None for a state of an automaton."""
        part, _ = self._locate_state(state)
        return part if isinstance(part, LiveState) else None

    def step(self, state: int, column: int) -> int:
        """Return the state after a byte, by its column; DEAD where no string goes on so."""
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
        """Note the characters of ASCII with which no string goes on from a live state."""
        goes_on = np.zeros(_ASCII, np.bool_)
        for way, at in live.alive_ways():
            goes_on |= way.reader.machine.after_ascii(at) >= 0
        if live.regular >= 0:
            goes_on |= self.trans[live.regular, :_ASCII] >= 0
        self.trans[state, :_ASCII][~goes_on] = DEAD
        self._noted_states.add(state)

    def token_kinds(self, live: LiveState, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return a number for each of some tokens: equal ones lead from a live state to one; -1 for tokens
        that close the string, or escape characters. No regular way goes on."""
        after = np.stack([way.reader.after_tokens(at, tokens) for way, at in live.alive_ways()])
        # Tokens with equal columns lead every reader to equal states.
        _, inverse = np.unique(after, axis=1, return_inverse=True)
        # numpy 2.0 gives the inverse of an axis in two dimensions, other versions in one
        kinds: npt.NDArray[np.int64] = inverse.reshape(-1)
        leads_nowhere = after.max(axis=0) < 0
        return np.where(leads_nowhere, -1, kinds)

    def _after_live(self, live: LiveState, column: int, outcome: Outcome) -> int:
        """Return the state after a byte that a live state has not been asked for."""
        states = [
            -1 if at < 0 else way.reader.step(at, column)
            for way, at in zip(live.ways, live.states, strict=True)
        ]
        regular = DEAD if live.regular < 0 else int(self.trans[live.regular, column])
        if max(states) < 0:
            # Only regular ways are left: from here on the string is in an automaton that is whole.
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
        # The column of a lone surrogate stands right behind those of the bytes.
        row = self.trans[state, : LONE_COLUMN + 1 if self.lone else 256]
        columns = np.flatnonzero(row >= 0).tolist()
        return [(LONE_BYTE if column == LONE_COLUMN else column, int(row[column])) for column in columns]

    def states_after(self, state: int, low: int, high: int) -> dict[int, int]:
        """Return the states after a character of low..high, each with the smallest such character; none
        inside a character. Cost: some microseconds for each run of characters that the automaton tells
        apart."""
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
                # Surrogates cannot be written: the run begins behind them, if it reaches so far.
                point = 0xE000
            after = int(of.trans[local, kinds[at]])
            if after >= 0 and point <= end:
                targets.setdefault(int(part.places[after]), point)
            at += 1
        return targets

    def _alike_key(self, state: int) -> LiveState | int:
        """Return a key that states share which are completed alike, as far as readers know."""
        live = self.is_live(state)
        if live is None:
            return state
        alike_states: list[int] = []
        for way, at in zip(live.ways, live.states, strict=True):
            alike_states.append(at if at < 0 else way.reader.alike(at))
        return live._replace(states=tuple(alike_states))

    def _list_characters(
        self,
        state: int,
        node: ByteNode,
        bytes_read: bytes,
        tried_pairs: set[tuple[LiveState | int, ByteNode]],
    ) -> Iterator[tuple[int, int]]:
        """Yield the characters of a node that may follow in a live state, ascending, each with the state
        after it; some alike are left out.

        `node`: what may come of the characters (`unicode.utf8`); `bytes_read`: the bytes of a character so
        far, such as `b"\\xc3"`. `tried_pairs`: states and nodes that were followed already.
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
        """Return whether infinitely many completions go on from a state between two characters. Of a live
        state that is not known, and False."""
        if self.is_live(state) is not None:
            return False
        part, local = self._locate_row(state)
        return int(longest_rests(part.rows.automaton.trans)[local]) >= FAR

    def is_finite(self, state: int, max_count: int) -> list[bytes] | None:
        """Return all completions from a state between two characters, sorted, if there are at most
        `max_count`; otherwise None. In phases the state is the start.

        Cost: a few times `max_count` rows for each byte of the longest word, where there are finitely many.
        """
        phases: tuple[Phase, ...] = ()
        accept: Row = np.empty(0, np.int32)
        if self.is_live(state) is None:
            phases, accept = self.phases_of(state)
        numbers = np.append(accept, np.int32(0))
        if not phases and self.is_infinite(state):
            return None
        words: list[bytes] = []
        # every state is live, so each entry of the queues is a prefix of a word
        # the shortest come first: each of them that is gone on with is many
        branching = deque([(state, b"")])
        later = deque[tuple[int, bytes]]()
        while branching or later:
            THIS_CALL.count_work(256)
            # what goes on in one way alone is no more than one word so far
            at, text = (branching or later).popleft()
            following = [(after, text + bytes((byte,))) for byte, after in self.going_on(at)]
            if self.outcome[at] >= 0:
                words.append(text)
            if phases:
                # In phases the length decides which demands a text meets, and which states are alive.
                met = phase_at(phases, count_characters(text)).outcomes
                # Places inside a character have numbers behind the automaton's states: number 0, no outcome.
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
        """Return how many characters the shortest rest has at most, in whichever state of the spec that
        starts in `start`; `FAR` where texts of grammars are asked."""
        part, _ = self._locate_state(start)
        if isinstance(part, LiveState):
            return FAR
        return int(part.rows.rests.max())

    def widest_character(self, start: int) -> int:
        """Return how many bytes the cheapest characters take as they are spelled, at most, of all that the
        spec that starts in `start` tells apart. So many for each that `longest_rest` counts write a rest."""
        return self._completions_of(self._locate_row(start)[0]).max_character_cost()

    def farthest_of_many(self, start: int, plain: bytes, widest: int, many: int) -> int:
        """Return how many bytes, at most, the rest of a string takes that is none of fewer than `many`, if
        there is one, in whichever state of the spec that starts in `start`; `FAR` where no bound is known.
        `plain`: characters of a byte each; `widest_character`: the bytes of any other.

        Cost: some sweeps over the automaton.
        """
        of = self._locate_row(start)[0].rows.automaton
        kinds = of.alphabet.classes_of(np.array(list(plain), np.int64))
        # how many plain characters each class has
        # Floats: the counts of texts grow beyond any int, and only `many` matters.
        weights = np.bincount(kinds, minlength=of.alphabet.width).astype(np.float64)
        # a state's strings may be finitely many, each no longer than this; or many of a length are plain
        finite = longest_rests(of.trans)
        far = np.where(finite < FAR, widest * finite, FAR)
        ends = (of.accept > 0).astype(np.float64)
        ways = ends
        for size in range(1, _SWEEPS):
            # Index -1, where nothing follows, reads the number that is appended at the end.
            ways_after = np.append(ways, 0.0)[of.trans]
            ways = ends + ways_after @ weights
            far = np.minimum(far, np.where(ways >= many, size, FAR))
            # Or one character of any kind leads to a state from which it is known.
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
        """Return 16 bytes that name the residual language with its outcomes, the same in every process.

        Equal keys mean equal languages and demands; unequal keys may mean equal languages too.
        """
        if self.is_live(state) is not None:
            # A live state has no digest: the key holds within this pool, and equals no key of another one.
            return b"live %d %d" % (id(self), state)
        part, local = self._locate_row(state)
        name = b"%s %d" % (part.rows.digest, local)
        return blake2b(name, digest_size=16).digest()

    # Completions.

    def shortest_rests(self, state: int, written_count: int = 0) -> Demands:
        """Return, for each demand that can still be met, the completion that is shortest as JSON text, as
        bytes (`unicode.decoded_text`). `written_count`: how many characters are written of a string whose
        lengths are phases, one that was begun not counted.

        Of the shortest it is the one whose JSON text is the smallest: space is the cheapest character; `"`
        and `\\` take two bytes, control characters two or six (RFC 8259, section 7); the pool's spelling says
        what others take. Cost: `StringCompletions.complete_state`. Raises `LimitError`.
        """
        return self._find_rests(state, written_count)

    def _completions_of(self, part: _Part) -> StringCompletions:
        """Return the completions of a spec, made once."""
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
        """Return the answer of `shortest_rests`; it is remembered by both arguments."""
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
        # the smallest rest of the begun character to each state between two characters
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
        """Return, for each demand that can still be met, the rest of a live state: what a reader says, the
        shortest of several ways."""
        continuations: list[tuple[int, int]] = []
        if self._missing:
            # Bytes 0x80 to 0xBF go on with a character that has begun (RFC 3629, section 3).
            continuations = [step for step in self.going_on(state) if 0x80 <= step[0] < 0xC0]
        if continuations:  # a character: one of those that tokens can write
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
        """Return for each demand the least of the texts that meet it."""
        best: dict[int, bytes] = {}
        for texts in ways:
            for demand, text in texts.items():
                least = best.get(demand)
                if least is None or self._order_of_text(text) < self._order_of_text(least):
                    best[demand] = text
        return dict(sorted(best.items()))

    def _order_of_text(self, text: bytes) -> tuple[int, bytes]:
        """Return a key that orders completions as they are spelled; they may begin inside a character."""
        if self._spelling == PLAIN:
            return len(text), text
        characters = text.decode(errors="surrogateescape")
        json_text = json.dumps(characters, ensure_ascii=self._spelling == ASCII)
        data = escape_surrogates(json_text.encode(errors="surrogateescape"))
        return len(data), data
