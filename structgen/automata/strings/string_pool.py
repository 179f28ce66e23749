"""String automata: formulas over patterns, formats, lengths and words, determinised lazily over UTF-8."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import numpy as np

from structgen.automata.programs import determinizer_tables as ar
from structgen.automata.programs.instructions import (
    CALL,
    CALLED,
    CHAR,
    CLOCK,
    IMPLICIT,
    LETTERS,
    MATCH,
    REGEX,
    REPEAT,
    SPLIT,
    WORDS,
    Program,
    completion_costs,
    found_anywhere,
)
from structgen.automata.programs.thompson_construction import compile_pattern, compile_regex
from structgen.automata.strings import banned_texts
from structgen.automata.strings import determinizer as k
from structgen.automata.strings.boolean_formulas import (
    Atom,
    BooleanTree,
    TreeBuilder,
    evaluate,
    foresee,
    postfix,
)
from structgen.automata.strings.implicit_states import ImplicitStates, length_of_texts
from structgen.automata.unicode.charsets import LAST, Ranges
from structgen.automata.unicode.decoded_text import LONE_BYTE, LONE_COLUMN, encode, escaped
from structgen.automata.unicode.partition import Partition, partition_for
from structgen.automata.unicode.utf8 import LONE_PLACE, PLACES
from structgen.errors import LimitError
from structgen.language.ir import (
    DEAD,
    UNKNOWN,
    All,
    Any_,
    Demands,
    Formula,
    Judge,
    Not,
    NumberAtom,
    Spec,
    StringAtom,
    Words,
)
from structgen.limits import Limits
from structgen.native.raw_memory import address_of
from structgen.system.public_calls import THIS_CALL

WIDTH = ar.WIDTH
"""Columns of a row: a byte of the decoded string's UTF-8, then the first byte of a lone surrogate."""

FREE = 0
_NO_STATES: Any = np.empty(0, np.int64)
_MOST_BYTES = 1 << 31
"""Bytes that one array of a pool may take."""
# Rows that a call of `expand` fills: at first; and at most, when calls follow one walk.
_FIRST_ROWS, _MOST_ROWS = 16, 64
_MANY_CLASSES = 64
"""With a partition of more classes a row leads to many states inside characters, and fewer rows are
filled."""
_STATES_FOR_BANS = 600
"""The most states of an automaton that are visited to tell which banned texts it could hold."""
_STEPS_AHEAD = 65
"""Steps of a search on behalf of rows that were not asked for."""
_MOST_IN_ANY_ORDER = 11
"""With more atoms that are met in any order no search looks for the shortest completion: it would visit a
node for each set of them."""
_STEPS_IN_BREADTH, _STEPS_BY_BOUNDS, _STEPS_TO_NEXT = 5_000, 20_000, 5_000
"""Steps of the searches for a shortest completion, and for a text that meets one more atom."""

_PAIR = r"[\uD800-\uDBFF][\uDC00-\uDFFF]"
"""Surrogates that are never lone: their escapes are one character (RFC 8259, section 7)."""
_WORK = 6
"""Units of a call's work, some 4 us each, in one of `Limits.oracle_steps`."""

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


@dataclass(slots=True)
class _LoadedSpec:
    """A spec that was loaded into the arrays: the parts that Python needs later."""

    nodes: tuple[BooleanTree, ...]
    outcome: Callable[[frozenset[int]], int]
    partition: Partition
    breaks: list[int]
    formulas: tuple[Formula, ...]
    judge: Judge | None
    digest: bytes
    """Of the formulas; empty until a key is asked for."""
    bases: dict[int, int]
    """Atom number -> its first instruction."""
    numbers: list[int]
    """The spec's atoms by their place in `nodes`."""
    descends: bool
    """One demand that is one trimmed atom: completion costs give the distance to the end."""
    programs: list[tuple[int, int, Program]]
    """Place in `numbers`, first instruction and program of each pattern."""
    demands: dict[int, frozenset[int]] = field(default_factory=dict)
    simple: dict[int, list[int]] | None = None
    """If each formula is an atom and the last is TRUE: the formulas by their atom's number."""
    calling: set[int] = field(default_factory=set)
    """The numbers of the atoms whose contexts are calls."""
    parts: dict[int, bytes] = field(default_factory=dict)
    """Thread -> its name, for `StringPool.key`."""


