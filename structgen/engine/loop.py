"""The loop: texts come and go, each step chooses a token for every one that is being written.

    admit      read the prompts of those that wait, while there is room
    choose     logits and masks, which lie ready, become tokens (choice.choose)
    commit     the tokens are taken: matchers advance, texts grow, some end
    run        the model reads the tokens; meanwhile a thread fills the next masks
    stage      on a GPU: the masks go to the device while its pass runs (device_masks)

Where the model can take tokens back (`TakesBack`), run begins before commit: on a GPU everything between two
choices is then done while the device is at its pass.

With speculation (structgen.speculation) the model reads a draft after each token, too: a tree of guesses.
The logits and the mask of each node lie ready then. A text whose chosen token is a guess goes on at that node
with choose and commit, until its token is none of the guesses: the same choices by the same code, from the
same logits and with the same noise as without a draft, in fewer passes. The model then keeps the nodes that
the text went through.

One thread at a time drives a step; whoever waits for a result drives until it is there.

States of a text, and what an exception does to it:

    waiting    it is in the list, after the first `max_rows`; nothing is read of it
    read       it is a row: cache, logits and mask stand after the last token that was decided
    between    a step is under way: a token may be decided that the model has not read
    done       its handle has a result; it leaves the list

A step begins and ends with all rows `read`. What fails in the work for one text alone (its matcher, its
mask, a listener, its prompt) is caught there, and that text is done, with the error. What fails in a forward
pass is the error of all texts in it. Any other exception, KeyboardInterrupt above all, may leave the step at
any line, and reaches whoever was driving. What is decided (`texts`) is then still whole, and nothing else is
trusted: the next step, by whichever thread, compiles the grammars of the rows anew, makes matchers and
characters from the tokens (`TextSequence.restart`), takes other memory for the masks, and reads all rows as
if they had waited. The same is done where a machine failed in a way that it does not foresee, once the text
that it was for has its error. Noise is a function of the place in the text (`noise`), so a token that has to
be chosen again is the same one. Across steps there is one list of texts; a text leaves it once it is done,
and the rows are its first ones. Cost of all this while nothing goes wrong: a few assignments a step.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from structgen.core.batch import allow_all
from structgen.core.matcher import Matcher
from structgen.engine.choice import Chosen, Words, candidates, choose, choose_along, choose_anywhere
from structgen.engine.device_choice import DeviceChoice
from structgen.engine.device_masks import DeviceMasks
from structgen.engine.mask_rows import Filling, Lines, forbid
from structgen.engine.model_protocol import Model, ReadsMany, Released, TakesBack, verifier_of
from structgen.engine.requests import FinishReason, Handle, Step, fault_of
from structgen.engine.sequences import TextSequence
from structgen.engine.thinking import ThoughtPhase
from structgen.errors import OptionError, StructgenError
from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.planning.speculator import Speculator
from structgen.tokens.token_mask import TokenMask, allocate_mask
from structgen.tokens.tokenizer import Tokenizer

_SHORT = 2e-4
"""Seconds of a forward pass within which nothing is gained by a thread: to hand masks over to it costs more
than most of them do."""


class Loop:
    """The texts that a model is writing, `max_rows` at a time, and those that wait. Threads may share it."""

    def __init__(
        self, model: Model, tokenizer: Tokenizer, max_rows: int, device_masks: bool | None = None
    ) -> None:
        """`device_masks`: whether tokens are chosen by `DeviceChoice`; by default where the logits do not lie
        in main memory."""
        self._model, self._tokenizer, self._max_rows = model, tokenizer, max_rows
        self._ends = frozenset(tokenizer.eos_token_ids)
        self._wider = model.vocab_size > tokenizer.vocab_size
        """Whether the model has logits of no token: masks then leave them out of free texts too."""
        self._lines = Lines(max_rows, tokenizer.vocab_size)
        self._narrow: TokenMask = allocate_mask(1, tokenizer.vocab_size)
        self._texts: list[TextSequence] = []
        """All texts that are not done, in the order in which they came. It is changed by single operations of
        a list, which threads need no lock for."""
        self._rows: list[TextSequence] = []
        """Those that are being written: the first ones of the list."""
        self._is_cut = False
        """Whether a step is under way, or was left in the middle."""
        self._logits = torch.empty(0)
        """What the last step gave, a row for each text that it was of (`TextSequence.place`)."""
        self._ran = 0.0
        """Seconds of the last pass."""
        self._device_masks = device_masks
        self._ahead: _Ahead | None = None
        """The pass that runs while tokens are committed, where the model can take them back."""
        self._there: tuple[DeviceMasks, DeviceChoice] | None = None
        """The masks and the choice on the device of the logits, once there was something to choose there."""
        self._verifier = verifier_of(model)
        """The model, where it verifies drafts."""
        self._speculator = Speculator()
        self._lock = threading.Lock()
        self._driver = 0
        """The thread that is in a step."""

    def add(self, texts: Sequence[TextSequence]) -> None:
        """Have texts wait for their turn."""
        self._texts.extend(texts)

    def close(self) -> None:
        """Let go of the thread that fills masks; a later text starts another."""
        with self._lock:
            self._lines.close()

    def step(self) -> bool:
        """Bring every text on by one token or, where tokens were guessed, by several. Returns whether
        there was anything to do.

        Raises OptionError where a listener calls it, which would wait for itself.
        """
        self._check_driver()
        with self._lock:
            return self._step_alone()

    def drop(self, handle: Handle) -> bool:
        """End a text that was cancelled, without a step. Returns whether it was here."""
        self._check_driver()
        with self._lock:
            return self._drop_alone(handle)

    def _check_driver(self) -> None:
        if self._driver == threading.get_ident() and self._lock.locked():
            raise OptionError(
                "A listener cannot drive the engine: the step that calls it is not over.",
                where="listen",
                cure="Submit there, and drive elsewhere.",
            )

    def _step_alone(self) -> bool:
        if not self._texts:
            return False
        try:
            self._driver = threading.get_ident()
            if self._is_cut:
                self._mend()
            self._is_cut = True
            self._admit()
            if self._rows:
                self._decide()
                self._run()
            self._is_cut = self._lines.has_fault
        except _Fault:
            pass  # the text has its error; the step is cut
        finally:
            self._driver = 0
        return True

    def _drop_alone(self, handle: Handle) -> bool:
        text = next((text for text in self._texts if text.handle is handle), None)
        if text is None:
            return False
        try:
            self._driver = threading.get_ident()
            if self._is_cut:
                self._mend()
            self._is_cut = True
            self._finish(text, text.reason() or FinishReason.CANCELLED)
            self._rows = [row for row in self._rows if row is not text]
            self._is_cut = False
        finally:
            self._driver = 0
        return True

    def _mend(self) -> None:
        """Put back every text that may be a row to what is decided of it, with nothing read: after a step
        that was left in the middle. It may be left in the middle itself, and is then done again."""
        texts = self._texts[: self._max_rows]
        compiled = [text.compiled for text in texts]
        for one in {id(one): one for one in compiled if one is not None}.values():
            try:
                one.generation.replace(one)
            except Exception as error:  # of this grammar's texts alone
                for text, own in zip(texts, compiled, strict=True):
                    if own is one:
                        text.error = text.error or fault_of(error, "The grammar could not be compiled anew")
        # a thread may still be filling masks of then: it keeps the memory and the matchers that it has
        self._lines.close(wait=False)
        self._lines = Lines(self._max_rows, self._tokenizer.vocab_size)
        self._there = self._ahead = None
        for text in texts:
            _release(text)
            text.restart()
        self._rows = []

    def _admit(self) -> None:
        """Read the texts that wait, while there is room; the samples of a request share their prompt."""
        fresh: list[TextSequence] = []
        while (at := len(self._rows) + len(fresh)) < min(self._max_rows, len(self._texts)):
            text = self._texts[at]
            if (reason := text.reason()) is None:
                fresh.append(text)
            else:
                self._finish(text, reason)
        if fresh:
            self._read(fresh)
            self._rows += fresh
            self._lines.fill(fresh)
            self._settle()
            self._stage()
            if self._lines.has_fault:
                raise _Fault

    def _read(self, texts: Sequence[TextSequence]) -> None:
        """Have the model read texts, in one pass if it can; further samples of a request copy what the first
        one read."""
        began = time.perf_counter()
        firsts: dict[int, TextSequence] = {}
        # a text that goes on after a step that was cut has tokens of its own
        alike = [id(text if text.is_begun else text.handle.request) for text in texts]
        for key, text in zip(alike, texts, strict=True):
            firsts.setdefault(key, text)
        found = self._read_together(list(firsts.values()))
        for key, text in zip(alike, texts, strict=True):
            first = firsts[key]
            try:
                if first is not text and first.error is None:
                    text.logits, text.cache = first.logits, first.cache.copy()
                else:
                    logits, text.cache = found.pop(0) if found else self._model.prefill(text.read)
                    text.logits = self._checked(logits)
            except Exception as error:  # whatever the model raises: the other texts go on
                text.error = _failed(error)
        ran = time.perf_counter() - began
        for text in texts:
            text.place, text.ran = -1, ran
            text.usage.model_seconds += ran

    def _read_together(self, texts: Sequence[TextSequence]) -> list[tuple[Tensor, Any]]:
        """Return what the model gives for texts that are read in one pass; nothing where it cannot, or where
        that failed: then each is read by itself, and what fails fails alone."""
        if len(texts) > 1 and isinstance(self._model, ReadsMany):
            try:
                found = list(self._model.prefill_many([text.read for text in texts]))
            except Exception:  # the same
                return []
            return found if len(found) == len(texts) else []
        return []

    def _checked(self, logits: Tensor, *rows: int) -> Tensor:
        """Return logits of the shape that a model promises: a row, or so many. Raises StructgenError."""
        wanted = (*rows, self._model.vocab_size)
        if not isinstance(logits, Tensor) or tuple(logits.shape) != wanted:
            given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise StructgenError(f"It gave {given} where logits of the shape {wanted} were asked for.")
        return logits

    def _decide(self) -> None:
        """Choose a token for each text, and another one for as long as the last one was guessed."""
        began, going = time.perf_counter(), self._rows
        while going:
            chosen = self._chosen(going)
            if self._there is not None and isinstance(self._model, TakesBack):
                self._ahead = self._started(self._model, going, chosen.tokens)
            further = self._commit(going, chosen)
            self._settle()
            going = [text for text in further if text.handle.result is None]
        for text in self._rows:
            if text.guesses is not None:
                text.observe()
        self._keep()
        self._speculator.took(time.perf_counter() - began)

    def _started(self, model: TakesBack, rows: Sequence[TextSequence], tokens: Sequence[int]) -> _Ahead:
        """Have the model read tokens that were chosen and are not committed yet: the device's pass runs while
        they are. Texts may end with them, or take other ones: `_read_ahead` sees to that."""
        read = [max(token, 0) for token in tokens]  # of a row of faulty logits there is none
        try:
            logits = self._checked(model.decode(read, [text.cache for text in rows]), len(rows))
        except Exception as error:  # whatever the model raises: it is handled once the tokens are committed
            return _Ahead(rows, read, error=error)
        return _Ahead(rows, read, logits)

    def _read_ahead(self, model: TakesBack, ahead: _Ahead, rows: Sequence[TextSequence]) -> Tensor:
        """Return the logits of a pass that was started before its tokens were committed. Texts that took
        other tokens (they were steered, or their thoughts were closed) read these now."""
        if ahead.error is not None:
            raise ahead.error
        assert ahead.logits is not None
        places = {id(text): place for place, text in enumerate(ahead.rows)}
        for text in rows:
            text.place = places[id(text)]
        late = [text for text in rows if text.last != ahead.tokens[text.place]]
        if late:
            logits = model.decode_instead([text.last for text in late], [text.cache for text in late])
            for text, own in zip(late, self._checked(logits, len(late)), strict=True):
                text.logits, text.place = own, -1
        return ahead.logits

    def _keep(self) -> None:
        """Have the model keep the nodes of drafts that texts went through."""
        texts = [text for text in self._rows if text.guesses is not None]
        if not texts:
            return
        assert self._verifier is not None
        paths = [text.guesses.path for text in texts if text.guesses is not None]
        try:
            self._verifier.keep(paths, [text.cache for text in texts])
        except Exception as error:  # whatever the model raises: what the caches hold is not known any more
            for text in texts:
                text.error = _failed(error)
            self._settle()
        for text in texts:
            text.guesses = None

    def _chosen(self, rows: Sequence[TextSequence]) -> Chosen:
        """Return a token for each text, and the next ones too where tokens were guessed."""
        logits, places = self._logits, [text.place for text in rows]
        guesses = [text.guesses for text in rows]
        if -1 in places:  # what came with a prompt does not lie among the others
            logits = torch.stack([self._logits_of(text) for text in rows])
            places, guesses = list(range(len(rows))), [None] * len(rows)
        if self._there is not None:
            stays = getattr(self._model, "keeps_logits", False) and logits is self._logits
            return self._there[1].choose(
                logits, [text.row for text in rows], places, [text.line for text in rows], stays=stays
            )
        mask = None
        if self._wider or any(text.matcher is not None or text.phase is not None for text in rows):
            mask = self._lines.mask.array
        return choose_along(
            logits, mask, [text.row for text in rows], places, [text.line for text in rows], guesses
        )

    def _logits_of(self, text: TextSequence) -> Tensor:
        if text.place >= 0:
            return self._logits[text.place]
        assert text.logits is not None
        return text.logits

    def _commit(self, rows: Sequence[TextSequence], chosen: Chosen) -> list[TextSequence]:
        """Take the tokens. Returns the texts whose last one was guessed, and whose next one can be chosen."""
        further, start = [], 0
        for text, end in zip(rows, chosen.ends, strict=True):
            try:
                if self._take_all(text, chosen, start, end):
                    further.append(text)
            except StructgenError as error:
                text.error = error
            except Exception as error:  # whatever a machine raises: the other texts go on, without it
                text.error = fault_of(error, "The text could not take its next token")
                raise _Fault from error
            start = end
        return further

    def _take_all(self, text: TextSequence, chosen: Chosen, start: int, end: int) -> bool:
        """Take the tokens from `start` to `end`, as far as each one was guessed and the text goes on. Returns
        whether the next token can be chosen where the text then stands in its draft."""
        for i in range(start, end):
            if i > start and (text.reason() is not None or text.place != chosen.places[i]):
                # another token was taken than the one that was chosen
                return text.reason() is None
            if chosen.faulty[i]:
                raise StructgenError(
                    "The model's logits are not numbers, or none of them is of a token that may come.",
                    where=f"token {len(text.tokens)}",
                    cure="Look at the model: its weights or its dtype.",
                )
            if text.phase is None:
                self._take(text, self._step(text, chosen, i, self._lines.mask.array[text.line]))
            else:
                self._think(text, text.phase, chosen.tokens[i])
            is_guessed = text.go_on()
            text.tell()
            if not is_guessed:
                return False
        return True

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
            logits = self._logits_of(text)
            step.likeliest = candidates(logits, None, count)
            step.likeliest_allowed = candidates(logits, words, count)
        return step

    def _think(self, text: TextSequence, phase: ThoughtPhase, token: int) -> None:
        """Take a token of the thoughts; another one, where it closes them and begins no document."""
        forced = phase.forced()
        token = token if forced is None else forced
        banned: list[int] = []
        while not phase.take(token, text.handle.request.most_tokens):
            banned.append(token)
            token = self._chosen_again(text, phase, banned)
        text.think(token)

    def _chosen_again(self, text: TextSequence, phase: ThoughtPhase, banned: Sequence[int]) -> int:
        """Return the choice among the tokens of thoughts without some."""
        allow_all(self._narrow, 0)
        forbid(self._narrow, 0, (*phase.ends, *banned))
        return self._chosen_under_narrow(text).tokens[0]

    def _chosen_under_narrow(self, text: TextSequence) -> Chosen:
        """Return the choice for one text under the mask that was just written to `_narrow`."""
        logits = self._logits_of(text)[None]
        if self._there is not None:
            return choose_anywhere(logits, self._narrow.array, [text.row])
        return choose(logits, self._narrow.array, [text.row])

    def _take(self, text: TextSequence, step: Step) -> None:
        """Take one token of one text: it may end, or another may have to be chosen so that it still can."""
        matcher = text.matcher
        if matcher is not None:
            room = text.room
            text.least = self._least_after(matcher, step.token)
            if text.least > room - 1:
                matcher.rollback(1)
                step = self._steered(text, matcher, room)
                text.least = self._least_after(matcher, step.token)
        text.take(step)

    def _least_after(self, matcher: Matcher, token: int) -> int:
        """Take a token; returns how many more the shortest end takes, the end token not counted (-1 after
        it)."""
        matcher.advance(token)
        return -1 if token in self._ends else matcher.tokens_to_finish()

    def _steered(self, text: TextSequence, matcher: Matcher, room: int) -> Step:
        """Return the choice again, among the tokens after which the document can be completed in time: what
        the same noise would have chosen under that mask."""
        matcher.fill_mask(self._narrow, budget=room)
        again = self._chosen_under_narrow(text)
        step = self._step(text, again, 0, self._narrow.array[0])
        step.steered = True
        return step

    def _settle(self) -> None:
        """Finish the texts that have ended, failed, were cancelled or took too long."""
        going = []
        for text in self._rows:
            if (reason := text.reason()) is None:
                going.append(text)
            else:
                self._finish(text, reason)
        self._rows = going

    def _finish(self, text: TextSequence, reason: FinishReason) -> None:
        """Hand out the result of a text, which is then done."""
        try:
            text.finish(reason)
        except Exception as error:  # a cache of the model's that does not know its size
            text.error, text.cache = text.error or _failed(error), None
            text.finish(FinishReason.ERROR)
        self._texts.remove(text)

    def _run(self) -> None:
        """Have the model read the tokens that were chosen, and the masks after them filled meanwhile."""
        rows = self._rows
        if not rows:
            return
        started = time.perf_counter()
        drafts = self._drafts(rows)
        ahead, self._ahead = self._ahead, None
        filling: Filling | None = None
        if ahead is None:
            # other devices go on by themselves, and how long their passes last is not seen here
            filling = self._lines.begin(
                rows,
                drafts,
                apart=self._ran > _SHORT or self._logits.device.type != "cpu",
                leave=self._is_there if self._there is not None else None,
            )
        began = time.perf_counter()
        try:
            if ahead is None:
                self._logits = self._read_tokens(rows, drafts)
            else:
                assert isinstance(self._model, TakesBack)
                self._logits = self._read_ahead(self._model, ahead, rows)
        except Exception as error:  # the same
            self._recover(rows, error)
        self._ran = ran = time.perf_counter() - began
        if filling is None:
            # masks are filled while the device is at the pass
            filling = self._lines.begin(rows, drafts, apart=False, leave=self._is_there)
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
        self._stage()

    def _is_there(self, text: TextSequence) -> bool:
        """Return whether a text's mask is on the device, and not needed here."""
        return self._there is not None and not text.handle.request.logprobs and self._there[0].knows(text)

    def _stage(self) -> None:
        """Send the masks of all rows to the device of the logits, where tokens are chosen there; the device's
        pass goes on meanwhile."""
        rows = self._rows
        if not rows or self._device_masks is False:
            return
        device = self._logits_of(rows[0]).device
        if device.type == "cpu" and not self._device_masks:
            return
        if self._there is None:
            masks = DeviceMasks(self._tokenizer, device)
            self._there = masks, DeviceChoice(masks)
        try:
            if not self._there[0].stage(rows, self._lines.mask, wider=self._wider):
                self._lines.has_fault = True
        except torch.OutOfMemoryError as error:
            for text in rows:
                text.error = _failed(error)
        self._settle()

    def _drafts(self, rows: Sequence[TextSequence]) -> Sequence[Draft]:
        """Return what is guessed after the last token of each text."""
        if not any(text.most_guesses for text in rows):
            return [NO_DRAFT] * len(rows)

        def kinds() -> Hashable:
            return frozenset(text.kind for text in rows if text.most_guesses)

        if not self._speculator.wants_drafts(len(rows), kinds):
            return [NO_DRAFT] * len(rows)
        draftings = [text.begin_drafting() if text.most_guesses else None for text in rows]
        views = [text.view(self._ends) for text in rows]
        return self._speculator.propose(draftings, views, [text.most_guesses for text in rows])

    def _read_tokens(self, rows: Sequence[TextSequence], drafts: Sequence[Draft]) -> Tensor:
        """Return the logits after the last tokens of texts and after their guesses, text by text."""
        caches = [text.cache for text in rows]
        if not any(map(len, drafts)):
            logits = self._checked(self._model.decode([text.last for text in rows], caches), len(rows))
            for place, text in enumerate(rows):
                text.place = place
            return logits
        assert self._verifier is not None
        tokens: list[int] = []
        parents: list[int] = []
        counts = [1 + len(draft) for draft in drafts]
        for text, draft in zip(rows, drafts, strict=True):
            tokens += [text.last, *draft.tokens.tolist()]
            parents += [-1, *(draft.parents + 1).tolist()]
        logits = self._checked(self._verifier.decode_tree(tokens, parents, counts, caches), len(tokens))
        for text in rows:
            assert text.guesses is not None
            text.place = text.guesses.first
        return logits

    def _recover(self, rows: list[TextSequence], error: Exception) -> None:
        """Go on after a forward pass that failed. What the caches hold is not known any more: where memory
        ran out, the texts are read anew and have no drafts from then on; where they had none, the text that
        came last gives its memory up."""
        if not _is_memory(error):
            for text in rows:
                text.error = _failed(error)
            return
        had_drafts = any(text.guesses is not None for text in rows)
        for text in rows:
            _release(text)
            text.guesses = None
            text.forgo_drafts("there was no memory for them")
        if not had_drafts:
            rows[-1].error = _failed(error)
        for text in rows if had_drafts else rows[:-1]:
            self._read([text])


@dataclass(slots=True)
class _Ahead:
    """A pass of tokens that were not committed when it was started."""

    rows: Sequence[TextSequence]
    tokens: list[int]
    logits: Tensor | None = None
    error: Exception | None = None


def _release(text: TextSequence) -> None:
    """Let go of a text's cache after something failed: the frames of the exception may still hold it."""
    if isinstance(text.cache, Released):
        text.cache.release()
    text.cache = None


class _Fault(Exception):
    """A machine failed while it worked for one text, which has the error."""


def _is_memory(error: Exception) -> bool:
    # a CPU's allocator raises a RuntimeError
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)


def _failed(error: Exception) -> StructgenError:
    if isinstance(error, StructgenError):
        what, cure = "The model failed", "Look at the model."
    elif _is_memory(error):
        what, cure = "There is no memory for it", "Write fewer texts at a time (max_rows), or shorter ones."
    else:
        what, cure = f"The model failed: {type(error).__name__}", "Look at the model."
    told = StructgenError(f"{what}: {error}", where="model", cure=cure)
    told.__cause__ = error
    return told
