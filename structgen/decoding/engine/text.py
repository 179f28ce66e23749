"""One text of a batch, while it is being written: `Text(start, decided_text)`.

`Text.take_step` decides a token, and `Text.end_reason` returns why the text ends.

- A *decision* is never taken back: a token of the thoughts, a `Step`, an error, or the choice of a search.
  A `DecidedText` holds the decisions; one assignment makes a decision.
- *Thoughts* are free text that a model writes before the document, such as `<think>...</think>`.
- A *step* is one token of the text with the figures of its choice.
- A *run* is a repetition at the end of the text, such as `no, no, no, `; a long run is closed.
- A *restart* makes a new `Text` after an interrupted step.

All other state follows from the `DecidedText` and the `RequestStart`: the matcher, the characters, the
logits, the cache. So a restart needs only these two, and an exception at any line loses nothing.
"""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import Tensor

from structgen.base.errors import StructgenError, ValidatorError
from structgen.decoding.engine.choice import (
    Choice,
    ChoiceRow,
    Words,
    choose_tokens,
    list_candidates,
    words_of,
)
from structgen.decoding.engine.requests import (
    COMPLETE,
    FinishReason,
    Handle,
    Request,
    Result,
    Sampling,
    Step,
    Usage,
    fault_of,
)
from structgen.decoding.engine.strategies.repetitions import LAST_STAGE, OpenRun, ends_numeral
from structgen.decoding.engine.strategies.text_strategies import RequestStrategies
from structgen.decoding.engine.text_drafts import Guesses
from structgen.decoding.engine.thinking import ThoughtClosing, ThoughtPhase, forbid_tokens
from structgen.decoding.speculation.planning.drafting import Drafting
from structgen.machines.core.batch import allow_all
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.core.grammar import ValueReader
from structgen.machines.core.matcher import Matcher
from structgen.tokens.token_mask import TokenMask, allocate_mask
from structgen.tokens.tokenizer import Tokenizer

LogitsOf: TypeAlias = Callable[["Text"], Tensor]
"""A function that returns the model's logits after a text: a tensor [V], a number for each token."""
Edit: TypeAlias = Callable[[Sequence["Text"], LogitsOf], Sequence["Text"]]
"""A function of a strategy or a search that the loop calls before each choice.

It gets the texts that are about to choose, and may change the logits that they draw from (`ChoiceRow.law`).
It returns the texts that choose now: a search may hold its text back. If it fails for one text, it sets that
text's `DecidedText.error`."""


@dataclass(frozen=True, slots=True)
class PromptBorder:
    """The bytes at the end of a prompt that the model writes again (`core.forced_text`). So one token may
    cross the end of the prompt."""

    size: int
    """The number of these bytes; the text begins after them."""
    half: bytes
    """The first bytes of an incomplete character at the end of the prompt; a free text may complete it."""
    is_free: bool
    """Whether free text follows the border; otherwise the grammar goes on."""


@dataclass(slots=True)
class RequestStart:
    """The values that the texts of a request have before their first token. They outlive a restart."""

    request: Request
    text_sampling: Sampling
    """The sampling of the texts, with the search that compares listed values as a whole."""
    token_limit: int
    """The bound on the tokens of a text."""
    prompt: list[int]
    tokenizer: Tokenizer
    grammar: CompiledGrammar | None
    """The compiled grammar; None: free text. If free text follows a border, this is the grammar of the
    border alone."""
    shortest_length: int | None
    """The length of the shortest text of the grammar, in tokens; None: not counted yet."""
    border: PromptBorder | None
    closing: ThoughtClosing | None
    """The tokens and the text that close the thoughts before a document; None: there are no thoughts."""
    drafts: Callable[[], Drafting] | None = None
    """The function that makes the drafters of a text; None: the texts have no drafters."""
    specials: Mapping[int, bytes] = field(default_factory=dict)
    """The texts of special tokens, which have no bytes, by token id."""
    strategies: RequestStrategies | None = None
    began: float = field(default_factory=time.monotonic)


