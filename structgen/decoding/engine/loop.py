"""The decoding loop: continuous batching, one token for each text in each step.

    admit      take waiting texts while there are free rows, and read some pieces of their prompts
    choose     turn logits and masks into tokens (choice.choose_tokens)
    commit     take the tokens (text.Text.take_step): matchers advance, texts grow, some texts end
    run        the model reads the tokens; meanwhile a thread fills the masks that are not known yet

A *mask* says which tokens may come next in a text; *logits* are the model's scores of all tokens there. The
*batch* is the set of texts that the model reads together in one forward *pass*; each of them is a *row*. A
*decision* is a token that was chosen for a text, and is never taken back. A *draft* is a tree of guessed
tokens that one pass checks.

The loop knows nothing of strategies, thoughts or repetitions. Strategies and searches are edits of a text
(`text.Edit`), called before each choice. Thoughts, repetitions and the budget act in `Text.take_step`. If
texts have drafts (`batch_drafts`), choose and commit are repeated at the node of a guessed token.

One thread at a time runs a step. A thread that waits for a result runs steps until the result is there.

States of a text:

    waiting    in the list, after the admitted ones; the model has read nothing of it
    begun      admitted; the model has read a part of its prompt (`prompt_reading`)
    read       a row of the batch: cache, logits and mask stand after the last decided token
    searching  a row that an edit holds back: it takes no part in steps, and has no mask
    between    a step is running: the text may have a decided token that the model has not read
    done       its handle has a result; it leaves the list

A step begins and ends with all rows `read`. While a long prompt is read in pieces, one or a few in a step,
the rows go on. Exceptions:

- An exception in the work for one text (its matcher, mask, listener, prompt or search) is caught there.
  Only that text ends with the error.
- An exception in a forward pass is the error of all texts of that pass.
- Any other exception, such as KeyboardInterrupt, may stop the step at any line, and reaches the caller. The
  driver of event loops takes another step, and ends the batch with the error if that fails too. The
  decisions (`text.DecidedText`) are still valid; all other state is discarded. The next step, in whichever
  thread, compiles the grammars again, makes texts of the decisions, takes new memory for the masks, and
  reads all rows as if they had waited.
- The same happens after a machine failed in an unforeseen way, once its text has the error.

Noise is a function of the position in the text, so a token that is chosen again is the same token. Between
steps there is one list of texts. The admitted ones, rows and those with a prompt that is being read, are the
first of them. Cost without a failure: a few assignments a step.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from structgen.base.errors import OptionError, StructgenError
from structgen.decoding.engine.batch_drafts import BatchDrafts, stop_drafting
from structgen.decoding.engine.choice import Choice, choose_tokens
from structgen.decoding.engine.mask_rows import MaskFiller
from structgen.decoding.engine.model_faults import is_memory, wrap_model_error
from structgen.decoding.engine.model_protocol import Model, check_logits
from structgen.decoding.engine.prompt_reading import PromptReader
from structgen.decoding.engine.requests import FinishReason, Handle, fault_of
from structgen.decoding.engine.text import Edit, SecondChoice, Text, step_of
from structgen.decoding.engine.thinking import forbid_tokens
from structgen.decoding.speculation.drafts.draft import Draft
from structgen.machines.core.batch import allow_all
from structgen.tokens.token_mask import TokenMask, allocate_mask
from structgen.tokens.tokenizer import Tokenizer

_SHORT_PASS = 2e-4
"""The duration of a short forward pass, in seconds. During a shorter pass no thread fills masks: handing
masks to a thread costs more than filling most of them."""


class Loop:
    """The texts that a model is writing, at most `max_rows` at a time, and those that wait. Thread-safe."""

    def __init__(self, model: Model, tokenizer: Tokenizer, max_rows: int, step_tokens: int | None) -> None:
        """`step_tokens`: how many tokens of prompts a step reads; None: as many as suit the model's speed."""
        self._model = model
        self._reader = PromptReader(model, step_tokens)
        self._tokenizer = tokenizer
        self._max_rows = max_rows
        self._is_wider = model.vocab_size > tokenizer.vocab_size
        """Whether the logits have more columns than there are tokens. Then free texts need a mask too."""
        self._texts: list[Text] = []
        """All unfinished texts, in order of arrival. Only atomic list operations change it, so threads need
        no lock."""
        self._rows: list[Text] = []
        """The texts of the batch whose prompts are read."""
        self._logits = torch.empty(0)
        """The logits of the last step, one row for each text and guess. A text's row here is
        `Text.logit_row`; its row in the masks is `Text.mask_row`."""
        self._mask: TokenMask = allocate_mask(max_rows, tokenizer.vocab_size)
        """The masks of the batch; a text has the row `Text.mask_row`."""
        self._used_rows = 0
        """The number of rows of `_mask` that are in use."""
        self._filler = MaskFiller()
        self._second_choice = SecondChoice(tokenizer, self.logits_of)
        self.drafts = BatchDrafts(model, frozenset(tokenizer.eos_token_ids))
        self._is_cut = False
        """Whether a step is running, or was interrupted."""
        self._pass_seconds = 0.0
        """The duration of the last forward pass, in seconds."""
        self._lock = threading.Lock()
        self._driver = 0
        """The id of the thread that runs a step; 0 if no step is running."""

    # --- a step ---------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Advance each text by one token, or by several if tokens were guessed. Returns whether there was
        work.

        Raises OptionError if a listener calls it: the step that calls the listener would wait for itself.
        """
        self.check_driver()
        with self._lock:
            if not self._texts:
                return False
            self._run_step(self._advance_texts)
        return True

    def _advance_texts(self) -> None:
        """Do the four parts of a step, as the docstring of the module lists them."""
        self._admit_texts()
        began = time.perf_counter()
        choosing: Sequence[Text] = self._rows
        # An edit of one class serves all texts of the batch, so one edit of each class is called.
        edits = {type(edit): edit for text in choosing for edit in text.edits}
        has_drafts = any(text.decided_text.most_guesses for text in choosing)
        if has_drafts:
            self.drafts.tell_drafters(choosing, self._logits, self._mask.array, are_wider=self._is_wider)
        # The first round serves all rows. Each later round serves the texts whose last guess was right.
        while choosing:
            if edits:
                choosing = self._apply_edits(choosing, edits.values())
            if choosing:
                choosing = self._commit_choices(choosing, self._choose_next(choosing))
        if has_drafts:
            self.drafts.keep_accepted(self._rows)
            self._finish_ended()
            self.drafts.speculator.note_other_time(time.perf_counter() - began)
        rows = self._rows
        if edits:
            rows = [text for text in rows if text.search is None]
        if rows:
            self._run_model(rows, has_drafts=has_drafts)

    def _admit_texts(self) -> None:
        """Take waiting texts into the batch, and read some pieces of prompts. Texts whose prompts are read
        become rows."""
        reader = self._reader
        reader.remove_ended(self._hand_out_result)
        fresh: list[Text] = []
        # The admitted texts are the first ones of the list, so the next waiting text comes right after them.
        while (count := len(self._rows) + reader.count + len(fresh)) < min(self._max_rows, len(self._texts)):
            text = self._texts[count]
            if (reason := text.end_reason()) is None:
                fresh.append(text)
            else:
                # the text leaves the list, and the next waiting text moves to its index
                self._hand_out_result(text, reason)
        reader.add(fresh)
        if reader.count:
            self._admit_rows(reader.read_step(is_busy=bool(self._rows)))

    def _admit_rows(self, texts: Sequence[Text]) -> None:
        """Make rows of texts whose prompts are read."""
        self._rows += texts
        # no thread here: the texts choose their first tokens at once
        known_seconds = self._begin_masks(texts)
        self._end_masks(texts, known_seconds)
        self._finish_ended()
        if self._filler.has_fault:
            raise _Fault

    def _apply_edits(self, texts: Sequence[Text], edits: Iterable[Edit]) -> Sequence[Text]:
        """Call the edits (strategies and searches) of the texts. Returns the texts that choose a token now:
        a search may hold its text back."""
        began = time.perf_counter()
        for edit in edits:
            texts = edit(texts, self.logits_of)
        edit_seconds = time.perf_counter() - began
        # nearly all of this time goes to forward passes of further rows
        for text in self._rows:
            if text.edits:
                text.usage.model_seconds += edit_seconds
        # a text that waited for its search took no part in the last pass, and has no mask
        without_mask = [text for text in texts if text.mask_row < 0]
        if without_mask:
            known_seconds = self._begin_masks(without_mask)
            self._end_masks(without_mask, known_seconds)
        self._finish_ended()
        return [text for text in texts if text.handle.result is None]

    def _choose_next(self, texts: Sequence[Text]) -> list[Choice]:
        """Return a token for each text."""
        logits = self._logits
        is_masked = self._is_wider
        rows, logit_rows, mask_rows = [], [], []
        for text in texts:
            rows.append(text.row)
            logit_rows.append(text.logit_row)
            mask_rows.append(text.mask_row)
            is_masked = is_masked or text.matcher is not None or text.phase is not None
        if -1 in logit_rows:  # the logits after a prompt are not in the batch's tensor
            logits = torch.stack([self.logits_of(text) for text in texts])
            logit_rows = list(range(len(texts)))
        return choose_tokens(logits, self._mask.array if is_masked else None, rows, logit_rows, mask_rows)

    def _commit_choices(self, texts: Sequence[Text], choices: Sequence[Choice]) -> list[Text]:
        """Append the chosen tokens to their texts. Returns the unfinished texts whose token was guessed
        rightly: their next token can be chosen without another pass."""
        guessed_texts = []
        for text, choice in zip(texts, choices, strict=True):
            try:
                if choice.faulty:
                    raise StructgenError(
                        "The model's logits are not numbers, or none of them belongs to an allowed token.",
                        where=f"token {len(text.tokens)}",
                        cure="Check the model: its weights or its dtype.",
                    )
                step = step_of(choice, text, self.logits_of, self._mask.array[text.mask_row])
                text.take_step(step, self._second_choice)
                is_guessed = text.guesses is not None and text.follows_draft()
                # Characters that may begin a stop string are not given to the caller yet.
                if text.sure > len(text.handle.written):
                    text.handle.written = text.text[: text.sure]
                    if text.handle.listeners:
                        text.handle.tell()
                if is_guessed:
                    guessed_texts.append(text)
            except StructgenError as error:
                text.decided_text.error = error
            except Exception as error:  # any error of a machine: the other texts continue
                text.decided_text.error = fault_of(error, "The text could not take its next token")
                raise _Fault from error
        self._finish_ended()
        if not guessed_texts:
            return guessed_texts
        return [text for text in guessed_texts if text.handle.result is None]

    def _run_model(self, rows: Sequence[Text], *, has_drafts: bool) -> None:
        """Have the model read the chosen tokens, and fill the next masks meanwhile."""
        start_time = time.perf_counter()
        drafts = self.drafts.propose_drafts(rows) if has_drafts else ()
        # on other devices passes run asynchronously, and their duration is not known here
        is_long = self._pass_seconds > _SHORT_PASS or self._logits.device.type != "cpu"
        # All choices of this step are made: the masks of the next step take the rows from the first one on.
        self._used_rows = 0
        # before the pass: the tokens are known, so a thread can fill masks while the model reads
        known_seconds = self._begin_masks(rows, drafts, apart=is_long)
        began = time.perf_counter()
        try:
            self._read_tokens(rows, drafts)
        except Exception as error:  # any error of the model
            self._recover_texts(rows, error)
        self._pass_seconds = pass_seconds = time.perf_counter() - began
        for text in rows:
            text.usage.model_seconds += pass_seconds
            text.usage.calls += 1
            text.model_seconds = pass_seconds
        if has_drafts:
            row_count = len(rows) + sum(map(len, drafts))
            self.drafts.speculator.note_model_time(row_count, pass_seconds)
        self._end_masks(rows, known_seconds)
        if has_drafts:
            self.drafts.speculator.note_other_time(time.perf_counter() - start_time)
        self._finish_ended()

    def _finish_ended(self) -> None:
        """Finish the texts that ended, failed, were cancelled or timed out."""
        remaining_texts = []
        for text in self._rows:
            if (reason := text.end_reason()) is None:
                remaining_texts.append(text)
            else:
                self._hand_out_result(text, reason)
        self._rows = remaining_texts

    def _hand_out_result(self, text: Text, reason: FinishReason) -> None:
        """Hand out the result of a text."""
        try:
            self._reader.keep_text(text)
            text.hand_out_result(reason)
        except Exception as error:  # a model's cache that does not know its size
            text.decide_error(wrap_model_error(error))
            text.cache = None
            text.hand_out_result(FinishReason.ERROR)
        # last: a text that an interrupt left in the list is handed out once more, which does no harm
        self._texts.remove(text)

    # --- masks ----------------------------------------------------------------------------------------------

    def _begin_masks(
        self, texts: Sequence[Text], drafts: Sequence[Draft] = (), *, apart: bool = False
    ) -> float:
        """Write the masks that are already known, and begin to fill the others, in a thread if `apart`.

        Each text gets a mask after its last token, and a mask for each guess of its draft. `drafts` has a
        draft for each text, or is empty. The masks take rows of `_mask` after those in use. Returns the
        duration in seconds.
        """
        began = time.perf_counter()
        first = self._used_rows
        self._used_rows = first + len(texts) + sum(map(len, drafts))
        if self._used_rows > len(self._mask.array):
            larger = allocate_mask(2 * self._used_rows, self._mask.vocab_size)
            larger.array[:first] = self._mask.array[:first]
            self._mask = larger
        mask = self._mask
        unknown = []
        row = first
        for number, text in enumerate(texts):
            text.mask_row = row
            # a row for the text, and one for each of its guesses
            row += 1 + len(drafts[number]) if drafts else 1
            if drafts:
                unknown.append(text)
            elif text.matcher is None:
                allow_all(mask, text.mask_row)
                if text.phase is not None:
                    forbid_tokens(mask, text.mask_row, text.phase.ends)
            elif not text.matcher.fill_known(mask, text.mask_row):
                unknown.append(text)
        if unknown:
            self._filler.begin_masks(unknown, drafts, mask, apart=apart)
        return time.perf_counter() - began

    def _end_masks(self, texts: Sequence[Text], known_seconds: float) -> None:
        """Wait until all masks are written. `known_seconds` is the time that `_begin_masks` took."""
        seconds = wait_seconds = 0.0
        if self._filler.under_way is not None:
            seconds, wait_seconds = self._filler.wait_for_masks()
        for text in texts:
            text.mask_seconds = known_seconds + seconds
            text.usage.mask_seconds += known_seconds + seconds
            text.usage.waited_seconds += known_seconds + wait_seconds

    # --- the model ------------------------------------------------------------------------------------------

    def logits_of(self, text: Text) -> Tensor:
        """Return the logits [V] after a text's last token."""
        if text.logit_row >= 0:
            return self._logits[text.logit_row]
        assert text.logits is not None
        return text.logits

    def _read_tokens(self, rows: Sequence[Text], drafts: Sequence[Draft]) -> None:
        """Have the model read the last token of each text, and its guesses. Then `_logits` has a row after
        the token and after each guess, text by text. Raises errors of the model."""
        if drafts:
            logits = self.drafts.read_drafts(rows, drafts)
        else:
            tokens = [text.last for text in rows]
            logits = self._model.decode(tokens, [text.cache for text in rows])
        row_count = len(rows) + sum(map(len, drafts))
        self._logits = check_logits(logits, row_count, self._model.vocab_size)
        # logits and masks of a pass have the same rows, since the masks began at row 0
        for text in rows:
            text.logit_row = text.mask_row

    def _recover_texts(self, rows: Sequence[Text], error: Exception) -> None:
        """Continue after a failed forward pass. The contents of the caches are unknown.

        If the pass had drafts, the texts are read again, and get no more drafts. If it had none and memory
        ran out, the newest text ends with the error, and the others are read again. Otherwise all texts of
        the pass end with the error.
        """
        had_drafts = any(text.guesses is not None for text in rows)
        is_full = is_memory(error)
        if not had_drafts and not is_full:
            for text in rows:
                text.decided_text.error = wrap_model_error(error)
            return
        why = "there was no memory for them" if is_full else f"the model failed at one: {error}"
        for text in rows:
            text.release_memory()
            stop_drafting(text, why)
        if not had_drafts:
            rows[-1].decided_text.error = wrap_model_error(error)
        unread = list(rows if had_drafts else rows[:-1])
        self._rows = [text for text in self._rows if text not in unread]
        self._reader.add(unread)

    # --- around the steps -----------------------------------------------------------------------------------

    def add(self, texts: Sequence[Text]) -> None:
        """Append texts to the waiting list."""
        self._texts.extend(texts)

    def close(self) -> None:
        """Stop the thread that fills masks. A later text starts another one."""
        self.check_driver()
        with self._lock:
            self._filler.close()

    @property
    def count(self) -> int:
        """The number of texts without a result."""
        # a copy: other threads append to the list and remove from it
        return sum(text.handle.result is None for text in list(self._texts))

    def unfinished_handles(self, handles: Sequence[Handle]) -> list[Handle]:
        """Return the handles among `handles` whose texts are not finished."""
        unfinished = {text.handle for text in list(self._texts)}
        return [handle for handle in handles if handle in unfinished]

    def end_cancelled(self) -> None:
        """End the texts that were cancelled or timed out, also those that wait, without a step."""
        self.check_driver()
        with self._lock:
            if any(text.end_reason() is not None for text in list(self._texts)):
                self._run_step(self._finish_all_ended)

    def _finish_all_ended(self) -> None:
        """Finish the texts that ended, also those that wait. Their masks and logits stay where they are."""
        # first those whose prompts are being read: they leave the reader, too
        self._reader.remove_ended(self._hand_out_result)
        for text in list(self._texts):
            if (reason := text.end_reason()) is not None:
                self._hand_out_result(text, reason)
        self._rows = [row for row in self._rows if row.handle.result is None]

    def fail_batch(self, error: BaseException) -> None:
        """End all texts of the batch with an error that none of them caused."""
        with self._lock:
            self._is_cut = True
            for text in self._texts[: self._max_rows]:
                text.decide_error(fault_of(error, "A step of the engine failed"))
                try:
                    self._hand_out_result(text, FinishReason.ERROR)
                except BaseException:  # the error of a listener: nobody is left to report it to
                    self._texts.remove(text)

    def after_fork(self, parent_handles: Sequence[Handle]) -> None:
        """Prepare the loop for use in a forked child process: forget the parent's threads. The texts of
        `parent_handles` are left to the parent, and are cancelled here."""
        # a new lock: the thread of the parent that may hold the old one does not exist here
        self._lock = threading.Lock()
        self._driver = 0
        self._filler.after_fork()
        for text in self._texts:
            text.handle.after_fork(is_left=text.handle in parent_handles)

    def check_driver(self) -> None:
        """Raise OptionError in a listener: the thread that runs a step cannot wait for its end."""
        if self._driver == threading.get_ident() and self._lock.locked():
            raise OptionError(
                "A listener cannot drive the engine: the step that calls it is not finished.",
                where="listen",
                cure="Submit in the listener, and drive the engine elsewhere.",
            )

    def _run_step(self, work: Callable[[], None]) -> None:
        """Do some work as a step. If the last step was interrupted, first restore all texts."""
        try:
            self._driver = threading.get_ident()
            if self._is_cut:
                self._restore_texts()
            # set before the work: an interrupt at any line of it leaves the mark
            self._is_cut = True
            work()
            self._is_cut = self._filler.has_fault
        except _Fault:
            pass  # the error is already set in the text, and the step counts as interrupted
        finally:
            self._driver = 0

    def _restore_texts(self) -> None:
        """After an interrupted step, reset each text that may be a row to its decisions, with nothing read.
        May itself be interrupted; it is then run again."""
        texts = self._texts[: self._max_rows]
        grammars = [text.newest_grammar for text in texts]
        # by id: several texts share a grammar, and it is compiled only once
        grammar_by_id = {id(grammar): grammar for grammar in grammars if grammar is not None}
        for compiled_grammar in grammar_by_id.values():
            try:
                compiled_grammar.generation.replace(compiled_grammar)
            except Exception as error:  # the error of this grammar's texts alone
                for text, text_grammar in zip(texts, grammars, strict=True):
                    if text_grammar is compiled_grammar:
                        text.decide_error(fault_of(error, "The grammar could not be compiled again"))
        # a thread may still fill masks of the interrupted step: it keeps its memory and its matchers
        self._filler.close(wait=False)
        self._filler = MaskFiller()
        self._mask = allocate_mask(self._max_rows, self._tokenizer.vocab_size)
        self._used_rows = 0
        for index, text in enumerate(texts):
            text.release_memory()
            self._texts[index] = text.restart_text()
        self._rows = []
        self._reader.clear()


class _Fault(Exception):
    """A machine failed in the work for one text. The text's `decided_text.error` has the error."""