class StringPool:
    """All string automata of one compiled grammar; rows are filled when `expand` asks. Not thread-safe.

    `trans` (int32 [capacity, 257]) holds for each state the next state, `ir.DEAD` or `ir.UNKNOWN`; `outcome`
    (int32 [capacity]) the outcome of a string that ends in the state, or -1. Both are replaced when they
    grow. States 0 to 7 are the free string (any text, outcome 0). The last column is the first byte of a lone
    surrogate (`unicode.decoded_text`).
    """

    FREE = FREE

    def __init__(
        self,
        limits: Limits,
        extra_formats: Mapping[str, str] | None = None,
        *,
        rooms: Mapping[str, int] = MappingProxyType({}),
        plain: bool = False,
        lone: bool = False,
    ) -> None:
        """Make an empty pool. `rooms`: initial rows of arrays, in place of those in `ROOMS`. `plain`: the
        length of a completion is its bytes, not those of its JSON text. `lone`: lone surrogates can be
        written; if not, a string that only they complete is dead."""
        self._limits, self._plain, self.lone = limits, plain, lone
        self._formats = dict(extra_formats or {})
        self._specs: list[_LoadedSpec] = []
        self._starts: dict[tuple[Spec, Callable[[frozenset[int]], int]], int] = {}
        self._finish: dict[int, Demands] = {}
        self._atoms = 0
        self._call = 0  # the public call whose work is counted
        self._banned: list[tuple[banned_texts.Banned, frozenset[int]]] = []
        self._rows = _FIRST_ROWS  # of the last call of `expand`
        self._answered = 0  # the first keys, all of which are answered
        self._widest = 0  # classes of the widest partition
        self._judged = self._may_be_total = False
        self._rooms = {**ROOMS, **rooms}
        # Many grammars ask for the free states alone, which all pools share: a pool gets arrays of its own
        # with its first spec.
        self._arrays: dict[str, Any] = dict(_free_states())
        self._is_bare = True
        self.trans, self.outcome = self._arrays["trans"], self._arrays["outcome"]
        self.texts = ImplicitStates(self._arrays, self._ask, limits)
        """The states inside implicit automata."""
        self._reg = reg = np.zeros(ar.REGISTERS, np.int64)
        reg[ar.MOST_STEPS] = limits.oracle_steps
        reg[ar.MOST_NODES] = limits.automaton_states
        reg[ar.MOST_WORK] = _WORK * limits.oracle_steps
        reg[ar.TODO_STAMP] = 1  # no state was seen yet
        reg[ar.N_STATE] = 8

    def _make_arrays(self) -> None:
        """Give the pool arrays of its own. They replace the shared ones at the end, so that an exception in
        between leaves a pool that can begin again."""
        arrays, reg = _new_arrays(self._rooms)
        reg[_KEPT_REGISTERS] = self._reg[_KEPT_REGISTERS]
        for name, rows in _free_states().items():
            arrays[name][:8] = rows
        # Context 0, outside every counted repeat, and the free states of outcome 0.
        k.ask(reg, k.ASK_THREAD, ar.K_CONTEXT, -1)
        arrays["keys"][k.ask(reg, k.ASK_THREAD, ar.K_FREE, 0), ar.VALUE] = 0
        self._arrays.update(arrays)
        self._reg[:] = reg
        self.trans, self.outcome = arrays["trans"], arrays["outcome"]
        self._is_bare = False

    @property
    def count(self) -> int:
        """Return how many states there are."""
        return int(self._reg[ar.N_STATE])

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
            number = self._load(spec, outcome)
            node = self._ask(k.ASK_START, number)
            found = self._starts[key] = self._ask(k.ASK_NODE, node)
        return found

    def _whole(self, spec: Spec, outcome: Callable[[frozenset[int]], int]) -> int | None:
        """Return the start of a spec that only bans texts, whose whole automaton is made; None for others."""
        said = banned_texts.read(spec)
        made = None if said is None else banned_texts.automaton(*said)
        if made is None:
            return None
        if self._is_bare:
            self._make_arrays()
        met = frozenset((0,))
        end, count, first = outcome(met), len(made.rows), self.count
        if first + count > len(self._arrays["states"]):
            self._grow(int(ar.FULL_STATES), count)
        arrays = self._arrays
        here = slice(first, first + count)
        arrays["trans"][here] = np.where(made.rows >= 0, made.rows + first, DEAD)
        arrays["outcome"][here] = np.where(made.ends, end, -1)
        states = arrays["states"][here]
        states[:] = 0
        states[:, ar.KIND], states[:, ar.ARG_A] = ar.BANNED_STATE, len(self._banned)
        states[:, ar.ARG_B], states[:, ar.DONE], states[:, ar.PARENT] = np.arange(count), 1, -1
        self._banned.append((made, met))
        self._reg[ar.N_STATE] = first + count
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
            if self._arrays["states"][state, ar.DONE] == ar.BY_COLUMN:
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
        return bool(self._arrays["states"][state, ar.KIND] == ar.BANNED_STATE)

    def expand(self, state: int, column: int = -1) -> None:
        """Fill the row of `state`, and of states near it. Raises `LimitError`.

        Rows inside an implicit automaton are filled by columns: `column`, or all of them if it is -1.

        Cost: some 2 us a row, 16 rows at first. A call for a state that the last call visited continues the
        same walk and fills twice as many rows, up to 64, so that a walk over a vocabulary is rarely
        interrupted.
        """
        reg, states = self._reg, self._arrays["states"]
        if states[state, ar.DONE]:
            if states[state, ar.DONE] == ar.BY_COLUMN:
                self.texts.expand(state, column)
            return
        self._count()
        few, many = (_FIRST_ROWS, _MOST_ROWS) if self._widest <= _MANY_CLASSES else (0, _FIRST_ROWS)
        if self._judge(state) is not None:
            few, many = 0, 0  # its neighbours are rarely asked for (`completed_after_any_text`)
        self._rows = min(2 * self._rows + 1, many) if states[state, ar.SEEN] == reg[ar.TODO_STAMP] else few
        k.ask(reg, k.ASK_BEGIN, state, 0)
        try:
            self._ask(k.ASK_EXPAND, state, 0)
            reg[ar.MOST_STEPS] = min(_STEPS_AHEAD, self._limits.oracle_steps)
            with suppress(LimitError):  # of a neighbour, which was not asked for
                self._ask(k.ASK_EXPAND, state, self._rows)
        finally:
            reg[ar.MOST_STEPS] = self._limits.oracle_steps
        if self._arrays["states"][state, ar.DONE] == ar.BY_COLUMN:
            self.texts.expand(state, column)

    def finish(self, state: int) -> Demands:
        """Return, for each demand that can still be met, the completion that is shortest as JSON text, as
        bytes (`unicode.decoded_text`).

        Of the shortest it is the one whose JSON text is the smallest: space is the cheapest character; `"`
        and `\\` take two bytes, control characters two or six (RFC 8259, section 7). In a plain pool it is
        the shortest in UTF-8. For several patterns at once it is one of the shortest, not always the
        smallest: past some thousand steps the search goes by lower bounds.

        Cost: one search over the product, memoised along the path found. Raises `LimitError`.
        """
        found = self._finish.get(state)
        if found is None:
            self._count()
            found = self._finish[state] = self._find_finish(state)
        return found

    def key(self, state: int) -> bytes | None:
        """Return 16 bytes that name the residual language with its outcomes, the same in every process; None
        if it depends on a judge.

        Equal keys mean equal languages and demands; unequal keys may mean equal languages too.
        """
        kind, a, b, c = (int(x) for x in self._arrays["states"][state, :4])
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
        if not self._judged:
            return None
        number = self._spec_of(state)
        return None if number < 0 else self._specs[number].judge

    def completed_after_any_text(self, first: int) -> Any:
        """Return an array of the states from `first` on from which every text can be completed, as far as
        judges and estimates tell."""
        if not self._may_be_total:
            return _NO_STATES
        states = self._arrays["states"][first : self.count]
        nodes = np.where(states[:, 0] == ar.NODE_STATE, states[:, ar.ARG_A], 0)
        lives = self._arrays["nodes"][nodes, ar.Q_LIVE]
        return first + np.flatnonzero((states[:, 0] == ar.NODE_STATE) & (lives == 2))

    @property
    def work(self) -> int:
        """The cost of the current call so far, in steps of some 20 us; `Limits.oracle_steps` is its limit."""
        return int(self._reg[ar.WORK]) // _WORK

    def _count(self) -> None:
        """Count work from 0 if a new public call has begun."""
        number = THIS_CALL.number()
        if number != self._call:
            self._call = number
            self._reg[ar.WORK] = 0

    def _spec_of(self, state: int) -> int:
        """Return the number of a state's spec; -1 for a free state or one in the middle of a character."""
        kind, node = (int(x) for x in self._arrays["states"][state, :2])
        if kind not in (ar.NODE_STATE, ar.SPLIT_STATE):
            return -1
        return int(self._arrays["nodes"][node, ar.Q_SPEC])

    @contextmanager
    def _at_most(self, steps: int) -> Iterator[None]:
        """Bound the searches of a block."""
        before = int(self._reg[ar.MOST_STEPS])
        self._reg[ar.MOST_STEPS] = steps
        try:
            yield
        finally:
            self._reg[ar.MOST_STEPS] = before

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

    # The arrays.

    def _bind(self, *names: str) -> None:
        """Write the present addresses of these arrays to the registers."""
        arrays, reg = self._arrays, self._reg
        for name in names:
            at = ar.NAMES.index(name)
            reg[ar.ADDRESS + at] = arrays[name].ctypes.data
            reg[ar.ROOM + at] = len(arrays[name])
        self.trans = arrays["trans"]
        self.outcome = arrays["outcome"]

    def _ask(self, what: int, a: int, b: int = 0) -> int:
        if self._is_bare:
            self._make_arrays()
        while True:
            try:
                return int(k.ask(self._reg, what, a, b))
            except ar.Interrupt:
                self._answer()

    def _answer(self) -> None:
        """Answer the question that interrupted the determiniser, or raise `LimitError`."""
        reg = self._reg
        cause, what = int(reg[ar.CAUSE]), int(reg[ar.WHAT])
        if cause == ar.NEED_ANSWERS:
            self._answer_all()
        elif cause == ar.NEED_STEP:
            self.texts.answer_step(what)
        elif cause == ar.NEED_END:
            self.texts.end(what)
        elif cause == ar.NEED_LIFE:
            self._ask(k.ASK_DECIDE, what)
        elif cause == ar.NEED_COSTS:
            self._load_costs(what)
        elif cause == ar.OVER_STEPS:
            raise LimitError(
                "The search for a string that completes a place took more than "
                f"{int(reg[ar.MOST_STEPS])} steps.",
                limit="oracle_steps",
            )
        elif cause == ar.OVER_WORK:
            raise self._too_much()
        elif cause == ar.OVER_NODES:
            raise LimitError(
                f"The string automata have more than {self._limits.automaton_states} states.",
                limit="automaton_states",
            )
        else:
            self._grow(cause, what)

    def _too_much(self) -> LimitError:
        return LimitError(
            "What strings may go on with was not found out within the work of one call, "
            f"{self._limits.oracle_steps:,} steps: conditions on one string multiply.",
            limit="oracle_steps",
        )

    def _grow(self, cause: int, least: int) -> None:
        arrays = self._arrays
        for name in _GROWS[cause]:
            old = arrays[name]
            size = len(old)
            if name.endswith("_hash"):
                arrays[name] = np.full(2 * size, -1, np.int64)
                continue
            new_size = size * 2
            while new_size < size + least + 1:
                new_size *= 2
            if new_size * old[:1].nbytes > _MOST_BYTES:
                raise LimitError(
                    f"The automata of the strings need more than {_MOST_BYTES >> 20:,} MiB: "
                    "counted repetitions within one another multiply.",
                    limit="automaton_states",
                )
            new = np.empty((new_size, *old.shape[1:]), old.dtype)
            new[:size] = old
            arrays[name] = new
        self._bind(*_GROWS[cause])
        if cause in (ar.FULL_KEYS, ar.FULL_SETS):
            k.ask(self._reg, k.ASK_REHASH, cause, 0)

    def _append(self, values: Iterable[int]) -> int:
        """Append to the heap; return the offset."""
        data = values if isinstance(values, np.ndarray) else np.array(list(values), np.int64)
        reg = self._reg
        top = int(reg[ar.N_HEAP])
        if top + len(data) > len(self._arrays["heap"]):
            self._grow(int(ar.FULL_HEAP), len(data))
        self._arrays["heap"][top : top + len(data)] = data
        reg[ar.N_HEAP] = top + len(data)
        return top

    # Specs.

    def _load(self, spec: Spec, outcome: Callable[[frozenset[int]], int]) -> int:
        """Load a spec's atoms into the arrays; return the spec's number."""
        if self._is_bare:
            self._make_arrays()
        builder = TreeBuilder(self._formats)
        nodes = tuple(builder.node(formula, whole=spec.judge is None) for formula in spec.formulas)
        if self.lone and any(isinstance(atom, Program) and _divides(atom) for atom in builder.atoms):
            apart = "not", builder.tree(compile_pattern(_PAIR))
            asked = len(nodes) - (spec.judge is not None)
            nodes = (*(("all", node, apart) for node in nodes[:asked]), *nodes[asked:])
        atoms = list(builder.atoms)
        sets: dict[Ranges, int] = {}
        letters: set[int] = set()
        for atom in atoms:
            if isinstance(atom, Words):
                letters.update(map(ord, set().union(*atom.of)))
            else:
                letters.update(atom.letters)
                for ranges in atom.sets:
                    sets.setdefault(ranges, len(sets))
        partition = partition_for(tuple(sets), frozenset(letters), self._plain, self.lone)
        classes = len(partition.first)
        self._widest = max(self._widest, classes)
        breaks = sorted(builder.breaks)
        number = len(self._specs)
        judge = spec.judge
        loaded = _LoadedSpec(nodes, outcome, partition, breaks, spec.formulas, judge, b"", {}, [], False, [])
        starts: list[int] = []
        for atom in atoms:
            starts += self._load_atom(atom, loaded, sets, classes)
        if judge is not None and all(node[0] == "atom" for node in nodes[:-1]):
            loaded.simple = {}
            for index, node in enumerate(nodes[:-1]):
                loaded.simple.setdefault(loaded.numbers[node[1]], []).append(index)
        cost = partition.cost
        ascii_: list[int] = []
        ends = [*partition.starts[1:], LAST + 1]
        for low, end, kind in zip(partition.starts, ends, partition.kinds, strict=True):
            if low > 0x7F:
                break
            ascii_ += [kind] * (min(end, 0x80) - low)
        at = self._append(
            [*starts, *partition.starts, *partition.kinds, *cost, *ascii_, *breaks, *partition.first]
        )
        row = [0] * ar.SPEC_COLUMNS
        row[ar.P_ATOM], row[ar.P_ATOM + 1] = at, len(atoms)
        at += len(starts)
        row[ar.P_STARTS], row[ar.P_RANGES] = at, len(partition.starts)
        row[ar.P_KINDS] = at = at + len(partition.starts)
        row[ar.P_COST] = at = at + len(partition.kinds)
        row[ar.P_ASCII] = at = at + len(cost)
        row[ar.P_BREAKS] = at = at + len(ascii_)
        row[ar.P_FIRST] = at + len(breaks)
        row[ar.P_NBREAKS], row[ar.P_CAP] = len(breaks), breaks[-1] if breaks else 0
        row[ar.P_CLASSES] = classes
        only = atoms[0] if len(atoms) == 1 and not breaks and ("atom", 0) in nodes else None
        trimmed = only.trimmed if isinstance(only, Program) else only is not None and all(partition.cost)
        row[ar.P_TRIMMED] = int(trimmed and judge is None)
        row[ar.P_JUDGED] = int(judge is not None)
        self._judged = self._judged or judge is not None
        self._may_be_total = self._may_be_total or self._judged
        loaded.descends = bool(row[ar.P_TRIMMED]) and len(nodes) == 1
        bounds = _grown(nodes, atoms) if judge is None else None
        if bounds is not None:
            row[ar.P_GROWS], row[ar.P_LEAST], row[ar.P_MOST] = 1, *bounds
            loaded.descends = True
        if any(isinstance(atom, Program) and atom.steppers for atom in atoms):
            self.texts.specs[number] = loaded.descends
            row[ar.P_TEXTS] = length_of_texts(nodes, atoms, bool(row[ar.P_TRIMMED]))
        arrays = self._arrays
        if number >= len(arrays["spec"]):
            arrays["spec"] = np.concatenate([arrays["spec"], np.zeros_like(arrays["spec"])])
            self._bind("spec")
        arrays["spec"][number] = row
        self._specs.append(loaded)
        arrays["spec"][number, ar.P_FIRST_ATOM] = loaded.numbers[0] if atoms else 0
        if judge is None:
            self._load_formula(number, nodes, len(atoms))
        return number

    def _load_formula(self, number: int, nodes: tuple[BooleanTree, ...], atoms: int) -> None:
        """Load the formula of a spec, from which the distance to an outcome is estimated."""
        code, depth, asked = postfix(nodes)
        at = self._append([*code, *(int(atom in asked) for atom in range(atoms))])
        row = self._arrays["spec"][number]
        row[[ar.P_FORMULA, ar.P_ASKED, ar.P_DEPTH]] = at, at + len(code), depth
        if len(nodes) == 1 and nodes[0][0] == "all" and not row[ar.P_GROWS]:
            row[ar.P_LEAST] = max((part[1] for part in nodes[0][1:] if part[0] == "length"), default=0)

    def _load_atom(
        self, atom: Atom, spec: _LoadedSpec, sets: dict[Ranges, int], classes: int
    ) -> tuple[int, int]:
        """Load an atom's instructions; return its start and the argument of the start."""
        ordinal = self._atoms
        self._atoms += 1
        base = int(self._reg[ar.N_PROG])
        spec.bases[ordinal] = base
        spec.numbers.append(ordinal)
        partition = spec.partition
        if isinstance(atom, Words):
            self._put_code([[WORDS, self._append(_word_table(atom, partition)), 0, 0, 0, ordinal]])
            return base, len(atom.of)
        spec.programs.append((len(spec.numbers) - 1, base, atom))
        if CALLED in atom.outer:
            spec.calling.add(ordinal)
        if atom.sets:
            member = self._append(
                [
                    mask >> kind & 1
                    for mask in map(partition.members.__getitem__, map(sets.__getitem__, atom.sets))
                    for kind in range(classes)
                ]
            )
        else:
            member = 0
        code, chars, first, second, own = _relocation(atom)
        code = code.copy()
        code[:, 1] += chars * member + code[:, 1] * chars * (classes - 1) + first * base
        code[:, 2] += second * base
        code[:, 5] += own * ordinal
        if atom.table:
            code[code[:, 0] == REGEX, 1] = self._append(atom.table)
        for at in np.flatnonzero(code[:, 0] == IMPLICIT).tolist():
            code[at, 1] = self.texts.add(atom.steppers[int(code[at, 1])])
        self._put_code(code)
        return base + atom.start, 0

    def _put_code(self, code: Any) -> None:
        reg = self._reg
        at = int(reg[ar.N_PROG])
        prog = self._arrays["prog"]
        if at + len(code) > len(prog):
            new = np.empty((max(2 * len(prog), at + len(code)), prog.shape[1]), np.int64)
            new[:at] = prog[:at]
            self._arrays["prog"] = prog = new
            self._bind("prog")
        prog[at : at + len(code), :6] = code
        reg[ar.N_PROG] = at + len(code)

    # Answers.

    def _answer_all(self) -> None:
        """Answer the questions about demands in the keys that were made since the last time."""
        keys = self._arrays["keys"][self._answered : int(self._reg[ar.N_KEY])]
        asked = np.flatnonzero(
            ((keys[:, 0] == ar.K_OUTCOME) | (keys[:, 0] == ar.K_HOPE)) & (keys[:, ar.VALUE] == ar.UNSET)
        )
        for key in asked.tolist():
            if keys[key, 0] == ar.K_OUTCOME:
                self._answer_outcome(self._answered + key)
            else:
                self._answer_hope(self._answered + key)
        self._answered += len(keys)

    def _answer_outcome(self, key: int) -> None:
        arrays, reg = self._arrays, self._reg
        assert 0 <= key < reg[ar.N_KEY], key
        _, number, accepted, bracket = (int(x) for x in arrays["keys"][key, :4])
        assert 0 <= number < len(self._specs) and 0 <= accepted < reg[ar.N_SET], (number, accepted)
        spec = self._specs[number]
        off, size = (int(x) for x in arrays["sets"][accepted, :2])
        assert 0 <= off <= off + size <= reg[ar.N_HEAP] and size <= len(spec.numbers), (off, size)
        true = {int(x) for x in arrays["heap"][off : off + size]}
        if spec.simple is not None:
            met = frozenset((len(spec.nodes) - 1, *(i for ordinal in true for i in spec.simple[ordinal])))
        else:
            flags = [ordinal in true for ordinal in spec.numbers]
            length = ([0, *spec.breaks])[bracket]
            met = frozenset(index for index, node in enumerate(spec.nodes) if evaluate(node, flags, length))
        judge = spec.judge
        outcome = spec.outcome(met) if met and (judge is None or judge.total or judge.holds(met)) else -1
        if outcome >= 0:
            spec.demands[outcome] = met
        arrays["keys"][key, ar.VALUE] = outcome

    def _answer_hope(self, key: int) -> None:
        """Answer whether a judge may still be content: 0 no, 1 perhaps, 2 after every text."""
        arrays, reg = self._arrays, self._reg
        assert 0 <= key < reg[ar.N_KEY], key
        _, number, open_, bracket = (int(x) for x in arrays["keys"][key, :4])
        assert 0 <= number < len(self._specs) and 0 <= open_ < reg[ar.N_SET], (number, open_)
        spec = self._specs[number]
        off, size = (int(x) for x in arrays["sets"][open_, :2])
        assert spec.judge is not None
        if spec.simple is not None and not spec.judge.total:
            values = arrays["heap"][off : off + size].tolist()
            settled = {value >> 1 for value in values if value & 1}
            sure = frozenset((len(spec.nodes) - 1, *(i for ordinal in settled for i in spec.simple[ordinal])))
            going = frozenset(index for value in values for index in spec.simple[value >> 1])
            arrays["keys"][key, ar.VALUE] = spec.judge.outlook(sure, going - sure)
            return
        if spec.judge.total:
            hope = 2
        else:
            known: dict[int, bool | None] = dict.fromkeys(spec.numbers, False)
            for value in arrays["heap"][off : off + size].tolist():
                known[value >> 1] = True if value & 1 else known.get(value >> 1) or None
            flags = [known[ordinal] for ordinal in spec.numbers]
            length = ([0, *spec.breaks])[bracket]
            seen = [foresee(node, flags, length) for node in spec.nodes]
            sure = frozenset(index for index, truth in enumerate(seen) if truth)
            hope = spec.judge.outlook(sure, frozenset(i for i, truth in enumerate(seen) if truth is None))
        arrays["keys"][key, ar.VALUE] = hope

    # Completions and names.

    def _row(self, state: int) -> Any:
        if not self._arrays["states"][state, ar.DONE]:
            self.expand(state)
        return self.trans[state]

    def _free_demands(self, outcome: int) -> frozenset[int]:
        for spec in self._specs:
            if outcome in spec.demands:
                return spec.demands[outcome]
        return frozenset((0,))

    def _find_finish(self, state: int) -> dict[int, bytes]:
        kind, a, b, c = (int(x) for x in self._arrays["states"][state, :4])
        if kind == ar.FREE_STATE:
            return dict.fromkeys(sorted(self._free_demands(a)), _REST[c])
        if kind == ar.MIDDLE_STATE:
            return {demand: _REST[a] + rest for demand, rest in self.finish(b).items()}
        if kind == ar.NODE_STATE:
            return self._node_finish(a)
        if kind == ar.BANNED_STATE:
            made, met = self._banned[a]
            return dict.fromkeys(sorted(met), banned_texts.shortest(made, b))
        best: dict[int, bytes] = {}
        partition = self._specs[int(self._arrays["nodes"][a, ar.Q_SPEC])].partition
        row = self._ask(k.ASK_ROW, a)
        low, high = b, b + (1 << 6 * c) - 1
        low = 0x800 if c == 2 and low == 0 else 0x10000 if c == 3 and low == 0 else low
        high = 0xDFFF if c == 2 and low == 0xD800 else high
        seen: set[int] = set()
        for index, first in enumerate(partition.starts):
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
            assert node < self._reg[ar.N_NODE], node
            self._improve(best, encode(chr(point))[-c:], self._node_finish(node))
        self.expand(state, 0x80)
        if self._arrays["states"][state, ar.DONE] == ar.BY_COLUMN:
            # letters of a label that only LETTERS accepts
            for byte in range(0x80, 0xC0):
                self.expand(state, byte)
                after = int(self.trans[state, byte])
                if after >= 0:
                    self._improve(best, bytes((byte,)), self.finish(after))
                    break
        return best

    def _improve(self, best: dict[int, bytes], lead: bytes, found: Demands) -> None:
        """Keep a completion if it is better than the best so far."""
        key = _bare if self._plain else _written
        for demand, rest in found.items():
            text = lead + rest
            old = best.get(demand)
            if old is None or key(text) < key(old):
                best[demand] = text

    def _node_finish(self, node: int) -> dict[int, bytes]:
        """Return the completions from a node; the search ends when each demand is met or out of reach."""
        return self._completions(self._specs[int(self._arrays["nodes"][node, ar.Q_SPEC])], node)

    def _completions(self, spec: _LoadedSpec, node: int) -> dict[int, bytes]:
        if self.texts.at(node):
            end = self.texts.end(node)
            for char in end:
                node = self._ask(k.ASK_AFTER, node, ord(char))
            outcome = int(self._arrays["nodes"][node, ar.Q_OUTCOME])
            return dict.fromkeys(sorted(spec.demands.get(outcome, ())), end.encode())
        if spec.descends:
            length = self._ask(k.ASK_DESCEND, node)
            assert length >= 0
            return {0: _spell(spec, self._arrays["queue"][:length, 3].tolist())}
        if len(spec.nodes) == 1 and spec.judge is None:
            way = self._way(node)
            return {} if way is None else {0: _spell(spec, way)}
        wanted = self._hopeful(spec, node) if spec.judge is None else {len(spec.nodes) - 1}
        met: dict[int, bytes] = {}
        resume = 0
        while wanted:
            entry = self._search(node, resume)
            if entry < 0:
                break
            resume = 1
            nodes, queue = self._arrays["nodes"], self._arrays["queue"]
            assert entry < self._reg[ar.TAIL] and 0 <= queue[entry, 0] < self._reg[ar.N_NODE], entry
            new = spec.demands[int(nodes[queue[entry, 0], ar.Q_OUTCOME])] & wanted
            if not new:
                continue
            text = _spell(spec, self._path(entry))
            for demand in new:
                met[demand] = text
            wanted -= new
        return dict(sorted(met.items()))

    def _way(self, node: int) -> list[int] | None:
        """Return the classes of a completion of one demand, or None.

        It is the shortest, then smallest, if _STEPS_IN_BREADTH find that; else one of the shortest, if
        _STEPS_BY_BOUNDS find one; else a short one: each time the shortest text after which one more atom has
        matched for good, so that from each node on its way the same rest is found.
        """
        spec = self._specs[int(self._arrays["nodes"][node, ar.Q_SPEC])]
        if len(spec.numbers) <= _MOST_IN_ANY_ORDER or not self._ask(k.ASK_IS_SURE, node):
            entry = self._within(_STEPS_IN_BREADTH, self._search, node, 0)
            if entry is None:
                entry = self._within(_STEPS_BY_BOUNDS, self._seek, node, k.SHORTEST)
            if entry is not None:
                return None if entry < 0 else self._path(entry)
        found: list[int] = []
        while self._arrays["nodes"][node, ar.Q_OUTCOME] < 0:
            entry = self._within(_STEPS_TO_NEXT, self._search, node, k.TO_NEXT)
            if entry is None:
                entry = self._seek(node, k.ANY_END)
            if entry < 0:
                return None
            found += self._path(entry)
            node = int(self._arrays["queue"][entry, 0])
        return found

    def _seek(self, node: int, aim: int) -> int:
        return self._ask(k.ASK_SEEK, node, aim)

    def _within(self, steps: int, search: Callable[[int, int], int], node: int, how: int) -> int | None:
        """Return what a search finds; None if it does not end within so many steps."""
        try:
            with self._at_most(min(steps, self._limits.oracle_steps)):
                return search(node, how)
        except LimitError:
            if self._reg[ar.CAUSE] != ar.OVER_STEPS:
                raise
            return None

    def _path(self, entry: int) -> list[int]:
        """Return the character classes on the way to an entry of the queue."""
        queue, path = self._arrays["queue"], []
        while int(queue[entry, 2]) >= 0:
            path.append(int(queue[entry, 3]))
            entry = int(queue[entry, 2])
        return path[::-1]

    def _hopeful(self, spec: _LoadedSpec, node: int) -> set[int]:
        """Return the demands that may still hold."""
        flags, length = self._flags(spec, node)
        return {j for j, tree in enumerate(spec.nodes) if foresee(tree, flags, length) is not False}

    def _flags(self, spec: _LoadedSpec, node: int) -> tuple[list[bool | None], int]:
        """Return of each atom whether it has matched for good at a node, never will, or may (None); and the
        least number of characters read."""
        arrays = self._arrays
        set_, length = (int(x) for x in arrays["nodes"][node, [ar.Q_SET, ar.Q_LENGTH]])
        off, size = (int(x) for x in arrays["sets"][set_, :2])
        known: dict[int, bool | None] = dict.fromkeys(spec.numbers, False)
        threads = arrays["keys"][arrays["heap"][off : off + size]]
        code = arrays["prog"][threads[:, 0]]
        sure = (code[:, 0] == MATCH) & (threads[:, 2] == 0)
        for ordinal, matched in zip(code[:, 5].tolist(), sure.tolist(), strict=True):
            known[ordinal] = matched or known[ordinal] or None
        return [known[ordinal] for ordinal in spec.numbers], length

    def _search(self, node: int, resume: int) -> int:
        """Return the next queue entry that ends a search from a node, or -1.

        After an interrupt the search continues with the same entry; one to the next atom begins anew.
        """
        if resume == k.TO_NEXT:
            return self._ask(k.ASK_SEARCH, node, resume)
        while True:
            try:
                return int(k.ask(self._reg, k.ASK_SEARCH, node, resume))
            except ar.Interrupt:
                self._answer()
                resume = k.AGAIN
                self._reg[ar.SEARCH_STEPS] -= 1

    def _load_costs(self, number: int) -> None:
        """Load the completion costs of the instructions of a spec."""
        prog, row = self._arrays["prog"], self._arrays["spec"][number]
        if row[ar.P_COSTED]:
            return
        for atom, base, program in self._specs[number].programs:
            cost, body = completion_costs(program, self._plain)
            rows = prog[base : base + len(cost)]
            rows[:, ar.I_COST] = cost
            rows[:, ar.I_BODY] = body
            outer = np.array(program.outer, np.int64)
            rows[:, ar.I_OUTER] = np.where(outer < 0, outer, outer + base)
            if found_anywhere(program) and self._arrays["heap"][row[ar.P_ASKED] + atom]:
                self._arrays["heap"][row[ar.P_ASKED] + atom] = 1 + cost[program.start]
                self._may_be_total = True
        row[ar.P_COSTED] = 1

    def _thread_key(self, spec: _LoadedSpec, thread: int) -> bytes:
        """Return the name of a thread of a spec, without numbers of this pool."""
        arrays = self._arrays
        keys = arrays["keys"]
        pc, a, b, c = keys[thread, :4].tolist()
        op, atom = int(arrays["prog"][pc, 0]), int(arrays["prog"][pc, 5])
        at = pc - spec.bases[atom]
        what = spec.numbers.index(atom)
        if op == CHAR:
            counts = []
            first = spec.bases[atom] if atom in spec.calling else 0
            while a > 0:
                counts.append(int(keys[a, 2]) - first)
                a = int(keys[a, 1])
            return b"%d:%d %r" % (what, at, counts)
        if op == LETTERS:
            letters = []
            while c:
                letters.append(c)
                b, c = keys[b, 2:4].tolist()
            return b"%d:%d %r" % (what, at, letters)
        if op == IMPLICIT:
            text = self.texts.text(c)
            return b"%d:%d %s" % (what, at, text.encode())
        return b"%d:%d %d %d %d" % (what, at, a, b, c)

    def _node_key(self, node: int) -> bytes:
        arrays = self._arrays
        number, set_, length = (int(x) for x in arrays["nodes"][node, :3])
        spec = self._specs[number]
        if not spec.digest:
            spec.digest = _digest(spec.formulas, self._formats)
        digest = blake2b(spec.digest, digest_size=16)
        off, size = (int(x) for x in arrays["sets"][set_, :2])
        known = spec.parts
        parts = []
        for thread in arrays["heap"][off : off + size].tolist():
            part = known.get(thread)
            if part is None:
                part = known[thread] = self._thread_key(spec, thread)
            parts.append(part)
        digest.update(b"\n".join(sorted(parts)))
        digest.update(b"\n%d" % length)
        return digest.digest()


