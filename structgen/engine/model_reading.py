"""What the model reads for the loop: prompts, chosen tokens and drafts. This file alone asks what else a
model can do (model_protocol): read many prompts, verify drafts.

An error of the model is the error of the sequences of that pass. If memory ran out, they are read again
without drafts (`recover`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from structgen.engine.model_protocol import Model, ReadsMany, verifier_of
from structgen.engine.sequences import TextSequence
from structgen.errors import StructgenError
from structgen.speculation.drafts.draft import Draft


class ModelReading:
    """A model, and the logits of its last step."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.logits = torch.empty(0)
        """The logits of the last step, one row for each of its sequences (`TextSequence.place`)."""
        self._verifier = verifier_of(model)

    def logits_of(self, text: TextSequence) -> Tensor:
        """Return the logits [V] after a sequence's last token."""
        if text.place >= 0:
            return self.logits[text.place]
        assert text.logits is not None
        return text.logits

    def read_prompts(self, texts: Sequence[TextSequence]) -> None:
        """Have the model read sequences, in one pass if it can. Further samples of a request copy the first
        one's cache. A sequence that cannot be read has its error."""
        began = time.perf_counter()
        firsts: dict[int, TextSequence] = {}
        # a sequence that is read again after an interrupted step has tokens of its own
        prompt_keys = [id(text if text.is_begun else text.handle.request) for text in texts]
        for key, text in zip(prompt_keys, texts, strict=True):
            firsts.setdefault(key, text)
        found: list[tuple[Tensor, Any]] = []
        if len(firsts) > 1 and isinstance(self.model, ReadsMany):
            with suppress(Exception):  # any error of the model: each is read alone, and gets its own
                found = list(self.model.prefill_many([text.read for text in firsts.values()]))
        found = found if len(found) == len(firsts) else []
        for key, text in zip(prompt_keys, texts, strict=True):
            first = firsts[key]
            try:
                if first is not text and first.error is None:
                    text.logits, text.cache = first.logits, first.cache.copy()
                else:
                    logits, text.cache = found.pop(0) if found else self.model.prefill(text.read)
                    text.logits = self._checked(logits)
            except Exception as error:  # any error of the model: the other sequences continue
                text.error = failed(error)
        ran = time.perf_counter() - began
        for text in texts:
            text.place, text.ran = -1, ran
            text.usage.model_seconds += ran

    def _decoded(self, tokens: Sequence[int], caches: Sequence[Any]) -> Tensor:
        """Return the logits [rows, V] after one more token of each text."""
        return self._checked(self.model.decode(tokens, caches), len(tokens))

    def _checked(self, logits: Tensor, *rows: int) -> Tensor:
        """Return the logits if they have the promised shape: one row, or as many as given. Raises
        StructgenError."""
        wanted = (*rows, self.model.vocab_size)
        if not isinstance(logits, Tensor) or tuple(logits.shape) != wanted:
            given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise StructgenError(f"It gave {given} where logits of the shape {wanted} were asked for.")
        return logits

    def read(self, rows: Sequence[TextSequence], drafts: Sequence[Draft]) -> None:
        """Have the logits stand after the last tokens of sequences and after their guesses, sequence by
        sequence. Raises errors of the model."""
        caches = [text.cache for text in rows]
        if not any(map(len, drafts)):
            self.logits = self._decoded([text.last for text in rows], caches)
            for place, text in enumerate(rows):
                text.place = place
            return
        assert self._verifier is not None
        tokens: list[int] = []
        parents: list[int] = []
        counts = [1 + len(draft) for draft in drafts]
        for text, draft in zip(rows, drafts, strict=True):
            tokens += [text.last, *draft.tokens.tolist()]
            parents += [-1, *(draft.parents + 1).tolist()]
        found = self._verifier.decode_tree(tokens, parents, counts, caches)
        self.logits = self._checked(found, len(tokens))
        for text in rows:
            assert text.guesses is not None
            text.place = text.guesses.first

    def keep(self, rows: Sequence[TextSequence]) -> bool:
        """Have the model keep the draft nodes that sequences accepted. Returns whether it could; else these
        sequences have its error."""
        texts = [text for text in rows if text.guesses is not None]
        if not texts:
            return True
        assert self._verifier is not None
        paths = [text.guesses.path for text in texts if text.guesses is not None]
        try:
            self._verifier.keep(paths, [text.cache for text in texts])
        except Exception as error:  # any error of the model: the contents of the caches are unknown
            for text in texts:
                text.error = failed(error)
        for text in texts:
            text.guesses = None
        return all(text.error is None for text in texts)

    def recover(self, rows: Sequence[TextSequence], error: Exception) -> None:
        """Continue after a failed forward pass. The contents of the caches are unknown. If memory ran out,
        the sequences are read again and get no more drafts; if they had no drafts, the newest sequence gives
        up its memory."""
        if not _is_memory(error):
            for text in rows:
                text.error = failed(error)
            return
        had_drafts = any(text.guesses is not None for text in rows)
        for text in rows:
            release(text)
            text.guesses = None
            text.forgo_drafts("there was no memory for them")
        if not had_drafts:
            rows[-1].error = failed(error)
        for text in rows if had_drafts else rows[:-1]:
            self.read_prompts([text])


def release(text: TextSequence) -> None:
    """Let go of what a sequence holds, after a failure."""
    text.cache = None
    text.release_strategy()


def failed(error: Exception) -> StructgenError:
    """Return what the texts of a pass are told of an error of the model."""
    if isinstance(error, StructgenError):
        what, cure = "The model failed", "Look at the model."
    elif _is_memory(error):
        what, cure = "There is no memory for it", "Write fewer texts at a time (max_rows), or shorter ones."
    else:
        what, cure = f"The model failed: {type(error).__name__}", "Look at the model."
    told = StructgenError(f"{what}: {error}", where="model", cure=cure)
    told.__cause__ = error
    return told


def _is_memory(error: Exception) -> bool:
    # torch's CPU allocator raises a RuntimeError
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)
