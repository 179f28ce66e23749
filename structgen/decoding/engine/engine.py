"""`Engine`, the API of the loop: requests become texts in a queue; the calls that wait run the loop.

What comes in: an `sg.Request`. `Engine._submit_checked` makes the values that a text needs before its first
token: the tokens of the prompt, the compiled grammar, the drafters, the strategies. It puts a `Text` for each
sample into the loop. What goes out: a `Handle` for each sample, and a `Result` at the end of each.
"""

from __future__ import annotations

import threading
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import aclosing, contextmanager
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

from structgen.base.errors import OptionError, options_named
from structgen.base.language import checks
from structgen.base.limits import CACHE_BYTES
from structgen.base.system.resources import model_name
from structgen.decoding.engine.draft_models import check_speculation, drafters_of
from structgen.decoding.engine.driver import Driver, event_of_handles, foreign_handle
from structgen.decoding.engine.forward_pass.gguf_models import gguf_file, gguf_tokenizer
from structgen.decoding.engine.loop import Loop
from structgen.decoding.engine.model_prompts import ModelPrompts, RequestTokens, check_budget
from structgen.decoding.engine.model_protocol import Model, draft_support_of
from structgen.decoding.engine.models import given_model, load_model, tokenizer_of
from structgen.decoding.engine.requests import Handle, Request, Result, Usage
from structgen.decoding.engine.searches.whole_values import compare_whole
from structgen.decoding.engine.special_texts import special_texts, warn_of_special_texts, without_bytes
from structgen.decoding.engine.strategies.strategy import Mixture, SearchStrategy
from structgen.decoding.engine.strategies.strategy_loading import strategies_of
from structgen.decoding.engine.text import DecidedText, PromptBorder, RequestStart, Text
from structgen.decoding.engine.thinking import closing_of
from structgen.decoding.engine.trace import Trace, text_page
from structgen.decoding.speculation.drafts.drafter import RequestFacts
from structgen.decoding.speculation.planning.drafting import MEASURED_EVERY, Drafting
from structgen.grammars.compilation.compiler import compile
from structgen.grammars.compilation.request_bans import check_bans, without_banned_texts, without_tokens
from structgen.grammars.text_grammars.text_grammar import TextGrammar
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.core.forced_text import AnyText, half_character, prompt_border, with_forced_text
from structgen.machines.core.grammar import Grammar
from structgen.machines.core.matcher import Matcher
from structgen.tokens.tokenizer import Tokenizer

_MOST_POLICIES: Final = 256
"""Policies for forced text that are kept."""