@dataclass(slots=True, eq=False)
class DecidedText:
    """The decisions of one text, which are never taken back."""

    handle: Handle
    """The object with which the caller follows the text."""
    usage: Usage
    most_guesses: int
    """The largest number of guessed tokens in a draft."""
    thought: list[int] = field(default_factory=list)
    """The tokens of the thoughts so far."""
    steps: list[Step] = field(default_factory=list)
    error: StructgenError | None = None
    decision: Any = None
    """The last decision of the text's search, with the number of tokens before that decision; None: no
    decision yet."""


class Text:
    """A text that is being written. A new object is at the end of its decided tokens, but the model has read
    none of them yet.

    Raises whatever the machines and strategies raise. Cost of a new object: a few microseconds for each
    decided token.
    """

    def __init__(self, start: RequestStart, decided_text: DecidedText) -> None:
        request = start.request
        self.start = start
        self.decided_text = decided_text
        # The next four fields are the objects of the decided text itself, not copies.
        self.handle = decided_text.handle
        self.steps = decided_text.steps
        self.thought = decided_text.thought
        self.usage = decided_text.usage
        self.max_tokens = start.token_limit
        self.stops = request.stops
        self.shortest_length = start.shortest_length
        """The length of the shortest completion, in tokens (None: not counted yet)."""
        self.tokens: list[int] = []
        """The tokens of the text, without an end token."""
        self.last = 0
        """The token that the model reads next."""
        self.text = request.begun
        self.sure = len(self.text)
        """The number of characters at the beginning that cannot be part of a stop string any more."""
        self.stop: FinishReason | None = None
        self.stopped_by = ""
        """The stop string that ended the text; "": none."""
        # The decoder is incremental, because a token may end inside of a character.
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._border_left = 0 if start.border is None else start.border.size
        """The number of bytes of the prompt that are still to be written again."""
        self._half = b"" if start.border is None else start.border.half
        # The next fields are the model's state after the text.
        self.cache: Any = None
        self.logits: Tensor | None = None
        """The logits after the prompt, while `logit_row` is -1."""
        self.logit_row = self.mask_row = -1
        """The text's rows in the logits of the last step, and in the masks of the batch; -1: it has none."""
        self.model_seconds = self.mask_seconds = 0.0
        """The seconds of the forward pass before the next token, and of filling the masks of that batch."""
        # The next fields come from the options and strategies of the request.
        ends = (*start.tokenizer.eos_token_ids, *request.stop_tokens)
        self.row = ChoiceRow(start.text_sampling, self.handle.sample, 0, start.prompt, self.tokens, ends)
        self.edits = () if start.strategies is None else start.strategies.edits
        self.search: Any = None
        """The search that is under way, for which the text waits; None: there is none."""
        self.drafts: Drafting | None = None
        """The drafters of the text; None until the first draft was asked for."""
        self.guesses: Guesses | None = None
        """The draft that the model is checking; None: there is none."""
        self.run: OpenRun | None = self._make_run()
        """The watcher of repetitions at the end of the text; None: no repetition is closed."""
        self.phase: ThoughtPhase | None = None
        """The thoughts while they are open, which hold the matcher meanwhile; None: closed, or there are
        none."""
        self.thoughts = ""
        """The text of the thoughts, after they were closed."""
        compiled_grammar = self.newest_grammar
        self.matcher = None if compiled_grammar is None else Matcher(compiled_grammar)
        """The matcher after the tokens so far; None: free text, or thoughts."""
        self._begin_text()

    def _make_run(self) -> OpenRun | None:
        """Return the watcher of repetitions. Return None if no repetition is closed: in free text, and with a
        search that decides each token."""
        request = self.start.request
        rule = self.row.sampling.repetition
        search = None if self.start.strategies is None else self.start.strategies.search
        if rule is None or request.grammar is None or not (search is None or search.is_once):
            return None
        language = request.language
        schema = None if language is None else language.schema
        run = OpenRun(rule, schema, self.max_tokens, getattr(request.grammar, "repeats", None))
        if request.begun:
            run.write_bytes(request.begun.encode())
        return run

    def _begin_text(self) -> None:
        """Begin the thoughts, or the document. Then take the tokens that are already decided: a restart has
        some, a new text has none."""
        start = self.start
        if start.closing is not None:
            assert start.request.thinking is not None
            self.phase = ThoughtPhase(start.request.thinking, start.closing, start.tokenizer, self.matcher)
            self.matcher = None
        else:
            # With thoughts, the strategies begin later, with the document (`_follow_thought`).
            self._begin_strategies()
        for token in self.thought:
            assert self.phase is not None
            # called for its effect: it makes the forced tokens, of which `take_token` removes one
            self.phase.forced_token()
            self.phase.take_token(token, self.max_tokens)
            self._follow_thought(token)
        for step in self.steps:
            if self.matcher is not None:
                self.matcher.advance(step.token)
            self._follow_step(step)
        if self.matcher is not None and self.steps:
            self.shortest_length = None

    def restart_text(self) -> Text:
        """Return a new `Text` with the same decisions, of which the model has read nothing. If a machine
        fails, return this text itself, with its error set."""
        try:
            return Text(self.start, self.decided_text)
        except Exception as error:  # any error of a machine: the other texts continue
            self.decide_error(fault_of(error, "The text could not be read again"))
            return self

    def decide_error(self, error: StructgenError) -> None:
        """Set the text's error, unless it has one: the first error is the cause of later ones."""
        self.decided_text.error = self.decided_text.error or error

    @property
    def newest_grammar(self) -> CompiledGrammar | None:
        """The compiled grammar for a restart; None: free text."""
        compiled_grammar = self.start.grammar
        return None if compiled_grammar is None else compiled_grammar.generation.newest(compiled_grammar)

    @property
    def all_tokens(self) -> list[int]:
        """The tokens of the thoughts, then those of the text."""
        return [*self.thought, *self.tokens] if self.thought else self.tokens

    @property
    def accepted_count(self) -> int:
        """The number of guesses of the current draft that were accepted."""
        return 0 if self.guesses is None else len(self.guesses.path) - 1

    @property
    def room(self) -> int:
        """The most tokens that the rest of the document may take. Usually this is the number of tokens that
        remain of max_tokens. If the shortest completion leaves at most `end_margin` of them spare, it is the
        length of that completion."""
        if self.shortest_length is None:
            assert self.matcher is not None, "free text needs no tokens"
            self.shortest_length = self.matcher.tokens_to_finish()
        remaining = self.max_tokens - len(self.tokens)
        spare = remaining - self.shortest_length
        return remaining if spare > self.start.request.end_margin else self.shortest_length

    # --- a token is decided ---------------------------------------------------------------------------------

    def take_step(self, step: Step, second_choice: SecondChoice) -> None:
        """Decide a chosen token, or another token in its place. Another token is needed to close a
        repetition, or to complete the document within max_tokens. `second_choice` chooses it. If the budget
        surely suffices, the completion is not counted."""
        if self.phase is not None:
            self._take_thought(self.phase, step.token, second_choice)
            return
        matcher = self.matcher
        if matcher is not None:
            if self.run is not None:
                step = self._amend_step(self.run, matcher, step, second_choice)
            # so many tokens may the rest take, and `room` is still all that are left
            remaining_after = self.max_tokens - len(self.tokens) - 1
            if matcher.budget_suffices(remaining_after - self.start.request.end_margin):
                matcher.advance(step.token)
                self.shortest_length = None
            else:
                step = self._take_in_budget(matcher, step, second_choice)
        if self.row.law is not None:
            step.state = self.row.law.note_token(step.token)
        # This line decides the token: an interrupt before it loses the step, an interrupt after it loses
        # nothing.
        self.steps.append(step)
        self._follow_step(step)

    def _amend_step(self, run: OpenRun, matcher: Matcher, step: Step, second_choice: SecondChoice) -> Step:
        """Return a chosen step, or another one in its place, chosen with the same noise: where a number would
        have too many digits, or where a run is to be closed.

        `run` watches the text, `matcher` stands before the token and stays there, `second_choice` chooses the
        other token. Cost: a microsecond while nothing repeats itself; else a mask within a budget. For
        example, in a run of ` yes,` in a string the chosen ` yes` becomes `"`.
        """
        data = self.start.tokenizer.token_bytes[step.token] or b""
        if run.has_too_many_digits(data):
            description = "a number of too many digits"
            step = second_choice.choose_within(self, self.room, description, ends_numeral) or step
        if not run.is_long:
            return step
        bytes_ahead = run.bytes_to_await(matcher)
        if not bytes_ahead:
            return self._step_towards_end(run, matcher, step, second_choice)
        # A run continues up to the place where it is closed. Only a token that crosses this place is changed.
        if len(data) <= len(bytes_ahead) or not data.startswith(bytes_ahead):
            return step

        def is_part(data: bytes) -> bool:
            return data != b"" and bytes_ahead.startswith(data)

        return second_choice.choose_within(self, self.room, run.description, is_part) or step

    def _step_towards_end(
        self, run: OpenRun, matcher: Matcher, step: Step, second_choice: SecondChoice
    ) -> Step:
        """Return the step after a run: the chosen one, or another one if the chosen step leads away from the
        end of the repetition.

        For example, after equal items of a list the step `,` becomes `]`. `run` has the stage of closing;
        `strategies.repetitions` describes the stages. `matcher` does not move. `second_choice` chooses the
        other token. Cost: some completions, and a mask if the step is replaced.
        """
        self.shortest_length = shortest_length = matcher.tokens_to_finish()
        completion = matcher.compiled.completion(matcher.state)
        first_byte = completion[:1]
        stage = run.find_stage(len(completion))
        is_last = stage == LAST_STAGE
        room = self.room
        length_after = advance_and_count(matcher, step.token)
        limit = min(room, shortest_length) if is_last else room
        leads_away = length_after > limit - 1
        if not (is_last or leads_away or step.token in self.row.ends):
            data = self.start.tokenizer.token_bytes[step.token] or b""
            is_longer = len(matcher.compiled.completion(matcher.state)) > len(completion)
            leads_away = is_longer or (stage > 1 and data[:1] != first_byte)
        matcher.rollback(1)
        if not leads_away:
            return step
        # Before the last stage, the text may take one token more than its shortest completion.
        budget = min(room, shortest_length + (not is_last))
        begins_so = None if is_last else lambda data: data[:1] == first_byte
        other_step = second_choice.choose_within(self, budget, run.description, begins_so)
        return other_step or second_choice.choose_within(self, budget, run.description) or step

    def _take_in_budget(self, matcher: Matcher, step: Step, second_choice: SecondChoice) -> Step:
        """Return a step after the matcher has taken its token: the chosen step, or another one after which
        the document can still be completed within max_tokens."""
        room = self.room
        self.shortest_length = advance_and_count(matcher, step.token)
        if self.shortest_length > room - 1:
            matcher.rollback(1)
            other_step = second_choice.choose_within(self, room)
            assert other_step is not None  # some completion fits: the step before made sure of it
            step = other_step
            step.steered = True
            self.shortest_length = advance_and_count(matcher, step.token)
        return step

    def _take_thought(self, phase: ThoughtPhase, token: int, second_choice: SecondChoice) -> None:
        """Decide a token of the thoughts. A token may close the thoughts and have more bytes after the
        closing tag. If no document can begin with these bytes, decide another token."""
        forced_token = phase.forced_token()
        token = token if forced_token is None else forced_token
        banned_tokens: list[int] = []
        # The loop ends, because a token that does not close the thoughts is always taken.
        while not phase.take_token(token, self.max_tokens):
            banned_tokens.append(token)
            token = second_choice.choose_besides(self, (*phase.ends, *banned_tokens))
        self.thought.append(token)
        self._follow_thought(token)

    def _follow_thought(self, token: int) -> None:
        """Note a decided token of the thoughts. If it closes the thoughts, begin the document with the bytes
        that the token has after the closing tag."""
        phase = self.phase
        assert phase is not None
        self.last = token
        self.row.position += 1
        self.handle.think(phase.settled_thoughts)
        if phase.is_over:
            self.matcher = phase.matcher
            self.thoughts = phase.thoughts
            self.phase = None
            if self.matcher is not None:
                self.shortest_length = self.matcher.tokens_to_finish()
            self._begin_strategies()
            self._write_bytes(phase.rest)

    def _begin_strategies(self) -> None:
        """Begin the strategies, which make the distribution of the next token. Each restart begins them anew,
        but the decision of a search is kept."""
        if self.start.strategies is not None:
            self.row.law = self.start.strategies.make_law()
            self.row.law.decision = self.decided_text.decision

    def _follow_step(self, step: Step) -> None:
        """Append the token's characters to the text, and note whether the text ends."""
        if self.row.law is not None:
            self.row.law.follow_token(step.token, step.state, self.matcher)
        if step.closed and self.run is not None and self.run.is_long:
            self.run.count_closing()
        if step.token in self.row.ends:
            self.stop = FinishReason.STOP
        else:
            self.tokens.append(step.token)
            self.last = step.token
            self.row.position += 1
            step_bytes = self.start.tokenizer.token_bytes[step.token]
            step_bytes = step_bytes or self.start.specials.get(step.token, b"")
            if self.start.border is not None:
                step_bytes = self._bytes_behind_border(step_bytes)
            self._write_bytes(step_bytes)
        if self.stop is not None:
            if self.matcher is not None and any(step.steered for step in self.steps):
                self.stop = FinishReason.STEERED
            elif self.matcher is not None and any(step.closed for step in self.steps):
                self.stop = FinishReason.REPETITION
        elif len(self.tokens) >= self.max_tokens:
            # with a grammar the document is complete, though the end token was not chosen
            is_free = self.start.request.grammar is None
            self.stop = FinishReason.MAX_TOKENS if is_free else FinishReason.STEERED

    def _bytes_behind_border(self, step_bytes: bytes) -> bytes:
        """Return the bytes of a token that belong to the text, and not to the border. If a free text
        completes the prompt's last character, the text has the whole character. A free text has no matcher
        after the border."""
        assert self.start.border is not None
        cut = min(self._border_left, len(step_bytes))
        self._border_left -= cut
        if self.start.border.is_free and not self._border_left:
            self.matcher = None
        step_bytes = step_bytes[cut:]
        if not step_bytes:
            return step_bytes
        half = self._half
        self._half = b""
        # bits 10xxxxxx: in UTF-8 such a byte continues a character
        continues_character = step_bytes[0] & 0xC0 == 0x80
        return half + step_bytes if continues_character else step_bytes

    def _write_bytes(self, new_bytes: bytes) -> None:
        """Append characters to the text, and find stop strings."""
        old_length = len(self.text)
        unsure_count = 0
        self.text += self.decoder.decode(new_bytes)
        if self.run is not None:
            self.run.write_bytes(new_bytes)
        if self.stops:
            # This many of the last characters may be the beginning of a stop string.
            unsure_count = max(map(len, self.stops)) - 1
            # the beginning of the text that the prompt gave (`begun`) is not searched
            start = max(old_length - unsure_count, len(self.start.request.begun))
            ends = [(at, stop) for stop in self.stops if (at := self.text.find(stop, start)) >= 0]
            if ends:
                # One token may complete several stop strings: the earliest in the text counts. At equal
                # places it is the first one in the request.
                end, self.stopped_by = min(ends, key=lambda pair: pair[0])
                self.text = self.text[:end]
                self.stop = FinishReason.STOP
        if self.stop is not None:
            self.sure = len(self.text)
        else:
            # `sure` never shrinks: the listeners have received these characters already
            self.sure = max(len(self.text) - unsure_count, self.sure)

    def follows_draft(self) -> bool:
        """If the last token was guessed right, go to its node of the draft. Returns whether the next token
        can be chosen there without a forward pass."""
        guesses = self.guesses
        token = self.steps[-1].token if self.phase is None and self.steps else self.last
        if guesses is None or self.drafts is None or not guesses.holds_token(token):
            return False
        names = self.drafts.drafters_of_token(token)
        for name in names:
            self.usage.accepted[name] = self.usage.accepted.get(name, 0) + 1
        if self.steps:
            self.steps[-1].drafter = ", ".join(names)
        if not guesses.follow_token(token, self.matcher, self.phase):
            return False
        self.logit_row = self.mask_row = guesses.row
        # the pass and its masks are counted once, for the first token of the draft
        self.model_seconds = self.mask_seconds = 0.0
        return True

    # --- and how it ends ------------------------------------------------------------------------------------

    def end_reason(self) -> FinishReason | None:
        """Return why the text ends here; None if it continues."""
        if self.decided_text.error is not None:
            return FinishReason.ERROR
        if self.stop is not None:
            return self.stop
        if self.handle.cancelled:
            return FinishReason.CANCELLED
        timeout = self.start.request.timeout
        if timeout is not None and time.monotonic() - self.start.began > timeout:
            self.decide_error(
                StructgenError(
                    f"The text was not complete after {timeout} s.",
                    where="timeout",
                    cure="Increase the timeout.",
                )
            )
            return FinishReason.ERROR
        return None

    def release_memory(self) -> None:
        """Free the model's caches of this text, and the resources of its search."""
        self.cache = self.guesses = None
        if self.row.law is not None and self.row.law.second is not None:
            self.row.law.second.cache = None
        if self.search is not None:
            self.search.close()
            self.search = None

    def _end_drafting(self, reason: FinishReason) -> None:
        """Close the drafters. Store a complete answer in the history, if the request asks for it."""
        if self.drafts is not None:
            # The field is cleared first: so a second call after an interrupt does not close them again.
            drafting = self.drafts
            self.drafts = None
            drafting.follow_text(self.all_tokens, self.accepted_count)
            drafting.end_drafters()
            notes = [f"{name} was dropped: {why}" for name, why in drafting.drop_reasons.items()]
            if self.usage.speculation:
                notes.insert(0, self.usage.speculation)
            self.usage.speculation = "; ".join(notes)
        request = self.start.request
        compiled_grammar = self.start.grammar
        speculation = request.drafts
        if speculation is None or speculation.history is None:
            return
        # Answers are stored under their schema, and a free text has none. A text whose beginning was given is
        # not a whole answer.
        is_whole = reason in COMPLETE and not request.begun
        if is_whole and request.grammar is not None and compiled_grammar is not None:
            try:
                speculation.history.add(
                    speculation.tenant,
                    compiled_grammar.grammar.fingerprint,
                    [step.token for step in self.steps],
                )
            except Exception as error:  # the answer is complete all the same
                self.usage.speculation = f"the answer could not be remembered: {error}"

    def _read_value(self, reason: FinishReason) -> Any:
        """Return the value of the text. It is the text itself if this is not a complete JSON document, or if
        Python cannot read it (an integer of more than 4,300 digits)."""
        if self.start.grammar is None or reason not in COMPLETE:
            return self.text
        reader: ValueReader | None = getattr(self.start.request.grammar, "reader", None)
        try:
            if reader is not None:
                return reader(self.text)
            return self.start.grammar.value(self.text.encode("utf-8", "surrogatepass"))
        except ValidatorError as error:
            self.decided_text.error = error
            return None
        except (ValueError, RecursionError):
            return self.text

    def hand_out_result(self, reason: FinishReason) -> None:
        """Hand out the result. May be called again after an interrupt."""
        # a text that was cut off may end inside of a character, which becomes U+FFFD
        if self.stop is None:
            self.text += self.decoder.decode(b"", True)
        usage = self.usage
        usage.tokens = len(self.tokens)
        usage.thought_tokens = len(self.thought)
        if self.cache is not None:
            usage.cache_bytes = int(self.cache.nbytes)
            law = self.row.law
            if law is not None and law.second is not None and law.second.cache is not None:
                usage.cache_bytes += int(law.second.cache.nbytes)
        if self.start.request.speculation != "off":
            self._end_drafting(reason)
        usage.closed = tuple(dict.fromkeys(step.closed for step in self.steps if step.closed))
        if self.start.strategies is not None:
            usage.strategy = self.start.strategies.summarise_states([step.state for step in self.steps])
        self.release_memory()
        self.logits = None
        # The value is read before the error: a validator may refuse the value, which sets the error.
        value = self._read_value(reason)
        result = Result(
            self.text,
            reason,
            self.tokens,
            self.steps,
            usage,
            sample=self.handle.sample,
            error=self.decided_text.error,
            value=value,
            thoughts=self.thoughts if self.phase is None else self.phase.thoughts,
            begun=self.start.request.begun,
            stopped_by=self.stopped_by,
        )
        self.handle.finish(result)