_GROWS: Mapping[int, tuple[str, ...]] = {
    int(ar.FULL_KEYS): ("keys", "stamp", "key_hash"),
    int(ar.FULL_SETS): ("sets", "set_hash"),
    int(ar.FULL_NODES): ("nodes",),
    int(ar.FULL_STATES): ("states", "trans", "outcome"),
    int(ar.FULL_HEAP): ("heap",),
    int(ar.FULL_WORK): ("work",),
    int(ar.FULL_QUEUE): ("queue",),
}


ROOMS: Mapping[str, int] = {
    "keys": 512,
    "sets": 256,
    "nodes": 256,
    "states": 128,
    "heap": 8192,
    "work": 2048,
    "queue": 1024,
    "prog": 256,
    "spec": 16,
    "todo": 256,
}
"""Initial rows: powers of 2, at least 8, at least 32 of `work`, whose halves are a list and a stack. `todo`
does not grow."""


def _new_arrays(rooms: Mapping[str, int]) -> tuple[dict[str, Any], Any]:
    """Return the arrays of an empty pool, cut from one block, and the registers."""
    sizes = dict(rooms)
    # The hash tables have four slots for each key and set; each key has a stamp.
    sizes["key_hash"], sizes["set_hash"], sizes["stamp"] = 4 * rooms["keys"], 4 * rooms["sets"], rooms["keys"]
    arrays: dict[str, Any] = {}
    reg = np.zeros(ar.REGISTERS, np.int64)
    wide = ("trans", "outcome")  # int32, and therefore not in the block
    block = np.empty(sum(sizes[n] * ar.COLUMNS.get(n, 1) for n in ar.NAMES if n not in wide), np.int64)
    base, at = address_of(block), 0
    for index, name in enumerate(ar.NAMES):
        if name in wide:
            continue
        rows = sizes[name]
        columns = ar.COLUMNS.get(name, 1)
        part = block[at : at + rows * columns]
        arrays[name] = part.reshape(rows, columns) if columns > 1 else part
        reg[ar.ADDRESS + index] = base + 8 * at
        reg[ar.ROOM + index] = rows
        at += rows * columns
    arrays["key_hash"].fill(-1)
    arrays["set_hash"].fill(-1)
    arrays["spec"].fill(0)
    arrays["trans"] = np.empty((rooms["states"], WIDTH), np.int32)
    arrays["outcome"] = np.empty(rooms["states"], np.int32)
    for name in wide:
        reg[ar.ADDRESS + ar.NAMES.index(name)] = address_of(arrays[name])
        reg[ar.ROOM + ar.NAMES.index(name)] = rooms["states"]
    return arrays, reg


