"""The constraints of an engine's requests, compiled; and the text that one of them writes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from copy import copy
from typing import Any, Final, TypeVar

from structgen.asking.request_reading.grammar_forms import requested_grammar
from structgen.asking.request_reading.request_reader import OF_A_STRANGER, SERVED
from structgen.base.errors import BudgetError, OptionError, StructgenError
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
"""Grammars that an engine's own tables keep."""
SOON: Final = 0.003
"""Seconds that a new request waits for its grammar before the engine's scheduler is given it. Most are
compiled by then; the scheduler asks for the others again and again, and sleeps in between."""


K = TypeVar("K")
V = TypeVar("V")


class Recent(OrderedDict[K, V]):
    """A dict of the last entries that were set or got; the others are let go. Not for several threads."""

    def get(self, key: K, default: Any = None) -> Any:
        """Return an entry, which is then the last one."""
        if key in self:
            self.move_to_end(key)
        return super().get(key, default)

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        while len(self) > MAX_KEPT_GRAMMARS:
            self.popitem(last=False)


class EngineGrammars:
    """The grammars of an engine's requests for one tokenizer. Used by several threads at once."""

    def __init__(self, tokenizer: Any, end_tokens: Sequence[int], vocab_size: int) -> None:
        """Read the tokenizer, with these end tokens (none: its own), for a model `vocab_size` wide. Raises
        TokenizerError where it cannot serve for masks."""
        self.tokenizer = Tokenizer.from_huggingface(
            tokenizer, eos_token_id=sorted(end_tokens) or None, vocab_size=vocab_size
        )
        self._specials = without_bytes(special_texts("", tokenizer), self.tokenizer)
        self._futures: Recent[str, Future[CompiledGrammar]] = Recent()
        self._fixed_answers: dict[str, CompiledGrammar] = {}
        self._lock = threading.Lock()
        self._compilation_count = 0

    def preload_kinds(self) -> None:
        """Load the machine code for the first request of each kind ahead (`sg.preload`)."""
        preload(tokenizer=self.tokenizer)

    def compile_constraint(self, constraint: Mapping[str, Any]) -> CompiledGrammar:
        """Return the compiled grammar of a constraint, which is written as the member of a request. Requests
        with the same constraint at the same time wait for one compilation. Raises StructgenError."""
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

    def _compile_for_all(
        self, key: str, constraint: Mapping[str, Any], making: Future[CompiledGrammar]
    ) -> None:
        """Compile a constraint for all requests that wait for it. A refusal is not kept."""
        try:
            grammar = requested_grammar(constraint, None, {**SERVED, **OF_A_STRANGER}, self._specials)
            if grammar is None:
                raise OptionError("It asks for free text.", where="request", cure="Leave the constraint out.")
            making.set_result(compile(grammar, self.tokenizer))
        except BaseException as error:
            with self._lock:
                self._futures.pop(key, None)
            making.set_exception(error)
            return
        with self._lock:
            self._compilation_count += 1
            # a sum asks all that are kept, which takes as long as half of a plain schema's compilation
            if self._compilation_count % MEASURED_EVERY:
                return
            # Most tables have a megabyte, one of a deep schema a hundred; as much again lies outside of them.
            # They grow as texts are written; what is being compiled has no size yet.
            sizes = [future.result().nbytes if future.done() else 0 for future in self._futures.values()]
            while len(sizes) > 1 and sum(sizes) > CACHE_BYTES:
                self._futures.popitem(last=False)
                del sizes[0]

    def answer_with(self, constraint: Mapping[str, Any], compiled_grammar: CompiledGrammar) -> None:
        """Answer a constraint with this grammar until `release_held`, whatever it says: for a program that
        makes its requests in the engine's own process. No server calls it, so no request names a grammar
        there."""
        with self._lock:
            self._fixed_answers[repr(constraint)] = compiled_grammar

    def release_held(self) -> None:
        """Let go of the grammars that are held."""
        with self._lock:
            self._fixed_answers.clear()

    def clear_grammars(self) -> None:
        """Let go of all compiled grammars."""
        with self._lock:
            self._futures.clear()
            self._fixed_answers.clear()


