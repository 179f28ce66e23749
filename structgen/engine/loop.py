"""The decoding loop: continuous batching, one token for each sequence in each step.

    admit      read the prompts of waiting sequences, while there are free rows
    choose     turn logits and masks into tokens (choice.choose)
    commit     take the tokens: matchers advance, texts grow, some sequences end
    run        the model reads the tokens; meanwhile a thread fills the next masks

With speculation (structgen.speculation) the model also reads a draft after each token: a tree of guesses. The
pass gives logits for each node, and a mask is filled for each node. If the chosen token is a guess, choose
and commit are repeated at its node, until a token is chosen that was not guessed. Code, logits and noise are
the same as without a draft, so the tokens are the same, in fewer passes. The model then keeps the nodes of
the accepted path.

One thread at a time runs a step. A thread that waits for a result runs steps until the result is there.

States of a sequence:

    waiting    in the list, after the first `max_rows`; the model has read nothing of it
    read       a row of the batch: cache, logits and mask stand after the last decided token
    searching  such a row, whose search reads ahead: it takes no part in steps, and has no mask
    between    a step is running: a token may be decided that the model has not read
    done       its handle has a result; it leaves the list

A step begins and ends with all rows `read`. Exceptions:

- An exception in the work for one sequence (its matcher, mask, listener, prompt or search) is caught there.
  That sequence ends with the error.
- An exception in a forward pass is the error of all sequences of that pass.
- Any other exception, such as KeyboardInterrupt, may stop the step at any line, and reaches the caller. The
  driver of event loops takes another step, and ends the batch with the error if that fails too. The decided
  tokens (`texts`) are still valid; all other state is discarded. The next step, in whichever thread, compiles
  the grammars again, makes sequences of the decided tokens (`TextSequence.restarted`), takes new memory for
  the masks, and reads all rows as if they had waited.
- The same happens after a machine failed in an unforeseen way, once its sequence has the error.

Noise is a function of the position in the text (`noise`), so a token that is chosen again is the same token.
Between steps there is one list of sequences, and the rows are the first of them. Cost without a failure: a
few assignments a step.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from structgen.core.batch import allow_all
from structgen.core.matcher import Matcher
from structgen.engine.choice import Chosen, Words, candidates, choose, likeliest
from structgen.engine.draft_models import without_auto
from structgen.engine.mask_rows import BatchMasks, forbid
from structgen.engine.model_protocol import Model
from structgen.engine.model_reading import ModelReading, failed, release
from structgen.engine.requests import FinishReason, Handle, Step, fault_of
from structgen.engine.sequences import TextSequence
from structgen.engine.strategies.repetitions import LAST_STAGE, NUMERAL, OpenRun
from structgen.engine.strategies.second_rows import read_on
from structgen.engine.thinking import ThoughtPhase
from structgen.errors import OptionError, StructgenError
from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.drafts.drafter import VerifiedDraft
from structgen.speculation.planning.row_trial import RowTrial
from structgen.speculation.planning.speculator import Speculator
from structgen.tokens.token_mask import TokenMask, allocate_mask
from structgen.tokens.tokenizer import Tokenizer

_SHORT = 2e-4
"""Seconds. For a forward pass shorter than this a thread does not pay: handing masks to a thread costs more
than filling most of them."""


class Loop:
    """The sequences that a model is writing, at most `max_rows` at a time, and those that wait.
    Thread-safe."""

    def __init__(self, model: Model, tokenizer: Tokenizer, max_rows: int) -> None:
        self._model, self._tokenizer, self._max_rows = model, tokenizer, max_rows
        self._ends = frozenset(tokenizer.eos_token_ids)
        self._wider = model.vocab_size > tokenizer.vocab_size
        """Whether the logits have more columns than there are tokens. Then free texts need a mask too."""
        self._mask_rows = BatchMasks(max_rows, tokenizer.vocab_size)
        self._narrow: TokenMask = allocate_mask(1, tokenizer.vocab_size)
        self._texts: list[TextSequence] = []
        """All unfinished sequences, in order of arrival. Only atomic list operations change it, so threads
        need no lock."""
        self._rows: list[TextSequence] = []
        """The sequences of the batch: the first ones of the list."""
        self._is_cut = False
        """Whether a step is running, or was interrupted."""
        self._reading = ModelReading(model)
        self._ran = 0.0
        """Seconds of the last forward pass."""
        self._speculator = Speculator()
        self.trial = RowTrial()
        """Whether drafts can pay with this model."""
        self._lock = threading.Lock()
        self._driver = 0
        """The id of the thread that runs a step."""

    def add(self, texts: Sequence[TextSequence]) -> None:
        """Append sequences to the waiting list."""
        self._texts.extend(texts)

    def close(self) -> None:
        """Stop the thread that fills masks. A later sequence starts another one."""
        self.check_driver()
        with self._lock:
            self._mask_rows.close()

    def step(self) -> bool:
        """Advance each sequence by one token, or by several if tokens were guessed. Returns whether there was
        work.

        Raises OptionError if a listener calls it: it would wait for itself.
        """
        self.check_driver()
        with self._lock:
            if not self._texts:
                return False
            self._alone(self._advance)
        return True

    @property
    def count(self) -> int:
        """The number of sequences without a result."""
        return sum(text.handle.result is None for text in list(self._texts))

    def held(self, handles: Sequence[Handle]) -> list[Handle]:
        """Return those of some handles whose sequences are not finished."""
        mine = {id(text.handle) for text in list(self._texts)}
        return [handle for handle in handles if id(handle) in mine]

    def drop(self, handle: Handle) -> bool:
        """End a cancelled sequence without a step. Returns whether it was in the list."""
        return self._end(lambda text: text.handle is handle)

    def sweep(self) -> None:
        """End the sequences that were cancelled or timed out, also those that wait, without a step."""
        self._end(lambda text: text.reason() is not None)

    def fail(self, error: BaseException) -> None:
        """End the sequences of the batch with an error that belongs to none of them."""
        with self._lock:
            self._is_cut = True
            for text in self._texts[: self._max_rows]:
                text.error = text.error or fault_of(error, "A step of the engine failed")
                try:
                    self._finish(text, FinishReason.ERROR)
                except BaseException:  # its listener's: nobody is left who could be told
                    self._texts.remove(text)

    def after_fork(self, gone: Sequence[Handle]) -> None:
        """In a child: let go of the parent's threads, and of the sequences of some handles."""
        self._lock, self._driver = threading.Lock(), 0
        self._mask_rows.after_fork()
        left = {id(handle) for handle in gone}
        for text in self._texts:
            text.handle.after_fork(is_left=id(text.handle) in left)

    def check_driver(self) -> None:
        """Raise OptionError in a listener: the thread that runs a step cannot wait for its end."""
        if self._driver == threading.get_ident() and self._lock.locked():
            raise OptionError(
                "A listener cannot drive the engine: the step that calls it is not over.",
                where="listen",
                cure="Submit there, and drive elsewhere.",
            )

    def _alone(self, work: Callable[[], None]) -> None:
        """Do some work as a step: after one that was cut short, first make all states again."""
        try:
            self._driver = threading.get_ident()
            if self._is_cut:
                self._mend()
            self._is_cut = True
            work()
            self._is_cut = self._mask_rows.has_fault
        except _Fault:
            pass  # the sequence has its error, and the step counts as interrupted
        finally:
            self._driver = 0

    def _advance(self) -> None:
        self._admit()
        if self._rows:
            self._decide()
            self._run()

    def _end(self, is_over: Callable[[TextSequence], bool]) -> bool:
        """End sequences without a step. Returns whether there were any."""

        def finish() -> None:
            for text in list(filter(is_over, self._texts)):
                self._finish(text, text.reason() or FinishReason.CANCELLED)
            self._rows = [row for row in self._rows if row.handle.result is None]

        self.check_driver()
        with self._lock:
            if not any(map(is_over, list(self._texts))):
                return False
            self._alone(finish)
        return True

    def _mend(self) -> None:
        """After an interrupted step, reset each sequence that may be a row to its decided tokens, with
        nothing read. May itself be interrupted; it is then run again."""
        texts = self._texts[: self._max_rows]
        compiled = [text.compiled for text in texts]
        for one in {id(one): one for one in compiled if one is not None}.values():
            try:
                one.generation.replace(one)
            except Exception as error:  # the error of this grammar's sequences alone
                for text, own in zip(texts, compiled, strict=True):
                    if own is one:
                        text.error = text.error or fault_of(error, "The grammar could not be compiled anew")
        # a thread may still fill masks of the interrupted step: it keeps its memory and its matchers
        self._mask_rows.close(wait=False)
        self._mask_rows = BatchMasks(self._max_rows, self._tokenizer.vocab_size)
        for at, text in enumerate(texts):
            release(text)
            self._texts[at] = text.restarted()
        self._rows = []

    def _admit(self) -> None:
        """Read waiting sequences into free rows. Samples of one request share their prompt."""
        fresh: list[TextSequence] = []
        while (at := len(self._rows) + len(fresh)) < min(self._max_rows, len(self._texts)):
            text = self._texts[at]
            if (reason := text.reason()) is None:
                fresh.append(text)
            else:
                self._finish(text, reason)
        if fresh:
            self._reading.read_prompts(fresh)
            self._rows += fresh
            self._mask_rows.fill(fresh)
            self._settle()
            if self._mask_rows.has_fault:
                raise _Fault

    def _decide(self) -> None:
        """Choose a token for each sequence, and the next one as long as the chosen token was a guess."""
        began = time.perf_counter()
        self._tell_drafters()
        going: Sequence[TextSequence] = self._with_searches()
        while going := self._with_seconds(going):
            chosen = self._chosen(going)
            further = self._commit(going, chosen)
            self._settle()
            going = [text for text in further if text.handle.result is None]
        for text in self._rows:
            if text.guesses is not None:
                text.observe()
        if not self._reading.keep(self._rows):
            self._settle()
        self._speculator.took(time.perf_counter() - began)

    def _tell_drafters(self) -> None:
        """Tell the drafters that ask for it what the pass knew, before a choice writes into the logits."""
        for text in self._rows:
            drafting, own = text.drafting, text.guesses
            if drafting is None or not drafting.top or text.place < 0:
                continue
            draft = NO_DRAFT if own is None else own.draft
            rows, lines = (slice(first, first + 1 + len(draft)) for first in (text.place, text.line))
            is_free = text.matcher is None and text.phase is None and not self._wider
            words = None if is_free else self._mask_rows.mask.array[lines]
            best, ids = likeliest(self._reading.logits[rows], words, drafting.top)
            is_known = torch.isfinite(best).cpu()
            if own is not None:
                is_known &= torch.from_numpy(own.ready)[:, None]
            tokens = ids.cpu().where(is_known, -1).int().numpy()
            chances = best.cpu().exp().where(is_known, 0.0).numpy()
            drafting.verified(VerifiedDraft(draft, tokens, chances))

    def _with_searches(self) -> Sequence[TextSequence]:
        """Have each search that has to decide read one pass. Returns the sequences that choose now; the
        others wait as they are."""
        due = [text for text in self._rows if text.has_search_due]
        if not due:
            return self._rows
        came_back = []
        for text in due:
            was_waiting = text.search is not None
            try:
                self._search_on(text)
            except Exception as error:  # any error of the model, the grammar or the search
                text.error = text.error or fault_of(error, "The search failed", "strategy", "Look at it.")
            if was_waiting and text.search is None:
                came_back.append(text)
        self._settle()
        came_back = [text for text in came_back if text.handle.result is None]
        if came_back:
            self._mask_rows.fill(came_back)
        return [text for text in self._rows if text.search is None]

    def _search_on(self, text: TextSequence) -> None:
        """Have the search of a sequence read one pass, or take its decision."""
        began = time.perf_counter()
        search = text.search
        if search is None:
            search = text.begin_search(self._model, self._reading.logits_of(text))
        passes, rows = search.passes, search.rows
        decision = search.advance()
        text.usage.strategy_calls += search.passes - passes
        text.usage.strategy_rows += search.rows - rows
        text.usage.model_seconds += time.perf_counter() - began
        if decision is not None:
            text.decide(decision)
            text.search = None
        elif text.search is None:
            # the tensor of the last step is gone when the sequence goes on
            text.logits, text.place, text.search = self._reading.logits_of(text).clone(), -1, search

    def _with_seconds(self, rows: Sequence[TextSequence]) -> Sequence[TextSequence]:
        """Have the model read the second rows of sequences, before the next choice. Returns the sequences
        without a failure."""
        wanted = [(row, text) for text in rows if (row := text.second) is not None]
        if not wanted:
            return rows
        began = time.perf_counter()
        before = [row.calls for row, _ in wanted]
        try:
            read_on(self._model, [(row, text.written) for row, text in wanted])
        except Exception as error:  # any error of the model: it is unknown what the caches hold
            for _row, text in wanted:
                text.error = text.error or failed(error)
        ran = time.perf_counter() - began
        for (row, text), calls in zip(wanted, before, strict=True):
            text.usage.model_seconds += ran
            text.usage.strategy_calls += row.calls - calls
        self._settle()
        return [text for text in rows if text.error is None]

    def _chosen(self, rows: Sequence[TextSequence]) -> Chosen:
        """Return a token for each sequence."""
        logits, places = self._reading.logits, [text.place for text in rows]
        if -1 in places:  # the logits after a prompt are not in the batch's tensor
            logits = torch.stack([self._reading.logits_of(text) for text in rows])
            places = list(range(len(rows)))
        kinds, lines = [text.row for text in rows], [text.line for text in rows]
        mask = None
        if self._wider or any(text.matcher is not None or text.phase is not None for text in rows):
            mask = self._mask_rows.mask.array
        return choose(logits, mask, kinds, places, lines)

    def _commit(self, rows: Sequence[TextSequence], chosen: Chosen) -> list[TextSequence]:
        """Take the tokens. Returns the sequences whose token was a guess, so that the next can be chosen."""
        further = []
        for i, text in enumerate(rows):
            try:
                if chosen.faulty[i]:
                    raise StructgenError(
                        "The model's logits are not numbers, or none of them is of a token that may come.",
                        where=f"token {len(text.tokens)}",
                        cure="Look at the model: its weights or its dtype.",
                    )
                if text.phase is None:
                    self._take(text, self._step(text, chosen, i, self._mask_rows.mask.array[text.line]))
                else:
                    self._think(text, text.phase, chosen.tokens[i])
                is_guessed = text.go_on()
                text.tell()
                if is_guessed:
                    further.append(text)
            except StructgenError as error:
                text.error = error
            except Exception as error:  # any error of a machine: the other sequences continue
                text.error = fault_of(error, "The text could not take its next token")
                raise _Fault from error
        return further

    def _step(self, text: TextSequence, chosen: Chosen, row: int, words: Words) -> Step:
        step = Step(
            chosen.tokens[row],
            chosen.logprob[row],
            chosen.constrained[row],
            chosen.removed[row],
            chosen.allowed[row],
            chosen.wanted[row],
            False,
            text.ran,
            text.filled,
        )
        if count := text.handle.request.logprobs:
            logits = self._reading.logits_of(text)
            step.likeliest = candidates(logits, None, count)
            step.likeliest_allowed = candidates(logits, words, count)
        return step

    def _think(self, text: TextSequence, phase: ThoughtPhase, token: int) -> None:
        """Take a token of the thoughts. If it closes them and no document can begin with its rest, take
        another."""
        forced = phase.forced()
        token = token if forced is None else forced
        banned: list[int] = []
        while not phase.take(token, text.handle.request.most_tokens):
            banned.append(token)
            token = self._chosen_again(text, phase, banned)
        text.think(token)

    def _chosen_again(self, text: TextSequence, phase: ThoughtPhase, banned: Sequence[int]) -> int:
        """Return the choice among the tokens of thoughts, without the banned ones."""
        allow_all(self._narrow, 0)
        forbid(self._narrow, 0, (*phase.ends, *banned))
        return self._chosen_under_narrow(text).tokens[0]

    def _chosen_under_narrow(self, text: TextSequence) -> Chosen:
        """Return the choice for one sequence under the mask in `_narrow`."""
        return choose(self._reading.logits_of(text)[None], self._narrow.array, [text.row])

    def _take(self, text: TextSequence, step: Step) -> None:
        """Take one token of one sequence. The sequence may end; or a different token is chosen, so that the
        document can still be completed within max_tokens. Where the budget is known to suffice, nobody
        counts."""
        matcher = text.matcher
        if matcher is not None and text.run is not None:
            data = self._tokenizer.token_bytes[step.token] or b""
            if text.run.has_too_many_digits(data):
                told = "a number of too many digits"
                again = self._again(
                    text, matcher, text.room, told, lambda data: not data or data[:1] not in NUMERAL
                )
                step = again or step
            if text.run.is_long:
                awaited = text.run.awaited(matcher)
                if not awaited:
                    text.take(self._towards_end(text, matcher, text.run, step))
                    return
                if len(data) > len(awaited) and data.startswith(awaited):
                    told = text.run.told
                    again = self._again(
                        text, matcher, text.room, told, lambda data: data != b"" and awaited.startswith(data)
                    )
                    step = again or step
        if matcher is not None and matcher.budget_suffices(text.spare):
            matcher.advance(step.token)
            text.least = None
        elif matcher is not None:
            room = text.room
            text.least = self._least_after(matcher, step.token)
            if text.least > room - 1:
                matcher.rollback(1)
                again = self._again(text, matcher, room)
                assert again is not None
                step, step.steered = again, True
                text.least = self._least_after(matcher, step.token)
        text.take(step)

    def _least_after(self, matcher: Matcher, token: int) -> int:
        """Take a token. Returns the length of the shortest completion in tokens, without the end token; -1
        after the end token."""
        matcher.advance(token)
        return -1 if token in self._ends else matcher.tokens_to_finish()

    def _again(
        self,
        text: TextSequence,
        matcher: Matcher,
        budget: int,
        closed: str = "",
        is_wanted: Callable[[bytes], bool] | None = None,
    ) -> Step | None:
        """Choose again, for what is `closed`, among the tokens after which the document can be completed in
        `budget` tokens; of these, among those whose bytes are wanted (b"" for an end token). Return None if
        none is. The noise is the same, so the choice is what that mask would have given. Cost: 0.1 us for
        each token that is asked whether it is wanted."""
        matcher.fill_mask(self._narrow, budget=budget)
        if is_wanted is not None:
            known = self._tokenizer.token_bytes
            kept = [token for token in self._narrow.allowed(0).tolist() if is_wanted(known[token] or b"")]
            if not kept:
                return None
            bits = np.zeros(32 * self._narrow.words, np.bool_)
            bits[kept] = True
            self._narrow.array[0] = np.packbits(bits, bitorder="little").view(np.int32)
        step = self._step(text, self._chosen_under_narrow(text), 0, self._narrow.array[0])
        step.closed = closed
        return step

    def _towards_end(self, text: TextSequence, matcher: Matcher, run: OpenRun, step: Step) -> Step:
        """Take a token behind a run. Where it leads away from the end of what repeats itself (`repetition`),
        take another one, chosen with the same noise. Return the step whose token was taken."""
        least = matcher.tokens_to_finish()
        text.least = least
        room = text.room
        completion = matcher.compiled.completion(matcher.state)
        stage, end = run.stage(len(completion)), completion[:1]
        is_last = stage == LAST_STAGE
        data = self._tokenizer.token_bytes[step.token] or b""
        text.least = self._least_after(matcher, step.token)
        is_away = text.least > (min(room, least) if is_last else room) - 1
        if not (is_last or is_away) and text.least >= 0:
            is_longer = len(matcher.compiled.completion(matcher.state)) > len(completion)
            is_away = is_longer or (stage > 1 and data[:1] != end)
        if is_away:
            matcher.rollback(1)
            budget = min(room, least + (not is_last))
            begins = None if is_last else lambda data: data[:1] == end
            again = self._again(text, matcher, budget, run.told, begins)
            step = again or self._again(text, matcher, budget, run.told) or step
            text.least = self._least_after(matcher, step.token)
        return step

    def _settle(self) -> None:
        """Finish the sequences that ended, failed, were cancelled or timed out."""
        going = []
        for text in self._rows:
            if (reason := text.reason()) is None:
                going.append(text)
            else:
                self._finish(text, reason)
        self._rows = going

    def _finish(self, text: TextSequence, reason: FinishReason) -> None:
        """Hand out the result of a sequence."""
        try:
            text.finish(reason)
        except Exception as error:  # a model's cache that does not know its size
            text.error, text.cache = text.error or failed(error), None
            text.finish(FinishReason.ERROR)
        self._texts.remove(text)

    def _run(self) -> None:
        """Have the model read the chosen tokens, and fill the next masks meanwhile."""
        rows = [text for text in self._rows if text.search is None]
        if not rows:
            return
        started = time.perf_counter()
        drafts = self._drafts(rows)
        # on other devices passes run asynchronously, and their duration is not known here
        is_long = self._ran > _SHORT or self._reading.logits.device.type != "cpu"
        filling = self._mask_rows.begin(rows, drafts, apart=is_long)
        began = time.perf_counter()
        try:
            self._reading.read(rows, drafts)
        except Exception as error:  # any error of the model
            self._reading.recover(rows, error)
        self._ran = ran = time.perf_counter() - began
        if any(text.most_guesses for text in rows):
            self._speculator.ran(len(rows) + sum(map(len, drafts)), ran)
        for text, draft in zip(rows, drafts, strict=True):
            text.usage.model_seconds += ran
            text.usage.calls += 1
            text.usage.drafted += len(draft)
            text.ran = ran
        filling.wait()
        self._speculator.took(time.perf_counter() - started)
        self._settle()

    def _drafts(self, rows: Sequence[TextSequence]) -> Sequence[Draft]:
        """Return the draft after the last token of each sequence."""
        mosts = [text.most_guesses for text in rows]
        if any(mosts) and not self.trial.pays:
            mosts = without_auto(rows, self.trial, self._model)
        if not any(mosts):
            return [NO_DRAFT] * len(rows)
        kinds = frozenset(text.kind for text, most in zip(rows, mosts, strict=True) if most)
        if not self._speculator.wants_drafts(len(rows), kinds):
            return [NO_DRAFT] * len(rows)
        draftings = [text.begin_drafting() if most else None for text, most in zip(rows, mosts, strict=True)]
        views = [text.view(self._ends) for text in rows]
        return self._speculator.propose(draftings, views, mosts)


class _Fault(Exception):
    """A machine failed in the work for one sequence, which has the error."""
