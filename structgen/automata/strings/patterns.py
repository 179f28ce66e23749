"""Patterns as whole automata: threads with duties, then the subsets of them (`kernels.subsets`).

A *thread* is an instruction with what its look-arounds have left. A look-ahead leaves a *duty*: a state of
the small automaton of what must follow, which runs beside the thread; if it is negative, that automaton is
the complement. A look-behind is an automaton that runs from the start of the text, and each thread knows its
state. So every pattern is a set of threads with edges between them, and one construction of subsets makes
all automata.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.automata.regex.optional_counts import simplify_tree
from structgen.automata.regex.syntax_tree import (
    EMPTY,
    TEXT_START,
    Concatenation,
    LookAround,
    Node,
    TextStart,
    concatenate_nodes,
)
from structgen.automata.strings.alphabets import NUMBERS_OF_A_CHARACTER, divide_alphabet
from structgen.automata.strings.automata import (
    MOST_PLACES,
    MOST_STATES,
    Automaton,
    closed_states,
    complement,
    complement_table,
    intersect_automata,
    minimal_automaton,
    minimal_table,
    raise_limit_error,
    run_bounded,
)
from structgen.automata.strings.kernels import TOO_MUCH_WORK, Flags, Longs, Row, Table, ThreadRanks, subsets
from structgen.automata.strings.threads import (
    END,
    LOOK,
    MATCH,
    SET,
    SPLIT,
    START,
    PatternInstructions,
    character_sets,
    look_behinds,
)
from structgen.base.system.public_calls import NUMBERS, THIS_CALL

_STEPS_OF_A_THREAD: Final = 4
"""Steps of duties that cost as much as a thread."""

Duty: TypeAlias = "tuple[int, int]"
"""The number of a look-ahead's automaton, and its state."""
Duties: TypeAlias = "frozenset[Duty]"
BehindStates: TypeAlias = "tuple[int, ...]"
"""The state of each look-behind's automaton, -1 where it is dead."""


class Thread(NamedTuple):
    """An instruction with its duties, the look-behinds' states, and whether the text begins here."""

    pc: int
    duties: Duties
    behind_states: BehindStates
    first: bool


class _Ahead(NamedTuple):
    """The automaton of the text that must follow: a table over the pattern's alphabet, which states accept,
    and which accept whatever comes."""

    trans: Table
    accept: Row
    total: npt.NDArray[np.bool_]


_FREE: Final[Duties] = frozenset()
_MATCHED: Final = Thread(0, _FREE, (), False)
"""The thread of a text that was found."""


class _Surroundings:
    """The alphabet and the look-behinds, which the automata of one pattern share."""

    def __init__(self, tree: Node) -> None:
        self.sets = character_sets(tree)
        self.alphabet, self.member = divide_alphabet(self.sets)
        range_count = sum(map(len, self.sets))
        THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * range_count + self.member.size // 8)
        self.classes = {ranges: self.member[at] for at, ranges in enumerate(self.sets)}
        self.nodes = look_behinds(tree)
        self.number = {node: at for at, node in enumerate(self.nodes)}
        self.behinds: list[tuple[Table, Row]] = []
        self.threads = self.unpaid = 0
        for node in self.nodes:
            # The body of a look-behind has the alphabet of the pattern, but look-behinds of its own.
            below = _Surroundings.__new__(_Surroundings)
            below.__dict__.update(self.__dict__, nodes=look_behinds(node.of), behinds=[])
            below.number = {inner: at for at, inner in enumerate(below.nodes)}
            below.behinds = [below.ending_automaton(inner) for inner in below.nodes]
            self.behinds.append(below.ending_automaton(node))

    def ending_automaton(self, node: LookAround) -> tuple[Table, Row]:
        """Return the automaton of the texts at whose end a look-behind's body has just matched."""
        start_states = (0,) * len(self.behinds)
        search = PatternSearch(self, node.of, start_states, anywhere=True, to_end=True)
        return search.make_table()

    def states_after(self, behind_states: BehindStates, kind: int) -> BehindStates:
        """Return the states of the look-behinds after a character of a class."""
        return tuple(
            int(trans[state, kind]) if state >= 0 else -1
            for (trans, _), state in zip(self.behinds, behind_states, strict=True)
        )

    def count_threads(self, threads: int) -> None:
        """Count threads that are followed; stop past the limit. Errors: `THIS_CALL.count_work` too."""
        self.threads += threads
        self.unpaid += threads * NUMBERS_OF_A_CHARACTER
        if self.unpaid > NUMBERS:
            THIS_CALL.count_work(self.unpaid)
            self.unpaid = 0
        if self.threads > MOST_PLACES:
            raise_limit_error(TOO_MUCH_WORK)