def advance_and_count(matcher: Matcher, token: int) -> int:
    """Advance a matcher by a token. Returns the length of the shortest completion after it, in tokens without
    the end token; -1 if the token is an end token."""
    matcher.advance(token)
    return -1 if token in matcher.compiled.tokenizer.eos_token_ids else matcher.tokens_to_finish()


def step_of(choice: Choice, text: Text, logits: LogitsOf, words: Words) -> Step:
    """Return the step of a choice, for example `step_of(choice, text, loop.logits_of, mask.array[line])`.

    `text` has the seconds of the pass, and its request says how many likeliest tokens are recorded. `logits`
    returns the logits after the text. `words` is the mask of the choice, a bit for each token. Cost: 1 us; if
    likeliest tokens are recorded, also that of `list_candidates`.
    """
    step = Step(
        choice.token,
        choice.logprob,
        choice.constrained_logprob,
        choice.removed_mass,
        choice.allowed_count,
        choice.likeliest_token,
        model_seconds=text.model_seconds,
        mask_seconds=text.mask_seconds,
    )
    if (count := text.start.request.logprobs) and text.phase is None:
        step.likeliest = list_candidates(logits(text), None, count)
        step.likeliest_allowed = list_candidates(logits(text), words, count)
    return step


class SecondChoice:
    """Chooses the token of a text a second time, under a narrower mask. The noise is the same, so the result
    is the token that the narrower mask would have given at first."""

    def __init__(self, tokenizer: Tokenizer, logits: LogitsOf) -> None:
        self._tokenizer = tokenizer
        self._logits = logits
        self._mask: TokenMask = allocate_mask(1, tokenizer.vocab_size)

    def choose_within(
        self,
        text: Text,
        budget: int,
        description: str = "",
        is_wanted: Callable[[bytes], bool] | None = None,
    ) -> Step | None:
        """Return the step of another token of a text, or None if no token qualifies.

        After the token, the document can be completed within `budget` tokens. If `is_wanted` is given, it is
        true for the bytes of the token (b"" for an end token). `description` becomes `Step.closed`, for
        example `a run of 'no, ' at character 310`. Cost: 0.1 us for each call of `is_wanted`.
        """
        assert text.matcher is not None
        text.matcher.fill_mask(self._mask, budget=budget)
        if is_wanted is not None:
            token_bytes = self._tokenizer.token_bytes
            allowed_tokens = self._mask.allowed(0).tolist()
            wanted_tokens = [token for token in allowed_tokens if is_wanted(token_bytes[token] or b"")]
            if not wanted_tokens:
                return None
            self._mask.array[0] = words_of(wanted_tokens, self._mask.vocab_size)
        choice = self._choose_token(text)
        step = step_of(choice, text, self._logits, self._mask.array[0])
        step.closed = description
        return step

    def choose_besides(self, text: Text, tokens: Sequence[int]) -> int:
        """Return a token of a text, chosen among all tokens except `tokens`."""
        allow_all(self._mask, 0)
        forbid_tokens(self._mask, 0, tokens)
        return self._choose_token(text).token

    def _choose_token(self, text: Text) -> Choice:
        return choose_tokens(self._logits(text)[None], self._mask.array, [text.row])[0]
