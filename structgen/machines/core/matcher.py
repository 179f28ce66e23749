"""`Matcher`: a cursor over the states of a compiled grammar, for the loop that serves a document.

A *state* is all that a compiled grammar knows of the text so far, as a number. A *mask* has one bit for each
token: may it come next? A *budget* is the number of tokens that a document may still take, the end token not
counted. A matcher holds the present state, and the tokens and states before it: `fill_mask` writes the mask,
`advance` takes a token, `rollback` undoes tokens. A grammar whose limits are used up is *compiled anew*, and
the matcher continues in the new one.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from operator import index as as_index
from typing import Any, Final, NoReturn, TypeVar

from structgen.base.errors import (
    FinishedError,
    LimitError,
    MaskError,
    OptionError,
    StructgenError,
    TokenError,
    fields_named,
)
from structgen.base.json_text.events import Event, EventLog
from structgen.base.language import checks
from structgen.base.language.expectation import Expected
from structgen.machines.core.compiled import CompiledGrammar, State, line_and_column
from structgen.machines.machine_core.masks import fill_mask as _fill
from structgen.machines.machine_core.token_steps import take_token
from structgen.tokens.token_mask import TokenMask

_SHARED_LIMITS: Final = ("parser_states", "automaton_states")
"""The names of the limits on what all documents of one compiled grammar use together."""

T = TypeVar("T")


@fields_named("sg.Matcher(compiled)")
class Matcher:
    """One document that is being written: the present state, and the tokens and states before it.

    Different threads may use matchers of one compiled grammar at once, but one matcher only one at a time. A
    matcher takes 8 bytes for each token.
    """

    __slots__ = (
        "_address",
        "_alone_length",
        "_ends",
        "_events",
        "_index",
        "_renewed_length",
        "_states",
        "_tokens",
        "_words",
        "compiled",
    )

    def __init__(self, compiled: CompiledGrammar, state: State | None = None) -> None:
        """Begin at the start of a document, in `compiled.fresh()`, or at a `state` of `compiled`.

        Raises OptionError for a grammar that is not compiled, and for a state of another compiled grammar.
        """
        is_compiled = checks.InstanceCheck(
            CompiledGrammar, "Write sg.Matcher(sg.compile(grammar, tokenizer))."
        )
        is_compiled("compiled", compiled)
        if state is None:
            compiled = compiled.fresh()
        self.compiled = compiled
        self._renewed_length = self._alone_length = -1
        """The numbers of tokens that had been taken when the matcher last moved to a grammar compiled anew:
        to one that other documents share, and to one of its own. -1: never."""
        self._address = compiled.address
        self._words = compiled.vocabulary.words
        self._ends = compiled.end_tokens
        self._index = compiled.start.index if state is None else compiled.index_of(state)
        # `_states` always has one state more than there are tokens: the state before the first of them.
        self._states = array("i", (self._index,))
        self._tokens = array("i")
        self._events: EventLog | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what another process needs: the compiled grammar and the tokens, which it takes again."""
        if self._states[0] != self.compiled.start.index:
            raise OptionError(
                "A Matcher that began inside a document cannot be pickled: a State belongs to this process.",
                where="Matcher",
                cure="Send the compiled grammar and all tokens of the document, and advance by them there.",
            )
        return _restore_matcher, (self.compiled, self.tokens)

    @property
    def state(self) -> State:
        """The present state, as a value that never changes."""
        return State(self.compiled, self._index)

    @property
    def state_index(self) -> int:
        """The number of the present state in its compiled grammar."""
        return self._index

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens that were taken."""
        return tuple(self._tokens)

    @property
    def size(self) -> int:
        """The number of tokens that were taken."""
        return len(self._tokens)

    @property
    def is_complete(self) -> bool:
        """Whether the text so far is a document (an end token is then allowed)."""
        return self.compiled.accepts_end(self.state)

    @property
    def is_finished(self) -> bool:
        """Whether an end token was taken."""
        return self.compiled.finishes(self._index)

    def fill_mask(self, mask: TokenMask, row: int = 0, *, budget: int | None = None) -> None:
        """Write the mask of the present state to a row of `mask`.

        With a `budget` the mask has only tokens after which the document can still be completed within it (in
        tokens, the end token not counted). Raises FinishedError after an end token. Raises BudgetError, and
        leaves the mask as it is, where the budget completes no document. Cost: 0.3 us where the mask is
        known, else a few to tens of microseconds.
        """
        # A budget that is known to suffice takes nothing from the mask: then the plain mask is written.
        if budget is not None and not self.has_room(budget):
            self._ask_grammar(lambda compiled, index: compiled.fill_within(index, mask, row, budget))
            return
        try:
            # the common case: a mask of the right width, and mostly a state whose mask is known
            if mask.words == self._words and 0 <= row < mask.rows:
                target = mask.address + row * mask.stride
                if _fill(self._address, self._index, target) != 0:
                    self._ask_grammar(lambda compiled, index: compiled.compute(index, target))
                return
        except (AttributeError, TypeError):
            # The arguments are checked only after they have failed: checks cost as much as the copy.
            self.compiled.check_mask(mask)
            if not _is_whole(row):
                raise MaskError(
                    f"Rows must be whole numbers, got {row!r}.",
                    where="row",
                    cure="Pass a row's number, from 0.",
                ) from None
            raise
        self.compiled.check_mask(mask)
        self._ask_grammar(lambda compiled, index: compiled.fill_index(index, mask, row))

    def has_room(self, budget: int | None) -> bool:
        """Return whether a budget is known to take no token from the mask. None means no budget."""
        return budget is None or (
            type(budget) is int and self.compiled.sufficient_budgets.get(self._index, budget + 1) <= budget
        )

    def took(self, token: int, after: int) -> None:
        """Note a token that compiled code has taken, and the number of the state after it."""
        # The appends may raise for want of memory, and a signal may raise between them.
        try:
            self._tokens.append(token)
            self._states.append(after)
            self._index = after
        except BaseException:
            self._mend_history()
            raise

    def fill_known(self, mask: TokenMask, row: int) -> bool:
        """Write the mask of the present state to a row, if it is known; return whether it was written.

        It is not written where `mask` has another width. The row must be there. No lock is taken, and nothing
        is worked out. Cost: 0.3 us.
        """
        if mask.words != self._words:
            return False
        code: int = _fill(self._address, self._index, mask.address + row * mask.stride)
        return code == 0

    def advance(self, token: int) -> None:
        """Take a token.

        Raises TokenError where it is not allowed or is not a token id, FinishedError after an end token. The
        state is then unchanged.
        """
        compiled = self.compiled
        try:
            if 0 <= token < compiled.vocab_size and token not in compiled.end_tokens:
                # the common case, without the calls in between
                with compiled.lock:
                    after = take_token(self._address, self._index, token)
                if after >= 0:
                    # The array refuses a value that is not a whole number, before anything has changed.
                    self._tokens.append(token)
                    self._states.append(after)
                    self._index = after
                    return
            if not _is_whole(token):
                _raise_no_token(token)
            # an end token, a token with questions, or a refused one
            after = self._ask_grammar(lambda compiled, index: compiled.next_index(index, token))
            if after < 0:
                self._raise_refusal(token)
            self.took(token, after)
        except TypeError:
            if not _is_whole(token):
                _raise_no_token(token)
            raise
        except BaseException:
            self._mend_history()
            raise

    def _mend_history(self) -> None:
        """Make tokens, states and the present state agree again, after an exception has cut off a call."""
        count = min(len(self._tokens), len(self._states) - 1)
        del self._tokens[count:]
        del self._states[count + 1 :]
        self._index = self._states[-1]

    def _raise_refusal(self, token: int) -> None:
        """Raise the error of a token that the grammar does not allow now."""
        if self.is_finished:
            raise FinishedError(
                f"Token {token} follows the end of the document.",
                cure="Call rollback(), or create a new Matcher.",
            )
        text = self.compiled.tokenizer.token_bytes[token]
        raise TokenError(
            f"Token {token} ({text!r}) is not allowed after {len(self._tokens)} tokens.",
            where=self._place_of_fault(text),
            cure="matcher.expected() lists what is allowed.",
        )

    def _place_of_fault(self, token_text: bytes | None) -> str:
        """Return the line and column at which a token's text leaves the grammar, as words for a message.

        Empty for JSON, and where the matcher began inside a text. Cost: linear in the text.
        """
        compiled = self.compiled
        if compiled.has_events or self._states[0] != compiled.start.index:
            return ""
        token_bytes = compiled.tokenizer.token_bytes
        text = b"".join(token_bytes[token] or b"" for token in self._tokens if token not in self._ends)
        # The bytes of the token that the grammar still takes belong to the text before the fault.
        state: State | None = self.state
        for byte in token_text or b"":
            state = compiled.step_bytes(state, bytes((byte,))) if state is not None else None
            if state is None:
                break
            text += bytes((byte,))
        return "line {}, column {}".format(*line_and_column(text.decode("utf-8", "ignore")))

    def accepts(self, tokens: Iterable[int]) -> int:
        """Return how many of the tokens would be taken, one after the other. The matcher does not change.

        Raises TokenError for a value that is not a sequence of token ids.
        """
        return len(self.reached(tokens))

    def reached(self, tokens: Iterable[int]) -> list[int]:
        """Return the numbers of the states after each of the tokens that `accepts` counts."""
        # The tokens are read once: a grammar that is compiled anew midway asks for them again.
        token_ids = tuple(tokens) if isinstance(tokens, Iterable) else _raise_no_token(tokens)
        for token in token_ids:
            if not _is_whole(token):
                _raise_no_token(token)

        def states_after(compiled: CompiledGrammar, index: int) -> list[int]:
            states = list[int]()
            for token in token_ids:
                if (index := compiled.next_index(index, token)) < 0:
                    break
                states.append(index)
            return states

        return self._ask_grammar(states_after)

    def forced(self) -> bytes:
        """Return the bytes that must come next, whatever the model prefers; empty where the document may end.

        For example, they are `"name":` after `{` where that is the only key.
        """
        return self._ask_grammar(lambda compiled, index: compiled.forced(index))

    def expected(self) -> list[Expected]:
        """Return what may come next, in words, for messages (see CompiledGrammar.expected)."""
        return self._ask_grammar(lambda compiled, index: compiled.expected(State(compiled, index)))

    def events(self, since: int = 0) -> list[Event]:
        """Return what began and what closed in the tokens after the first `since`, in the order of the text.

        A numeral closes at the byte after it, or at the end token. Cost: nothing until the first call, then
        linear in the bytes that were not scanned before (a rollback has at most 31 tokens scanned again).
        Raises StructgenError where the matcher did not begin at the start of the document.
        """
        if isinstance(since, bool) or not _is_whole(since) or not 0 <= since <= len(self._tokens):
            raise StructgenError(
                f"Token {since!r} does not exist: {len(self._tokens)} were consumed.",
                where="since",
                cure="Pass the number of tokens at the last call of events.",
            )
        if not self.compiled.has_events:
            raise StructgenError(
                "Only JSON texts have events.", where="events", cure="Parse the text that was written."
            )
        if self._states[0] != self.compiled.start.index:
            raise StructgenError(
                "This matcher began inside a document, whose earlier text is not known to it.",
                where="events",
                cure="Use a matcher that began at compiled.start, or a fork of it.",
            )
        # An exception in the midst of reading must leave no log that is half read: then there is none.
        log = self._events or EventLog()
        self._events = None
        log.read_tokens(self._tokens, self.compiled.tokenizer.token_bytes, self._ends)
        self._events = log
        return log.events_since(since)

    def tokens_to_finish(self) -> int:
        """Return how many tokens complete the document: 0 where it is complete (see
        CompiledGrammar.tokens_to_finish)."""
        return self._ask_grammar(CompiledGrammar.cost)

    def budget_suffices(self, budget: int) -> bool:
        """Return whether a budget, in tokens, is known to take no token from the mask.

        Then the document can be completed within it whichever allowed token comes next. False where the mask
        is not known yet. Unlike tokens_to_finish it writes no completions. Cost: 0.1 us for a state that was
        asked for before, else some 20 us.
        """
        return self._ask_grammar(lambda compiled, index: compiled.budget_suffices(index, budget))

    def _ask_grammar(self, question: Callable[[CompiledGrammar, int], T]) -> T:
        """Return the answer of `question(compiled, number of the present state)`.

        Where a limit is met that other documents have used up, a grammar compiled anew answers.
        """
        while True:
            try:
                return question(self.compiled, self._index)
            except LimitError as error:
                if error.limit not in _SHARED_LIMITS or not self.renew():
                    raise

    def renew(self) -> bool:
        """Continue in a grammar compiled anew, after a limit was met; return whether that may help.

        First it is a grammar in which other documents begin, too. If they use that one up at the same token,
        it is one of this document's own. Cost: that of compiling, and of taking all tokens again.
        """
        compiled = self.compiled
        generation = compiled.generation
        length = len(self._tokens)
        # A matcher that began inside a document cannot take the tokens before its first state again. One that
        # has met the limit alone, at the same token, would meet it once more.
        began_inside = self._states[0] != compiled.start.index
        if began_inside or not generation.is_shared or self._alone_length == length:
            return False
        if self._renewed_length < length:
            self._renewed_length = length
            if self._goes_on_in(generation.after(compiled)):
                return True
        self._alone_length = length
        return self._goes_on_in(compiled.anew())

    def _goes_on_in(self, newer: CompiledGrammar) -> bool:
        """Take all tokens again in another grammar; return False where that meets a limit."""
        states = array("i", (newer.start.index,))
        try:
            for token in self._tokens:
                states.append(newer.next_index(states[-1], token))
        except LimitError:
            return False
        self._begin_in(newer, states)
        return True

    def _begin_in(self, newer: CompiledGrammar, states: array[int]) -> None:
        """Move to another grammar, in which the tokens lead through `states`."""
        address = newer.address
        index = states[-1]
        # In one line, and without a call: no signal comes between two of the assignments.
        self.compiled, self._address, self._states, self._index = newer, address, states, index

    def rollback(self, count: int) -> None:
        """Undo the last `count` tokens; an end token counts as one."""
        if isinstance(count, bool) or not _is_whole(count) or not 0 <= count <= len(self._tokens):
            raise StructgenError(
                f"{count!r} tokens cannot be undone: {len(self._tokens)} were consumed.",
                where="rollback",
                cure=f"Pass a whole number from 0 to {len(self._tokens)}.",
            )
        if count:
            # The log of events is put back last, so an exception leaves none that has too many events.
            log = self._events
            self._events = None
            try:
                del self._tokens[len(self._tokens) - count :]
                del self._states[len(self._states) - count :]
                self._index = self._states[-1]
            except BaseException:
                self._mend_history()
                raise
            if log is not None:
                log.truncate(len(self._tokens))
                self._events = log

    def fork(self) -> Matcher:
        """Return an independent matcher at the same place. Cost: a copy of the history."""
        twin = Matcher.__new__(Matcher)
        twin.compiled = self.compiled
        twin._address = self._address
        twin._words = self._words
        twin._ends = self._ends
        twin._index = self._index
        twin._states = self._states[:]
        twin._tokens = self._tokens[:]
        twin._renewed_length = self._renewed_length
        twin._alone_length = self._alone_length
        twin._events = None if self._events is None else self._events.copy()
        return twin

    def __copy__(self) -> Matcher:
        return self.fork()

    def __deepcopy__(self, memo: object) -> Matcher:
        return self.fork()

    def reset(self) -> None:
        """Go back to the first state, for another document."""
        self.rollback(len(self._tokens))
        compiled = self.compiled
        if self._index == compiled.start.index:
            newer = compiled.fresh()
            if newer is not compiled:
                self._begin_in(newer, array("i", (newer.start.index,)))
            self._renewed_length = self._alone_length = -1

    @property
    def nbytes(self) -> int:
        """The bytes of this matcher's own memory: its history, eight bytes a token. States are the
        grammar's."""
        return self.__sizeof__() + self._states.__sizeof__() + self._tokens.__sizeof__()

    def __repr__(self) -> str:
        return f"<Matcher after {len(self._tokens)} tokens of {self.compiled!r}>"


def _is_whole(value: Any) -> bool:
    """Return whether a value is a whole number of Python or numpy."""
    try:
        as_index(value)
    except TypeError:
        return False
    return True


def _raise_no_token(value: object) -> NoReturn:
    """Raise the error of a value that is not a token id."""
    raise TokenError(
        f"Token ids must be int, got {value!r:.60}.",
        where="token",
        cure="Use tokenizer.encode(text) for text.",
    )


def _restore_matcher(compiled: CompiledGrammar, tokens: tuple[int, ...]) -> Matcher:
    """Return a matcher that was pickled: it takes the tokens again."""
    matcher = Matcher(compiled)
    for token in tokens:
        matcher.advance(token)
    return matcher