@functools.lru_cache(maxsize=1)
def _free_states() -> Mapping[str, Any]:
    """Return the rows of the free states, by the names of their arrays. Never write to them: numpy would
    allow it, because compiled code takes no read-only arrays."""
    trans = np.full((8, WIDTH), DEAD, np.int32)
    for state, edges in enumerate(PLACES):
        for low, high, after in edges:
            trans[state, low : high + 1] = after
    trans[0, LONE_COLUMN] = LONE_PLACE
    outcome = np.full(8, -1, np.int32)
    outcome[0] = 0
    states = np.zeros((8, ar.COLUMNS["states"]), np.int64)
    states[:, ar.ARG_C] = range(8)
    states[:, ar.DONE] = 1
    states[:, ar.PARENT] = -1
    return MappingProxyType({"trans": trans, "outcome": outcome, "states": states})


_BOUNDS = (ar.MOST_STEPS, ar.MOST_NODES, ar.MOST_WORK)
_KEPT_REGISTERS = [*_BOUNDS, ar.TODO_STAMP, ar.N_STATE, ar.WORK]
"""Registers that are set before the arrays are made."""


# Instructions, as bits: those that name their atom; those with a target in `b`.
_OWN = 1 << CHAR | 1 << MATCH | 1 << CLOCK | 1 << REGEX | 1 << IMPLICIT | 1 << LETTERS
_SECOND = 1 << CALL | 1 << CHAR | 1 << SPLIT | 1 << REPEAT | 1 << IMPLICIT | 1 << LETTERS | 1 << REGEX


