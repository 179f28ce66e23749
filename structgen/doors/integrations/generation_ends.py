"""Finds the end tokens at which `model.generate` ends a text, and makes the tokenizer for its grammars.

A *generation* is one call of `generate` of transformers, a *config* its settings. transformers gives a
processor only the ids and the scores. The config is a local variable of the `generate` that calls the
processor, so it is read there.
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
"""The most tokenizers that `generation_tokenizer` caches. Each has megabytes, and each model in use has
one."""
_GENERATE: Final = inspect.unwrap(transformers.GenerationMixin.generate).__code__
_warned_pairs: Final = set[tuple[str, tuple[int, ...]]]()
"""The pairs of a tokenizer's fingerprint and a model's end tokens that a warning has named."""


def running_config(processor: Any) -> Any:
    """Return the config of the outermost `generate` that was given this processor; None outside of any. (The
    `generate` of an assistant model runs inside of that of the main model.) Each generation has its own
    config."""
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
    """Return the end tokens of a model that do not spell text. `ends`: all its end tokens."""
    tokens = tokenizer.token_bytes  # a model may have more tokens than its tokenizer
    return tuple(end for end in ends if end >= len(tokens) or tokens[end] is None)


@lru_cache(maxsize=_KEPT)
def generation_tokenizer(tokenizer: Tokenizer, ends: tuple[int, ...]) -> Tokenizer:
    """Return the tokenizer for the texts of a generation that stops at the tokens `ends`.

    Tokens of `ends` that do not spell text are end tokens of the result, too. Tokens of `ends` that do spell
    text are left out of its vocabulary, because a text would be cut off at one. The last eight results are
    cached.
    """
    if set(ends) <= set(tokenizer.eos_token_ids):
        return tokenizer
    return tokenizer.ending_with({*tokenizer.eos_token_ids, *special_ends(tokenizer, ends)}, ends)


def warn_of_difference(tokenizer: Tokenizer, ends: tuple[int, ...]) -> None:
    """Warn if a tokenizer and a model have no end token in common, or if an end token of the model spells
    text. The warning comes once for each such pair. `ends`: the model's end tokens."""
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
        message += f"Texts are written without {texts}, at which they would be truncated. "
    if not special:
        message += (
            "A text is followed by end tokens of the tokenizer, until generate has written all its tokens. "
        )
    warnings.warn(f"{message}Pass eos_token_id={[*own_ends]} to generate.", stacklevel=warning_level())
