"""One sequence of a batch: what it begins with, its decided tokens, the state that follows, and how it ends.

Four things are decided and never taken back: the tokens of the thoughts (`thought`), the steps (`steps`), the
`error`, and the tokens that a search has chosen (`decided`). One assignment decides. All other state follows
from these and from the `SequenceStart`: the matcher, the characters, the logits, the cache. A restart is
another `TextSequence` of the same decided tokens. So an exception at any line loses nothing.
"""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from structgen.core.compiled import CompiledGrammar
from structgen.core.matcher import Matcher
from structgen.engine.choice import ChoiceRow
from structgen.engine.model_protocol import Model
from structgen.engine.requests import COMPLETE, FinishReason, Handle, Result, Step, Usage, fault_of
from structgen.engine.searches.branches import TextPlace
from structgen.engine.searches.prefix_rows import numbers
from structgen.engine.searches.search_run import SearchRun
from structgen.engine.strategies.repetitions import OpenRun
from structgen.engine.strategies.second_rows import SecondRow
from structgen.engine.strategies.strategy import Decision, SearchStrategy
from structgen.engine.strategies.text_strategies import RowLaw, told
from structgen.engine.thinking import ThoughtPhase
from structgen.engine.verified_draft import Guesses
from structgen.errors import StructgenError, ValidatorError
from structgen.monitors.monitored_text import MonitoredText
from structgen.speculation.drafts.drafter import DraftContext
from structgen.speculation.planning.drafting import Drafting
from structgen.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class PromptBorder:
    """The bytes at the end of a prompt that are written again (`core.forced_text`)."""

    size: int
    """How many bytes; the text begins behind them."""
    half: bytes
    """The beginning of a character at the end of the prompt, which a free text may complete."""
    is_free: bool
    """Whether free text follows."""


NO_BORDER = PromptBorder(0, b"", False)


@dataclass(frozen=True, slots=True)
class SequenceStart:
    """What is known of a text before its first token. It outlives a restart."""

    handle: Handle
    prompt: list[int]
    tokenizer: Tokenizer
    grammar: CompiledGrammar | None
    """None: free text. Behind a border that is free text, the grammar of the border alone."""
    least: int | None
    """The length of the shortest text, in tokens (None: not counted yet)."""
    thoughts: Callable[[Matcher | None], ThoughtPhase] | None
    """Returns the thoughts before a document, which hold its matcher; None: there are none."""
    drafting: Callable[[], Drafting] | None
    """Makes the drafters; None: there are none."""
    border: PromptBorder
    specials: Mapping[int, bytes]
    """What the text has for tokens without bytes."""
    law: Callable[[], RowLaw] | None
    """Makes the state of the strategies; None: there are none."""
    began: float = field(default_factory=time.monotonic)


