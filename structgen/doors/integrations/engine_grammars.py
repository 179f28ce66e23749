"""Compiles the constraints of an engine's requests, and follows the text of each request.

A *constraint* is what a request asks for, as a member of its body, e.g. {"json": {"type": "object"}}. A
*text* here is an `EngineText`: the tokens that a request has written under its grammar.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from copy import copy
from typing import Any, Final, TypeVar

from structgen.asking.request_reading.grammar_forms import requested_grammar
from structgen.asking.request_reading.request_reader import OF_A_STRANGER, SERVED
from structgen.base.errors import BudgetError, OptionError, StructgenError
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.language.checks import check_whole
from structgen.base.limits import CACHE_BYTES
from structgen.decoding.engine.special_texts import special_texts, without_bytes
from structgen.decoding.speculation.planning.drafting import MEASURED_EVERY
from structgen.grammars.compilation.compiler import compile
from structgen.grammars.compilation.preloading import preload
from structgen.machines.core.batch import RowStatus, fill_masks
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.core.matcher import Matcher
from structgen.tokens.token_mask import TokenMask
from structgen.tokens.tokenizer import Tokenizer

MAX_KEPT_GRAMMARS: Final = 256
"""The most compiled grammars that are kept for one engine."""
SOON: Final = 0.003
"""The seconds that a new request waits for its grammar before the engine's scheduler gets the request. Most
grammars are compiled by then. For the others the scheduler asks again and again, and sleeps in between."""


K = TypeVar("K")
V = TypeVar("V")


class Recent(OrderedDict[K, V]):
    """A dict that keeps the entries that were set or read last, and drops the others. Not thread-safe."""

    def get(self, key: K, default: Any = None) -> Any:
        """Return an entry, and make it the newest one."""
        if key in self:
            self.move_to_end(key)
        return super().get(key, default)

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        while len(self) > MAX_KEPT_GRAMMARS:
            self.popitem(last=False)


class EngineGrammars:
    """The compiled grammars of an engine's requests, for one tokenizer. Thread-safe."""

    def __init__(self, tokenizer: Any, end_tokens: Sequence[int], vocab_size: int) -> None:
        """Read the engine's tokenizer. `end_tokens`: the tokens that end a text; without any, the tokenizer's
        own. `vocab_size`: the width of the model's logits. Raises TokenizerError if masks cannot be made for
        this tokenizer."""
        self.tokenizer = Tokenizer.from_huggingface(
            tokenizer, eos_token_id=sorted(end_tokens) or None, vocab_size=vocab_size
        )
        self._specials = without_bytes(special_texts("", tokenizer), self.tokenizer)
        self._futures: Recent[str, Future[CompiledGrammar]] = Recent()
        self._fixed_answers: dict[str, CompiledGrammar] = {}
        self._lock = threading.Lock()
        self._compilation_count = 0

    def preload_kinds(self) -> None:
        """Load the machine code that the first request of each kind of grammar needs (`sg.preload`)."""
        preload(tokenizer=self.tokenizer)

    def compile_constraint(self, constraint: JsonObject) -> CompiledGrammar:
        """Return the compiled grammar of a constraint. Requests that have the same constraint at the same
        time wait for one compilation. Raises StructgenError."""
        key = repr(constraint)
        with self._lock:
            if key in self._fixed_answers:
                return self._fixed_answers[key]
            making: Future[CompiledGrammar] | None = self._futures.get(key)
            is_ours = making is None
            if making is None:
                making = self._futures[key] = Future()
        if is_ours:
            self._compile_for_all(key, constraint, making)
        return making.result()

    def _compile_for_all(self, key: str, constraint: JsonObject, making: Future[CompiledGrammar]) -> None:
        """Compile a constraint for all requests that wait for the future `making`. An error is not cached.
        `key`: the constraint as text."""
        try:
            grammar = requested_grammar(constraint, None, {**SERVED, **OF_A_STRANGER}, self._specials)
            if grammar is None:
                raise OptionError(
                    "The request is for free text.", where="request", cure="Remove the constraint."
                )
            making.set_result(compile(grammar, self.tokenizer))
        except BaseException as error:
            with self._lock:
                self._futures.pop(key, None)
            making.set_exception(error)
            return
        with self._lock:
            self._compilation_count += 1
            # measuring all kept grammars takes half as long as compiling a plain schema, so it is done rarely
            if self._compilation_count % MEASURED_EVERY:
                return
            # The tables of most grammars have a megabyte, those of a deep schema a hundred. As much memory
            # again lies outside of the tables. They grow while texts are written. A grammar that is still
            # being compiled counts 0.
            sizes = [future.result().nbytes if future.done() else 0 for future in self._futures.values()]
            while len(sizes) > 1 and sum(sizes) > CACHE_BYTES:
                self._futures.popitem(last=False)
                del sizes[0]

    def answer_with(self, constraint: JsonObject, compiled_grammar: CompiledGrammar) -> None:
        """Use this grammar for a constraint until `release_held`, whatever the constraint asks for. This is
        for a program that makes its requests in the engine's own process. No server calls it, so no client
        can name a grammar in this way."""
        with self._lock:
            self._fixed_answers[repr(constraint)] = compiled_grammar

    def release_held(self) -> None:
        """Drop the grammars of `answer_with`."""
        with self._lock:
            self._fixed_answers.clear()

    def clear_grammars(self) -> None:
        """Drop all compiled grammars."""
        with self._lock:
            self._futures.clear()
            self._fixed_answers.clear()


