"""`CompiledGrammar`: the interface of every compiled grammar, whichever machine reads it.

A *state* stands for all that the grammar knows of the text so far. Texts with equal continuations may share
it: after `[1` and `[2` under an array of integers the same tokens follow. In methods a state is mostly its
number (`index`); callers get a `State`. A *mask* has one bit for each token: may it come next? A *node* is
the row of a state in the table `nodes`, which also holds the state's mask. A *rest* is a text that completes
the document; the shortest rest bounds how many tokens are still needed (`Completions`). The *store* keeps
large masks for all grammars of one vocabulary. A *machine* is a subclass with its compiled code.
"""

from __future__ import annotations

import ctypes
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from sys import maxsize
from typing import Any, ClassVar, Final, Generic, NoReturn, Protocol, Self, TypeVar

import numpy as np

from structgen.base.errors import (
    BudgetError,
    FinishedError,
    LimitError,
    MaskError,
    OptionError,
    TokenError,
)
from structgen.base.language import checks
from structgen.base.language.expectation import Expected
from structgen.base.language.ir import DEAD
from structgen.base.limits import Limits
from structgen.base.native.array_types import BoolArray, Int32Array, Int64Array
from structgen.base.native.jit import code_of
from structgen.base.native.lazy_memory import room
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import word_of, words_of
from structgen.base.system.fork_locks import GRAMMARS, new_lock
from structgen.base.system.public_calls import THIS_CALL
from structgen.machines.machine_core import masks as core_masks
from structgen.machines.machine_core import token_steps
from structgen.machines.machine_core.growing_tables import (
    BYTE_AT,
    LISTS,
    NODES,
    GrowingTables,
    TablePlan,
    tokens_of_list,
)
from structgen.machines.machine_core.layout import ENDED, FINISHED, REFUSED, Core, NodeRow, Registers
from structgen.machines.machine_core.questions import follow_bytes
from structgen.machines.machine_core.wanted_nodes import TargetNodes
from structgen.machines.machine_core.workspace import Workspace, attach
from structgen.machines.store.mask_store import MaskStore, StoreOption, VocabularyStore, default_store
from structgen.machines.store.recent_grammars import WEIGHED_EVERY
from structgen.tokens.token_mask import TokenMask, allocate_mask, tokens_of
from structgen.tokens.tokenizer import Tokenizer
from structgen.tokens.vocabulary import Vocabulary

# Offsets of fields in the block of a grammar, in words of 8 bytes. The constructor writes addresses there,
# and compiled code reads them as arrays.
_VOCABULARY = word_of(Core, "vocabulary")
_STEPS = word_of(Core, "byte_steps")
_ENDS = word_of(Core, "ends")
_DENSE_ROWS = word_of(Core, "dense_rows")
_TOKEN_LIST: Final = word_of(NodeRow, "token_list")
_MAX_FORCED: Final = 1 << 16
"""Bytes that `forced` returns at most; a longer forced run comes in several calls."""
REMEMBERED: Final = 1 << 16
"""The most entries of a memo of one grammar. There are memos of the budget that suffices in a state, of the
tokens that complete a text, of moves that compiled code does not read byte by byte, of lookups in a
corpus."""


class State:
    """A state of a compiled grammar: the grammar and a number.

    It is immutable and hashable. Equal states have the same continuations. It takes 56 bytes.
    """

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

    def __deepcopy__(self, memo: object) -> State:
        return self

    def __reduce__(self) -> NoReturn:
        raise OptionError(
            "A State cannot be pickled: it is a number in this process.",
            where="State",
            cure="Send the compiled grammar and the text, and call step_bytes(start, text) there.",
        )

    def __repr__(self) -> str:
        return f"<State {self.index} of {self.compiled!r}>"


@dataclass(frozen=True, eq=False, slots=True)
class Dfa:
    """A deterministic automaton over token classes. Its arrays are read-only.

    A *token class* is a set of tokens that lead to the same state from every state. An accepting state can be
    reached from every state. The table has no end tokens: they are allowed in the accepting states, and lead
    out of the automaton.
    """

    start: int
    """The first state: 0."""
    transitions: Int32Array
    """[states, classes]: the state after a token of a class, -1 where it is not allowed."""
    token_class: Int32Array
    """[vocabulary]: the class of each token. It is -1 for a token that is allowed in no state, and for a
    token that is not text (end and special tokens)."""
    accepting: BoolArray
    """[states]: whether the text so far is a document."""
    states: tuple[State, ...]
    """The compiled grammar's own state for each state of the automaton. The order is breadth first; the bytes
    that leave a state are taken in ascending order."""

    def step(self, state: int, token: int) -> int:
        """Return the state after a token, -1 where the token is not allowed or is an end token."""
        column = int(self.token_class[token])
        return DEAD if column < 0 else int(self.transitions[state, column])

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.transitions.nbytes + self.token_class.nbytes + self.accepting.nbytes

    def __len__(self) -> int:
        return len(self.states)


