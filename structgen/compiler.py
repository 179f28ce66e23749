"""`compile`: a grammar and a tokenizer become a `CompiledGrammar`, whose states are values."""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from structgen.completion import Completer
from structgen.errors import BudgetError, FinishedError, MaskError, OptionError, TokenError, TokenizerError
from structgen.expected import Expected, Explainer
from structgen.forks import GRAMMARS, new_lock
from structgen.generations import Generation
from structgen.inspection import Inspection
from structgen.ir import Network
from structgen.kept import Keeping, KeptGrammar, identity_of
from structgen.limits import Limits
from structgen.machine import filling, terminals, walk
from structgen.machine import layout as L
from structgen.machine.recorder import Recorder
from structgen.machine.tables import Tables, address_of
from structgen.masks.mask import TokenMask
from structgen.masks.store import MaskStore, VocabularyStore, default_store
from structgen.masks.vocabulary import Vocabulary
from structgen.meaning import Asking, Meaning
from structgen.schema.grammar import Grammar
from structgen.tokenizer import Tokenizer

if TYPE_CHECKING:
    from structgen.dfa import Dfa

_SPACE = {
    "bounded": L.SPACE_BOUNDED,
    "compact": L.SPACE_COMPACT,
    "oneline": L.SPACE_ONELINE,
    "any": L.SPACE_ANY,
}

_ESCAPES = {
    "canonical": (L.ESCAPES_PAIRED, L.ESCAPES_CANONICAL),
    "utf8": (L.ESCAPES_CANONICAL, L.ESCAPES_CANONICAL),
    "ascii": (L.ESCAPES_ASCII, L.ESCAPES_ASCII),
    "any": (L.ESCAPES_ANY, L.ESCAPES_ANY),
}
"""Of strings, and of keys and constants."""
_WRITTEN = frozenset((9, 10, 13, *range(0x20, 0xC0), *range(0xC2, 0xF5)))
"""The bytes of JSON text (RFC 8259, in UTF-8); masks are exact where each can be written by itself."""
_NUMERAL, _RESIDUE = 500, 1000
"""Bytes of a state of the numeral automata, and of what the network knows of a residue; about."""
_MOST_FORCED = 1 << 16
"""Bytes of one forced run; a language of one infinite word cannot arise, a long one is handed out in
pieces."""


class State:
    """A place in a document: immutable, hashable, equal to another of the same compiled grammar if known to
    have the same continuations. 56 bytes."""

    __slots__ = ("compiled", "index")

    def __init__(self, compiled: CompiledGrammar, index: int) -> None:
        self.compiled = compiled
        self.index = index

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        return self.index == other.index and self.compiled is other.compiled

    def __hash__(self) -> int:
        return hash((id(self.compiled), self.index))

    @property
    def is_complete(self) -> bool:
        """Whether the text so far is a document."""
        return self.compiled.accepts_end(self)

    @property
    def is_finished(self) -> bool:
        """Whether an end token was taken."""
        return self.compiled.is_finished(self)

    def __repr__(self) -> str:
        return f"<State {self.index} of {self.compiled!r}>"


