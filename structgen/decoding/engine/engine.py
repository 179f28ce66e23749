"""`Engine` writes texts with a model: it takes requests, and returns a result for each sample.

- A *request* (`sg.Request`) has a prompt, a grammar and options, and asks for `n` *samples*.
- A *text* (`Text`) is one sample that is being written. The *loop* (`Loop`) holds all texts in a queue, and
  brings the first of them on, a token in each *step*.
- A *handle* is the caller's view of one text: its characters so far, and in the end its `Result`.
- *Forced text* is text that the grammar leaves no choice about, such as `{"name": "` of a schema.
- A *border* is the end of the prompt, where the model writes the last tokens again (`Request.healing`).

`Engine._submit_checked` makes all that a text needs before its first token: the tokens of the prompt, the
compiled grammar, the drafters, the strategies. No thread is needed: a call that waits runs the loop itself.
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
from structgen.decoding.engine.draft_models import check_speculation, drafters_of
from structgen.decoding.engine.driver import Driver, event_of_handles, foreign_handle
from structgen.decoding.engine.forward_pass.gguf_models import gguf_file, gguf_tokenizer
from structgen.decoding.engine.loop import Loop
from structgen.decoding.engine.model_prompts import ModelPrompts, RequestTokens, check_budget
from structgen.decoding.engine.model_protocol import KeepsPrompts, Model, draft_support_of
from structgen.decoding.engine.models import given_model, load_model, tokenizer_of
from structgen.decoding.engine.requests import Handle, Request, Result, Sampling, Usage
from structgen.decoding.engine.searches.whole_values import compare_whole
from structgen.decoding.engine.special_texts import (
    special_texts,
    warn_of_special_texts,
    without_bytes,
)
from structgen.decoding.engine.strategies.strategy import Mixture, SearchStrategy
from structgen.decoding.engine.strategies.strategy_loading import strategies_of
from structgen.decoding.engine.text import DecidedText, PromptBorder, RequestStart, Text
from structgen.decoding.engine.thinking import closing_of
from structgen.decoding.engine.trace import Trace, text_page
from structgen.decoding.runs.resources import model_name
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
"""The number of grammars with options for forced text that are kept."""


class Engine:
    """A model, its tokenizer, and the texts that it writes. Several threads may use one engine.

    `model` is a name that `structgen models` lists, a folder or a GGUF file (`load_model`), or an object. The
    object is a causal model of transformers, or implements `Model`. A model of transformers is switched to
    evaluation, and stays on its device. An object needs `tokenizer`: an `sg.Tokenizer`, or anything that
    `sg.Tokenizer.from_huggingface` takes. The end tokens of a transformers model's generation_config count
    too. Raises OptionError for any other object.
    At most `max_rows` texts are written at the same time; the others wait. If more than `max_waiting` would
    wait, `submit` raises BusyError (None: any number may wait).
    `device` and `dtype` are torch's names, such as "cuda" and "bfloat16"; None: those that suit the model.
    Compiled grammars are kept for later requests. With the masks that they share they hold about
    `cache_bytes` at most. Beyond that the engine drops the grammars whose last use is longest ago.
    `kept_prompts` is the most bytes of keys and values that are kept of prompts and texts: a prompt that
    begins like an earlier one is read only from there on. None: an eighth of the free memory; 0: nothing. Of
    several engines of one model object, the last one decides it.
    `prefill_tokens` is how many tokens of prompts are read between two tokens of the other texts; None: as
    many as take some 0.15 s.
    `allow_specials` says whether the texts of prompts and messages may contain special tokens. It is safe
    only if you write all these texts yourself. By default only the chat template writes special tokens.
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
        kept_prompts: int | None = None,
        prefill_tokens: int | None = None,
        allow_specials: bool = False,
    ) -> None:
        self.cache_bytes = checks.check_whole("cache_bytes", cache_bytes, 0)
        max_rows = checks.check_whole("max_rows", max_rows, 1)
        max_texts = None
        if max_waiting is not None:
            max_texts = max_rows + checks.check_whole("max_waiting", max_waiting, 0)
        self.name = model_name(model) if isinstance(model, str | Path) else ""
        """The name or the folder of the model; "" if the caller gave a model object."""
        # A GGUF file has its own tokenizer. It is read here, once: the prompts need its chat template too.
        if isinstance(model, str | Path) and tokenizer is None and (file := gguf_file(model)) is not None:
            tokenizer = gguf_tokenizer(file)
        self._given_tokenizer = tokenizer
        self.prompts = ModelPrompts(
            self.name or getattr(model, "asked_as", ""),
            tokenizer,
            allow_specials=bool(checks.check_flag("allow_specials", allow_specials)),
        )
        """The maker of this model's prompts."""
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
        if prefill_tokens is not None:
            checks.check_whole("prefill_tokens", prefill_tokens, 1)
        if kept_prompts is not None:
            checks.check_whole("kept_prompts", kept_prompts, 0)
        if isinstance(self.model, KeepsPrompts):
            self.model.kept_prompts.limit_bytes(kept_prompts)
        self._loop = Loop(self.model, tokenizer, max_rows, prefill_tokens)
        self._driver = Driver(self._loop, max_texts)
        self._grammar_cache: dict[tuple[Grammar, str], CompiledGrammar] = {}
        """The compiled grammars by grammar and fingerprint of the tokenizer. The grammar whose last use is
        longest ago comes first."""
        self._policies = lru_cache(_MOST_POLICIES)(with_forced_text)
        """The function that returns a compiled grammar with options for forced text. It keeps its results:
        the grammar itself does not keep them."""
        self._lookup_count = 0
        """How often a compiled grammar was looked up."""
        self._cache_lock = threading.Lock()
        """The lock of `_grammar_cache`. No thread compiles while it holds the lock."""

    def __repr__(self) -> str:
        return f"<Engine of {self.name or type(self.model).__name__}, {self.max_rows} rows>"

    @options_named("engine.generate(sg.Request(prompt, grammar))", name="Engine.generate")
    def generate(self, requests: Request | Iterable[Request]) -> list[Result]:
        """Return the results of requests in their order, with all `n` samples of a request together.

        A request that cannot begin raises an error: no document fits its max_tokens, or its prompt is longer
        than the context. A later failure is the `error` of that result, and the other texts continue.
        """
        argument: Any = requests
        # A str is iterable, but it is not a list of requests: `submit` refuses it as a whole.
        is_one = isinstance(argument, str) or not isinstance(argument, Iterable)
        all_requests: list[Any] = [argument] if is_one else list(argument)
        handles: list[Handle] = []
        with _cancel_on_error(handles):
            for request in all_requests:
                handles += self.submit(request)
            self.drive(handles)
        return _results_of(handles)

    def stream(self, request: Request) -> Iterator[str]:
        """Yield the text of a request (n = 1) in pieces, as they are written. If the caller leaves its loop
        early, the text is cancelled."""
        (handle,) = self.submit(_check_single(request))
        yield from self.pieces(handle)
        _raise_error(handle)

    def pieces(self, handle: Handle) -> Generator[str, None, None]:
        """Yield the pieces of a submitted text, as they are written, until the text has a result. If the
        caller leaves its loop early, the text is cancelled."""
        yielded_size = 0
        try:
            while True:
                # The order of these lines matters: if the text is done now, `written` is whole afterwards.
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
        """Return the results of a request. Other requests may run meanwhile in the same batches. If this
        coroutine is cancelled, its texts are cancelled."""
        handles = await self.asubmit(request)
        with _cancel_on_error(handles):
            for handle in handles:
                await event_of_handles([handle], pieces=False).wait()
        return _results_of(handles)

    async def astream(self, request: Request) -> AsyncIterator[str]:
        """Yield the text of a request (n = 1) in pieces, as they are written. If the caller leaves its loop
        early, the text is cancelled."""
        (handle,) = await self.asubmit(_check_single(request))
        async with aclosing(self.apieces(handle)) as pieces:
            async for piece in pieces:
                yield piece
        _raise_error(handle)

    async def apieces(self, handle: Handle) -> AsyncGenerator[str, None]:
        """Yield the pieces of a submitted text, as `pieces` does. A caller that may leave its loop early
        closes the generator, for example with `contextlib.aclosing`."""
        self._driver.watch_handles([handle])
        event = event_of_handles([handle], pieces=True)
        yielded_size = 0
        try:
            while True:
                await event.wait()
                event.clear()
                # The order of these lines matters: characters that come between them set the event again.
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
        """Return a handle for each sample of a request, as `submit` does. The request is read in a thread.
        The engine's own thread then writes its texts, until they are done or cancelled. To follow them, use
        `Handle.listen` or `apieces`."""
        count = _check_request(request).n
        return await self._driver.submit_in_thread(count, lambda: self._submit_checked(request))

    def submit(self, request: Request) -> list[Handle]:
        """Return a handle for each sample of a request. The samples wait in the queue: `step`, or any call
        that waits for a result, writes them.

        Raises BudgetError if no document fits max_tokens; it names the least max_tokens. Raises BusyError if
        too many texts wait. Raises OptionError if the prompt does not fit the context, or if a draft model or
        a history belongs to another tokenizer.
        """
        count = _check_request(request).n
        self._driver.announce_texts(count)
        try:
            return self._submit_checked(request)
        finally:
            self._driver.confirm_texts(count)

    def _submit_checked(self, request: Request) -> list[Handle]:
        """Return the handles of a request whose type and place in the queue were checked. This reads the
        prompt, bounds max_tokens, compiles the grammar, and puts the texts into the loop."""
        reading = self.reading
        closing = None
        thought_limit = 0
        if request.thinking is not None:
            closing = closing_of(request.thinking, self.tokenizer, self._named_tokens)
            thought_limit = request.thinking.max_tokens + len(closing.tokens)
        read_prompt = reading.read_request(request, besides=thought_limit)
        if read_prompt.begun != request.begun:
            request = replace(request, begun=read_prompt.begun, continue_final_message=None)
        sampling, token_by_token = compare_whole(request, self.prompts)
        token_limit = reading.bound_tokens(request.max_tokens, len(read_prompt.tokens), thought_limit)
        began = time.perf_counter()
        compiled_grammar, prompt, border = self._forced_text(request, sampling, read_prompt.tokens)
        compile_seconds = 0.0 if compiled_grammar is None else time.perf_counter() - began
        start = RequestStart(
            request=request,
            text_sampling=sampling,
            token_limit=token_limit,
            prompt=prompt,
            tokenizer=self.tokenizer,
            grammar=compiled_grammar,
            shortest_length=_count_shortest(token_limit, compiled_grammar),
            border=border,
            closing=closing,
            specials=self.special_bytes if request.special_texts else {},
        )
        if sampling.strategy:
            start.strategies = strategies_of(start, reading, self.model, thought_limit)
        search = None if start.strategies is None else start.strategies.search
        why_less = "the strategy reads ahead itself"
        if request.drafts is None or search is None or search.is_once:
            start.drafts, why_less = self._draft_start(request, prompt, compiled_grammar)
        texts = []
        for sample in range(request.n):
            usage = Usage(len(prompt), outline=request.shortened or read_prompt.shortening)
            usage.choices = token_by_token
            usage.speculation = why_less
            usage.compile_seconds = compile_seconds if sample == 0 else 0.0
            drafts = None if start.drafts is None else request.drafts
            most_guesses = 0 if drafts is None else drafts.nodes
            texts.append(Text(start, DecidedText(Handle(request, sample), usage, most_guesses)))
        # All samples come at once: the first `prefill` then serves all of them (`Loop._read_prompts`).
        self._loop.add(texts)
        return [text.handle for text in texts]

    def _forced_text(
        self, request: Request, text_sampling: Sampling, prompt: list[int]
    ) -> tuple[CompiledGrammar | None, list[int], PromptBorder | None]:
        """Return the grammar, the prompt and the border of a request: the compiled grammar with the request's
        options for forced text (None: free text), the prompt's tokens that the model reads, and the border
        after these tokens (None: there is none). Raises OptionError, TokenizerError."""
        compiled_grammar = None
        grammar = request.grammar
        bans = check_bans(text_sampling.banned)
        if bans:
            grammar = without_banned_texts(grammar, bans)
        if grammar is not None:
            compiled_grammar = self.compiled(grammar, warns=not request.special_texts, bans=bans)
        prefix = request.begun.encode()
        # These strategies read further rows after the whole prompt. So the prompt is not cut at a border.
        reads_ahead = any(
            isinstance(strategy, Mixture | SearchStrategy) for strategy in text_sampling.strategies
        )
        # a grammar that the caller compiled belongs to the caller: the engine keeps nothing of it
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
        """Return the function that makes the drafters of one text, and a reason. The function is None if the
        texts have no drafters. The reason says why there are fewer drafters than the request asks for; "": as
        many. Raises OptionError for a history or a draft model of another tokenizer."""
        speculation = request.drafts
        if speculation is None:
            return None, ""
        # Only "auto" asks the model: a caller's own model may have no such attribute, or one that raises.
        if request.speculation == "auto" and not getattr(self.model, "drafts_pay", True):
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
        `warns` says whether there is a warning if the grammar spells a special token with other tokens.
        `bans` has the banned token ids. It may have banned texts too; they are skipped, since the grammar
        itself excludes them.

        Raises OptionError for a grammar that was compiled for another tokenizer.
        """
        if isinstance(grammar, CompiledGrammar):
            if grammar.tokenizer != self.tokenizer:
                raise OptionError(
                    f"The grammar was compiled for {grammar.tokenizer!r}, and the engine has "
                    f"{self.tokenizer!r}.",
                    where="grammar",
                    cure="Pass the grammar itself, or compile it for engine.tokenizer.",
                )
            return grammar
        tokenizer = without_tokens(self.tokenizer, bans) if bans else self.tokenizer
        key = grammar, tokenizer.fingerprint
        # The grammar is taken out here and put back below: so the dict keeps the order of the last uses.
        with self._cache_lock:
            compiled_grammar = self._grammar_cache.pop(key, None)
        is_new = compiled_grammar is None
        if compiled_grammar is None:
            if warns and isinstance(plain := grammar.innermost, TextGrammar):
                warn_of_special_texts(plain, self._named_tokens)
            compiled_grammar = compile(grammar, tokenizer)
        elif (newer := compiled_grammar.fresh()) is not compiled_grammar:
            # The tables of the grammar had grown to their limit. The kept policies refer to the old tables.
            self._policies.cache_clear()
            compiled_grammar = newer
        with self._cache_lock:
            self._grammar_cache[key] = compiled_grammar
            self._lookup_count += 1
        if is_new or self._lookup_count % MEASURED_EVERY == 0:  # grammars grow as texts are written
            self._let_go()
        return compiled_grammar

    def let_go_of(self, grammar: Grammar) -> None:
        """Drop the compiled form of a grammar, because no later request will use it."""
        with self._cache_lock:
            self._grammar_cache.pop((grammar, self.tokenizer.fingerprint), None)
        self._policies.cache_clear()

    @property
    def held_grammars(self) -> int:
        """The number of compiled grammars that are kept."""
        return len(self._grammar_cache)

    @property
    def held_bytes(self) -> int:
        """About how many bytes the kept compiled grammars and their shared masks take. Grammars count that
        the engine keeps, and those that a mask store keeps."""
        with self._cache_lock:
            grammars = set(self._grammar_cache.values())
        stores = {grammar.store for grammar in grammars}
        # a set: a grammar that is kept here and by its store counts once
        grammars.update(*(store.recent for store in stores))
        return sum(grammar.nbytes for grammar in grammars) + sum(store.nbytes for store in stores)

    def _let_go(self) -> None:
        """Drop compiled grammars until the kept ones hold at most `cache_bytes`. Grammars that only a mask
        store keeps go first, then those whose last use is longest ago."""
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
            # the last grammar stays, however large it is: the request that runs now uses it
            while excess > 0 and len(self._grammar_cache) > 1:
                oldest_key = next(iter(self._grammar_cache))
                excess -= self._grammar_cache.pop(oldest_key).nbytes

    @cached_property
    def specials(self) -> dict[str, int]:
        """The ids of the special tokens without bytes, by their texts."""
        return without_bytes(self._named_tokens, self.tokenizer)

    @cached_property
    def special_bytes(self) -> dict[int, bytes]:
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
        """Write one token of each text, or several if tokens were guessed. Returns whether there was a text
        to write."""
        return self._loop.step()

    def drive(self, handles: Sequence[Handle]) -> None:
        """Take steps until the texts of these handles are done. Raises OptionError for a handle of another
        engine."""
        for handle in handles:
            while not handle.is_done:
                self._bring_on(handle)

    def _bring_on(self, handle: Handle) -> None:
        """Take a step for a text that is not done. If the text was cancelled, end it without a step."""
        if handle.cancelled:
            self._loop.end_cancelled()
        # asked twice: another thread may have taken the last step of the text meanwhile
        if not handle.is_done and not self.step() and not handle.is_done:
            raise foreign_handle()

    def trace(self, result: Any, title: str = "A generation") -> Trace:
        """Return a page that shows how a text was written, token by token.

        `result` is a result of this engine, or an object that has one (`sg.run.detailed(...)`). `title`
        is the heading of the page. Raises OptionError for any other `result`.
        """
        plain_result = getattr(result, "result", result)
        if not isinstance(plain_result, Result):
            raise OptionError(
                f"{type(result).__name__} is not a result of an engine.",
                where="result",
                cure="Pass what engine.generate(...) or sg.run.detailed(engine, ...) returns.",
            )
        return Trace(text_page(plain_result, self.tokenizer, title))

    def close(self) -> None:
        """End the texts that event loops wait for, and stop the engine's threads. A later request starts new
        threads."""
        self._driver.close()
        self._loop.close()

    @property
    def reading(self) -> RequestTokens:
        """The reader of requests: it makes the tokens that the model reads."""
        sizes = self.model.vocab_size, self.model.context
        return RequestTokens(self.prompts, self.tokenizer, *sizes, self.compiled)

    def prompt_tokens(self, request: Request) -> list[int]:
        """Return the tokens of a request's prompt, in the form that the model needs. A prompt of token ids is
        returned unchanged. Raises OptionError for ids that the model does not have."""
        return self.reading.read_request(request).tokens


def _check_request(request: Any) -> Request:
    if not isinstance(request, Request):
        raise OptionError(
            f"A request must be an sg.Request, got {type(request).__name__}.",
            where="requests",
            cure="Write sg.Request(prompt, grammar); sg.run(model, prompt, type) takes a text.",
        )
    return request


def _count_shortest(token_limit: int, compiled_grammar: CompiledGrammar | None) -> int | None:
    """Return the length of the shortest text of a grammar, in tokens: 0 for free text. Return None if
    `token_limit` tokens surely suffice: then nobody counts. Raises BudgetError if they do not suffice."""
    if compiled_grammar is None:
        return 0
    matcher = Matcher(compiled_grammar)
    # Counting takes time, so it is done only if the bound might be too small.
    if matcher.budget_suffices(token_limit):
        return None
    shortest_length = matcher.tokens_to_finish()
    check_budget(token_limit, shortest_length)
    return shortest_length


def _check_single(request: Request) -> Request:
    if _check_request(request).n != 1:
        raise OptionError(
            "A stream has only one text.", where="n", cure="Submit the request, and listen to each handle."
        )
    return request


@contextmanager
def _cancel_on_error(handles: Sequence[Handle]) -> Iterator[None]:
    """Cancel these texts if the block raises: nobody waits for them any more."""
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