Tokens = Int64Array
"""An array of token ids, or of one number for each token of such an array."""
Bits = Int32Array
"""A mask as a row of 32-bit words, with one bit for each token."""
TokenList = Int32Array
"""Token ids, as the tables of a grammar list them."""


class Completions(Protocol):
    """The shortest rests of the states of one compiled grammar, and how many tokens write them.

    Each machine has its own class. The bodies here are those of a language whose texts may end anywhere: the
    rest is empty. `index` is the number of a state. The caller holds the grammar's lock.
    """

    def text(self, index: int, /) -> bytes:
        """Return the shortest text that completes the document."""
        return b""

    def alike(self, index: int, /) -> int:
        """Return a state that has the same shortest completion, so that one answer serves many states.

        States that were not asked for before may get different answers although their completions agree.
        """
        return index

    def tokens(self, index: int, enough: int = 0, /) -> int:
        """Return how many tokens complete the text (`CompiledGrammar.tokens_to_finish`).

        No end token has been taken in the state. A caller whom `enough` tokens satisfy may get a number that
        is too large, but at most `enough`: with `enough=9` the answer may be 7 where 5 tokens suffice.
        """
        return 0

    def sufficient(self, index: int, /) -> int | None:
        """Return a budget, in tokens, that takes no token from the mask of a state.

        The document can be completed within this budget, and within one token less after each allowed token.
        A smaller budget may suffice too. None: no such budget is known. The state's mask is known.
        """
        return 1

    def too_long(self, index: int, tokens: Tokens, budget: int, /) -> Tokens:
        """Return the tokens after which the document needs more than `budget` further tokens.

        `tokens` are allowed in the state, and none is an end token.
        """
        return tokens[: 0 if budget >= 0 else len(tokens)]


C = TypeVar("C", bound="CompiledGrammar")


class Generation(Generic[C]):
    """The chain of grammars that replace one compiled grammar when its memory is full.

    A compiled grammar keeps every state that a document has reached, for later documents; with free keys some
    200 KB a document. Once the states take more than `Limits.grammar_memory`, new documents begin in its
    *successor*, the same grammar compiled anew. So a process that writes documents for weeks does not grow.
    Documents under way end in the old grammar, which is freed with the last of them. A document may meet a
    limit that earlier documents have used up: then it continues in the successor (`Matcher`). This object
    holds no reference to its own grammar, so each method takes it (`compiled`).
    """

    def __init__(self) -> None:
        self._begin_count = 0
        self._base = 0.0
        """The share of the limits that the first document used (`CompiledGrammar.used`, 1.0 is all)."""
        self._successor: C | None = None

    def begin(self, compiled: C) -> C:
        """Return the grammar in which a document begins: this one, or the newest after it."""
        if self._successor is not None:
            # The chain is cut short: the generations between this one and the newest are freed.
            self._successor = newest = self._successor.generation.begin(self._successor)
            return newest
        self._begin_count += 1
        # The second document begins when the first one has shown how much a single document uses.
        if self._begin_count == 2:
            self._base = compiled.used
        # A document that uses more than the limits by itself must not cause a compilation each time.
        elif self._begin_count % WEIGHED_EVERY == 0 and compiled.used > max(1, 2 * self._base):
            return self.replace(compiled)
        return compiled

    @property
    def is_shared(self) -> bool:
        """Whether several documents began here. A single document would meet its limit in a successor too."""
        return self._successor is not None or self._begin_count > 1

    def after(self, compiled: C) -> C:
        """Return the grammar in which a document continues after it has met a limit in this one."""
        if self._successor is None:
            self.replace(compiled)
        return self.begin(compiled)

    def newest(self, compiled: C) -> C:
        """Return the newest successor, or this grammar where it has none. No document is counted."""
        while (successor := compiled.generation._successor) is not None:
            compiled = successor
        return compiled

    def replace(self, compiled: C) -> C:
        """Return the successor, in which all later documents begin; it is compiled where there is none yet.

        Callers use it after an interrupt, too, which may have left work in this grammar half done. Cost: that
        of compiling.
        """
        with compiled.lock:
            # Two documents may meet a limit at once: the second finds the successor of the first.
            if self._successor is None:
                self._successor = compiled.anew()
            return self._successor


_NO_TOKENS: Final[TokenList] = np.empty(0, np.int32)
_BUDGET, _COST = 0, 1
"""The two rows of the array that `CompiledGrammar.publish_costs` returns."""
_NO_COSTS: Final[Tokens] = np.empty((2, 0), np.int64)