class Engine:
    """A model, its tokenizer, and the texts that it writes. Several threads may use one engine.

    `model` is a name that `structgen models` lists, a folder or a GGUF file (`load_model`), or an object: a
    causal model of transformers (it is switched to evaluation, and stays on its device), or anything that
    implements `Model`. An object needs `tokenizer`: an `sg.Tokenizer`, or anything that
    `sg.Tokenizer.from_huggingface` takes. The end tokens of a transformers model's generation_config count
    too. Raises OptionError for any other object.
    At most `max_rows` texts are written at the same time; the others wait. Where more than `max_waiting`
    would wait, `submit` raises BusyError (None: any number may).
    Compiled grammars are kept for later requests. With the masks that they share they hold at most
    `cache_bytes`, about: past it the grammars go whose last use is longest ago.
    `allow_specials`: whether the texts of prompts and messages may write special tokens: right where
    you write all of them yourself. By default only the marks of the chat template do.
    """

    @options_named(
        'sg.Engine("structgen/extract"), or sg.Engine(model, tokenizer)',
        dict.fromkeys(("max_batch", "max_batch_size", "batch_size"), "Write max_rows="),
        "sg.Engine",
    )
    def __init__(
        self,
        model: str | Path | Model | Any,
        tokenizer: Tokenizer | Any | None = None,
        *,
        max_rows: int = 32,
        max_waiting: int | None = None,
        device: str | None = None,
        dtype: str | None = None,
        cache_bytes: int = CACHE_BYTES,
        allow_specials: bool = False,
    ) -> None:
        self.cache_bytes = checks.check_whole("cache_bytes", cache_bytes, 0)
        max_rows = checks.check_whole("max_rows", max_rows, 1)
        max_texts = None
        if max_waiting is not None:
            max_texts = max_rows + checks.check_whole("max_waiting", max_waiting, 0)
        self.name = model_name(model) if isinstance(model, str | Path) else ""
        """The name or the folder of the model; "" for one that was handed over."""
        # A GGUF file has its own tokenizer. It is read here, once: the prompts need its chat template too.
        if isinstance(model, str | Path) and tokenizer is None and (file := gguf_file(model)) is not None:
            tokenizer = gguf_tokenizer(file)
        self._given_tokenizer = tokenizer
        self.prompts = ModelPrompts(
            self.name or getattr(model, "asked_as", ""),
            tokenizer,
            allow_specials=bool(checks.check_flag("allow_specials", allow_specials)),
        )
        """How the model is asked."""
        self.model: Model
        if isinstance(model, str | Path):
            given_tokenizer = None if tokenizer is None else tokenizer_of(tokenizer)
            self.model, tokenizer = load_model(model, device=device, dtype=dtype, tokenizer=given_tokenizer)
        else:
            self.model, tokenizer = given_model(model, tokenizer, device=device, dtype=dtype)
        if tokenizer.vocab_size > self.model.vocab_size:
            raise OptionError(
                f"The tokenizer has {tokenizer.vocab_size:,} tokens, the model {self.model.vocab_size:,}.",
                where="tokenizer",
                cure="Use the model's own tokenizer.",
            )
        self.tokenizer = tokenizer
        self.max_rows = max_rows
        self._loop = Loop(self.model, tokenizer, max_rows)
        self._driver = Driver(self._loop, max_texts)
        self._grammar_cache: dict[tuple[Grammar, str], CompiledGrammar] = {}
        """The compiled grammars by grammar and fingerprint of the tokenizer. The grammar whose last use is
        longest ago comes first."""
        self._policies = lru_cache(_MOST_POLICIES)(with_forced_text)
        """Makes compiled grammars with options for forced text. It keeps them, as no grammar does."""
        self._lookup_count = 0
        """How often a compiled grammar was looked up."""
        self._cache_lock = threading.Lock()
        """Guards `_grammar_cache`. No thread compiles under it."""

    def __repr__(self) -> str:
        return f"<Engine of {self.name or type(self.model).__name__}, {self.max_rows} rows>"

    @options_named("engine.generate(sg.Request(prompt, grammar))", name="Engine.generate")
    def generate(self, requests: Request | Iterable[Request]) -> list[Result]:
        """Return the results of requests, in order, the `n` samples of each one after another.

        A request that cannot be begun (max_tokens that no document fits, a prompt longer than the context)
        raises; what goes wrong later is its result's `error`, and the others go on.
        """
        argument: Any = requests
        # A text is iterable, and no request: `submit` says so, and not of its first character.
        is_one = isinstance(argument, str) or not isinstance(argument, Iterable)
        all_requests: list[Any] = [argument] if is_one else list(argument)
        handles: list[Handle] = []
        with _cancel_on_error(handles):
            for request in all_requests:
                handles += self.submit(request)
            self.drive(handles)
        return _results_of(handles)

    def stream(self, request: Request) -> Iterator[str]:
        """Yield the text of a request (n = 1) in pieces, as it comes; leaving the loop cancels it."""
        (handle,) = self.submit(_check_single(request))
        yield from self.pieces(handle)
        _raise_error(handle)

    def pieces(self, handle: Handle) -> Generator[str, None, None]:
        """Yield a text that was submitted in pieces, as it comes, until it has a result; leaving the loop
        cancels it."""
        yielded_size = 0
        try:
            while True:
                # In this order: a text that is done now is whole in the next line.
                is_done = handle.is_done
                text = handle.written
                if len(text) > yielded_size:
                    piece = text[yielded_size:]
                    yielded_size = len(text)
                    yield piece
                elif is_done:
                    break
                else:
                    self._bring_on(handle)
        finally:
            handle.cancel()
            self.drive([handle])

    async def agenerate(self, request: Request) -> list[Result]:
        """Return the results of a request; others may run meanwhile, in the same batches. Cancelling it
        cancels its texts."""
        handles = await self.asubmit(request)
        with _cancel_on_error(handles):
            for handle in handles:
                await event_of_handles([handle], pieces=False).wait()
        return _results_of(handles)

    async def astream(self, request: Request) -> AsyncIterator[str]:
        """Yield the text of a request (n = 1) in pieces, as it comes; leaving the loop cancels it."""
        (handle,) = await self.asubmit(_check_single(request))
        async with aclosing(self.apieces(handle)) as pieces:
            async for piece in pieces:
                yield piece
        _raise_error(handle)

    async def apieces(self, handle: Handle) -> AsyncGenerator[str, None]:
        """Yield a text that was submitted in pieces, as `pieces` does; whoever leaves the loop closes it
        (`contextlib.aclosing`)."""
        self._driver.watch_handles([handle])
        event = event_of_handles([handle], pieces=True)
        yielded_size = 0
        try:
            while True:
                await event.wait()
                event.clear()
                # read in this order: what comes between the two wakes again
                is_over = handle.result is not None
                text = handle.written
                if len(text) > yielded_size:
                    piece = text[yielded_size:]
                    yielded_size = len(text)
                    yield piece
                if is_over:
                    break
        finally:
            handle.cancel()

    async def asubmit(self, request: Request) -> list[Handle]:
        """Return the handles of `submit`. The request is read in a thread, and the engine's own thread brings
        its texts on, until they are done or cancelled: listen to them (`Handle.listen`, `apieces`)."""
        count = _check_request(request).n
        return await self._driver.submit_in_thread(count, lambda: self._submit_checked(request))

    def submit(self, request: Request) -> list[Handle]:
        """Return a handle for each sample of a request, which waits for its turn. Whoever drives the engine
        (`step`, or any call that waits) brings it on.

        Raises BudgetError, with the least max_tokens, where no document fits; BusyError where too many texts
        wait; OptionError where the prompt does not fit the context, and where a draft model or a history is
        of another tokenizer.
        """
        count = _check_request(request).n
        self._driver.announce_texts(count)
        try:
            return self._submit_checked(request)
        finally:
            self._driver.confirm_texts(count)

    def _submit_checked(self, request: Request) -> list[Handle]:
        """Return the handles of a request that was checked: read, bounded, compiled, and put into the
        loop."""
        reading = self.reading
        token_by_token = ""
        closing = None
        thought_limit = 0
        if request.thinking is not None:
            closing = closing_of(request.thinking, self.tokenizer, self._named_tokens)
            thought_limit = request.thinking.max_tokens + len(closing.tokens)
        read_prompt = reading.read_request(request, besides=thought_limit)
        if read_prompt.question.turn is not None:
            request = replace(request, begun=read_prompt.question.begun, continue_final_message=None)
        if not self.prompts.is_embedded:  # the embedded models write token by token
            request, token_by_token = compare_whole(request, self.prompts)
        # behind `compare_whole`, which may change the request, and before the grammar, which needs max_tokens
        request = reading.bound_tokens(request, len(read_prompt.tokens), thought_limit)
        began = time.perf_counter()
        compiled_grammar, prompt, border = self._forced_text(request, read_prompt.tokens)
        compile_seconds = 0.0 if compiled_grammar is None else time.perf_counter() - began
        shortest_length = _count_shortest(request, compiled_grammar)
        strategies = None
        if request.chosen_by.strategy:
            strategies = strategies_of(request, prompt, reading, self.model, thought_limit)
        search = None if strategies is None else strategies.search
        if request.drafts is not None and search is not None and not search.is_once:
            drafts, why_less = None, "the strategy reads ahead itself"
        else:
            drafts, why_less = self._draft_start(request, prompt, compiled_grammar)
        start = RequestStart(
            request=request,
            prompt=prompt,
            tokenizer=self.tokenizer,
            grammar=compiled_grammar,
            shortest_length=shortest_length,
            border=border,
            closing=closing,
            drafts=drafts,
            specials=self._special_bytes if request.special_texts else {},
            strategies=strategies,
        )
        texts = []
        for sample in range(request.n):
            usage = Usage(len(prompt), outline=request.shortened or read_prompt.shortening)
            usage.choices = token_by_token
            usage.speculation = why_less
            usage.compile_seconds = compile_seconds if sample == 0 else 0.0
            most_guesses = request.drafts.nodes if drafts is not None and request.drafts is not None else 0
            texts.append(Text(start, DecidedText(Handle(request, sample), usage, most_guesses)))
        # All samples come at once: the first `prefill` then serves all of them (`Loop._read_prompts`).
        self._loop.add(texts)
        return [text.handle for text in texts]

    def _forced_text(
        self, request: Request, prompt: list[int]
    ) -> tuple[CompiledGrammar | None, list[int], PromptBorder | None]:
        """Return the compiled grammar of a request with its options for forced text, the tokens of its prompt
        that the model reads, and the border behind them, if any. Raises OptionError, TokenizerError."""
        compiled_grammar = None
        grammar = request.grammar
        bans = check_bans(request.chosen_by.banned)
        if bans:
            grammar = without_banned_texts(grammar, bans)
        if grammar is not None:
            compiled_grammar = self.compiled(grammar, warns=not request.special_texts, bans=bans)
        prefix = request.begun.encode()
        # These strategies read rows of their own behind the prompt as it is: it is not cut at a border.
        reads_ahead = any(
            isinstance(strategy, Mixture | SearchStrategy) for strategy in request.chosen_by.strategies
        )
        # one that was handed over compiled is its owner's alone
        policies = with_forced_text if isinstance(grammar, CompiledGrammar) else self._policies
        if not request.healing and (not prefix or reads_ahead):
            if compiled_grammar is not None and (request.canonical or prefix):
                compiled_grammar = policies(compiled_grammar, canonical=request.canonical, prefix=prefix)
            return compiled_grammar, prompt, None
        is_free = compiled_grammar is None
        if compiled_grammar is None:
            compiled_grammar = self._any_text
        # The model reads the first tokens of the prompt, and writes the last ones, the border, again.
        kept_count = len(prompt) - prompt_border(compiled_grammar, prompt, prefix)
        border_bytes = self.tokenizer.decode(prompt[kept_count:])
        policy = policies(compiled_grammar, canonical=request.canonical, border=border_bytes, prefix=prefix)
        half = half_character(self.tokenizer, prompt) if is_free and not prefix else b""
        border = PromptBorder(len(border_bytes), half, is_free)
        return None if is_free and not border_bytes else policy, prompt[:kept_count], border

    def _draft_start(
        self, request: Request, prompt: list[int], compiled_grammar: CompiledGrammar | None
    ) -> tuple[Callable[[], Drafting] | None, str]:
        """Return the function that makes the drafters of a text (None: it has none), and why there are fewer
        than the request asks for. Raises OptionError for a history or a draft model of another tokenizer."""
        speculation = request.drafts
        is_too_fast = not getattr(self.model, "drafts_pay", True)
        if speculation is None or (request.speculation == "auto" and is_too_fast):
            return None, ""
        check_speculation(speculation, self.tokenizer)
        support = draft_support_of(self.model)
        if support.shape == "none":
            return None, support.reason
        # the fingerprint of a large schema takes time, and only a history asks for it
        schema = ""
        if speculation.history is not None and request.grammar is not None and compiled_grammar is not None:
            schema = compiled_grammar.grammar.fingerprint
        facts = RequestFacts(prompt, self.tokenizer, speculation.edit.encode(), schema, speculation.tenant)
        chain = speculation.chain or support.shape == "chain"

        # a function: each text has drafters of its own, and a text that waits has none yet
        def make_drafting() -> Drafting:
            return Drafting(drafters_of(speculation, self.tokenizer, request.n), facts, chain=chain)

        return make_drafting, support.reason

    def compiled(
        self, grammar: Grammar | CompiledGrammar, *, warns: bool = True, bans: Sequence[int | str] = ()
    ) -> CompiledGrammar:
        """Return a grammar compiled for this engine's tokenizer, which is kept for later requests.
        `warns`: whether a warning tells of special tokens that it spells in others. `bans`: banned token ids;
        banned texts among them are skipped, as the grammar itself has them.

        Raises OptionError for one that was compiled for another tokenizer.
        """
        if isinstance(grammar, CompiledGrammar):
            if grammar.tokenizer != self.tokenizer:
                raise OptionError(
                    f"It was compiled for {grammar.tokenizer!r}, and the engine has {self.tokenizer!r}.",
                    where="grammar",
                    cure="Give the grammar itself, or compile it for engine.tokenizer.",
                )
            return grammar
        tokenizer = without_tokens(self.tokenizer, bans) if bans else self.tokenizer
        key = grammar, tokenizer.fingerprint
        # taken out here and put back below: so the grammars stand in the order of their last uses
        with self._cache_lock:
            compiled_grammar = self._grammar_cache.pop(key, None)
        is_new = compiled_grammar is None
        if compiled_grammar is None:
            if warns and isinstance(plain := grammar.innermost, TextGrammar):
                warn_of_special_texts(plain, self._named_tokens)
            compiled_grammar = compile(grammar, tokenizer)
        elif (newer := compiled_grammar.fresh()) is not compiled_grammar:
            # its tables had grown to their limit; the policies hold the old ones
            self._policies.cache_clear()
            compiled_grammar = newer
        with self._cache_lock:
            self._grammar_cache[key] = compiled_grammar
            self._lookup_count += 1
        if is_new or self._lookup_count % MEASURED_EVERY == 0:  # grammars grow as texts are written
            self._let_go()
        return compiled_grammar

    def let_go_of(self, grammar: Grammar) -> None:
        """Keep the compiled form of a grammar no longer: no later request has it."""
        with self._cache_lock:
            self._grammar_cache.pop((grammar, self.tokenizer.fingerprint), None)
        self._policies.cache_clear()

    @property
    def held_grammars(self) -> int:
        """The number of compiled grammars that are kept."""
        return len(self._grammar_cache)

    @property
    def held_bytes(self) -> int:
        """The bytes, about, of the compiled grammars that are kept, here or by their mask stores, and of the
        masks that they share."""
        with self._cache_lock:
            grammars = set(self._grammar_cache.values())
        stores = {grammar.store for grammar in grammars}
        # a set: a grammar that is kept here and by its store counts once
        grammars.update(*(store.recent for store in stores))
        return sum(grammar.nbytes for grammar in grammars) + sum(store.nbytes for store in stores)

    def _let_go(self) -> None:
        """Drop the compiled grammars whose last use is longest ago while all hold too much; first the
        grammars that only the mask stores keep."""
        if self.held_bytes <= self.cache_bytes:
            return
        self._policies.cache_clear()
        with self._cache_lock:
            stores = {compiled_grammar.store for compiled_grammar in self._grammar_cache.values()}
        for store in stores:
            store.let_go()
        # counted before the lock is taken: `held_bytes` takes it too
        excess = self.held_bytes - self.cache_bytes
        with self._cache_lock:
            # the last one stays, however large: the request that runs now has it
            while excess > 0 and len(self._grammar_cache) > 1:
                oldest_key = next(iter(self._grammar_cache))
                excess -= self._grammar_cache.pop(oldest_key).nbytes

    @cached_property
    def specials(self) -> dict[str, int]:
        """The ids of the special tokens without bytes, by their texts."""
        return without_bytes(self._named_tokens, self.tokenizer)

    @cached_property
    def _special_bytes(self) -> dict[int, bytes]:
        """The texts of the special tokens without bytes, by their ids."""
        return {token: text.encode() for text, token in self.specials.items()}

    @cached_property
    def _named_tokens(self) -> dict[str, int]:
        return special_texts(self.name, self._given_tokenizer)

    @cached_property
    def _any_text(self) -> AnyText:
        return AnyText(self.tokenizer)

    @property
    def count(self) -> int:
        """The number of texts that are being written or wait."""
        return self._loop.count

    def step(self) -> bool:
        """Bring every text on by one token or, where tokens were guessed, by several. Returns whether
        there was anything to do."""
        return self._loop.step()

    def drive(self, handles: Sequence[Handle]) -> None:
        """Take steps until these are done. Raises OptionError where they are none of this engine's."""
        for handle in handles:
            while not handle.is_done:
                self._bring_on(handle)

    def _bring_on(self, handle: Handle) -> None:
        """Take a step for a text that is not done; end it where it was cancelled, without one."""
        if handle.cancelled:
            self._loop.end_cancelled()
        # asked twice: another thread may have taken the last step of the text meanwhile
        if not handle.is_done and not self.step() and not handle.is_done:
            raise foreign_handle()

    def trace(self, result: Any, title: str = "A generation") -> Trace:
        """Return the page that shows how a text came to be, token by token. `result`: one of this engine, or
        what has one (`sg.run.detailed(...)`). Raises OptionError for anything else."""
        plain_result = getattr(result, "result", result)
        if not isinstance(plain_result, Result):
            raise OptionError(
                f"A {type(result).__name__} is no result of an engine.",
                where="result",
                cure="Pass what engine.generate(...) or sg.run.detailed(engine, ...) returns.",
            )
        return Trace(text_page(plain_result, self.tokenizer, title))

    def close(self) -> None:
        """End the texts that event loops wait for, and let go of the engine's threads; a later request starts
        others."""
        self._driver.close()
        self._loop.close()

    @property
    def reading(self) -> RequestTokens:
        """How the model reads requests."""
        sizes = self.model.vocab_size, self.model.context
        return RequestTokens(self.prompts, self.tokenizer, *sizes, self.compiled)

    def prompt_tokens(self, request: Request) -> list[int]:
        """Return the tokens that the model reads of a request: its prompt in the form that the model
        needs, or the ids that were given. Raises OptionError for ids that are none of the model's."""
        return self.reading.read_request(request).tokens