@dataclass(slots=True, eq=False)
class TextSequence:
    """One sequence. Made of tokens that are decided, it stands after them, and the model has read nothing.

    Cost: taking all tokens, some microseconds each. Raises whatever the machines and strategies raise.
    """

    start: SequenceStart
    usage: Usage
    thought: list[int] = field(default_factory=list)
    """The tokens of the thoughts so far."""
    steps: list[Step] = field(default_factory=list)
    error: StructgenError | None = None
    decided: tuple[int, Decision] | None = None
    """The last decision of its search, and the number of tokens before it."""
    most_guesses: int = 0
    """The most nodes of a draft."""
    handle: Handle = field(init=False)
    """What the caller holds of the text."""
    kind: Hashable = field(init=False)
    """The kind of its drafts, whatever its text."""
    ran: float = field(init=False, default=0.0)
    """Seconds of the forward pass before the next token."""
    filled: float = field(init=False, default=0.0)
    """Seconds of filling the masks of that batch."""
    least: int | None = field(init=False)
    """The length of the shortest completion, in tokens (None: not counted yet)."""
    cache: Any = field(init=False, default=None)
    logits: Tensor | None = field(init=False, default=None)
    """The logits after the prompt, while `place` is -1."""
    place: int = field(init=False, default=-1)
    """The sequence's row in the logits of the last step."""
    line: int = field(init=False, default=0)
    """The sequence's first row of the batch's masks."""
    drafting: Drafting | None = field(init=False, default=None)
    """The drafters, once a draft was asked for."""
    guesses: Guesses | None = field(init=False, default=None)
    """The draft that is being verified."""
    observed: int = field(init=False, default=0)
    """How many tokens of the text the drafters have received."""
    phase: ThoughtPhase | None = field(init=False, default=None)
    """The thoughts, until they are closed; they hold the matcher until then."""
    thoughts: str = field(init=False, default="")
    """The text of closed thoughts."""
    matcher: Matcher | None = field(init=False)
    last: int = field(init=False, default=0)
    """The token that the model reads next."""
    tokens: list[int] = field(init=False, default_factory=list)
    """The tokens of the text, without an end token."""
    row: ChoiceRow = field(init=False)
    search: SearchRun | None = field(init=False, default=None)
    """A decision of its search under way; the sequence waits for it."""
    run: OpenRun | None = field(init=False, default=None)
    """What repeats itself at the end of the text; None: nothing is closed."""
    decoder: codecs.IncrementalDecoder = field(init=False)
    text: str = field(init=False, default="")
    sure: int = field(init=False, default=0)
    """How many characters cannot be part of a stop string any more."""
    stop: FinishReason | None = field(init=False, default=None)
    _border_left: int = field(init=False)
    _half: bytes = field(init=False)

    def __post_init__(self) -> None:
        start, request, compiled = self.start, self.start.handle.request, self.compiled
        self.handle = start.handle
        self.kind = None if request.drafts is None else request.drafts.kind
        self.least = start.least
        self.matcher = None if compiled is None else Matcher(compiled)
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._border_left, self._half = start.border.size, start.border.half
        how = request.chosen_by
        ends = start.tokenizer.eos_token_ids
        self.row = ChoiceRow(how, start.handle.sample, 0, start.prompt, self.tokens, ends)
        is_searched = any(isinstance(one, SearchStrategy) for one in how.strategies)
        if how.repetition is not None and request.grammar is not None and not is_searched:
            self.run = OpenRun(how.repetition, request.schema, request.most_tokens)
        if start.thoughts is not None:
            self.phase, self.matcher = start.thoughts(self.matcher), None
        else:
            self._make_law()
        for token in self.thought:
            assert self.phase is not None
            self.phase.forced()
            self.phase.take(token, request.most_tokens)
            self._follow_thought(token)
        for step in self.steps:
            if self.matcher is not None:
                self.matcher.advance(step.token)
            self._follow(step)
        if self.matcher is not None and self.steps:
            self.least = None

    def restarted(self) -> TextSequence:
        """Return the sequence as it is after its decided tokens, with nothing read. Where that fails, it is
        this one, which has the error."""
        try:
            return TextSequence(
                self.start,
                self.usage,
                self.thought,
                self.steps,
                self.error,
                self.decided,
                self.most_guesses,
            )
        except Exception as error:  # any error of a machine: the other sequences continue
            self.error = self.error or fault_of(error, "The text could not be read again")
            return self

    def begin_drafting(self) -> Drafting | None:
        """Return the drafters, told of all tokens so far; None if there are none. Cost: the first time, the
        drafters read the prompt; later, the tokens that are new to them."""
        if self.drafting is None and self.start.drafting is not None:
            try:
                drafting = self.start.drafting()
            except Exception as error:  # any error of a drafter: the sequence continues without drafts
                self.forgo_drafts(f"no drafter could be made: {type(error).__name__}: {error}")
                return None
            self.observed = 0
            self.drafting = drafting
        self.observe()
        return self.drafting

    def forgo_drafts(self, why: str) -> None:
        """Stop drafting; `why` goes into the usage."""
        if self.most_guesses:
            self.most_guesses = 0
            self.usage.speculation = f"no more drafts: {why}"

    def observe(self) -> None:
        """Tell the drafters the tokens that are new to them."""
        if self.drafting is None:
            return
        taken = self.written[self.observed :]
        if taken:
            self.drafting.observe(taken, 0 if self.guesses is None else self.guesses.count)
            self.observed += len(taken)

    def _end_drafting(self, reason: FinishReason) -> None:
        """Close the drafters. Remember a complete answer, if the request asks for it."""
        if self.drafting is not None:
            self.observe()
            self.drafting.end()
            dropped = [f"{name} was dropped: {why}" for name, why in self.drafting.dropped.items()]
            self.usage.speculation = "; ".join([*filter(None, [self.usage.speculation]), *dropped])
            self.drafting = None
        how = self.handle.request.drafts
        compiled = None if self.handle.request.grammar is None else self.start.grammar
        if how is not None and how.history is not None and compiled is not None and reason in COMPLETE:
            try:
                how.history.add(how.tenant, compiled.grammar.fingerprint, [step.token for step in self.steps])
            except Exception as error:  # the answer is complete all the same
                self.usage.speculation = f"the answer could not be remembered: {error}"

    def view(self, ends: frozenset[int]) -> DraftContext:
        """Return the drafters' view of the sequence. `ends`: the end tokens."""
        # the engine has checked that prompt, thoughts and max_tokens fit into the context together
        return DraftContext(self.written, self.matcher, self._left, ends)

    def go_on(self) -> bool:
        """If the last token was a guess, go to its node. Returns whether the next token can be chosen there
        without a forward pass."""
        guesses = self.guesses
        if guesses is None:
            return False
        token = self.steps[-1].token if self.phase is None and self.steps else self.last
        if not guesses.holds(token):
            return False
        if self.drafting is not None:
            names = self.drafting.sources(token)
            for name in names:
                self.usage.accepted[name] = self.usage.accepted.get(name, 0) + 1
            if self.steps:
                self.steps[-1].drafter = ", ".join(names)
        if not guesses.follow(token, self.matcher, self.phase):
            return False
        self.place = self.line = guesses.row
        self.ran = self.filled = 0.0
        return True

    @property
    def compiled(self) -> CompiledGrammar | None:
        """The compiled grammar for a restart; None: free text."""
        compiled = self.start.grammar
        return None if compiled is None else compiled.generation.newest(compiled)

    @property
    def is_begun(self) -> bool:
        """Whether any token is decided."""
        return bool(self.steps or self.thought)

    @property
    def room(self) -> int:
        """The token budget of the rest of the document: the tokens left; or the shortest completion, if at
        most `end_margin` tokens would be spare."""
        if self.least is None:
            assert self.matcher is not None, "free text needs no tokens"
            self.least = self.matcher.tokens_to_finish()
        return self._left if self._left - self.least > self.handle.request.end_margin else self.least

    @property
    def spare(self) -> int:
        """Tokens of which the rest of the document may use all, and `room` is still all that are left."""
        return self._left - self.handle.request.end_margin - 1

    @property
    def _left(self) -> int:
        return self.handle.request.most_tokens - len(self.tokens)

    @property
    def written(self) -> list[int]:
        """The tokens of thoughts and text."""
        return [*self.thought, *self.tokens] if self.thought else self.tokens

    @property
    def read(self) -> list[int]:
        """All tokens that the model must have read before the next choice."""
        return [*self.start.prompt, *self.written]

    def think(self, token: int) -> None:
        """Decide a token of the thoughts. If it closes them, the document begins."""
        self.thought.append(token)
        self._follow_thought(token)

    def _follow_thought(self, token: int) -> None:
        phase = self.phase
        assert phase is not None
        self.last = token
        self.row.position += 1
        self.handle.think(phase.told)
        if phase.is_over:
            self.matcher, self.phase, self.thoughts = phase.matcher, None, phase.thoughts
            if self.matcher is not None:
                self.least = self.matcher.tokens_to_finish()
            self._make_law()
            self._write(phase.rest)

    def _make_law(self) -> None:
        """Make the state of the strategies."""
        if self.start.law is not None:
            self.row.law = self.start.law()
            self.row.law.decision = self.decided

    def take(self, step: Step) -> None:
        """Decide a step, whose token the matcher has taken."""
        if self.row.law is not None:
            step.state = self.row.law.noted(step.token)
        self.steps.append(step)
        self._follow(step)

    def _follow(self, step: Step) -> None:
        """Append the token's characters to the text, and note whether the text ends."""
        if self.row.law is not None:
            self.row.law.follow(step.token, step.state, self.matcher)
        if step.closed and self.run is not None and self.run.is_long:
            self.run.count_closing()
        if step.token in self.start.tokenizer.eos_token_ids:
            self.stop = FinishReason.STOP
        else:
            self.tokens.append(step.token)
            self.last = step.token
            self.row.position += 1
            written = self.start.tokenizer.token_bytes[step.token]
            self._write(self._behind_border(written or self.start.specials.get(step.token, b"")))
        if self.stop is not None:
            if self.matcher is not None and any(one.steered for one in self.steps):
                self.stop = FinishReason.STEERED
            elif self.matcher is not None and any(one.closed for one in self.steps):
                self.stop = FinishReason.REPETITION
        elif self._left <= 0:
            # with a grammar the document is complete, though the end token was not chosen
            is_free = self.handle.request.grammar is None
            self.stop = FinishReason.MAX_TOKENS if is_free else FinishReason.STEERED

    def _behind_border(self, written: bytes) -> bytes:
        """Return the bytes of a token that belong to the text. Behind the border a free text has no
        matcher; if it completes the prompt's last character, it has the whole character."""
        if self.start.border is NO_BORDER:
            return written
        cut = min(self._border_left, len(written))
        self._border_left -= cut
        if self.start.border.is_free and not self._border_left:
            self.matcher = None
        written = written[cut:]
        if not written:
            return written
        half, self._half = self._half, b""
        return half + written if written[0] & 0xC0 == 0x80 else written

    def _write(self, written: bytes) -> None:
        """Append characters to the text, and find stop strings."""
        before, stops, held = len(self.text), self.handle.request.stops, 0
        self.text += self.decoder.decode(written)
        if self.run is not None:
            self.run.write(written)
        if stops:
            held = max(map(len, stops)) - 1  # so many of the last characters may begin a stop string
            start = max(before - held, 0)
            ends = [at for at in (self.text.find(stop, start) for stop in stops) if at >= 0]
            if ends:
                self.text, self.stop = self.text[: min(ends)], FinishReason.STOP
        self.sure = len(self.text) if self.stop is not None else max(len(self.text) - held, self.sure)

    def tell(self) -> None:
        """Tell listeners the characters that cannot change any more. Raises StructgenError if a listener
        fails."""
        if self.sure > len(self.handle.written):
            self.handle.tell(self.text[: self.sure])

    @property
    def second(self) -> SecondRow | None:
        """The second row that is read beside the text."""
        return None if self.row.law is None else self.row.law.second

    def release_strategy(self) -> None:
        """Let go of the cache of the second row, and of what a search holds."""
        if self.second is not None:
            self.second.cache = None
        if self.search is not None:
            self.search.close()
            self.search = None

    @property
    def has_search_due(self) -> bool:
        """Whether a search has to decide the next token."""
        return self.phase is None and self.row.law is not None and self.row.law.is_due

    def begin_search(self, model: Model, logits: Tensor) -> SearchRun:
        """Return a new decision of the search, from the logits after the last token."""
        law = self.row.law
        assert law is not None
        assert law.search is not None
        written = self.text.encode("utf-8", "surrogatepass") + self.decoder.getstate()[0]
        place = TextPlace(
            self.handle.request,
            self.handle.sample,
            [*self.start.prompt, *self.thought],
            list(self.tokens),
            written,
            self.matcher,
            numbers(logits),
            self.start.tokenizer,
            self.cache,
        )
        return SearchRun(law.search, law.held, place, model, logits)

    def decide(self, decision: Decision) -> None:
        """Take the decision of the search."""
        self.decided = len(self.tokens), decision
        if self.row.law is not None:
            self.row.law.decision = self.decided

    def reason(self) -> FinishReason | None:
        """Return why the sequence ends here; None if it continues."""
        if self.error is not None:
            return FinishReason.ERROR
        if self.stop is not None:
            return self.stop
        if self.handle.cancelled:
            return FinishReason.CANCELLED
        timeout = self.handle.request.timeout
        if timeout is not None and time.monotonic() - self.start.began > timeout:
            self.error = StructgenError(
                f"The text was not complete after {timeout} s.", where="timeout", cure="Allow more time."
            )
            return FinishReason.ERROR
        return None

    def _value(self, reason: FinishReason) -> Any:
        """Return what the text stands for: itself, where it is no complete JSON document, or one that Python
        cannot read (an integer of more than 4,300 digits)."""
        if self.start.grammar is None or reason not in COMPLETE:
            return self.text
        read: Callable[[str], Any] | None = getattr(self.handle.request.grammar, "reader", None)
        try:
            if read is not None:
                return read(self.text)
            return self.start.grammar.value(self.text.encode("utf-8", "surrogatepass"))
        except ValidatorError as error:
            self.error = error
            return None
        except (ValueError, RecursionError):
            return self.text

    def finish(self, reason: FinishReason) -> None:
        """Hand out the result. May be called again after an interrupt."""
        self.text += self.decoder.decode(b"", True) if self.stop is None else ""
        self.usage.tokens, self.usage.thought_tokens = len(self.tokens), len(self.thought)
        if self.cache is not None:
            second = None if self.second is None else self.second.cache
            self.usage.cache_bytes = sum(int(one.nbytes) for one in (self.cache, second) if one is not None)
        self._end_drafting(reason)
        self.usage.closed = tuple(dict.fromkeys(step.closed for step in self.steps if step.closed))
        self.usage.strategy = told(self.row.sampling.strategies, [step.state for step in self.steps])
        if self.matcher is not None and isinstance(self.matcher.compiled, MonitoredText):
            self.usage.monitors = self.matcher.compiled.uses(self.matcher)
        self.release_strategy()
        self.cache = self.logits = self.guesses = None
        value = self._value(reason)
        self.handle.finish(
            Result(
                self.text,
                reason,
                self.tokens,
                self.steps,
                self.usage,
                self.handle.sample,
                self.error,
                value,
                self.thoughts if self.phase is None else self.phase.thoughts,
            )
        )
