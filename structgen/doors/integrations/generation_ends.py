"""Where `model.generate` ends a text: the end tokens of a generation, and the tokenizer that its grammars are
compiled for.

transformers hands a processor the ids and the scores alone. The settings of a generation are a local variable
of the `generate` that calls it, and are read there.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import torch
import transformers

from structgen.base.errors import warning_level
from structgen.tokens.tokenizer import Tokenizer

_KEPT: Final = 8
"""The most tokenizers that `generation_tokenizer` caches: each has megabytes, and there is one for each model
in use."""
_GENERATE: Final = inspect.unwrap(transformers.GenerationMixin.generate).__code__
_warned_pairs: Final = set[tuple[str, tuple[int, ...]]]()
"""The pairs of a tokenizer's fingerprint and a model's end tokens that a warning has named."""


def running_config(processor: Any) -> Any:
    """Return the generation config of the outermost `generate` that was given this processor: an assistant's
    `generate` runs inside of its model's. None outside of any. Each generation has a config of its own."""
    config, frame = None, sys._getframe(1).f_back
    while frame is not None:
        if frame.f_code is _GENERATE:
            values = frame.f_locals
            if any(given_processor is processor for given_processor in values["logits_processor"] or ()):
                config = values["generation_config"]
        frame = frame.f_back
    return config


def end_tokens(*configs: Any) -> tuple[int, ...]:
    """Return the end tokens that configs of transformers name (`eos_token_id`: an id, several, none)."""
    named_ends = (getattr(config, "eos_token_id", None) for config in configs)
    ends_of_configs = (torch.as_tensor(ids).flatten().tolist() for ids in named_ends if ids is not None)
    return tuple(sorted({end for ends in ends_of_configs for end in ends}))


def special_ends(tokenizer: Tokenizer, ends: Iterable[int]) -> tuple[int, ...]:
    """Return those of a model's end tokens that are no text."""
    tokens = tokenizer.token_bytes  # a model may be wider than its tokenizer
    return tuple(end for end in ends if end >= len(tokens) or tokens[end] is None)


@lru_cache(maxsize=_KEPT)
def generation_tokenizer(tokenizer: Tokenizer, ends: tuple[int, ...]) -> Tokenizer:
    """Return the tokenizer whose texts a generation writes that stops at `ends`. End tokens that are no text
    are its end tokens too. Those that are text stand in no text, which would be cut off there. The last eight
    are kept."""
    if set(ends) <= set(tokenizer.eos_token_ids):
        return tokenizer
    return tokenizer.ending_with({*tokenizer.eos_token_ids, *special_ends(tokenizer, ends)}, ends)


def warn_of_difference(tokenizer: Tokenizer, ends: tuple[int, ...]) -> None:
    """Warn, once for a tokenizer and a model's end tokens, where the two have none in common, or where one of
    the model's is text."""
    own_ends, special = tokenizer.eos_token_ids, special_ends(tokenizer, ends)
    key = tokenizer.fingerprint, ends
    if key in _warned_pairs or (set(own_ends) & set(ends) and special == ends):
        return
    _warned_pairs.add(key)
    text_ends = [end for end in ends if end not in special]
    texts = ", ".join(f"{end} ({tokenizer.token_bytes[end]!r})" for end in text_ends)
    message = (
        f"generate stops at {', '.join(map(str, ends)) or 'no token'}, and the tokenizer ends texts with "
    )
    message += f"{', '.join(map(str, own_ends))}. "
    if text_ends:
        message += f"Texts are written without {texts}, at which they would be cut off. "
    if not special:
        message += (
            "Behind a text come end tokens of the tokenizer, until generate has written all its tokens. "
        )
    warnings.warn(f"{message}Pass eos_token_id={[*own_ends]} to generate.", stacklevel=warning_level())