class PatternSearch:
    """The threads of one search for a pattern.

    `behind_states`: the look-behinds' states where it begins. `anywhere`: it may begin after any text.
    `to_end`: the match must end where the text does. `first`: the text begins where the search does.
    """

    def __init__(
        self,
        around: _Surroundings,
        tree: Node,
        behind_states: BehindStates,
        *,
        anywhere: bool,
        to_end: bool = False,
        first: bool = True,
    ) -> None:
        self._around = around
        self._to_end = to_end
        instructions = PatternInstructions()
        start = instructions.emit_node(simplify_tree(tree), 0)
        if anywhere:
            start = instructions.emit_any_text(start)
        self._code = instructions.code
        self._ranks = instructions.ranks
        around.count_threads(len(self._code))
        self._aheads: list[_Ahead] = []
        self._ahead_numbers: dict[tuple[LookAround, BehindStates, bool], int] = {}
        self._numbers: dict[Thread, int] = {}
        self._todo: list[Thread] = []
        self._closure_after: dict[int, int] = {}
        """For an instruction, the number of its closure after a character, if the thread has no duties and no
        look-behinds."""
        self._plain: dict[int, int] = {}
        """For an instruction the thread without duties and look-behinds; for ~ it, of the start of a text."""
        self._closures: list[list[int]] = []
        self._sets: dict[bytes, int] = {}
        self._all_classes = np.ones(around.alphabet.width, np.uint8)
        self._number_closure(Thread(start, _FREE, behind_states, first))

    def make_table(self) -> tuple[Table, Row]:
        """Return the minimal table of the texts over the pattern's alphabet, and which states accept."""
        return minimal_table(*self.subsets())

    def subsets(self, max_states: int = MOST_STATES) -> tuple[Table, Row]:
        """Return the table of the reachable sets of threads, and which accept. Raises `LimitError`."""
        edges: list[list[tuple[int, int]]] = []
        for thread in self._todo:  # it grows meanwhile
            edges.append(self._edges_of_thread(thread))
        width = self._around.alphabet.width
        final = -1 if self._to_end else self._numbers.get(_MATCHED, -1)
        ends = [self._accepts_at(thread) for thread in self._todo]
        # `reshape` keeps two columns where there is no edge at all.
        moves = np.array([edge for several in edges for edge in several], np.int32).reshape(-1, 2)
        closure_threads = np.array([thread for closure in self._closures for thread in closure], np.int32)
        # A dict keeps the order in which its keys came: row `i` is the set of number `i`.
        sets = np.frombuffer(b"".join(self._sets), np.uint8).reshape(-1, width)
        _, trans, accept = run_bounded(
            subsets,
            max_states,
            _ends_of(edges),
            moves,
            _ends_of(self._closures),
            closure_threads,
            sets.copy(),  # a buffer of bytes is read-only, and the kernel's type is not
            np.array(ends, np.uint8),
            self._rank_threads(),
            final,
        )
        return trans, accept.astype(np.int32)

    def _rank_threads(self) -> ThreadRanks:
        """Return for each kind of count the place of each thread, -1 for none, and its rank there."""
        depths = (depth for ranks in self._ranks.values() for depth in ranks)
        kinds = 1 + max(depths, default=-1)
        thread_ranks = np.full((2, kinds, len(self._todo)), -1, np.int32)
        numbers: dict[object, int] = {}
        for at, thread in enumerate(self._todo if kinds else ()):
            for depth, (place, rank) in self._ranks.get(thread.pc, {}).items():
                # Only threads of the same duties and look-behinds stand in one place.
                number = numbers.setdefault((place, *thread[1:]), len(numbers))
                thread_ranks[:, depth, at] = number, rank
        return thread_ranks

    # Edges.

    def _edges_of_thread(self, thread: Thread) -> list[tuple[int, int]]:
        """Return the sets by which a thread goes on, and the closure after each."""
        code = self._code[thread.pc]
        if code.op == MATCH:
            classes = self._all_classes
            after = thread.pc
            if self._to_end:
                return []
        elif code.op == SET:
            classes = self._around.classes[code.set]
            after = code.after[0]
        else:
            return []
        if not thread.duties and not thread.behind_states:
            closure_number = self._closure_after.get(after)
            if closure_number is None:
                plain_thread = Thread(after, _FREE, (), False)
                closure_number = self._closure_after[after] = self._number_closure(plain_thread)
            return [(self._number_set(classes), closure_number)]
        steps = int(classes.sum()) * (1 + len(thread.duties))
        self._around.count_threads(steps // _STEPS_OF_A_THREAD)
        # Duties and look-behinds may go on otherwise with each class: classes that do alike share an edge.
        groups: dict[tuple[Duties, BehindStates], list[int]] = {}
        for kind in np.flatnonzero(classes).tolist():
            duties = self._duties_after(thread.duties, kind)
            if duties is not None:
                behind_states = self._around.states_after(thread.behind_states, kind)
                groups.setdefault((duties, behind_states), []).append(kind)
        edges = []
        for (duties, behind_states), kinds in groups.items():
            classes_of_edge = np.zeros(len(self._all_classes), np.uint8)
            classes_of_edge[kinds] = 1
            set_number = self._number_set(classes_of_edge)
            closure_number = self._number_closure(Thread(after, duties, behind_states, False))
            edges.append((set_number, closure_number))
        return edges

    def _number_set(self, classes: Flags) -> int:
        return self._sets.setdefault(classes.tobytes(), len(self._sets))

    def _duties_after(self, duties: Duties, kind: int) -> Duties | None:
        """Return the duties after a character; None where one cannot be met any more."""
        remaining = []
        for number, state in duties:
            after = int(self._aheads[number].trans[state, kind])
            if after < 0:
                return None
            remaining.append((number, after))
        return frozenset(remaining)

    # Closures.

    def _number_closure(self, start: Thread) -> int:
        """Return the number of the closure of a thread: those that wait for a character, for the end, or have
        matched. A duty that is met whatever comes is gone; a match without duties needs nothing more."""
        plain = None
        if not start.duties and not start.behind_states:
            plain = self._plain_closure(start.pc, start.first)
        if plain is not None:
            self._closures.append(plain)
            return len(self._closures) - 1
        closure: dict[int, None] = {}  # in place of a set: its order is the same in every process
        for thread in self._closure(start, False):
            duties = thread.duties
            reduced_thread = thread
            if duties:
                duties = self._open_duties(duties)
                reduced_thread = thread._replace(duties=duties)
            is_match = self._code[thread.pc].op == MATCH
            if is_match and not duties and not self._to_end:
                reduced_thread = _MATCHED
            closure[self._number_thread(reduced_thread)] = None
        self._closures.append(list(closure))
        return len(self._closures) - 1

    def _open_duties(self, duties: Duties) -> Duties:
        """Return the duties without those that are met whatever comes."""
        return frozenset((number, state) for number, state in duties if not self._aheads[number].total[state])

    def _number_thread(self, thread: Thread) -> int:
        """Return the number of a thread, which may be new."""
        number = self._numbers.get(thread)
        if number is None:
            number = self._numbers[thread] = len(self._todo)
            self._todo.append(thread)
        return number

    def _plain_closure(self, pc: int, first: bool) -> list[int] | None:
        """Return the closure of a thread without duties and look-behinds, by instructions alone: most threads
        are such. None where it meets a look-around. Only the end of the text may ask for its `first`."""
        code = self._code
        thread_numbers = self._plain
        closure = list[int]()
        visited = set[int]()
        todo = [pc]
        while todo:
            pc = todo.pop()
            if pc in visited:
                continue
            visited.add(pc)
            op, after, _, look = code[pc]
            if op == SPLIT:
                todo += after
            elif op == START:
                if first:
                    todo += after
            elif look is not None:
                return None
            else:
                # `first` matters to the end of the text alone (`^$`), so other threads are one for both.
                is_first = first and op == END
                key = ~pc if is_first else pc
                if key not in thread_numbers:
                    is_done = op == MATCH and not self._to_end
                    thread = _MATCHED if is_done else Thread(pc, _FREE, (), is_first)
                    thread_numbers[key] = self._number_thread(thread)
                closure.append(thread_numbers[key])
        self._around.count_threads(len(visited))
        return closure

    def _accepts_at(self, thread: Thread) -> bool:
        """Return whether a text may end at a thread."""
        if self._code[thread.pc].op == SET:
            return False
        return any(
            self._code[end.pc].op == MATCH
            and all(self._aheads[number].accept[state] for number, state in end.duties)
            for end in self._closure(thread, True)
        )

    def _closure(self, start: Thread, at_end: bool) -> list[Thread]:
        """Return the threads that one leads to without a character."""
        visited: set[Thread] = set()
        waiting: list[Thread] = []
        todo = [start]
        while todo:
            thread = todo.pop()
            if thread in visited:
                continue
            visited.add(thread)
            code = self._code[thread.pc]
            if code.op == SPLIT:
                todo += [Thread(after, *thread[1:]) for after in code.after]
            elif code.op == START:
                if thread.first:
                    todo.append(thread._replace(pc=code.after[0]))
            elif code.op == END and at_end:
                todo.append(thread._replace(pc=code.after[0]))
            elif code.op == LOOK:
                assert code.look is not None
                todo += self._threads_behind_look(thread, code.look, code.after[0])
            else:
                waiting.append(thread)
        self._around.count_threads(len(visited))
        return waiting

    def _threads_behind_look(self, thread: Thread, look: LookAround, after: int) -> list[Thread]:
        """Return the thread behind a look-around; none where a look-behind does not hold."""
        if look.ahead:
            number = self._number_ahead(look, thread.behind_states, thread.first)
            can_hold = len(self._aheads[number].trans) > 0
            if not can_hold:
                return []
            duty = number, 0
            return [thread._replace(pc=after, duties=thread.duties | {duty})]
        at = self._around.number[look]
        _, accept = self._around.behinds[at]
        state = thread.behind_states[at]
        has_matched = state >= 0 and bool(accept[state])
        if has_matched == look.holds:
            return [thread._replace(pc=after)]
        return []

    def _number_ahead(self, look: LookAround, behind_states: BehindStates, first: bool) -> int:
        """Return the number of the automaton of what must follow for a look-ahead to hold."""
        key = look, behind_states, first
        if key not in self._ahead_numbers:
            search = PatternSearch(self._around, look.of, behind_states, anywhere=False, first=first)
            trans, accept = search.make_table()
            if not look.holds:
                trans, accept = minimal_table(*complement_table(trans, accept))
            if not accept.any():
                # No text follows: an empty table says so (`_threads_behind_look`).
                trans = trans[:0]
                accept = accept[:0]
            self._ahead_numbers[key] = len(self._aheads)
            total = closed_states(trans, accept > 0)
            self._aheads.append(_Ahead(trans, accept, total))
        return self._ahead_numbers[key]


def _ends_of(lists: Sequence[Sequence[object]]) -> Longs:
    """Return where each list begins if all are one, and the end."""
    return np.cumsum([0, *map(len, lists)], dtype=np.int64)


def automaton_of(tree: Node, max_states: int = MOST_STATES) -> Automaton:
    """Return the automaton of the texts in which a search finds a pattern.

    Look-aheads at the very start, `^(?!a)(?=b)c`, become the product of not `^a`, `^b` and `^c`; the others
    are duties. Cost: some 10 us a thread, and what `kernels.subsets` takes. Raises `LimitError`; `RegexError`
    for a look-behind that itself looks ahead.
    """
    parts: list[Automaton] = []
    todo = [(tree, True)]
    while todo:
        tree, holds = todo.pop()
        aheads, rest = _leading_look_aheads(tree)
        if not holds and aheads:
            # The complement of a product is no product: a negative body stays whole.
            rest = tree
            aheads = []
        todo += aheads
        around = _Surroundings(rest)
        start_states = (0,) * len(around.behinds)
        search = PatternSearch(around, rest, start_states, anywhere=True)
        automaton = minimal_automaton(around.alphabet, *search.subsets(max_states))
        parts.append(automaton if holds else complement(automaton))
    return intersect_automata(parts, max_states)


def _leading_look_aheads(tree: Node) -> tuple[list[tuple[Node, bool]], Node]:
    """Return the look-aheads at the start of a pattern that is anchored there, each as an anchored pattern
    with whether it must hold; and the pattern without them."""
    sequence = concatenate_nodes(tree, EMPTY)
    if not isinstance(sequence, Concatenation):
        return [], tree
    is_anchored = bool(sequence.parts) and isinstance(sequence.parts[0], TextStart)
    if not is_anchored:
        return [], tree
    aheads: list[tuple[Node, bool]] = []
    rest = list(sequence.parts)
    while len(rest) > 1:
        part = rest[1]
        if isinstance(part, LookAround) and part.ahead:
            aheads.append((concatenate_nodes(TEXT_START, part.of), part.holds))
        elif not isinstance(part, TextStart):
            break
        # The part is a look-ahead that is kept, or one more start of the text, which says nothing.
        del rest[1]
    return aheads, concatenate_nodes(*rest) if aheads else tree