class EngineText:
    """A text that an engine writes under a grammar, token by token; drafted tokens are taken back again.

    `stops` are tokens at which the engine ends a text besides the grammar's end tokens: they may come exactly
    where the text is complete. `reserve`: tokens of thoughts that the request may have without showing them
    yet.
    """

    def __init__(
        self, compiled_grammar: CompiledGrammar, stops: Sequence[int] = (), reserve: int = 0
    ) -> None:
        self.matcher, self.reserve = Matcher(compiled_grammar), reserve
        self.stops = tuple(sorted(set(stops) - set(compiled_grammar.end_tokens)))
        self.failure: StructgenError | None = None
        """Why no mask could be filled. The text takes no token any more."""
        self.must_fit = False
        """Whether the text fails where its first budget is below the least, instead of being cut."""
        self._stop_count = self._thought_count = 0
        """Stops taken; tokens of the request that are none of the text's: its thoughts."""

    @property
    def is_finished(self) -> bool:
        """Whether an end token or a stop was taken."""
        return bool(self._stop_count) or self.matcher.is_finished

    @property
    def size(self) -> int:
        """The tokens taken."""
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
        stop = min(self._stop_count, count)  # a stop comes last, and is no token of the matcher
        self._stop_count -= stop
        if count > stop:
            self.matcher.rollback(count - stop)

    def reset(self) -> None:
        """Begin again."""
        self._stop_count = self._thought_count = 0
        self.failure = None
        self.matcher.reset()

    def remaining_budget(self, max_tokens: int, written_count: int) -> int:
        """Return the budget of the text, the end token not counted, in a request that may have `max_tokens`
        tokens, and has `written_count`. Drafted tokens are taken by the text, and are not yet the
        request's."""
        size = self.size
        self._thought_count = max(self._thought_count, written_count - size)
        return max(max_tokens - 1 - self._thought_count - size - self.reserve, 0)

    def count_allowed(self, tokens: Sequence[int], budget: int | None = None) -> int:
        """Return how many of the tokens may come, one after the other. The text can then still be complete
        within `budget` tokens from here, the end token not counted."""
        if self.is_finished or self.failure is not None:
            return 0
        states = self.matcher.reached(tokens)
        compiled_grammar = self.matcher.compiled
        # if the last of them leaves room for the rest, all before it do
        while states and budget is not None and not compiled_grammar.finishes(states[-1]):
            remaining = budget - len(states)
            if compiled_grammar.cost(states[-1], remaining) <= remaining:
                break
            states.pop()
        return len(states)

    def fill_row(self, mask: TokenMask, row: int, budget: int | None = None) -> None:
        """Write the mask of the next token to a row; `budget` as in `count_allowed`. A budget below the least
        (thoughts took the tokens) is that least: the text is as short as may be, and the engine cuts it.

        Where no mask can be filled, `failure` says why, and the row has an end token alone. A row without a
        token would harm the other texts of the batch (the mean of nothing is no number).
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
                    "The grammar goes on with a stop token alone, at which the text would be cut off.",
                    where="stop_token_ids",
                    cure="Leave it out: a text ends where the grammar ends it.",
                )
        except StructgenError as error:
            self.failure = error
            allow_only(mask, row, self.matcher.compiled.end_tokens)

    def snapshot_text(self) -> EngineText:
        """Return the text as it is now, whatever it takes afterwards."""
        twin = copy(self)
        twin.matcher = self.matcher.fork()
        return twin


def fill_texts(
    texts: Sequence[EngineText],
    mask: TokenMask,
    rows: Sequence[int],
    budgets: Sequence[int | None],
) -> None:
    """Write the masks of many texts to their rows by one call (`fill_masks`), each as `EngineText.fill_row`
    does."""
    try:
        statuses = fill_masks([text.matcher for text in texts], mask, rows, budgets).tolist()
    except StructgenError:  # one without a status: each text by itself finds out whose it is
        statuses = [RowStatus.LIMIT] * len(texts)
    for text, row, budget, status in zip(texts, rows, budgets, statuses, strict=True):
        if status != RowStatus.CONSTRAINED or text.failure is not None or text.stops:
            text.fill_row(mask, row, budget)


def check_room(compiled_grammar: CompiledGrammar, max_tokens: int, option: str) -> None:
    """Raise BudgetError where the shortest text and its end token take more than `max_tokens` tokens, which
    the engine's `option` says. Raise OptionError where that is no number of tokens."""
    max_tokens = check_whole(option, max_tokens, 0)
    min_tokens = compiled_grammar.cost(compiled_grammar.start.index, max_tokens - 1)
    if min_tokens + 1 > max_tokens:
        raise BudgetError(
            f"The shortest text takes {min_tokens:,} tokens and an end token, and {max_tokens:,} are "
            "allowed.",
            minimum=min_tokens,
            where=option,
            cure=f"Allow {min_tokens + 1:,} or more.",
        )


def allow_only(mask: TokenMask, row: int, tokens: Sequence[int] | frozenset[int]) -> None:
    """Allow some tokens in a row, and no other."""
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
    flag = 1 << bit if bit < 31 else -(1 << 31)  # the words are signed
    if is_allowed:
        mask.array[row, word] |= flag
    else:
        mask.array[row, word] &= ~flag
