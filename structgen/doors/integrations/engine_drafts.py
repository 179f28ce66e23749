"""Drafts for the requests of another engine, by our own drafters: forced text, layout, known texts.

A *draft* is a chain of guessed tokens, which the engine verifies in one pass. A *step* is one pass of the
engine for all its requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from weakref import WeakKeyDictionary

from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.decoding.speculation.drafts.drafter import DraftContext, RequestFacts
from structgen.decoding.speculation.planning.drafting import Drafting
from structgen.decoding.speculation.planning.speculator import Speculator
from structgen.decoding.speculation.speculation_options import AUTO, own_drafters
from structgen.doors.integrations.engine_grammars import EngineText
from structgen.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class DraftedRequest:
    """A request of the engine, with its tokens so far."""

    request: Any
    """The engine's object of the request. It is hashed by its identity, and not kept alive by us."""
    prompt: Sequence[int]
    tokens: Sequence[int]
    """The tokens that the engine has written, including thoughts."""
    text: EngineText | None
    """The text under its grammar; None if no grammar constrains the next token, as in thoughts."""
    room: int
    """The most tokens of a draft, by the request and the model's context."""


class EngineDrafts:
    """The drafts of one engine. A draft never decides what is written: the engine verifies it.

    Not thread-safe. Memory: what drafters hold of a request, until the engine lets go of it.
    """

    def __init__(self, tokenizer: Tokenizer, draft_size: int) -> None:
        """`draft_size`: the most tokens of a draft. It is a chain, because these engines do not verify
        trees."""
        self._tokenizer, self._draft_size = tokenizer, draft_size
        self._ends = frozenset(tokenizer.eos_token_ids)
        self._speculator = Speculator(overhead=0.0)
        self._drafting_by_request: WeakKeyDictionary[Any, _RequestDrafting] = WeakKeyDictionary()
        self._step_start, self._rows = 0.0, 0
        """The time at which the current step began, and the number of its rows."""

    def plan_drafts(self, batch: Sequence[DraftedRequest]) -> list[Draft]:
        """Return a draft for each request of a batch, for the next step. Call this once a step.

        Drafts are empty if they save no time, which is learnt from the time between two calls. Cost: 0.2 ms a
        request, some milliseconds for the first request under a new grammar, 2 us for each token of a new
        prompt. If drafts save no time, it is 5 us a request.
        """
        if not batch:
            return []
        # the time of a step with a new request is not counted: the step read its prompt, or the engine was
        # idle
        if all(request.request in self._drafting_by_request for request in batch):
            seconds = perf_counter() - self._step_start
            self._speculator.note_model_time(self._rows, seconds)
            self._speculator.note_other_time(seconds)
        self._step_start = perf_counter()
        followed_requests = [self._follow_request(request) for request in batch]
        drafts = [NO_DRAFT] * len(batch)
        if self._speculator.wants_drafts(len(batch), None):
            draftings, views = (
                [followed.drafting for followed in followed_requests],
                list(map(self._make_context, batch)),
            )
            drafts = self._speculator.propose_drafts(draftings, views, [self._draft_size] * len(batch))
        self._rows = len(batch) + sum(map(len, drafts))
        for followed, draft in zip(followed_requests, drafts, strict=True):
            followed.draft = draft
        return drafts

    def _follow_request(self, request: DraftedRequest) -> _RequestDrafting:
        """Return the drafters of a request, after they have received all of its tokens."""
        request_drafting = self._drafting_by_request.get(request.request)
        if request_drafting is None:
            facts = RequestFacts(request.prompt, self._tokenizer)
            request_drafting = _RequestDrafting(Drafting(own_drafters(AUTO), facts, chain=True))
            self._drafting_by_request[request.request] = request_drafting
        new_tokens = request.tokens[request_drafting.count :]
        request_drafting.drafting.follow_text(request.tokens, request_drafting.draft.accepted(new_tokens))
        request_drafting.count += len(new_tokens)
        return request_drafting

    def _make_context(self, request: DraftedRequest) -> DraftContext | None:
        """Return the state of a request's text for drafters; None if nothing can be drafted."""
        text = request.text
        if text is None:
            return DraftContext(request.tokens, None, request.room, self._ends)
        if text.is_finished or text.failure is not None:
            return None
        return DraftContext(text.matcher.tokens, text.matcher, request.room, self._ends)


@dataclass(slots=True)
class _RequestDrafting:
    """The drafters of a request."""

    drafting: Drafting
    draft: Draft = NO_DRAFT
    """The draft of the current step."""
    count: int = 0
    """The number of the request's tokens that the drafters have received."""