def _check_request(request: Any) -> Request:
    if not isinstance(request, Request):
        raise OptionError(
            f"A {type(request).__name__} is not a request.",
            where="requests",
            cure="Write sg.Request(prompt, grammar); sg.run(model, prompt, type) takes a text.",
        )
    return request


def _count_shortest(request: Request, compiled_grammar: CompiledGrammar | None) -> int | None:
    """Return the length of the shortest text of a request, in tokens: 0 for free text; None where it is not
    counted, as max_tokens surely suffice. Raises BudgetError where they do not."""
    if compiled_grammar is None:
        return 0
    matcher = Matcher(compiled_grammar)
    # counted only where the bound might be too small: that takes time
    if matcher.budget_suffices(request.most_tokens):
        return None
    shortest_length = matcher.tokens_to_finish()
    check_budget(request, shortest_length)
    return shortest_length


def _check_single(request: Request) -> Request:
    if _check_request(request).n != 1:
        raise OptionError("A stream is of one text.", where="n", cure="Submit, and listen to each handle.")
    return request


@contextmanager
def _cancel_on_error(handles: Sequence[Handle]) -> Iterator[None]:
    """Cancel texts where a block is cut off: nobody waits for them any more."""
    try:
        yield
    except BaseException:
        for handle in handles:
            handle.cancel()
        raise


def _results_of(handles: Sequence[Handle]) -> list[Result]:
    return [handle.result for handle in handles if handle.result is not None]


def _raise_error(handle: Handle) -> None:
    if handle.result is not None and handle.result.error is not None:
        raise handle.result.error