@functools.lru_cache(maxsize=1024)
def _relocation(program: Program) -> tuple[Any, Any, Any, Any, Any]:
    """Return a program's instructions, and flags: is it CHAR, is `a` a target, is `b`, does it name its
    atom?"""
    code = np.array(program.code, np.int64)
    op = code[:, 0]
    chars = ((op == CHAR) | (op == LETTERS)).astype(np.int64)
    own, second = _OWN >> op & 1, _SECOND >> op & 1
    return code, chars, 1 - own, second, own


def _grown(nodes: tuple[BooleanTree, ...], atoms: list[Atom]) -> tuple[int, int] | None:
    """Return the least and the most characters (-1: no bound) of a spec that asks for `format: regex` and
    lengths alone: a letter can be added to each such text."""
    if len(nodes) != 1 or len(atoms) != 1 or atoms[0] is not compile_regex() or nodes[0][0] != "all":
        return None
    least, most = 0, -1
    for part in nodes[0][1:]:
        if part[0] == "length":
            least = max(least, part[1])
            if part[2] is not None:
                most = part[2] if most < 0 else min(most, part[2])
        elif part != ("atom", 0):
            return None
    return (least, most) if most < 0 or least <= most else None


def _divides(program: Program) -> bool:
    """Return whether a set of a program holds some lone surrogates and not others."""
    edges = (point for ranges in program.sets for low, high in ranges for point in (low, high + 1))
    return any(0xD800 < point < 0xE000 for point in edges)


