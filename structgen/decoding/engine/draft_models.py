"""The drafters of a request: their checks against the engine's tokenizer, and the cache of draft models.

A *drafter* guesses the next tokens of a text. A *draft model* is a small model that does so; the process
loads each one once. A *history* stores earlier answers, whose tokens are guessed again.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

from structgen.base.errors import OptionError, StructgenError
from structgen.decoding.engine.model_protocol import Model
from structgen.decoding.engine.models import given_model, load_model
from structgen.decoding.runs.resources import model_name
from structgen.decoding.speculation.drafters.draft_model import DraftModel
from structgen.decoding.speculation.drafts.drafter import Drafter
from structgen.decoding.speculation.speculation_options import Speculation, own_drafters
from structgen.tokens.tokenizer import Tokenizer

MOST_MODELS: Final = 4
"""The most draft models that a process keeps; the least recently used is dropped first."""


@dataclass(frozen=True, slots=True)
class SharedModel:
    """A draft model, with a lock for its calls."""

    model: Model
    tokenizer: Tokenizer
    original: Any
    """The object from which the model was made. It is kept alive so that no other object gets its id."""
    lock: threading.Lock = field(default_factory=threading.Lock)


_LOADED: Final[dict[str | tuple[int, int], SharedModel]] = {}
"""The draft models of the process, the most recently used last."""
_LOCK: Final = threading.Lock()


def drafters_of(speculation: Speculation, tokenizer: Tokenizer, samples: int = 1) -> list[Drafter]:
    """Return new drafters for one text of an engine with this tokenizer.

    `samples` is the number of texts of the request. Raises what `own_drafters` and `draft_model_of` raise.
    Cost: microseconds; but the first use of a draft model loads it.
    """
    drafters = own_drafters(speculation, samples)
    shared_model = draft_model_of(speculation, tokenizer)
    if shared_model is None:
        return drafters
    # each drafter has caches of its own; all texts share the model and its lock
    return [*drafters, DraftModel(shared_model.model, lock=shared_model.lock)]


def check_speculation(speculation: Speculation, tokenizer: Tokenizer) -> None:
    """Raise OptionError if the history or the draft model of a request has another tokenizer than the engine.

    The first call loads the draft model. Other errors: those of `draft_model_of`.
    """
    history = speculation.history
    if history is not None and history.fingerprint != tokenizer.fingerprint:
        raise OptionError(
            "The history holds answers of another tokenizer.",
            where="history",
            cure="Make it with the engine's own: sg.speculation.AnswerHistory(engine.tokenizer).",
        )
    draft_model_of(speculation, tokenizer)


def draft_model_of(speculation: Speculation, tokenizer: Tokenizer) -> SharedModel | None:
    """Return the draft model that a request names, or None. It is loaded once and shared.

    Raises OptionError if its tokens are not those of `tokenizer`; StructgenError if there is no such model,
    or torch is not installed.
    """
    draft_model = speculation.draft_model
    if draft_model is None:
        return None
    key: str | tuple[int, int]
    if isinstance(draft_model, tuple):
        # by id: models cannot be hashed or compared in general
        key = id(draft_model[0]), id(draft_model[1])
    else:
        key = model_name(draft_model)
    # The lock is held while loading, so that two requests at once do not load the model twice.
    with _LOCK:
        try:
            shared_model = _LOADED.pop(key, None)
            if shared_model is None:
                if isinstance(draft_model, tuple):
                    model_and_tokenizer = given_model(*draft_model)
                else:
                    model_and_tokenizer = load_model(str(draft_model))
                shared_model = SharedModel(*model_and_tokenizer, draft_model)
        except StructgenError as error:
            # the error names the option of the request, not that of `load_model`
            if error.where != "model":
                raise
            raise StructgenError(error.what, where="draft_model", cure=error.cure) from error
        # The model is put back at the end: so the dict is in the order of the last uses.
        _LOADED[key] = shared_model
        if len(_LOADED) > MOST_MODELS:
            # texts that use the model keep it alive until they end
            del _LOADED[next(iter(_LOADED))]
    _check_tokens(shared_model, tokenizer)
    return shared_model


def _check_tokens(shared_model: SharedModel, tokenizer: Tokenizer) -> None:
    """Raise OptionError unless each token has the same bytes in both vocabularies. A special token may be in
    one of them only, and end tokens may differ: they affect only how good the guesses are."""
    cure = "Pass one with the tokenizer of the model, or remove draft_model."
    theirs = shared_model.tokenizer.token_bytes
    ours = tokenizer.token_bytes
    # whole lists first: nearly all are equal, and this comparison is fast
    if theirs != ours:
        for token, (their_bytes, our_bytes) in enumerate(zip_longest(theirs, ours)):
            if their_bytes != our_bytes:
                there = _describe_token(their_bytes)
                here = _describe_token(our_bytes)
                raise OptionError(
                    f"The draft model has another tokenizer: token {token} is {there} there, and "
                    f"{here} here.",
                    where="draft_model",
                    cure=cure,
                )
    if shared_model.model.vocab_size < min(len(theirs), len(ours)):
        raise OptionError(
            f"The draft model has logits for {shared_model.model.vocab_size:,} tokens, and the "
            f"tokenizer has {len(theirs):,}.",
            where="draft_model",
            cure=cure,
        )


def _describe_token(token: bytes | None) -> str:
    return "special or missing" if token is None else repr(token)