class CompiledGrammar(ABC):
    """A grammar compiled against a tokenizer: it gives the mask of any state, and the state after a token.

    Threads may fill and advance different matchers of one compiled grammar at once. States, automata and
    masks are made when a text first needs them, and then kept, within `limits`.

    A state is a row of the table `nodes`. The row also holds the state's mask once that is known, so one
    compiled call (`machine_core.masks.fill_mask`) copies the known masks of every kind of grammar. Each
    subclass is a machine that defines what a state means and works out its mask: `CompiledSchema` for JSON
    texts, `CompiledLark` for Lark's contextual lexer, `CompiledText` for all other texts.

    In all methods `index` is the number of a state. A number below 0 in its place means: there is no state.
    """

    grammar: Any
    """The grammar that was compiled, a `core.grammar.Grammar`. That module imports this one, so the type is
    not named here."""
    byte_steps: ClassVar[tuple[Callable[..., int], ...]] = ()
    """The entry points by which texts of this kind are read (`machine_core.layout.ByteSteps`). It is empty
    where Python alone reads them."""
    part_calls: ClassVar[tuple[Callable[..., int], ...]] = ()
    """The entry points by which compiled code of a composed grammar reads a part of this kind
    (`text_grammars.machine.stepping.Visit`). It is empty where there are none."""
    has_events: bool = False
    """Whether `Matcher.events` can report what begins and closes in the texts."""
    table_plan: ClassVar[TablePlan]
    """The tables of the machine: their names and rows."""
    height: int = 0
    """The depth of nesting: 0 for a grammar without parts, else one more than the highest of its parts. A
    thread locks a grammar before its parts (`fork_locks`)."""
    _finished_state: int = -1
    """The number of the state after an end token; -1: it is not made yet."""
    _has_specials: bool = False
    """Whether its texts have special tokens."""
    _call_until_answered: Callable[..., int]
    """A function that makes a compiled call, answers its questions, and repeats it until it has an answer. It
    takes the entry point, and the arguments after the address of the grammar's block."""

    def __init__(
        self,
        grammar: Any,
        tokenizer: Tokenizer,
        limits: Limits | None = None,
        store: StoreOption = None,
    ) -> None:
        self.grammar = grammar
        self.tokenizer = tokenizer
        self.limits = grammar.limits if limits is None else limits
        self._begin_call = partial(THIS_CALL.begin_call, self.limits)
        self.vocabulary = Vocabulary.of_tokenizer(tokenizer)
        if store is False:
            store = MaskStore()
        elif store is None:
            store = default_store()
        self.store = store.of_grammars
        self._masks: VocabularyStore = self.store.of(self.vocabulary)
        self._tables = GrowingTables(self.limits, self.table_plan)
        self.address = self._tables.address
        # The block of the grammar: compiled code gets its address, and finds everything else from there.
        context = self._tables.context
        pointers = self.vocabulary.pointers
        context[_VOCABULARY : _VOCABULARY + len(pointers)] = pointers
        # The array is an attribute because compiled code has only its address: it must not be freed.
        self._end_ids: TokenList = np.array(sorted(set(tokenizer.eos_token_ids)), np.int32)
        context[_ENDS] = address_of(self._end_ids)
        context[Core.end_count] = len(self._end_ids)
        context[_STEPS : _STEPS + len(self.byte_steps)] = [code_of(call) for call in self.byte_steps]
        context[_DENSE_ROWS] = self._masks.address
        self._workspace: Workspace | None = None
        self.lock = new_lock(GRAMMARS)
        self.generation: Generation[Self] = Generation()
        self._words = self.vocabulary.words
        self.vocab_size = self.vocabulary.vocab_size
        self.end_tokens = frozenset(tokenizer.eos_token_ids)
        self._start = 0
        self.sufficient_budgets: dict[int, int] = {}
        """The number of a state -> a budget in tokens that takes no token from the state's mask. Any larger
        budget takes none either."""
        self._costs = _NO_COSTS
        """The array that `publish_costs` returns; empty before its first call."""

    # --- what each machine implements -----------------------------------------------------------------------

    def _after_token(self, index: int, token: int) -> int:
        """Return the number of the state after a token that is not an end token, or -1."""
        return self._call_until_answered(token_steps.take_token, index, token)

    def _after_end(self, index: int) -> int:
        """Return the number of the state after an end token, or -1."""
        if not self.may_end(index):
            return -1
        with self.lock:
            if self._finished_state < 0:
                self._finished_state = self._tables.context[Core.finished_state] = self._put_finished()
            return self._finished_state

    def _put_finished(self) -> int:
        """Make the state after an end token; return its number."""
        return self._put_state(FINISHED)

    def _put_state(self, mode: int) -> int:
        """Make a state whose mode (`layout.Registers`) is all that compiled code knows; return its number."""
        row = np.zeros(words_of(NodeRow), np.int64)
        row[Registers.mode] = mode
        row[NodeRow.dense_row :] = -1  # neither a row of the store nor a list: the mask is not known
        return self._tables.append(NODES, row)

    def bytes_index(self, index: int, data: bytes) -> int:
        """Return the number of the state after bytes, or -1."""
        return follow_bytes(self._call_until_answered, index, data)

    def after_ascii(self, index: int) -> Tokens:
        """Return the 128 states after each byte below 128; below 0 where the byte is not allowed."""
        states = np.empty(128, np.int64)
        self._call_until_answered(token_steps.take_ascii, index, BYTE_AT[0], address_of(states))
        return states

    def may_end(self, index: int) -> bool:
        """Return whether the text may end in a state, by its number."""
        with self.lock:
            code = token_steps.may_end(self.address, index)
        if code < 0:
            # It has a question. The call that answers questions costs more, so it comes second.
            code = self._call_until_answered(token_steps.may_end, index)
        return code > 0

    @abstractmethod
    def _compute_mask(self, index: int, target: int) -> int:
        """Work out and memoise the mask of a state, and write it to `target`, the address of a row (0: none).

        Returns 0 where that was done, and ENDED after an end token. Returns LARGE where the mask has too many
        tokens for a list: they are in the workspace's buffer then, and nothing is memoised or written. The
        caller holds the lock.
        """

    def special_tokens(self, index: int) -> list[int]:
        """Return the tokens without bytes that may come in a state; end tokens are left out."""
        return []

    def token_end(self, index: int) -> int:
        """Return the state after a token whose last byte leads to the state `index`; -1: no token ends there.

        It is mostly `index` itself. A grammar that counts tokens returns another state.
        """
        return index

    @property
    def reads_bytes_alone(self) -> bool:
        """Whether the bytes of a text decide alone: there are no special tokens, and no tokens are
        counted."""
        return not self._has_specials

    def planned_tokens(self, index: int) -> Sequence[int]:
        """Return the tokens that must write the forced text after a state; empty: the model chooses them."""
        return ()

    def _next_bytes(self, index: int) -> bytes:
        """Return the bytes that may come next, ascending. The caller holds the lock."""
        return bytes(byte for byte in range(256) if self.bytes_index(index, bytes((byte,))) >= 0)

    @abstractmethod
    def _list_expected(self, index: int) -> list[Expected]:
        """Return what may come next, in words. The caller holds the lock."""

    @property
    @abstractmethod
    def completions(self) -> Completions:
        """The shortest completions of the grammar's states. Its methods are called under the lock."""

    @property
    def used(self) -> float:
        """The share of the limits that all documents so far have used, 1.0 for all. Above 1, `fresh` may
        compile the grammar anew."""
        return self.nbytes / self.limits.grammar_memory

    @property
    def nbytes(self) -> int:
        """Bytes of the grammar's own tables: states, lists of tokens, automata. The store and the vocabulary
        are not counted."""
        return int(self._tables.nbytes())

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of what was made so far: states of the machine, states of automata, and bytes."""
        return {}

    def to_dfa(self, max_states: int, depth: int | None = None, *, minimal: bool = False) -> Dfa:
        """Return the explicit automaton of all states over classes of tokens.

        `max_states`: the most states. `depth`: the most open brackets, or places of a parser's stack, of the
        texts (None: no bound; see `has_depth`). `minimal`: states with the same continuations become one
        state. Raises OptionError for free text, and where masks are narrower than the grammar's.
        """
        raise OptionError(
            f"{type(self).__name__} has no automaton.", where="to_dfa", cure="Call it on a plain grammar."
        )

    @property
    def has_depth(self) -> bool:
        """Whether `to_dfa(depth=)` has something to count: open brackets of JSON texts, or places of a
        parser's stack, in the grammar or in a part of it."""
        return False

    def depth_of(self, index: int) -> int:
        """Return how deep a state is: the open brackets of a JSON text, or the places of the parser's stack.

        Where a text can be read in several ways, or by several parts, it is the largest of their depths.
        """
        return 0

    def value(self, text: bytes) -> Any:
        """Return the value of a whole text.

        It is the text as a str. A grammar of JSON documents returns the JSON value, with an int wherever only
        integers are allowed; it raises ValueError for a text that is not JSON.
        """
        return text.decode("utf-8", "replace")

    def prepare(self, room: int = 1 << 25, progress: Callable[[int], None] | None = None) -> int:
        """Work out, before any document, the records from which masks are made; return the number of states.

        A record lists what each token does inside one lexeme. Only Lark grammars under the contextual lexer
        have records to prepare, also where they are parts of other grammars. `room`: the most bytes that the
        records may take. `progress` is called with the number of states so far. Raises LimitError. Cost: for
        a large vocabulary some 5 ms a state: 50 ms for JSON, 20 s for Python.
        """
        return 0

    # --- the same for every machine -------------------------------------------------------------------------

    @property
    def missing_bytes(self) -> tuple[int, ...]:
        """The bytes that no token writes by itself. Texts hold such a byte only inside a longer token
        (docs/tokenizers.md)."""
        return self.tokenizer.missing_bytes

    @property
    def start(self) -> State:
        """The state before the first byte."""
        return State(self, self._start)

    def fresh(self) -> Self:
        """Return the compiled grammar in which a new document begins.

        It is this one, or one compiled anew once the documents so far have used up `Limits.grammar_memory`. A
        `Matcher` calls it by itself; code that steps states calls it for each document. Cost: 1 us, and now
        and then that of compiling.
        """
        return self.generation.begin(self)

    def anew(self) -> Self:
        """Return the grammar compiled anew, without the states of earlier documents."""
        return type(self)(self.grammar, self.tokenizer, self.limits, self.store)

    def compute(self, index: int, target: int = 0) -> bool:
        """Work out the mask of a state, and write it to `target`, the address of a row (0: write nothing).

        Returns whether the mask is memoised now. A large mask is not where the store is full. Raises
        FinishedError after an end token.
        """
        with self.lock, self._begin_call():
            self._attach_workspace()
            code = self._compute_mask(index, target)
            if code == 0:
                return True
            if code == ENDED:
                raise _finished_error()
            return self._keep_large(index, target)

    def _attach_workspace(self) -> None:
        """Give compiled code this thread's scratch arrays, unless it has them. Under the lock."""
        space = getattr(self._masks.workspaces, "space", None)
        if space is None or space is not self._workspace:  # held: compiled code knows where it lies
            self._workspace = None
            self._workspace = attach(self._masks.workspaces, self.vocabulary, self._tables.context)

    def _keep_large(self, index: int, target: int) -> bool:
        """Memoise a mask that was just found too large for a list, and write it to `target`.

        `target` is the address of a row (0: write nothing). Returns whether the store had room.
        """
        row = self._large_row()
        number = self._masks.intern_row(row)
        if number is not None:
            self._memoise_mask(index, number, _NO_TOKENS, target)
            return True
        # The store is full: the mask serves this call alone, and is worked out again at the next.
        if target:
            ctypes.memmove(target, address_of(row), row.nbytes)
        return False

    def _memoise_mask(self, index: int, row: int, tokens: TokenList, target: int) -> None:
        """Memoise the mask of a state, and write it to `target`, the address of a row (0: write nothing).

        The mask is the union of `row`, the number of a row of the store (-1: none), and of `tokens`.
        """
        tables = self._tables
        count = len(tokens)
        list_with_count = np.concatenate([(count,), tokens])
        list_offset = tables.extend(LISTS, list_with_count, count + 1)
        node = tables.rows(NODES)[index]
        node[NodeRow.dense_row] = row
        # The list comes last. Readers take no lock, and a list says that the whole mask is there.
        node[NodeRow.token_list] = list_offset
        if target:
            core_masks.fill_mask(self.address, index, target)

    def _large_row(self) -> Bits:
        """Return the mask that `_compute_mask` has just found too large for a list, as a row of bits."""
        count = int(self._tables.context[Core.buffer_count])
        return self._masks.dense_row(self._masks.workspaces.space.buffer[:count])

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
            return self._after_end(index)
        return self._after_token(index, token)

    def index_of(self, state: State) -> int:
        """Return the number of a state.

        Raises OptionError for a state of another compiled grammar, whose numbers mean nothing here. Cost:
        0.1 us.
        """
        try:
            if state.compiled is self:
                return state.index
        except AttributeError:
            raise OptionError(
                f"must be a State, got {type(state).__name__}.",
                where="state",
                cure="Begin at compiled.start, or pass matcher.state.",
            ) from None
        raise OptionError(
            f"The state belongs to {state.compiled!r}, which was compiled separately.",
            where="state",
            cure="Use state.compiled, or reach the state again from the start of this grammar. A "
            "Matcher may have moved to a grammar compiled again (compiled.fresh()): use "
            "matcher.compiled.",
        )

    def step(self, state: State, token: int) -> State | None:
        """Return the state after a token, or None where the token is not allowed.

        Raises OptionError for a state of another compiled grammar, as every method that takes a `State` does.
        Cost: about 1 us for a token that was met before.
        """
        after = self.next_index(self.index_of(state), token)
        return None if after < 0 else State(self, after)

    def step_bytes(self, state: State, data: bytes) -> State | None:
        """Return the state after bytes of text, or None where they leave the language."""
        index = self.bytes_index(self.index_of(state), data)
        return None if index < 0 else State(self, index)

    def live_part(self, data: bytes) -> tuple[State, int]:
        """Return the state after the longest live prefix of a text, and the length of the prefix in bytes.

        A prefix is *live* if some document begins with it: under `[0-9]+`, the live prefix of "12a" has 2
        bytes. The length is found by halving, since a prefix of a live prefix is live. Cost: linear in the
        text.
        """
        if (after := self.step_bytes(self.start, data)) is not None:
            return after, len(data)
        # data[:low] leads to `state`, data[:high] is dead
        state = self.start
        low = 0
        high = len(data)
        while high - low > 1:
            # Only the half that is in doubt is read, so all halves together are one reading of the text.
            middle = (low + high) // 2
            if (after := self.step_bytes(state, data[low:middle])) is None:
                high = middle
            else:
                state, low = after, middle
        return state, low

    def accepts_end(self, state: State) -> bool:
        """Return whether the text so far is a document."""
        return self.may_end(self.index_of(state))

    def is_finished(self, state: State) -> bool:
        """Return whether an end token was taken."""
        return self.finishes(self.index_of(state))

    def check_mask(self, mask: TokenMask) -> None:
        """Raise MaskError where a mask is too narrow for the vocabulary."""
        if not isinstance(mask, TokenMask):
            raise MaskError(
                f"A mask must be a TokenMask, got {type(mask).__name__}.",
                cure="Use sg.allocate_mask(rows, vocab_size), or TokenMask.wrap(array).",
            )
        if mask.words < self._words:
            raise MaskError(
                f"A row of {mask.words} words holds {mask.words * 32} tokens, but the largest token id is "
                f"{self.vocab_size - 1}.",
                cure=f"Allocate it with sg.allocate_mask(rows, {self.vocab_size}).",
            )

    def fill(self, state: State, mask: TokenMask, row: int = 0) -> None:
        """Write the mask of a state to a row of `mask`.

        A token is allowed if the text so far and the token's bytes begin a document. End tokens are allowed
        where the text so far is a document. Raises FinishedError after an end token.
        """
        index = self.index_of(state)
        self.check_mask(mask)
        self.fill_index(index, mask, row)

    def fill_index(self, index: int, mask: TokenMask, row: int) -> None:
        """Write the mask of a state to a row of `mask`, which `check_mask` has checked."""
        target = mask.row(row)
        if core_masks.fill_mask(self.address, index, target) != 0:
            self.compute(index, target)
        if mask.words > self._words:
            # The mask belongs to a larger vocabulary, such as a padded one. Its other tokens are refused.
            mask.array[row, self._words :] = 0

    def allowed(self, state: State) -> list[int]:
        """Return the allowed token ids, ascending; for tests and small vocabularies."""
        return [int(token) for token in tokens_of(self.bits(self.index_of(state)))]

    def next_bytes(self, state: State) -> bytes:
        """Return the bytes that may come next, ascending."""
        index = self.index_of(state)
        with self.lock:
            return self._next_bytes(index)

    def expected(self, state: State) -> list[Expected]:
        """Return what may come next, in words, each with the schema places that ask for it.

        The list is empty after an end token. Required items come first, then other keys and values, then
        punctuation, white space and the end. Of the other keys and values there are at most 20, and an item
        that counts the others. Meant for messages. Cost: a fraction of a millisecond.
        """
        index = self.index_of(state)
        with self.lock, self._begin_call():
            return self._list_expected(index)

    def tokens_to_finish(self, state: State) -> int:
        """Return how many tokens complete the document: 0 where it is complete. End tokens are not counted.

        That many tokens suffice; sometimes fewer do. docs/composition.md ("What is exact") lists where the
        number is the least. Some allowed token leads to a state whose number is smaller by at least one. The
        number depends on the state alone, with a few exceptions that the same page names.
        """
        return self.cost(self.index_of(state))

    def completion(self, state: State) -> bytes:
        """Return the shortest text that completes the document."""
        index = self.index_of(state)
        with self.lock, self._begin_call():
            self._open_state(index)
            return self.completions.text(index)

    def cost(self, index: int, enough: int = 0) -> int:
        """Return `tokens_to_finish` of a state, by its number.

        A caller whom `enough` tokens satisfy may get a number that is too large, but at most `enough`
        (`Completions.tokens`). Raises FinishedError after an end token.
        """
        with self.lock:
            self._open_state(index)
            with self._begin_call():
                cost = self.completions.tokens(index, enough)
            if cost > enough or cost == 0:  # Else the exact number may be smaller: it is not remembered.
                self._publish_cost(_COST, index, cost)
            return cost

    def _open_state(self, index: int) -> None:
        """Raise FinishedError where the state is that after an end token."""
        if self.finishes(index):
            raise _finished_error()

    def finishes(self, index: int) -> bool:
        """Return whether the state is that after an end token."""
        return index == self._finished_state

    def fill_within(self, index: int, mask: TokenMask, row: int, budget: int) -> None:
        """Write the mask of the tokens after which the document can still be completed within the budget.

        `index`: the number of a state; `row`: the row of the mask, from 0; `budget`: the tokens that the
        document may still take, the end token not counted. For example, `fill_within(start, mask, 0, 2)`
        leaves out each token after which two tokens in all do not complete a document. Raises BudgetError
        (the mask is untouched) where the budget is too small, FinishedError after an end token. Cost: that
        of `fill_index` where the budget suffices, else one count for each allowed token.
        """
        self.check_mask(mask)
        mask.row(row)  # raises MaskError for a row that is not there, before anything is written
        budget = checks.check_whole("budget", budget)
        known_budget = self.sufficient_budgets.get(index)
        if known_budget is None:
            known_budget = self._compute_bounded(index)
        if self._budget_suffices(index, budget, known_budget):
            self.fill_index(index, mask, row)
            return
        cost = self.cost(index, budget)
        if budget < cost:
            raise BudgetError(
                f"The document needs {cost} more tokens, and the budget is {budget}.",
                minimum=cost,
                cure=f"Increase it to at least {cost} (the end token is not counted).",
            )
        self.fill_index(index, mask, row)
        with self.lock, self._begin_call():
            budget_after = budget - 1
            allowed_tokens = mask.allowed(row)
            # An end token completes the text and costs nothing, so it always fits.
            text_tokens = allowed_tokens[~np.isin(allowed_tokens, self._end_ids)]
            refusals = np.zeros(32 * mask.words, np.bool_)
            refusals[self.completions.too_long(index, text_tokens, budget_after)] = True
            refused_bits = np.packbits(refusals, bitorder="little").view(np.int32)
            mask.array[row] &= ~refused_bits
            self._remember_budget(index, self.completions.sufficient(index))

    def _has_mask(self, index: int) -> bool:
        """Return whether a state's mask is memoised."""
        return int(self._tables.rows(NODES)[index, _TOKEN_LIST]) >= 0

    def budget_suffices(self, index: int, budget: int) -> bool:
        """Return whether a budget, in tokens, is known to take no token from a state's mask.

        False where the mask is not known yet. Cost: 0.1 us for a state that was asked for before, else some
        20 us.
        """
        known_budget = self.sufficient_budgets.get(index)
        if known_budget is None and not self._has_mask(index):
            return False
        return self._budget_suffices(index, budget, known_budget)

    def _budget_suffices(self, index: int, budget: int, known_budget: int | None) -> bool:
        """Return whether a budget takes no token from the mask of a state; the mask is known.

        `known_budget`: the entry of the state in `sufficient_budgets`; None: there is no entry yet.
        """
        if known_budget is None:
            with self.lock, self._begin_call():
                known_budget = self.completions.sufficient(index)
            known_budget = self._remember_budget(index, known_budget)
        return budget >= known_budget

    def _compute_bounded(self, index: int) -> int | None:
        """Work out and memoise the mask of a state; return a budget that suffices, for `sufficient_budgets`.

        None where making the mask has found no budget, as here. Raises FinishedError.
        """
        self.compute(index)
        return None

    def _remember_budget(self, index: int, budget: int | None) -> int:
        """Remember a budget that takes no token from a state's mask; return it as it is remembered.

        None: no such budget is known. The largest int is remembered then.
        """
        if len(self.sufficient_budgets) >= REMEMBERED:
            self.sufficient_budgets.clear()
        # Where no budget is known to suffice, no call takes the short way: each one counts exactly.
        known_budget = self.sufficient_budgets[index] = maxsize if budget is None else budget
        self._publish_cost(_BUDGET, index, known_budget)
        return known_budget

    def publish_costs(self) -> Tokens:
        """Return the costs of states in tokens, for code that reads them without a lock (`GrammarAddresses`).

        Row 0 has the budgets that suffice, row 1 the tokens that complete a text. Both have a column for each
        of the first REMEMBERED states. An entry is the cost and 1; 0: the cost is not known yet. Costs that
        are found later are written there too. The memory never moves, and takes pages as they are written.
        """
        with self.lock:
            if self._costs is _NO_COSTS:
                self._costs = room(16 * REMEMBERED).view(np.int64).reshape(2, REMEMBERED)
                for index, budget in self.sufficient_budgets.copy().items():
                    self._publish_cost(_BUDGET, index, budget)
            return self._costs

    def _publish_cost(self, row: int, index: int, cost: int) -> None:
        """Write a cost to the array of `publish_costs`, where it has a column for the state."""
        if index < self._costs.shape[1]:
            self._costs[row, index] = min(cost, maxsize - 1) + 1

    def forced(self, index: int) -> bytes:
        """Return the bytes that must come next, at most 65,536; empty where the document may end here.

        For example, the forced bytes after `{` are `"name":` where that is the only key.
        """
        forced_bytes = bytearray()
        node = index
        while len(forced_bytes) < _MAX_FORCED:
            # Where the text may end, or a token without bytes may come, no byte is forced.
            if self.may_end(node) or self.special_tokens(node):
                break
            # The lock is taken for each byte anew: other threads may work between two bytes.
            with self.lock:
                following = self._next_bytes(node)
            if len(following) != 1:
                break
            forced_bytes += following
            node = self.bytes_index(node, following)
        return bytes(forced_bytes)

    def mask_parts(self, index: int) -> tuple[int, TokenList] | None:
        """Return the two parts of a state's mask: the number of a row of the store (-1: none), and a list.

        The mask has the tokens of both. The list may have a token twice. None where the mask is large and the
        store is full. Raises FinishedError.
        """
        with self.lock:
            self._open_state(index)
            if not self.compute(index):
                return None
            node = self._tables.rows(NODES)[index]
            dense_row = int(node[NodeRow.dense_row])
            list_offset = int(node[NodeRow.token_list])
            return dense_row, tokens_of_list(self._tables, list_offset)

    def ends_below(self, index: int, wanted: TargetNodes, end: int = 1) -> list[int]:
        """Return the wanted nodes of the vocabulary's trie after whose bytes the text may end, in order.

        The bytes of a node lead from the state `index` to another state. The node counts if `ByteSteps.ends`
        answers `end` there; 1 means: the text may end. Cost: some 50 ns a node.
        """
        nodes_found = np.empty(wanted.max_nodes, np.int32)
        count = self._call_until_answered(
            token_steps.ends_below, index, address_of(wanted.trie), end, address_of(nodes_found)
        )
        nodes: list[int] = nodes_found[:count].tolist()
        return nodes

    def after_tokens(self, index: int, tokens: Tokens) -> Tokens:
        """Return the numbers of the states after each of some allowed tokens; none is an end token."""
        token_ids = tokens.astype(np.int32)
        states = np.empty(len(tokens), np.int64)
        self._call_until_answered(
            token_steps.take_each, index, address_of(token_ids), len(token_ids), address_of(states)
        )
        # A code below REFUSED says that Python alone finds the state after this token.
        for position in np.flatnonzero(states < REFUSED):
            states[position] = self._after_token(index, int(tokens[position]))
        return states

    def bits(self, index: int) -> Bits:
        """Return the mask of a state, by its number, as a new row of bits."""
        mask = allocate_mask(1, self.vocab_size)
        self.fill_index(index, mask, 0)
        return np.asarray(mask.array[0])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.grammar!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.grammar, self.tokenizer, self.limits, None)