def _spell(spec: _LoadedSpec, kinds: list[int]) -> bytes:
    points = spec.partition.cheapest
    return encode("".join([chr(points[kind]) for kind in kinds]))


def _written(text: bytes) -> tuple[int, bytes]:
    """Return the sort key of the JSON text of a completion, which may begin inside a character."""
    written = json.dumps(text.decode(errors="surrogateescape"), ensure_ascii=False)
    data = escaped(written.encode(errors="surrogateescape"))
    return len(data), data


def _bare(text: bytes) -> tuple[int, bytes]:
    return len(text), text


def _word_table(atom: Words, partition: Partition) -> Any:
    """Return the words as classes, sorted: n + 1 offsets from the start of the table, then the words."""
    kinds = {first: kind for kind, first in enumerate(partition.first) if first >= 0}
    words = sorted([word.translate(kinds) for word in atom.of])
    offsets = np.zeros(len(words) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, words), np.int64, len(words)), out=offsets[1:])
    offsets += len(words) + 1
    classes = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.concatenate([offsets, classes.astype(np.int64)])


def _digest(formulas: tuple[Formula, ...], formats: Mapping[str, str]) -> bytes:
    """Return a digest of the formulas that does not depend on the order of any set."""
    done: list[bytes] = []
    stack: list[tuple[Formula, bool]] = [(formula, False) for formula in reversed(formulas)]
    while stack:
        formula, ready = stack.pop()
        if not isinstance(formula, (Not, All, Any_)):
            done.append(_atom(formula))
            continue
        parts = (formula.of,) if isinstance(formula, Not) else formula.of
        if not ready:
            stack.append((formula, True))
            stack.extend((part, False) for part in reversed(parts))
            continue
        start = len(done) - len(parts)
        below = b"%b%d " % (type(formula).__name__.encode(), len(parts)) + b"\n".join(done[start:])
        del done[start:]
        done.append(below if len(below) < 200 else blake2b(below, digest_size=16).digest())
    return blake2b(b"\n".join(done) + repr(sorted(formats.items())).encode(), digest_size=16).digest()


def _atom(atom: StringAtom | NumberAtom) -> bytes:
    """Return an atom in writing: its kind and its fields, which are strings, numbers, None and Booleans."""
    if isinstance(atom, Words):
        return repr(("Words", *sorted(atom.of))).encode()
    fields = [getattr(atom, name) for name in type(atom).__slots__]
    return f"{type(atom).__name__} {fields!r}".encode()


__all__ = ["FREE", "UNKNOWN", "WIDTH", "StringPool"]
