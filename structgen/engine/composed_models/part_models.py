"""The models that another model is made of."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, TypeAlias

from torch import Tensor

from structgen.engine.model_protocol import Model, draft_support_of, verifier_of
from structgen.engine.models import given_model, load_model
from structgen.errors import OptionError
from structgen.system.resources import model_name
from structgen.tokens.tokenizer import Tokenizer

GivenPart: TypeAlias = str | PathLike[str] | tuple[Any, Any] | Any
"""A name or a folder as for `sg.Engine`, a pair of a model object and its tokenizer, or an engine."""
_MOST_TOGETHER = 256
"""The most tokens that are read in one pass after a text."""


def part_of(name: str, given: GivenPart) -> tuple[Model, Tokenizer, str]:
    """Return a model, its tokenizer, and the name of the model ("" for an object). `name`: the option that
    gives it. Raises OptionError for what is no model; errors of `load_model`."""
    if isinstance(given, str | PathLike):
        found: tuple[Model, Tokenizer, str] = *load_model(model_name(given)), model_name(given)
    elif isinstance(given, tuple) and len(given) == 2:
        found = *given_model(*given), ""
    elif not isinstance(given, tuple) and hasattr(given, "prompt_tokens"):  # an engine
        found = given.model, given.tokenizer, given.name
    else:
        raise OptionError(
            f"A {type(given).__name__} is no model.",
            where=name,
            cure="Give its name or folder, a pair of a model object and its tokenizer, or an engine.",
        )
    return found


def read_on(model: Model, tokens: Sequence[int], cache: Any) -> Tensor:
    """Have a cache hold some more tokens, and return the logits [V] after the last one: in one pass if the
    model verifies drafts, else in one for each."""
    verifier = verifier_of(model) if len(tokens) > 1 else None
    if verifier is None or draft_support_of(model).shape == "none":
        for token in tokens:
            logits = model.decode([token], [cache])[0]
        return logits
    for begin in range(0, len(tokens), _MOST_TOGETHER):
        part = tokens[begin : begin + _MOST_TOGETHER]
        chain = list(range(len(part)))
        logits = verifier.decode_tree(part, [-1, *chain[:-1]], [len(part)], [cache])[-1]
        verifier.keep([chain], [cache])
    return logits