class CompiledGrammar:
    """A grammar compiled against a tokenizer. Threads may fill and advance different matchers of it at once.

    Nothing is precomputed: states, automata and masks are made as they are met and then kept,
    within `limits`.
    """

    def __init__(
        self,
        grammar: Grammar,
        tokenizer: Tokenizer,
        limits: Limits | None = None,
        store: MaskStore | Literal[False] | None = None,
    ) -> None:
        self.grammar, self.tokenizer = grammar, tokenizer
        self.limits = grammar.limits if limits is None else limits
        self.vocabulary = Vocabulary.of(tokenizer)
        self.store = MaskStore() if store is False else (default_store() if store is None else store)
        self._masks: VocabularyStore = self.store.of(self.vocabulary)
        policies = grammar.policies
        self._tables = Tables(self.limits)
        self._configure(policies)
        self._thread = 0
        self.lock = new_lock(GRAMMARS)
        self.generation: Generation[CompiledGrammar] = Generation()
        files, kept, identity = self._masks.grammars, None, b""
        if self.limits.liveness == "flag":
            files = None  # what the oracle could not decide is in no table
        if files is not None:
            identity = identity_of(grammar, tokenizer, self.limits)
            kept = KeptGrammar.read(files, identity)
        self._keeping = Keeping(files, identity, self.lock, self._masks, self._tables, kept)
        self._meaning = Meaning(grammar, self.limits, self._tables, kept)
        self._keeping.means(self._meaning)
        self._strings, self._numbers = self._meaning.strings, self._meaning.numbers
        self._mask_rows: dict[int, tuple[int, ...]] = {}
        # Nothing that this holds may refer to it: a grammar is gone when it is dropped, not when garbage is
        # collected in the midst of another's first mask.
        self._retry = retry = Asking(self.lock, self._tables, self._meaning)
        self._recorder = Recorder(self._tables, self._meaning, self._masks, retry, self._keeping.terminal)
        self._keeping.records = self._recorder.records
        self._words = self.vocabulary.words
        self.vocab_size = self.vocabulary.vocab_size
        self.end_tokens = frozenset(tokenizer.eos_token_ids)
        self.address = self._tables.address
        self._machine = Inspection(self._meaning, self._tables, self._space, retry)
        self._completer = Completer(self._machine, self.vocabulary, ascii=policies.escapes == "ascii")
        self._start: int = retry(walk.start_node)
        self.is_young = kept is None
        """Whether the first places are still to be expanded: not before the first mask is there."""
        if files is not None:
            files.writer.watch(self, self._keeping)

    @property
    def start(self) -> State:
        """The state before the first byte."""
        return State(self, self._start)

    def fresh(self) -> CompiledGrammar:
        """Return the compiled grammar in which a new document begins: this one, or, once documents have met
        more than `Limits.grammar_memory` holds, one compiled anew. A `Matcher` asks for it by itself; who
        steps states asks for each document. Cost: 1 us, and now and then that of compiling."""
        return self.generation.begin(self)

    def anew(self) -> CompiledGrammar:
        """Return the same, without what was met."""
        return CompiledGrammar(self.grammar, self.tokenizer, self.limits, self.store)

    @property
    def used(self) -> float:
        """How much of what its limits allow it holds, from all documents; above 1 it is time for `fresh`."""
        tables, limits = self._tables, self.limits
        states, made = self._strings.count, self._numbers.made
        rows = max(tables.count(table) for table in L.KEY_WORDS)
        automata = self._strings.trans.nbytes + _NUMERAL * made
        size = tables.nbytes() + automata + _RESIDUE * tables.count(L.T_RES)
        most = max(states, made) / limits.automaton_states
        return max(size / limits.grammar_memory, 2 * most, 2 * rows / limits.parser_states)

    @property
    def network(self) -> Network:
        """The network of the language, for whoever asks it himself."""
        with self.lock:
            return self._meaning.network

    def _configure(self, policies: Any) -> None:
        context, vocabulary = self._tables.context, self.vocabulary
        space: str = policies.whitespace
        if space.startswith("indent:"):
            indent = np.frombuffer(space[7:].encode() or b" ", np.uint8).copy()
            self._indent = indent
            self._space = (L.SPACE_INDENT, space[7:].encode())
            context[L.C_SPACE] = L.SPACE_INDENT
            context[L.C_INDENT] = address_of(indent)
            context[L.C_INDENT_LENGTH] = len(space) - 7
        else:
            context[L.C_SPACE] = _SPACE[space]
            self._space = (_SPACE[space], b"")
        context[L.C_ESCAPES], context[L.C_KEY_ESCAPES] = _ESCAPES[policies.escapes]
        context[L.C_TRIE : L.C_WORDS] = vocabulary.pointers()
        ends = np.array(sorted(set(self.tokenizer.eos_token_ids)), np.int32)
        self._end_ids = ends
        context[L.C_ENDS] = address_of(ends)
        context[L.C_END_COUNT] = len(ends)
        context[L.C_ROWS] = self._masks.address
        context[L.C_FREE] = int(context[L.C_ESCAPES] in self._masks.free)
        context[L.C_DEPTH_LIMIT] = self.limits.depth

    def look_ahead(self) -> None:
        """Expand the first places of the grammar (some 0.3 ms), once: whoever has taken a first token has the
        model work meanwhile, and one by one, in masks, they would cost more."""
        with self.lock:
            if self.is_young:
                self.is_young = False
                self._meaning.expander.ahead()

    def compute(self, index: int, target: int = 0) -> bool:
        """Work out the mask of a state (by its number), and write it to `target`, the address of a row,
        if there is one.

        Returns True once it is memoised; False where it is large, and the store has no room for another row.
        """
        with self.lock:
            if self._thread != threading.get_ident():
                self._attach()
            if self._keeping.pending and self._keeping.recall(index):
                if target:
                    filling.fill(self.address, index, target)
                return True
            code = filling.compute(self.address, index, target)
            return code == 0 or self._finish(code, index, target)

    def _attach(self) -> None:
        """Have compiled code work with this thread's scratch arrays."""
        self._workspace = terminals.attach(self._masks.workspaces, self.vocabulary, self._tables.context)
        self._thread = threading.get_ident()

    def _finish(self, code: int, index: int, target: int) -> bool:
        """Go on with `compute` until nothing is left to ask; `code` is what compiled code answered."""
        space = self._workspace
        while code == L.ASKED:
            self._meaning.answer(lambda terminal: self._recorder.make(terminal, index, space))
            code = filling.compute(self.address, index, target)
        if code == 0:
            return True
        if code == L.ENDED:
            raise FinishedError(
                "The document is finished: an end token was taken.", cure="Roll back, or start anew."
            )
        return self._keep_large(index, target, space)

    def _keep_large(self, index: int, target: int, space: terminals.Workspace) -> bool:
        tables = self._tables
        row = self._masks.dense_row(space.buffer[: int(tables.context[L.C_BUFFER_COUNT])])
        number = self._masks.intern_row(row)
        if number is not None:
            at = tables.extend(L.T_LIST, 0, 2)  # no tokens beside the row's
            node = tables.rows(L.T_NODE)[index]
            node[L.N_ROW] = number
            node[L.N_LIST] = at  # last: readers take no lock
            if target:
                filling.fill(self.address, index, target)
            return True
        if target:
            ctypes.memmove(target, address_of(row), row.nbytes)
        self._recorder.forget_large()
        return False

    # --- states ---------------------------------------------------------------------------------------------

    def check_token(self, token: int) -> None:
        """Raise TokenError where a token id is out of range."""
        if not 0 <= token < self.vocab_size:
            raise TokenError(
                f"Token {token} is out of range: the vocabulary has ids 0 to {self.vocab_size - 1}.",
                cure="Check that the tokenizer is the model's.",
            )

    def next_index(self, index: int, token: int) -> int:
        """Return the number of the state after a token, or -1 where it is not allowed."""
        self.check_token(token)
        if token in self.end_tokens:
            return self._retry(walk.finish_node, index)
        return self._retry(walk.take_token, index, token)

    def step(self, state: State, token: int) -> State | None:
        """Return the state after a token, or None where it is not allowed.
        About 1 us for a token met before."""
        after = self.next_index(state.index, token)
        return None if after < 0 else State(self, after)

    def step_bytes(self, state: State, data: bytes) -> State | None:
        """Return the state after bytes of text, or None where they leave the language."""
        index = self.bytes_index(state.index, data)
        return None if index < 0 else State(self, index)

    def bytes_index(self, index: int, data: bytes) -> int:
        """Return the number of the state after bytes, or -1."""
        return self._machine.after(index, data)

    def accepts_end(self, state: State) -> bool:
        """Return whether the text so far is a document."""
        return bool(walk.may_end(self.address, state.index))

    def is_finished(self, state: State) -> bool:
        """Return whether an end token was taken."""
        return int(self._tables.rows(L.T_NODE)[state.index, L.MODE]) == L.M_FINISHED

    def check_mask(self, mask: TokenMask) -> None:
        """Raise MaskError where a mask is too narrow for the vocabulary."""
        if not isinstance(mask, TokenMask):
            raise MaskError(
                f"A mask is a TokenMask, not a {type(mask).__name__}.",
                cure="Use sg.allocate_mask(rows, vocab_size), or TokenMask.wrap(array).",
            )
        if mask.words < self._words:
            raise MaskError(
                f"A row of {mask.words} words holds {mask.words * 32} tokens, but the largest token id is "
                f"{self.vocab_size - 1}.",
                cure=f"Allocate it with sg.allocate_mask(rows, {self.vocab_size}).",
            )

    def fill(self, state: State, mask: TokenMask, row: int = 0) -> None:
        """Write the state's mask to a row: the tokens t such that the text so far and t's bytes begin a
        document, and the end tokens where it is one. Raises FinishedError after an end token."""
        self.check_mask(mask)
        self.fill_index(state.index, mask, row)

    def fill_index(self, index: int, mask: TokenMask, row: int) -> None:
        """Write the mask of a state, by its number, to a row of a mask that was checked."""
        target = mask.row(row)
        if filling.fill(self.address, index, target) != 0:
            self.compute(index, target)
        if mask.words > self._words:
            mask.array[row, self._words :] = 0

    def allowed(self, state: State) -> list[int]:
        """Return the allowed token ids, ascending; for tests and small vocabularies."""
        mask = TokenMask(np.zeros((1, self._words), np.int32), self.vocab_size)
        self.fill(state, mask)
        return [int(token) for token in mask.allowed()]

    def next_bytes(self, state: State) -> bytes:
        """Return the bytes that may come next, ascending."""
        with self.lock:
            return self._machine.next_bytes(state.index)

    def expected(self, state: State) -> list[Expected]:
        """Return what may come next, in words, each with the schema places that ask for it;
        empty after an end token.

        What is owed comes first, then the other keys and values (20, and an item that counts those left out),
        then punctuation, white space, the end. For messages, not for speed: a fraction of a millisecond.
        """
        with self.lock:
            escapes = self.grammar.policies.escapes
            return Explainer(self._machine, escapes=escapes).expected(state.index)

    def to_dfa(self, max_states: int, depth: int | None = None) -> Dfa:
        """Return the explicit automaton of all states over classes of tokens (structgen.dfa.Dfa).

        `depth`: documents with more open brackets are left out; None: none are. Raises LimitError, naming
        max_states, where there are more states (a recursive schema without a depth; keys that the schema does
        not name). Cost: some microseconds for each state and byte, 0.1 us a byte of the vocabulary.
        """
        from structgen.dfa import explicit

        with self.lock:
            return explicit(
                self._machine,
                self.start.index,
                self.tokenizer,
                lambda number: State(self, number),
                max_states,
                depth,
            )

    # --- completion -----------------------------------------------------------------------------------------

    def tokens_to_finish(self, state: State) -> int:
        """Return how many tokens complete the document: 0 where it is complete.
        A function of the state alone.

        Some allowed token leads to a state whose value is smaller by at least one; the value is the
        fewest tokens over texts as long as the completion. End tokens are not counted.
        """
        return self.cost(state.index)

    def completion(self, state: State) -> bytes:
        """Return the shortest text that completes the document."""
        with self.lock:
            self._open(state.index)
            return self._completer.text(state.index)

    def cost(self, index: int) -> int:
        """Return `tokens_to_finish` of a state by its number."""
        with self.lock:
            self._open(index)
            return self._completer.tokens(index)

    def _open(self, index: int) -> None:
        if int(self._tables.rows(L.T_NODE)[index, L.MODE]) == L.M_FINISHED:
            raise FinishedError(
                "The document is finished: an end token was taken.", cure="Roll back, or start anew."
            )

    def fill_within(self, index: int, mask: TokenMask, row: int, budget: int) -> None:
        """Write the mask of the tokens after which the document can still be completed within the budget."""
        self.check_mask(mask)
        mask.row(row)
        if isinstance(budget, bool) or not isinstance(budget, int):
            raise OptionError(f"budget={budget!r} is not a number of tokens.", where="budget")
        least = self.cost(index)
        if budget < least:
            raise BudgetError(
                f"The document needs {least} more tokens, and the budget is {budget}.",
                minimum=least,
                cure=f"Give it at least {least} (the end token is not counted).",
            )
        self.fill_index(index, mask, row)
        with self.lock:
            left = budget - 1
            if self._completer.fits(index, left):
                return
            tokens = mask.allowed(row)
            tokens = tokens[~np.isin(tokens, self._end_ids)]
            denied = np.zeros(32 * mask.words, np.bool_)
            denied[self._completer.too_long(index, tokens, left)] = True
            mask.array[row] &= ~np.packbits(denied, bitorder="little").view(np.int32)

    def forced(self, index: int) -> bytes:
        """Return the bytes that must come next; empty where the document may end here."""
        found = bytearray()
        node = index
        while len(found) < _MOST_FORCED and not walk.may_end(self.address, node):
            following = self._machine.next_bytes(node)
            if len(following) != 1:
                break
            found += following
            node = self.bytes_index(node, following)
        return bytes(found)

    def mask_rows(self, index: int) -> tuple[int, ...] | None:
        """Return the numbers of at most two rows of the store whose union is a state's mask (by its number).

        None where the store has no room for them. Raises FinishedError. Cost: 1 us where they are known,
        about 50 us where they are not.
        """
        with self.lock:
            known = self._mask_rows.get(index)
            if known is not None:
                return known
            self._open(index)
            if not self.compute(index):
                return None
            tables = self._tables
            dense, at = tables.rows(L.T_NODE)[index, [L.N_ROW, L.N_LIST]].tolist()
            listed = terminals.listed(tables, at)
            found: tuple[int, ...] = () if dense < 0 else (dense,)
            if len(listed) or not found:
                rest = self._masks.intern_row(self._masks.dense_row(listed))
                if rest is None:
                    return None
                found = (*found, rest)
            self._mask_rows[index] = found
            return found

    def row_words(self) -> int:
        """Return the 32-bit words of a mask row of this vocabulary."""
        return self._words

    @property
    def nbytes(self) -> int:
        """Bytes of the grammar's own tables: states, masks as lists, automata;
        not the store's nor the vocabulary's."""
        return int(self._tables.nbytes() + self._strings.trans.nbytes + self._numbers.trans.nbytes)

    @property
    def sizes(self) -> dict[str, int]:
        """How far the grammar is expanded: states of the machine and of string automata, and bytes."""
        return {
            "machine_states": self._tables.count(L.T_NODE),
            "string_states": self._strings.count,
            "table_bytes": self.nbytes,
        }

    def __repr__(self) -> str:
        return f"<CompiledGrammar of {self.grammar!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return CompiledGrammar, (self.grammar, self.tokenizer, self.limits)


