"""The drafters of a request: their checks against the engine's tokenizer, and the cache of draft models."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, ClassVar, Final, TypeAlias

from structgen.engine.model_protocol import Model
from structgen.engine.models import given_model, load_model
from structgen.errors import OptionError, StructgenError
from structgen.speculation.drafts.drafter import Drafter
from structgen.speculation.speculation_options import Speculation
from structgen.system.resources import model_name
from structgen.tokens.tokenizer import Tokenizer

GivenModel: TypeAlias = str | PathLike[str] | tuple[Any, Any]
"""A name or a folder as for `sg.Engine`, or a pair of a model object and its tokenizer."""
MOST_MODELS: Final = 4
"""The most draft models that a process keeps; the least recently used is dropped first."""


@dataclass(frozen=True, slots=True)
class SharedModel:
    """A draft model, with a lock for its calls."""

    model: Model
    tokenizer: Tokenizer
    given: Any
    """The object that it was made of. It is kept alive so that no other object gets its id."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Loaded:
    """The draft models of the process, the most recently used last."""

    models: ClassVar[OrderedDict[str | tuple[int, int], SharedModel]] = OrderedDict()
    lock: ClassVar[threading.Lock] = threading.Lock()


def drafters_of(speculation: Speculation, tokenizer: Tokenizer, samples: int = 1) -> list[Drafter]:
    """Return new drafters for one text of an engine with this tokenizer; `samples`: the texts of its request.

    Cost: microseconds; the first use of a draft model loads it. Errors: those of `Speculation.make` and
    `draft_model_of`.
    """
    shared = draft_model_of(speculation, tokenizer)
    if shared is None:
        return speculation.make(samples=samples)
    return speculation.make(shared.model, shared.lock, samples)


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
    wanted = speculation.draft_model
    return None if wanted is None else shared_model(wanted, tokenizer, "draft_model")


def shared_model(wanted: GivenModel, tokenizer: Tokenizer, where: str) -> SharedModel:
    """Return a model that the option `where` names, loaded once and shared. Errors as of `draft_model_of`."""
    key = (id(wanted[0]), id(wanted[1])) if isinstance(wanted, tuple) else model_name(wanted)
    with _Loaded.lock:
        found = _Loaded.models.pop(key, None)
        if found is None:
            try:
                own = given_model(*wanted) if isinstance(wanted, tuple) else load_model(str(wanted))
            except StructgenError as error:
                if error.where != "model":
                    raise
                raise StructgenError(error.what, where=where, cure=error.cure) from error
            found = SharedModel(*own, wanted)
        _Loaded.models[key] = found
        if len(_Loaded.models) > MOST_MODELS:
            _Loaded.models.popitem(last=False)
    _check_tokens(found, tokenizer, where)
    return found


def _check_tokens(found: SharedModel, tokenizer: Tokenizer, where: str) -> None:
    """Raise OptionError unless each token has the same bytes in both vocabularies. A special token may be in
    one of them only, and end tokens may differ: they affect only how good the guesses are."""
    cure = f"Give one with the tokenizer of the model, or leave {where} out."
    theirs, ours = found.tokenizer.token_bytes, tokenizer.token_bytes
    if theirs != ours:
        most = max(len(theirs), len(ours))
        pairs = zip(theirs + (None,) * (most - len(theirs)), ours + (None,) * (most - len(ours)), strict=True)
        wrong = next((token for token, (one, other) in enumerate(pairs) if one != other), None)
        if wrong is not None:
            one, other = (of[wrong] if wrong < len(of) else None for of in (theirs, ours))
            raise OptionError(
                f"It has another tokenizer: token {wrong} is {_said(one)} there, and {_said(other)} here.",
                where=where,
                cure=cure,
            )
    if found.model.vocab_size < min(len(theirs), len(ours)):
        raise OptionError(
            f"It has logits for {found.model.vocab_size:,} tokens, and the tokenizer has {len(theirs):,}.",
            where=where,
            cure=cure,
        )


def _said(token: bytes | None) -> str:
    return "special or missing" if token is None else repr(token)