class EngineText:
    """A text that an engine writes under a grammar, token by token. Drafted tokens can be taken back.

    `stops`: tokens at which the engine ends a text, in addition to the grammar's end tokens. They are allowed
    exactly where the text is complete. `reserve`: the number of tokens of thoughts that the engine may have
    taken without counting them yet.
    """

    def __init__(
        self, compiled_grammar: CompiledGrammar, stops: Sequence[int] = (), reserve: int = 0
    ) -> None:
        self.matcher, self.reserve = Matcher(compiled_grammar), reserve
        self.stops = tuple(sorted(set(stops) - set(compiled_grammar.end_tokens)))
        self.failure: StructgenError | None = None
        """Why a mask could not be filled; None if all could. After a failure the text takes no tokens."""
        self.must_fit = False
        """Whether the text fails if its first budget is below the fewest tokens that it needs. If False, the
        engine cuts such a text."""
        self._stop_count = self._thought_count = 0
        """The number of stops that were taken, and the number of the request's tokens that are thoughts."""

    @property
    def is_finished(self) -> bool:
        """Whether an end token or a stop was taken."""
        return bool(self._stop_count) or self.matcher.is_finished

    @property
    def size(self) -> int:
        """The number of tokens that the text has taken."""
        return self.matcher.size + self._stop_count

    def take_token(self, token: int) -> None:
        """Take a token. Raises the failure of its mask, TokenError, FinishedError."""
        if self.failure is not None:
            raise self.failure
        if token in self.stops and not self.is_finished and self.matcher.is_complete:
            self._stop_count = 1
        else:
            self.matcher.advance(token)

    def rollback(self, count: int) -> None:
        """Undo the last `count` tokens."""
        stop = min(self._stop_count, count)  # a stop comes last, and the matcher has not taken it
        self._stop_count -= stop
        if count > stop:
            self.matcher.rollback(count - stop)

    def reset(self) -> None:
        """Begin again."""
        self._stop_count = self._thought_count = 0
        self.failure = None
        self.matcher.reset()

    def remaining_budget(self, token_limit: int, written_count: int) -> int:
        """Return how many more tokens the text may take, without its end token. `token_limit`: the most
        tokens of the request. `written_count`: how many it has; drafted tokens, which the text has taken
        already, are not among them."""
        size = self.size
        self._thought_count = max(self._thought_count, written_count - size)
        return max(token_limit - 1 - self._thought_count - size - self.reserve, 0)

    def count_allowed(self, tokens: Sequence[int], budget: int | None = None) -> int:
        """Return how many of the tokens may come, one after the other. The text can then still be complete
        within `budget` tokens from here, the end token not counted."""
        if self.is_finished or self.failure is not None:
            return 0
        states = self.matcher.reached(tokens)
        compiled_grammar = self.matcher.compiled
        # if the text can be completed in time after the last token, it can be after all tokens before it
        while states and budget is not None and not compiled_grammar.finishes(states[-1]):
            remaining = budget - len(states)
            if compiled_grammar.cost(states[-1], remaining) <= remaining:
                break
            states.pop()
        return len(states)

    def fill_row(self, mask: TokenMask, row: int, budget: int | None = None) -> None:
        """Write the mask of the next token to a row of `mask`. `budget`: as in `count_allowed`.

        If the budget is less than the text needs, because thoughts took the tokens, the text becomes as short
        as possible, and the engine cuts it. If no mask can be filled, `failure` has the reason, and the row
        allows only an end token. A row without any token would harm the other texts of the batch: the
        probabilities of nothing are not numbers.
        """
        try:
            if self.failure is not None:
                raise self.failure
            try:
                self.matcher.fill_mask(mask, row, budget=budget)
            except BudgetError as error:
                if self.must_fit and not self.size + self._thought_count:
                    raise
                self.matcher.fill_mask(mask, row, budget=error.minimum)
            is_complete = bool(self.stops) and self.matcher.is_complete
            for token in self.stops:
                _set_token(mask, row, token, is_complete)
            if self.stops and not mask.array[row].any():
                raise OptionError(
                    "The grammar can only continue with a stop token, which would truncate the text.",
                    where="stop_token_ids",
                    cure="Remove it: a text ends where the grammar ends it.",
                )
        except StructgenError as error:
            self.failure = error
            allow_only(mask, row, self.matcher.compiled.end_tokens)

    def snapshot_text(self) -> EngineText:
        """Return a copy of the text as it is now, which later tokens do not change."""
        twin = copy(self)
        twin.matcher = self.matcher.fork()
        return twin