def compile(
    grammar: Grammar,
    tokenizer: Tokenizer,
    *,
    limits: Limits | None = None,
    store: MaskStore | Literal[False] | None = None,
) -> CompiledGrammar:
    """Return a grammar compiled against a tokenizer, expanded on demand from there.

    `store` is the mask store to share: None the process's default, False none, or a `MaskStore`. Raises
    `UnsatisfiableSchema` where no document exists, `UnsupportedError`, `LimitError`, `TokenizerError` where
    some byte cannot be written.
    """
    if not isinstance(grammar, Grammar):
        raise OptionError(
            f"A grammar is not a {type(grammar).__name__}.",
            where="grammar",
            cure="Make one with sg.json_schema(...).",
        )
    if not isinstance(tokenizer, Tokenizer):
        raise OptionError(
            f"A tokenizer is not a {type(tokenizer).__name__}.",
            where="tokenizer",
            cure="Make one with sg.Tokenizer.from_huggingface(...), from_tiktoken(...) or from_bytes(...).",
        )
    missing = [byte for byte in tokenizer.missing_bytes if byte in _WRITTEN]
    if missing:
        named = ", ".join(f"0x{byte:02x}" for byte in missing[:16]) + (", ..." if len(missing) > 16 else "")
        raise TokenizerError(
            f"No token writes these single bytes: {named}; a document that needs one could not be finished.",
            where="tokenizer",
            cure="Use a tokenizer with byte fallback, or add a token for each of them.",
        )
    return CompiledGrammar(grammar, tokenizer, limits, store)
