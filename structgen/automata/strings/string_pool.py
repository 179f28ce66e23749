"""String automata: formulas over patterns, formats, lengths and words, determinised lazily over UTF-8."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import numpy as np

from structgen.automata.programs import determinizer_tables as ar
from structgen.automata.programs.determinizer_tables import WIDTH as WIDTH
from structgen.automata.programs.determinizer_tables import (
    Key,
    StringNode,
    StringState,
    StringTables,
)
from structgen.automata.strings import banned_texts
from structgen.automata.strings import determinizer as k
from structgen.automata.strings.implicit_states import ImplicitStates
from structgen.automata.strings.node_completions import NodeCompletions
from structgen.automata.strings.spec_loading import SpecLoader
from structgen.automata.strings.string_memory import WORK_OF_A_STEP, StringMemory
from structgen.automata.unicode.charsets import LAST
from structgen.automata.unicode.decoded_text import LONE_BYTE, LONE_COLUMN, encode, escaped
from structgen.automata.unicode.partition import ASCII, JSON, PLAIN, Partition
from structgen.errors import LimitError
from structgen.language.ir import DEAD, Demands, Judge, Spec
from structgen.limits import Limits
from structgen.system.public_calls import THIS_CALL

_NO_STATES: Any = np.empty(0, np.int64)
# Rows that a call of `expand` fills: at first; and at most, when calls follow one walk.
_FIRST_ROWS, _MOST_ROWS = 16, 64
_CLASSES_OF_FEW_ROWS = 64
"""With a partition of more classes a row leads to many states inside characters, and fewer rows are
filled."""
_STATES_FOR_BANS = 600
"""The most states of an automaton that are visited to tell which banned texts it could hold."""
_STEPS_AHEAD = 65
"""Steps of a search on behalf of rows that were not asked for."""

_REST = (
    b"",
    b"\x80",
    b"\x80\x80",
    b"\xa0\x80",
    b"\x80\x80",
    b"\x90\x80\x80",
    b"\x80\x80\x80",
    b"\x80\x80\x80",
)
"""The smallest rest of a character from each place inside it (`utf8.PLACES`)."""
_OPEN = (ar.FREE_STATE, ar.MIDDLE_STATE)
"""Kinds of states that name such a place."""


class StringPool:
    """All string automata of one compiled grammar; rows are filled when `expand` asks. Not thread-safe.

    `trans` (int32 [capacity, 257]) holds for each state the next state, `ir.DEAD` or `ir.UNKNOWN`; `outcome`
    (int32 [capacity]) the outcome of a string that ends in the state, or -1. Both are replaced when they
    grow. States 0 to 7 are the free string (any text, outcome 0). The last column is the first byte of a lone
    surrogate (`unicode.decoded_text`).
    """

    FREE = 0
    """The state of the free string between two characters."""

    def __init__(
        self,
        limits: Limits,
        extra_formats: Mapping[str, str] | None = None,
        *,
        rooms: Mapping[str, int] = MappingProxyType({}),
        spelling: int = JSON,
        lone: bool = False,
        missing: frozenset[int] = frozenset(),
    ) -> None:
        """Make an empty pool. `rooms`: initial rows of arrays, in place of those in `ROOMS`. `spelling`
        (`unicode.partition`): by which completions are short. `lone`: lone surrogates can be written; if not,
        a string that only they complete is dead. `missing`: bytes that no rest of a character has."""
        self._limits, self._spelling, self.lone = limits, spelling, lone
        self._plain = spelling == PLAIN
        self._inside = [byte for byte in range(0x80, 0xC0) if byte not in missing]
        self._memory = StringMemory(limits, rooms, self._answer)
        self._arrays = self._memory.arrays
        self.texts = ImplicitStates(self._memory, limits)
        """The states inside implicit automata."""
        formats = dict(extra_formats or {})
        self._loader = SpecLoader(
            self._memory, self.texts, formats, spelling=spelling, lone=lone, missing=missing
        )
        self._specs = self._loader.specs
        self._completions = NodeCompletions(self._memory, self._specs, self.texts)
        self._starts: dict[tuple[Spec, Callable[[frozenset[int]], int]], int] = {}
        self._finish: dict[tuple[int, int], Demands] = {}
        self._call = 0  # the public call whose work is counted
        self._banned: list[tuple[banned_texts.Banned, frozenset[int]]] = []
        self._rows = _FIRST_ROWS  # of the last call of `expand`
        self._answered = 0  # the first keys, all of which are answered

    @property
    def trans(self) -> Any:
        return self._arrays["trans"]

    @property
    def outcome(self) -> Any:
        return self._arrays["outcome"]

    @property
    def count(self) -> int:
        """Return how many states there are."""
        return self._memory.count("states")

    @property
    def partitions(self) -> list[Partition]:
        """The partition of the code points of each started spec."""
        return [spec.partition for spec in self._specs]

    def start(self, spec: Spec, outcome: Callable[[frozenset[int]], int]) -> int:
        """Return the state before the first byte of a string of `spec`, or `ir.DEAD` where there is none.

        Interned by the spec and the function. Raises `RegexError`, `UnsupportedError` or `LimitError`.
        """
        key = (spec, outcome)
        found = self._starts.get(key)
        if found is None:
            self._count()
            whole = None if self._plain else self._whole(spec, outcome)
            if whole is not None:
                self._starts[key] = whole
                return whole
            less = None if self._plain else self._without_implied_bans(spec, outcome)
            if less is not None:
                self._starts[key] = found = self.start(less, outcome)
                return found
            node = self._memory.ask(k.ASK_START, self._loader.load(spec, outcome))
            found = self._starts[key] = self._memory.ask(k.ASK_NODE, node)
        return found

    def _whole(self, spec: Spec, outcome: Callable[[frozenset[int]], int]) -> int | None:
        """Return the start of a spec that only bans texts, whose whole automaton is made; None for others."""
        said = banned_texts.read(spec)
        made = None if said is None else banned_texts.automaton(*said)
        if made is None:
            return None
        self._memory.make()
        met = frozenset((0,))
        end, count, first = outcome(met), len(made.rows), self.count
        if first + count > len(self._arrays["states"]):
            self._memory.grow(ar.STATES, count)
        arrays = self._arrays
        here = slice(first, first + count)
        arrays["trans"][here] = np.where(made.rows >= 0, made.rows + first, DEAD)
        arrays["outcome"][here] = np.where(made.ends, end, -1)
        states = arrays["states"][here]
        states[:] = 0
        states[:, StringState.kind], states[:, StringState.a] = ar.BANNED_STATE, len(self._banned)
        states[:, StringState.b], states[:, StringState.done], states[:, StringState.parent] = (
            np.arange(count),
            1,
            -1,
        )
        self._banned.append((made, met))
        self._memory.set_count("states", first + count)
        return first

    def _without_implied_bans(self, spec: Spec, outcome: Callable[[frozenset[int]], int]) -> Spec | None:
        """Return a spec of the same strings without the bans that the rest implies: no date holds a letter
        but T and Z. None if no ban is implied.

        Cost: that of up to _STATES_FOR_BANS rows of the automaton of the rest, which is used later.
        """
        apart = banned_texts.beside(spec)
        if apart is None:
            return None
        rest, texts = apart
        start = self.start(rest, outcome)
        wanted = np.frombuffer("".join(texts).encode(), np.uint8)
        met, listed, seen = np.zeros(256, np.bool_), [start], {start}
        for state in listed if start >= 0 else ():
            if len(seen) > _STATES_FOR_BANS or met[wanted].all():
                return None
            try:
                self.expand(state)
            except LimitError:
                return None
            if self._arrays["states"][state, StringState.done] == ar.BY_COLUMN:
                return None
            row = self.trans[state, :256]
            met |= row >= 0
            new = set(row[row >= 0].tolist()) - seen
            seen |= new
            listed += new
        left = tuple(text for text in texts if met[np.frombuffer(text.encode(), np.uint8)].all())
        return None if len(left) == len(texts) else banned_texts.together(rest, left)

    def bans(self, state: int) -> bool:
        """Return whether a state belongs to a whole automaton of banned texts: a string may end there or not
        by its length alone, and every string can go on."""
        return bool(self._arrays["states"][state, StringState.kind] == ar.BANNED_STATE)

    def expand(self, state: int, column: int = -1) -> None:
        """Fill the row of `state`, and of states near it. Raises `LimitError`.

        Rows inside an implicit automaton are filled by columns: `column`, or all of them if it is -1.

        Cost: some 2 us a row, 16 rows at first. A call for a state that the last call visited continues the
        same walk and fills twice as many rows, up to 64, so that a walk over a vocabulary is rarely
        interrupted.
        """
        memory, states = self._memory, self._arrays["states"]
        if states[state, StringState.done]:
            if states[state, StringState.done] == ar.BY_COLUMN:
                self.texts.expand(state, column)
            return
        self._count()
        few, many = (
            (_FIRST_ROWS, _MOST_ROWS) if self._loader.widest <= _CLASSES_OF_FEW_ROWS else (0, _FIRST_ROWS)
        )
        if self._judge(state) is not None:
            few, many = 0, 0  # its neighbours are rarely asked for (`completed_after_any_text`)
        self._rows = (
            min(2 * self._rows + 1, many)
            if states[state, StringState.seen] == memory.words[StringTables.expansion]
            else few
        )
        memory.ask(k.ASK_BEGIN, state)
        memory.ask(k.ASK_EXPAND, state, 0)
        with suppress(LimitError), memory.at_most(_STEPS_AHEAD):  # of a neighbour, which was not asked for
            memory.ask(k.ASK_EXPAND, state, self._rows)
        if self._arrays["states"][state, StringState.done] == ar.BY_COLUMN:
            self.texts.expand(state, column)

    def open_bytes(self, state: int) -> int:
        """Return how many bytes the character still takes that a text has begun; 0 between two."""
        kind, place, _, last = self._arrays["states"][state, : StringState.done].tolist()
        if kind == ar.SPLIT_STATE:
            return int(last)
        return len(_REST[last if kind == ar.FREE_STATE else place]) if kind in _OPEN else 0

    def row(self, state: int) -> Any:
        """Return the state after each byte, below 0 where it is refused."""
        return self._row(state)

    def finish(self, state: int, most: int = ar.NONE) -> Demands:
        """Return, for each demand that can still be met, the completion that is shortest as JSON text, as
        bytes (`unicode.decoded_text`). `most`: of those with at most so many characters, one that was begun
        not counted.

        Of the shortest it is the one whose JSON text is the smallest: space is the cheapest character; `"`
        and `\\` take two bytes, control characters two or six (RFC 8259, section 7); the pool's spelling says
        what others take. For several patterns at once it is one of the shortest, not always the
        smallest: past some thousand steps the search goes by lower bounds.

        Cost: one search over the product, memoised along the path found. Raises `LimitError`.
        """
        found = self._finish.get((state, most))
        if found is None:
            free = None if most < 0 else self.finish(state)
            if free is not None and all(_characters(rest) <= most for rest in free.values()):
                return free
            self._count()
            found = self._finish[state, most] = self._find_finish(state, most)
        return found

    def key(self, state: int) -> bytes | None:
        """Return 16 bytes that name the residual language with its outcomes, the same in every process; None
        if it depends on a judge.

        Equal keys mean equal languages and demands; unequal keys may mean equal languages too.
        """
        kind, a, b, c = (int(x) for x in self._arrays["states"][state, : StringState.done])
        digest = blake2b(digest_size=16)
        judge = self._judge(state)
        if judge is not None and not judge.total:
            return None
        if kind == ar.FREE_STATE:
            digest.update(b"free %d %r" % (c, sorted(self._free_demands(a))))
        elif kind == ar.MIDDLE_STATE:
            below = self.key(b)
            if below is None:
                return None
            digest.update(b"middle %d " % a + below)
        elif kind == ar.SPLIT_STATE:
            digest.update(b"split %d %d " % (b, c) + self._node_key(a))
        elif kind == ar.BANNED_STATE:
            digest.update(b"banned %d " % b + self._banned[a][0].name)
        else:
            digest.update(self._node_key(a))
        return digest.digest()

    def _judge(self, state: int) -> Judge | None:
        """Return the judge of a state's spec; None for a free state or one inside a character."""
        if not self._loader.judged:
            return None
        number = self._spec_of(state)
        return None if number < 0 else self._specs[number].spec.judge

    def completed_after_any_text(self, first: int) -> Any:
        """Return an array of the states from `first` on from which every text can be completed, as far as
        judges and estimates tell."""
        if not self._loader.may_be_total:
            return _NO_STATES
        states = self._arrays["states"][first : self.count]
        nodes = np.where(states[:, StringState.kind] == ar.NODE_STATE, states[:, StringState.a], 0)
        lives = self._arrays["nodes"][nodes, StringNode.live]
        return first + np.flatnonzero((states[:, StringState.kind] == ar.NODE_STATE) & (lives == 2))

    @property
    def work(self) -> int:
        """The cost of the current call so far, in steps of some 20 us; `Limits.oracle_steps` is its limit."""
        return int(self._memory.words[StringTables.spent]) // WORK_OF_A_STEP

    def _count(self) -> None:
        """Count work from 0 if a new public call has begun."""
        number = THIS_CALL.number()
        if number != self._call:
            self._call = number
            self._memory.words[StringTables.spent] = 0

    def _spec_of(self, state: int) -> int:
        """Return the number of a state's spec; -1 for a free state or one in the middle of a character."""
        kind, node = (int(x) for x in self._arrays["states"][state, :2])
        if kind not in (ar.NODE_STATE, ar.SPLIT_STATE):
            return -1
        return int(self._arrays["nodes"][node, StringNode.spec])

    def is_finite(self, state: int, most: int) -> list[bytes] | None:
        """Return all completions from `state`, sorted, if there are at most `most`; otherwise None.

        Cost: a few times `most` rows for each byte of the longest word.
        """
        words: list[bytes] = []
        # Every state is live, so each entry of the stack is a prefix of a word.
        stack: list[tuple[int, bytes]] = [(state, b"")]
        while stack:
            at, text = stack.pop()
            if self.outcome[at] >= 0:
                words.append(text)
            stack += ((after, text + bytes((byte,))) for byte, after in self.going_on(at))
            if len(words) + len(stack) > most:
                return None
        return sorted(words)

    def going_on(self, state: int) -> list[tuple[int, int]]:
        """Return the bytes that may follow in a state, ascending, each with the state after it."""
        row = self._row(state)[: WIDTH if self.lone else 256]
        found = (row >= 0).nonzero()[0].tolist()
        return [(LONE_BYTE if column == LONE_COLUMN else column, int(row[column])) for column in found]

    # Answers to compiled code.

    def _answer(self, cause: int, what: int) -> None:
        """Answer the question that interrupted compiled code."""
        if cause == ar.NEED_OUTCOMES:
            self._answer_all()
        elif cause == ar.NEED_STEP:
            self.texts.answer_step(what)
        elif cause == ar.NEED_END:
            self.texts.end(what)
        elif cause == ar.NEED_LIFE:
            self._memory.ask(k.ASK_DECIDE, what)
        else:
            assert cause == ar.NEED_COSTS, cause
            self._loader.load_costs(what)

    def _answer_all(self) -> None:
        """Answer the questions about demands in the keys that were made since the last time."""
        first, count = self._answered, self._memory.count("keys")
        keys = self._arrays["keys"][first:count]
        kinds = keys[:, Key.what]
        asked = ((kinds == ar.DEMANDS) | (kinds == ar.JUDGED)) & (keys[:, Key.value] == ar.UNSET)
        for at in asked.nonzero()[0].tolist():
            what, number, one, other = keys[at, : Key.value].tolist()
            demands = frozenset(self._memory.members(one))
            if what == ar.DEMANDS:
                answer = self._specs[number].met(demands)
            else:
                answer = self._specs[number].outlook(demands, frozenset(self._memory.members(other)))
            self._arrays["keys"][first + at, Key.value] = answer
        self._answered = count

    # Completions and names.

    def _row(self, state: int) -> Any:
        if not self._arrays["states"][state, StringState.done]:
            self.expand(state)
        return self.trans[state]

    def _free_demands(self, outcome: int) -> frozenset[int]:
        for spec in self._specs:
            if outcome in spec.demands:
                return spec.demands[outcome]
        return frozenset((0,))

    def _find_finish(self, state: int, most: int) -> dict[int, bytes]:
        kind, a, b, c = (int(x) for x in self._arrays["states"][state, : StringState.done])
        best: dict[int, bytes] = {}
        if len(self._inside) < 64 and (
            kind in (ar.MIDDLE_STATE, ar.SPLIT_STATE) or (kind == ar.FREE_STATE and c)
        ):
            row = self._row(state)
            for byte in self._inside:
                if row[byte] >= 0:
                    self._improve(best, bytes((byte,)), self.finish(int(row[byte]), most))
            return best
        if kind == ar.FREE_STATE:
            return dict.fromkeys(sorted(self._free_demands(a)), _REST[c])
        if kind == ar.MIDDLE_STATE:
            return {demand: _REST[a] + rest for demand, rest in self.finish(b, most).items()}
        if kind == ar.NODE_STATE:
            return self._completions.of(a, most)
        if kind == ar.BANNED_STATE:
            made, met = self._banned[a]
            return dict.fromkeys(sorted(met), banned_texts.shortest(made, b, self._spelling == ASCII))
        partition = self._specs[int(self._arrays["nodes"][a, StringNode.spec])].partition
        row = self._memory.ask(k.ASK_ROW, a)
        low, high = b, b + (1 << 6 * c) - 1
        low = 0x800 if c == 2 and low == 0 else 0x10000 if c == 3 and low == 0 else low
        high = 0xDFFF if c == 2 and low == 0xD800 else high
        seen: set[int] = set()
        for index in range(bisect_right(partition.starts, low) - 1, bisect_right(partition.starts, high)):
            first = partition.starts[index]
            end = partition.starts[index + 1] if index + 1 < len(partition.starts) else LAST + 1
            point = max(first, low)
            if 0xD800 <= point < 0xE000 and low < 0xD800:
                point = 0xE000
            class_ = partition.kinds[index]
            if point >= min(end, high + 1) or class_ in seen:
                continue
            seen.add(class_)
            node = int(self._arrays["heap"][row + class_])
            if node < 0:
                continue
            self._improve(best, encode(chr(point))[-c:], self._completions.of(node, most))
        self.expand(state, 0x80)
        if self._arrays["states"][state, StringState.done] == ar.BY_COLUMN:
            # letters of a label that only LETTERS accepts
            for byte in range(0x80, 0xC0):
                self.expand(state, byte)
                after = int(self.trans[state, byte])
                rests = self.finish(after, most) if after >= 0 else None
                if rests:
                    self._improve(best, bytes((byte,)), rests)
                    break
        return best

    def _improve(self, best: dict[int, bytes], lead: bytes, found: Demands) -> None:
        """Keep a completion if it is better than the best so far."""
        for demand, rest in found.items():
            text = lead + rest
            old = best.get(demand)
            if old is None or self._order(text) < self._order(old):
                best[demand] = text

    def _order(self, text: bytes) -> tuple[int, bytes]:
        """Return what completions are compared by as they are spelled; they may begin inside a character."""
        if self._plain:
            return len(text), text
        decoded = text.decode(errors="surrogateescape")
        written = json.dumps(decoded, ensure_ascii=self._spelling == ASCII)
        data = escaped(written.encode(errors="surrogateescape"))
        return len(data), data

    def _node_key(self, node: int) -> bytes:
        number, set_, length = self._arrays["nodes"][
            node, [StringNode.spec, StringNode.set, StringNode.length]
        ].tolist()
        return self._loader.node_key(self._specs[number], self._memory.members(set_), length)


def _characters(rest: bytes) -> int:
    """Return how many characters begin in a rest, which may begin inside one."""
    return sum(byte & 0xC0 != 0x80 for byte in rest)