def fill_texts(
    texts: Sequence[EngineText],
    mask: TokenMask,
    rows: Sequence[int],
    budgets: Sequence[int | None],
) -> None:
    """Write the masks of many texts to their rows by one call of `fill_masks`. The result is that of
    `EngineText.fill_row` for each text. `rows`, `budgets`: the row and the budget of each text."""
    try:
        statuses = fill_masks([text.matcher for text in texts], mask, rows, budgets).tolist()
    except StructgenError:  # the error does not tell which text failed, so each is filled by itself
        statuses = [RowStatus.LIMIT] * len(texts)
    for text, row, budget, status in zip(texts, rows, budgets, statuses, strict=True):
        if status != RowStatus.CONSTRAINED or text.failure is not None or text.stops:
            text.fill_row(mask, row, budget)


def check_room(compiled_grammar: CompiledGrammar, token_limit: int, option: str) -> None:
    """Raise BudgetError if the shortest text and its end token take more than `token_limit` tokens. `option`:
    the engine's name of this bound, for messages. Raise OptionError if it is not a number of tokens."""
    token_limit = check_whole(option, token_limit, 0)
    min_tokens = compiled_grammar.cost(compiled_grammar.start.index, token_limit - 1)
    if min_tokens + 1 > token_limit:
        raise BudgetError(
            f"The shortest text needs {min_tokens:,} tokens and an end token; the limit is {token_limit:,}.",
            minimum=min_tokens,
            where=option,
            cure=f"Increase it to {min_tokens + 1:,} or more.",
        )


def allow_only(mask: TokenMask, row: int, tokens: Sequence[int] | frozenset[int]) -> None:
    """Allow some tokens in a row of a mask, and no others."""
    mask.array[row] = 0
    for token in tokens:
        _set_token(mask, row, token, True)


def _set_token(
    mask: TokenMask,
    row: int,
    token: int,
    is_allowed: bool,
) -> None:
    """Allow or forbid a token in a row of a mask, such as `_set_token(mask, 0, end, True)`."""
    word, bit = divmod(token, 32)
    flag = 1 << bit if bit < 31 else -(1 << 31)  # the words are signed, so bit 31 is the negative one
    if is_allowed:
        mask.array[row, word] |= flag
    else:
        mask.array[row, word] &= ~flag