_OPEN_STRING: Final = re.compile(
    r'(?s)(?:[^"]*+"(?:[^"\\]|\\.)*+")*+[^"]*+"((?:[^"\\]|\\u[0-9a-fA-F]{4}|\\[^u])*+)(?:\\u?[0-9a-fA-F]*+)?'
)
"""Matches a JSON text that ends inside a string. Its group is the body of that string, without an escape
that is cut off at the end."""


def plain_grammar(grammar: Any) -> Any:
    """Return the grammar of a compiled grammar; return any other object as it is."""
    return grammar.grammar if isinstance(grammar, CompiledGrammar) else grammar


def first_fault(
    compiled: CompiledGrammar, text: str, text_before: str = "", *, in_lines: bool = False
) -> str:
    """Return, in words, where a text leaves a grammar and what was expected there; "" for a text of it.

    For example, `first_fault(compiled, "[1,]")` may be "unexpected ']' at byte 3: expected a number".
    `text_before` is read before the text, and its bytes are not counted. The place is a byte of the text;
    with `in_lines` it is a line and a column, from 1. Where earlier texts have used up the grammar's memory,
    a grammar compiled anew reads the text (`fresh`). Cost: linear in the text.
    """
    data = text.encode("utf-8", "surrogatepass")
    data_before = text_before.encode()
    compiled = compiled.fresh()
    try:
        state, length = compiled.live_part(data_before + data)
    except LimitError:
        # The only document of a grammar would meet the same limit in a new one.
        if not compiled.generation.is_shared:
            raise
        # Earlier documents have used the limit up: a grammar compiled anew reads the text once more.
        compiled = compiled.generation.after(compiled)
        state, length = compiled.live_part(data_before + data)
    offset = length - len(data_before)
    is_whole = offset == len(data)
    if is_whole and compiled.accepts_end(state):
        return ""
    following = compiled.expected(state)
    expected = [item.what for item in following if item.what != "white space"]
    if in_lines:
        location = "line {}, column {}".format(*line_and_column(data[:offset].decode("utf-8", "ignore")))
    else:
        location = f"byte {offset}"
        if inside := place_in_string(following, data[:offset]):
            location += " (line {}, column {} of the string)".format(*inside)
    if is_whole:
        fault = "end of text"
    else:
        character = data[offset:].decode("utf-8", "replace")[:1]
        fault = repr(character)
    return f"unexpected {fault} at {location}: expected {' or '.join(expected[:3])}"


def place_in_string(following: Iterable[Expected], text_before: bytes) -> tuple[int, int] | None:
    """Return the line and the column, from 1, that a JSON text has reached inside its last, open string.

    `following`: what may come next. The answer is None where no item of it belongs to a grammar of the
    string's text, or where no string is open. Cost: linear in the text.
    """
    open_string = _OPEN_STRING.fullmatch(text_before.decode("utf-8", "ignore"))
    if open_string is None or not any(item.in_string for item in following):
        return None
    return line_and_column(json.loads(f'"{open_string[1]}"', strict=False))


def line_and_column(text: str) -> tuple[int, int]:
    """Return the line and the column after a text, from 1."""
    lines = text.split("\n")
    return len(lines), len(lines[-1]) + 1


def _finished_error() -> FinishedError:
    """Return the error of a call that asks a finished document for more tokens."""
    return FinishedError(
        "The document is complete: an end token was already consumed.",
        cure="Call rollback(), or create a new Matcher.",
    )
