"""`CompiledText`: a language read by configurations (`Language`), compiled against a tokenizer.

Configurations are numbered as they are met, and what follows them is kept in one table for compiled code
(`stepping`), which notes what is missing; Python answers from the language, and the call is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal
from weakref import proxy

import numpy as np
import numpy.typing as npt

from structgen.core.compiled import CompiledGrammar, State
from structgen.core.dfa import Dfa, ParserStates, explicit
from structgen.errors import OptionError, StructgenError
from structgen.json_machine.tables import layout as L
from structgen.language.expectation import Expected
from structgen.limits import Limits
from structgen.machine_core.growing_tables import BYTE_AT
from structgen.machine_core.masks import fill
from structgen.native.raw_memory import address_of
from structgen.store.mask_store import MaskStore
from structgen.text_grammars.machine import stepping
from structgen.text_grammars.machine.language import (
    TOKEN,
    CompileTarget,
    Config,
    InsidePart,
    Language,
    LanguageGrammar,
)
from structgen.text_grammars.machine.mask_reuse import Alike
from structgen.text_grammars.machine.mask_union import Gathered
from structgen.text_grammars.machine.part_ends import Leaving
from structgen.text_grammars.machine.rest_completions import RestCompletions
from structgen.text_grammars.machine.step_table import Steps
from structgen.tokens.tokenizer import Tokenizer

_NONE: npt.NDArray[np.int32] = np.empty(0, np.int32)
_NO_ROWS: npt.NDArray[np.int64] = np.empty(0, np.int64)
_MOVES = 1 << 16
"""Tokens and the states in which they were taken, inside parts or special ones, that are recorded."""


class CompiledText(CompiledGrammar):
    """A language of `Language` compiled: exact masks, states as values, completions.

    Cost: what is met for the first time is asked of the language, in Python (some 20 us a configuration and
    class of bytes); what is known, 5 ns a byte.
    """

    grammar: LanguageGrammar
    take = staticmethod(stepping.take_token)
    walk_drafts = staticmethod(stepping.walk_drafts)

    def __init__(
        self,
        grammar: LanguageGrammar,
        tokenizer: Tokenizer,
        limits: Limits | None = None,
        store: MaskStore | Literal[False] | None = None,
    ) -> None:
        super().__init__(grammar, tokenizer, limits, store)
        self._language: Language = grammar.language(self.limits, CompileTarget(tokenizer, self.store))
        _check_specials(self._language.specials, tokenizer)
        self._has_specials = bool(self._language.specials)
        self._row: npt.NDArray[np.int64] = np.full(L.N_STRIDE, -1, np.int64)
        """The next row of a state."""
        self._numbers: dict[Config, int] = {}
        self._configs: list[Config] = []
        self._steps = Steps(self._tables.context, self._language)
        self._alike = Alike(self.vocabulary, self._language.classes)
        begun = np.flatnonzero(self.vocabulary.first[:256] >= 0)
        self._first_kinds = np.unique(np.frombuffer(self._language.classes, np.uint8)[begun])
        """Classes of bytes with which tokens begin."""
        self._finished = -1
        self._leaving = Leaving(self.address, self.vocabulary)
        self._inside: dict[int, InsidePart] = {}
        """Of the states that stand inside one part, and nowhere else: where."""
        self._behinds: dict[Config, tuple[int, bytes]] = {}
        """Of configurations behind parts: their number, and the bytes that may come next."""
        self._bits: npt.NDArray[np.int32] | None = None
        """The mask that was worked out just now, where it is no list of tokens."""
        self._completions = _PartCompletions(self)
        self._start = self._number(self._language.start())

    # --- states ---------------------------------------------------------------------------------------------

    def _number(self, config: Config) -> int:
        number = self._numbers.get(config)
        if number is None:
            accepting, (insides, others) = self._language.accepts(config), self._language.inside(config)
            is_inside = others is None and len(insides) == 1
            number = self._tables.count(L.T_NODE)
            if is_inside:
                self._inside[number] = insides[0]
            else:
                self._inside.pop(number, None)
            self._steps.put(number, accepting, is_inside, not insides)
            self._add_node(L.M_DOC, config)
            self._numbers[config] = number
        return number

    def _add_node(self, mode: int, config: Config) -> None:
        """Enter a state whose steps were entered. Whatever a call that was cut off has left in its place is
        written over: a state is there once its row is."""
        number = self._tables.count(L.T_NODE)
        self._row[L.MODE], self._row[L.RES] = mode, number
        self._configs[number:] = (config,)
        self._tables.append(L.T_NODE, self._row)

    def _retry(self, call: Any, *arguments: int) -> int:
        with self.lock:
            while True:
                code: int = call(self.address, *arguments)
                if code != L.ASKED:
                    return code
                self._answer()

    def _answer(self) -> None:
        """Answer the questions that were noted; one whose answer meets a bound is open again, its error is
        raised once the others are answered."""
        self._answer_each(self._steps.questions())
        self._tables.room(L.T_LIST, self.vocab_size + 2)

    def _answer_each(self, questions: Iterable[tuple[int, int]]) -> None:
        """Answer some questions: configurations, and classes of bytes or BOUNDARY."""
        failed: StructgenError | None = None
        for number, kind in questions:
            if self._steps.is_known(number, kind):
                continue  # as another byte that is like this one
            config = self._configs[number]
            try:
                if kind == stepping.BOUNDARY:
                    after = self._language.boundary(config)
                else:
                    after = self._language.step(config, self._steps.representative[kind])
                answer = L.REFUSED if after is None else self._number(after)
            except StructgenError as error:
                answer, failed = stepping.UNKNOWN, error
            self._steps.answer(number, kind, answer)
        if failed is not None:
            raise failed

    def _after_token(self, index: int, token: int) -> int:
        if self._has_specials and self.vocabulary.token_slot[token] < 0:
            with self.lock:
                found = -1
                if token in self._language.specials and index != self._finished:
                    after = self._language.step(self._configs[index], TOKEN + token)
                    found = -1 if after is None else self._ended(after)
                self._record(index, token, found)
                return found
        one = self._inside.get(index)
        if one is not None:
            with self.lock:
                return self._after_inside(index, one, token)
        return -1 if index == self._finished else self._retry(stepping.take_token, index, token)

    def _ended(self, config: Config) -> int:
        """Return the number of the configuration after the end of a token behind another, or -1."""
        after = self._language.boundary(config)
        return -1 if after is None else self._number(after)

    def _after_inside(self, index: int, one: InsidePart, token: int) -> int:
        """As `_after_token`, in a state that stands inside a part and nowhere else."""
        known: int = stepping.known_move(self.address, index, token)
        if known != stepping.UNKNOWN:
            return known
        leaves = one.behind is not None and self._leaving.passes(one, self._of_behind(one.behind)[1], token)
        state = None if leaves else one.part.after(one.state, token)
        if state is None:
            found = self._retry(stepping.read_token, index, token)
        else:
            found = -1 if state < 0 else self._ended(self._language.moved(self._configs[index], state))
        self._record(index, token, found)
        return found

    def _record(self, index: int, token: int, after: int) -> None:
        """Have compiled code know what follows a state and a token that it does not read itself."""
        tables = self._tables
        if tables.count(L.T_EDGE) >= min(_MOVES, self.limits.parser_states):
            tables.load(L.T_EDGE, _NO_ROWS)
        tables.room(L.T_EDGE, 1)
        stepping.record_move(self.address, index, token, after)

    def _of_behind(self, config: Config) -> tuple[int, bytes]:
        """Return the number of a configuration behind a part, and the bytes that may come next there."""
        known = self._behinds.get(config)
        if known is None:
            number = self._number(config)
            known = self._behinds[config] = number, self._next_bytes(number)
        return known

    def _after_end(self, index: int) -> int:
        if not self.may_end(index):
            return -1
        with self.lock:
            if self._finished < 0:
                number = self._tables.count(L.T_NODE)
                self._inside.pop(number, None)
                self._steps.put(number, False, False, True)
                self._steps.refuse(number)
                self._add_node(L.M_FINISHED, None)
                self._finished = number
            return self._finished

    def bytes_index(self, index: int, data: bytes) -> int:
        """Return the number of the state after bytes, or -1."""
        held = np.frombuffer(data, np.uint8)
        return self._retry(stepping.take_bytes, index, address_of(held), len(data))

    def may_end(self, index: int) -> bool:
        """Return whether the text may end in a state, by its number."""
        return self._steps.may_end(index)

    def _compute(self, index: int, target: int) -> int:
        if fill(self.address, index, target) == 0:
            return 0
        self._bits = None
        insides, others = self._insides(index)
        if insides:
            return self._join(index, insides, others, target)
        return L.ENDED if index == self._finished else self._read(index, target)

    def _read(self, index: int, target: int) -> int:
        """As `_compute`, of a state outside of parts, after each byte as it is there."""
        row, kinds = self._steps.row(index), self._first_kinds
        if len(unknown := kinds[row[kinds] <= stepping.UNKNOWN]):
            self._answer_each([(index, kind) for kind in unknown.tolist()])
            row = self._steps.row(index)
        near = self._alike.nearest(row)
        if near is None or int(self._tables.rows(L.T_NODE)[near[0], L.N_LIST]) < 0:
            self._steps.allow(self._specials(index))
            lists = self._collect(index, 0)
            if not lists:
                while (code := int(stepping.keep(self.address, index, target))) == L.ASKED:
                    self._tables.room(L.T_LIST, self.vocab_size + 2)
                if code == L.LARGE:
                    self._alike.note(index, row)
                return code
            gathered = Gathered(self._masks)
        else:
            base, same = near
            gathered, others = Gathered(self._masks), np.logical_not(same).astype(np.uint8)
            gathered.add_bits(self._alike.beginning(self.bits(base), same) & ~self._of_specials())
            lists = self._collect(index, address_of(others))
        gathered.add(-1, np.concatenate([*lists, self._found()]))
        if (code := self._put(index, gathered, target)) == L.LARGE:
            self._alike.note(index, row)
        return code

    def _collect(self, index: int, wanted: int) -> list[npt.NDArray[np.int32]]:
        """Collect the tokens of a state that begin with wanted bytes (an address; 0: all), but for special
        and end tokens: return those that are not in the buffer."""
        lists: list[npt.NDArray[np.int32]] = []
        code = int(stepping.collect(self.address, index, wanted))
        while code == L.ASKED:
            # what is asked may be asked of parts, which write to this buffer
            lists.append(self._found())
            overfull = self._steps.is_overfull
            self._answer()
            if overfull:
                lists.clear()
                code = int(stepping.collect(self.address, index, wanted))
            else:
                code = int(stepping.collect_on(self.address))
        return lists

    def _found(self) -> npt.NDArray[np.int32]:
        """Return a copy of the tokens in the buffer."""
        return self._workspace.buffer[: int(self._tables.context[L.C_BUFFER_COUNT])].copy()

    def _of_specials(self) -> npt.NDArray[np.int32]:
        """Return the row of bits of the grammar's special tokens."""
        return self._masks.dense_row(np.array(sorted(self._language.specials), np.int32))

    def _insides(self, index: int) -> tuple[tuple[InsidePart, ...], Config | None]:
        """Return the places of a state inside parts with masks of their own, and all others."""
        if index == self._finished:
            return (), None
        one = self._inside.get(index)
        return self._language.inside(self._configs[index]) if one is None else ((one,), None)

    def _specials(self, index: int) -> list[int]:
        """Return the special tokens that may come in a state."""
        if index == self._finished:
            return []
        return [token for token in sorted(self._language.specials) if self._after_token(index, token) >= 0]

    def _join(self, index: int, insides: Sequence[InsidePart], others: Config | None, target: int) -> int:
        """As `_compute`, where a state stands inside parts with masks of their own: a token stays inside of
        one, or leaves it, or comes from another place."""
        gathered = Gathered(self._masks)
        for one in insides:
            one.part.gather(one.state, gathered)
            if one.behind is not None:
                gathered.add(-1, self._leave(one, one.behind))
        if others is not None:
            parts = self.mask_parts(self._number(others))
            if parts is None:
                gathered.add_bits(self._large_row())
            else:
                gathered.add(*parts)
        return self._put(index, gathered, target)

    def _put(self, index: int, gathered: Gathered, target: int) -> int:
        """Memoise what was gathered, with the special and the end tokens that may come. Returns as
        `_compute`."""
        gathered.add(-1, np.array(self._specials(index), np.int32))
        found = gathered.result(self._end_ids, self.may_end(index))
        if isinstance(found, np.ndarray):
            self._bits = found
            return L.LARGE
        self._memoise(index, *found, target)
        return 0

    def _leave(self, one: InsidePart, behind: Config) -> npt.NDArray[np.int32]:
        """Return the tokens that leave a part for a configuration."""
        number, first = self._of_behind(behind)
        nodes, found, done = self._leaving.nodes(one, first), [_NONE], 0
        while done < len(nodes):
            left = np.ascontiguousarray(nodes[done:])
            count = self._retry(stepping.collect_below, number, address_of(left), len(left))
            found.append(self._found())
            done += count
        return np.concatenate(found)

    def _large_row(self) -> npt.NDArray[np.int32]:
        return super()._large_row() if self._bits is None else self._bits

    def _next_bytes(self, index: int) -> bytes:
        return bytes(
            byte for byte in range(256) if self._retry(stepping.take_bytes, index, BYTE_AT[byte], 1) >= 0
        )

    def _expected(self, index: int) -> list[Expected]:
        if index == self._finished:
            return []
        found = self._language.expected(self._configs[index])
        return [*found, Expected("the end of the text")] if self.may_end(index) else found

    def to_dfa(self, max_states: int, depth: int | None = None, *, minimal: bool = False) -> Dfa:
        """Return the explicit automaton of all states over classes of tokens (structgen.core.dfa.Dfa); with
        `minimal`, states with the same continuations are one.

        `depth`: texts are left out that need more places of a parser's stack at some point, or more open
        brackets in a part that is a JSON text. Raises LimitError, naming max_states, where there are more
        states; OptionError for a depth where there is no stack, and where special tokens or token counts have
        a part.
        """
        if depth is not None and not self._language.has_stack:
            raise OptionError(
                "Only brackets of JSON texts and the stacks of context-free grammars are counted.",
                where="depth",
                cure="Leave it out.",
            )
        if self._language.specials or self._language.counts:
            raise OptionError(
                "A grammar with special tokens or token counts has no automaton over bytes.", where="to_dfa"
            )
        with self.lock:
            return explicit(
                ParserStates(self, self._language.classes, self.depth_of),
                self._start,
                self.tokenizer,
                lambda n: State(self, n),
                max_states,
                depth,
                minimal,
            )

    @property
    def has_depth(self) -> bool:
        """Whether the grammar has rules, or a part that is a JSON text or has a parser."""
        return self._language.has_stack

    def depth_of(self, index: int) -> int:
        """Return how many places the stack of a state has, or how many brackets are open in a JSON text."""
        return self._language.height(self._configs[index])

    def prepare(self, room: int = 1 << 25, progress: Callable[[int], None] | None = None) -> int:
        """As CompiledGrammar's, of the parts that have masks of their own."""
        return sum(one.prepare(room, progress) for one in self._language.compiled_parts)

    # --- completion -----------------------------------------------------------------------------------------

    @property
    def completions(self) -> RestCompletions:
        """The shortest completions of its states."""
        return self._completions

    def shortest_rest(self, index: int) -> Sequence[int]:
        """Return the symbols of a shortest rest of a state."""
        rest = self._language.shortest(self._configs[index])
        if not rest and not self.may_end(index):
            raise AssertionError("a language says that its word is complete, and does not accept it")
        return rest

    def after_rest(self, index: int, data: int, size: int) -> int:
        """Return the state after a token whose bytes begin a rest, -1 where no token may end there."""
        after = self._retry(stepping.take_bytes, index, data, size)
        assert after >= 0, "a rest that its language refuses"
        return self._ended(self._configs[after]) if self._language.counts else after

    def after_tokens(self, index: int, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the states after some allowed tokens, none of them an end token."""
        plain = np.array([int(token) not in self._language.specials for token in tokens], np.bool_)
        after = np.empty(len(tokens), np.int64)
        held = np.ascontiguousarray(tokens[plain], np.int32)
        found = np.empty(len(held), np.int64)
        self._retry(stepping.after_tokens, index, address_of(held), len(held), address_of(found))
        after[plain] = found
        after[~plain] = [self._after_token(index, int(token)) for token in tokens[~plain]]
        return after

    # --- size -----------------------------------------------------------------------------------------------

    @property
    def used(self) -> float:
        """How much of what its limits allow it holds, from all documents; above 1 it is time for `fresh`."""
        rows = len(self._configs) / self.limits.parser_states
        return max(
            self.nbytes / self.limits.grammar_memory,
            2 * rows,
            *(one.used for one in self._language.compiled_parts),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the grammar's own tables and of its parts', and some 500 for each configuration."""
        own = self._tables.nbytes() + self._steps.nbytes + self._leaving.nbytes
        parts = sum(one.nbytes for one in self._language.compiled_parts)
        return int(own + 500 * len(self._configs) + parts)

    @property
    def sizes(self) -> dict[str, int]:
        """How far the grammar is expanded: states, what the language has met, and bytes."""
        return {"machine_states": len(self._configs), **self._language.sizes, "table_bytes": self.nbytes}


class _PartCompletions(RestCompletions):
    """Completions of texts with parts that have masks of their own.

    A place inside a part costs what the part's own completions say, and the cost of the state behind it.
    """

    def __init__(self, text: CompiledText) -> None:
        super().__init__(text, may_loop=text._language.has_places)
        self._text: CompiledText = proxy(text)

    def ways(self, state: int) -> list[tuple[int, int]]:
        text, config = self._text, self._text._configs[state]
        places = list(text._language.places(config))
        if places != [config]:
            return [(0, text._number(place)) for place in places]
        one = text._inside.get(state)
        own = None if one is None else one.part.cost(one.state)
        if one is None or own is None:
            return super().ways(state)
        return [(own, self._behind(one))]

    def _behind(self, one: InsidePart) -> int:
        """Return the state behind a part, or -1 where the text may end there."""
        return -1 if one.ends or one.behind is None else self._text._number(one.behind)

    def too_long(self, index: int, tokens: npt.NDArray[np.int64], left: int) -> npt.NDArray[np.int64]:
        text = self._text
        insides, others = text._insides(index)
        if not insides:
            return super().too_long(index, tokens, left)
        text._attached()
        fits, singly = np.zeros((2, text.vocab_size), np.bool_)
        for one in insides:
            if one.behind is not None:
                singly[text._leave(one, one.behind)] = True
            own = tokens[one.part.allowed(one.state)[tokens]]
            behind = self._behind(one)
            late = one.part.too_long(one.state, own, left if behind < 0 else left - self.tokens(behind))
            if late is None:
                singly[own] = True
            else:
                fits[np.setdiff1d(own, late, assume_unique=True)] = True
        if others is not None:
            singly |= text.allowed_bits(text._number(others))
        singly[text._specials(index)] = True
        still = tokens[singly[tokens] & ~fits[tokens]]
        fits[still] = True
        fits[super().too_long(index, still, left)] = False
        denied = tokens[~fits[tokens]]
        if len(denied):
            self._ceilings.pop(index, None)
        else:
            self._ceilings[index] = left
        return denied


def _check_specials(specials: frozenset[int], tokenizer: Tokenizer) -> None:
    """Refuse special tokens of a grammar that are none of the tokenizer's."""
    for token in sorted(specials):
        if token >= tokenizer.vocab_size:
            fault = f"The vocabulary has {tokenizer.vocab_size:,} tokens"
        elif tokenizer.token_bytes[token] is not None:
            fault = f"The token has a text, {tokenizer.token_bytes[token]!r}"
        elif token in tokenizer.eos_token_ids:
            fault = "The token ends a text"
        else:
            continue
        raise OptionError(
            f"{fault}; it cannot be a special token of a grammar.",
            where=f"special token {token}",
            cure="Name a token that has no text, by its id.",
        )
