"""Make the automaton of a pattern, look-arounds included.

A pattern is first a list of instructions (`threads`). A *thread* is an instruction at which the search for a
match stands, together with the state of its look-arounds:

- A look-ahead, `(?=ab)`, adds a *duty* to the thread: a state of the small automaton of the text that must
  follow. It reads each character together with the thread. For a negative look-ahead, `(?!ab)`, it is the
  complement's automaton.
- A look-behind, `(?<=ab)`, is an automaton that reads the text from its start. Each thread holds its state.

A *closure* is the set of threads that one thread leads to without reading a character. An *edge* leads from a
thread, by a set of classes of characters, to a closure. At last `kernels.subsets` makes one deterministic
automaton, whose states are sets of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np

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
from structgen.automata.strings.kernels import (
    TOO_MUCH_WORK,
    Flags,
    Longs,
    Row,
    StateTable,
    Table,
    ThreadRanks,
    subsets,
)
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
from structgen.base.native.array_types import BoolArray
from structgen.base.system.public_calls import NUMBERS, THIS_CALL

_STEPS_OF_A_THREAD: Final = 4
"""The number of steps of duties that cost as much time as one thread."""

Duty: TypeAlias = "tuple[int, int]"
"""(the number of a look-ahead's automaton, its state)."""
Duties: TypeAlias = "frozenset[Duty]"
"""All duties of a thread: each of them must come true."""
BehindStates: TypeAlias = "tuple[int, ...]"
"""The state of the automaton of each look-behind; -1: it cannot match any more."""


class Thread(NamedTuple):
    """One position of a search for a pattern."""

    pc: int
    """The number of the instruction."""
    duties: Duties
    """The duties that look-aheads have left."""
    behind_states: BehindStates
    """The states of the look-behinds."""
    first: bool
    """Whether the text begins here."""


class _Ahead(NamedTuple):
    """The automaton of the text that must follow a look-ahead."""

    trans: Table
    """[states, classes of the pattern's alphabet]: the next state, or -1."""
    accept: Row
    """[states]: 1 where the text may end."""
    total: BoolArray
    """[states]: whether every continuation is accepted."""


_FREE: Final[Duties] = frozenset()
_MATCHED: Final = Thread(0, _FREE, (), False)
"""The thread of a search that has found its match: it accepts every continuation."""


class _Surroundings:
    """What all automata of one pattern share: the alphabet, the look-behinds, and the count of the work."""

    def __init__(self, tree: Node) -> None:
        """Make the automata of the look-behinds of a pattern, given as its syntax tree."""
        self.sets = character_sets(tree)
        self.alphabet, self.member = divide_alphabet(self.sets)
        range_count = sum(map(len, self.sets))
        THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * range_count + self.member.size // 8)
        self.classes = {ranges: self.member[at] for at, ranges in enumerate(self.sets)}
        self.nodes = look_behinds(tree)
        self.number = {node: at for at, node in enumerate(self.nodes)}
        self.behinds: list[StateTable] = []
        self.threads = self.unpaid = 0
        for node in self.nodes:
            # The body of a look-behind shares the alphabet of the pattern, but has its own look-behinds. So
            # `below` is a copy of this object with other look-behinds.
            below = _Surroundings.__new__(_Surroundings)
            below.__dict__.update(self.__dict__, nodes=look_behinds(node.of), behinds=[])
            below.number = {inner: at for at, inner in enumerate(below.nodes)}
            below.behinds = [below.ending_automaton(inner) for inner in below.nodes]
            self.behinds.append(below.ending_automaton(node))

    def ending_automaton(self, node: LookAround) -> StateTable:
        """Return the automaton of the texts that end with a match of a look-behind's body: its table, and 1
        for each state that accepts."""
        start_states = (0,) * len(self.behinds)
        search = PatternSearch(self, node.of, start_states, anywhere=True, to_end=True)
        return search.make_table()

    def states_after(self, behind_states: BehindStates, kind: int) -> BehindStates:
        """Return the states of the look-behinds after a character of the class `kind`."""
        return tuple(
            int(trans[state, kind]) if state >= 0 else -1
            for (trans, _), state in zip(self.behinds, behind_states, strict=True)
        )

    def count_threads(self, threads: int) -> None:
        """Count threads that were followed. Raises `LimitError` past MOST_PLACES threads of the pattern, or
        where the present call has no steps left."""
        self.threads += threads
        self.unpaid += threads * NUMBERS_OF_A_CHARACTER
        if self.unpaid > NUMBERS:
            THIS_CALL.count_work(self.unpaid)
            self.unpaid = 0
        if self.threads > MOST_PLACES:
            raise_limit_error(TOO_MUCH_WORK)


class PatternSearch:
    """The threads of one search for a pattern.

    `around`: what the automata of the pattern share. `tree`: the pattern, or the body of a look-around.
    `behind_states`: the states of the look-behinds where the search begins. `anywhere`: whether the match may
    begin after any text. `to_end`: whether the match must end at the end of the text. `first`: whether the
    text begins where the search begins.
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
        """Instruction -> the number of its closure after a character, for threads without duties and
        look-behinds."""
        self._plain: dict[int, int] = {}
        """Instruction -> its thread without duties and look-behinds. The key `~instruction` has the thread at
        the start of the text."""
        self._closures: list[list[int]] = []
        self._sets: dict[bytes, int] = {}
        self._all_classes = np.ones(around.alphabet.width, np.uint8)
        self._number_closure(Thread(start, _FREE, behind_states, first))

    def make_table(self) -> StateTable:
        """Return the minimal table of the texts that match, and 1 for each state that accepts. The classes
        are those of the pattern's alphabet."""
        return minimal_table(*self.subsets())

    def subsets(self, max_states: int = MOST_STATES) -> StateTable:
        """Return the table of the reachable sets of threads, and 1 for each set that accepts. Raises
        `LimitError` past `max_states` sets."""
        edges: list[list[tuple[int, int]]] = []
        for thread in self._todo:  # the list grows during the loop
            edges.append(self._edges_of_thread(thread))
        width = self._around.alphabet.width
        final = -1 if self._to_end else self._numbers.get(_MATCHED, -1)
        ends = [self._accepts_at(thread) for thread in self._todo]
        # `reshape` keeps two columns where there is no edge at all.
        moves = np.array([edge for several in edges for edge in several], np.int32).reshape(-1, 2)
        closure_threads = np.array([thread for closure in self._closures for thread in closure], np.int32)
        # A dict keeps the order in which its keys were added: row `i` is the set with the number `i`.
        sets = np.frombuffer(b"".join(self._sets), np.uint8).reshape(-1, width)
        _, trans, accept = run_bounded(
            subsets,
            max_states,
            _ends_of(edges),
            moves,
            _ends_of(self._closures),
            closure_threads,
            sets.copy(),  # an array of a bytes object is read-only, and the kernel takes writable ones
            np.array(ends, np.uint8),
            self._rank_threads(),
            final,
        )
        return trans, accept.astype(np.int32)

    def _rank_threads(self) -> ThreadRanks:
        """Return the array `thread_ranks` of `kernels.subsets`: for each depth of counts, the place of each
        thread (-1: none), and its rank there."""
        depths = (depth for ranks in self._ranks.values() for depth in ranks)
        kinds = 1 + max(depths, default=-1)
        thread_ranks = np.full((2, kinds, len(self._todo)), -1, np.int32)
        numbers: dict[object, int] = {}
        for at, thread in enumerate(self._todo if kinds else ()):
            for depth, (place, rank) in self._ranks.get(thread.pc, {}).items():
                # Only threads with the same duties and look-behinds can be in one place.
                number = numbers.setdefault((place, *thread[1:]), len(numbers))
                thread_ranks[:, depth, at] = number, rank
        return thread_ranks

    # Edges.

    def _edges_of_thread(self, thread: Thread) -> list[tuple[int, int]]:
        """Return the edges of a thread: pairs (number of a set of classes, number of the next closure)."""
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
        # Duties and look-behinds may lead to other states for each class. Classes that lead to the same
        # states share an edge.
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
        """Return the number of a set of classes, which may be new. `classes`: 1 for each class in it."""
        return self._sets.setdefault(classes.tobytes(), len(self._sets))

    def _duties_after(self, duties: Duties, kind: int) -> Duties | None:
        """Return the duties after a character of the class `kind`; None where one cannot be met any more."""
        remaining = []
        for number, state in duties:
            after = int(self._aheads[number].trans[state, kind])
            if after < 0:
                return None
            remaining.append((number, after))
        return frozenset(remaining)

    # Closures.

    def _number_closure(self, start: Thread) -> int:
        """Make the closure of a thread, and return its number.

        The closure has the threads that wait for a character, wait for the end of the text, or have matched.
        Duties that every continuation meets are removed. A match without duties becomes _MATCHED.
        """
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
        """Return the duties without those that every continuation meets."""
        return frozenset((number, state) for number, state in duties if not self._aheads[number].total[state])

    def _number_thread(self, thread: Thread) -> int:
        """Return the number of a thread, which may be new."""
        number = self._numbers.get(thread)
        if number is None:
            number = self._numbers[thread] = len(self._todo)
            self._todo.append(thread)
        return number

    def _plain_closure(self, pc: int, first: bool) -> list[int] | None:
        """Return the closure of a thread without duties and look-behinds, as numbers of threads.

        This is the fast path, which most threads take. Returns None where the closure reaches a look-around.
        `pc`, `first`: the fields of the thread.
        """
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
                # `first` matters only to an END that a START follows (`^$`): other threads share one number.
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
        """Return whether the text may end where a thread stands."""
        if self._code[thread.pc].op == SET:
            return False
        return any(
            self._code[end.pc].op == MATCH
            and all(self._aheads[number].accept[state] for number, state in end.duties)
            for end in self._closure(thread, True)
        )

    def _closure(self, start: Thread, at_end: bool) -> list[Thread]:
        """Return the threads that `start` leads to without reading a character. `at_end`: whether the text
        ends here, so that END instructions are passed."""
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
        """Return the thread after a look-around, in a list; an empty list where the look-around fails.

        `look`: the look-around. `after`: the instruction that follows it.
        """
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
        """Return the number of the automaton of the text that must follow a look-ahead, made if it is new.

        `behind_states`, `first`: those of the thread at the look-ahead.
        """
        key = look, behind_states, first
        if key not in self._ahead_numbers:
            search = PatternSearch(self._around, look.of, behind_states, anywhere=False, first=first)
            trans, accept = search.make_table()
            if not look.holds:
                trans, accept = minimal_table(*complement_table(trans, accept))
            if not accept.any():
                # The look-ahead always fails. An empty table tells `_threads_behind_look`.
                trans = trans[:0]
                accept = accept[:0]
            self._ahead_numbers[key] = len(self._aheads)
            total = closed_states(trans, accept > 0)
            self._aheads.append(_Ahead(trans, accept, total))
        return self._ahead_numbers[key]


def _ends_of(lists: Sequence[Sequence[object]]) -> Longs:
    """Return where each list begins if all lists are joined, and the total length: ["ab", "c"] -> 0, 2, 3."""
    return np.cumsum([0, *map(len, lists)], dtype=np.int64)


def automaton_of(tree: Node, max_states: int = MOST_STATES) -> Automaton:
    """Return the automaton of the texts in which a search finds a pattern.

    `tree`: the syntax tree of the pattern. Look-aheads at the very start are separate automata of a product:
    `^(?!a)(?=b)c` becomes (not `^a`) and `^b` and `^c`. All other look-aheads become duties.

    Raises `LimitError` past `max_states` states, or past the bounds on work; `RegexError` for a look-behind
    that contains a look-ahead. Cost: some 10 us for each thread, and that of `kernels.subsets`.
    """
    parts: list[Automaton] = []
    todo = [(tree, True)]
    while todo:
        tree, holds = todo.pop()
        aheads, rest = _leading_look_aheads(tree)
        if not holds and aheads:
            # The complement of a product is not a product: the body of a negative look-ahead stays whole.
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
    """Return the look-aheads at the start of an anchored pattern, and the pattern without them.

    A look-ahead is returned as (anchored pattern, whether it must hold). A pattern that is not anchored has
    no such look-aheads. For example, `^(?!a)b` -> ([(`^a`, False)], `^b`).
    """
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
        # Remove the part: a look-ahead that is in `aheads` now, or a second `^`, which changes nothing.
        del rest[1]
    return aheads, concatenate_nodes(*rest) if aheads else tree
