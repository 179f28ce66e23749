"""Log-probabilities of tokens in the shapes of chat completions and of completions.

They are those of the model alone (temperature 1, no grammar), as OpenAI has them; so a token that a grammar
demands may be unlikely.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from structgen.base.json_text.exact_json import JsonObject
from structgen.decoding.engine.requests import Step

Spell: TypeAlias = Callable[[int], bytes]
"""A function that returns the bytes of a token."""


def chat_logprobs(steps: Sequence[Step], spell: Spell, likeliest: int) -> JsonObject:
    """Return the member `logprobs` of a choice of a chat completion, for the tokens of its text."""
    content = [
        {
            **_token_object(step.token, step.logprob, spell),
            "top_logprobs": [_token_object(*likely, spell) for likely in step.likeliest[:likeliest]],
        }
        for step in steps
    ]
    return {"content": content, "refusal": None}


def text_logprobs(steps: Sequence[Step], spell: Spell, likeliest: int) -> JsonObject:
    """Return the member `logprobs` of a choice of a completion, for the tokens of its text. Each token is
    among its own `top_logprobs`, which are the `likeliest` ones besides. The first token of a prompt has no
    log-probability."""
    places = []
    offset = 0
    # offsets count characters, and tokens may be halves of one
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for step in steps:
        places.append(offset)
        offset += len(decoder.decode(spell(step.token)))
    return {
        "tokens": [_token_text(step.token, spell) for step in steps],
        "token_logprobs": [_finite_logprob(step.logprob) for step in steps],
        "top_logprobs": [
            None
            if math.isnan(step.logprob)
            else {
                _token_text(token, spell): _finite_logprob(value)
                # several tokens may have the same text: the likeliest one comes last, and stays
                for token, value in ((step.token, step.logprob), *step.likeliest[:likeliest][::-1])
            }
            for step in steps
        ],
        "text_offset": places,
    }


def prompt_logprobs(steps: Sequence[Step], spell: Spell, likeliest: int) -> list[Any]:
    """Return vLLM's member `prompt_logprobs`: for each token of a prompt, itself and the likeliest ones by
    their ids. The first token has none."""
    return [
        None
        if math.isnan(step.logprob)
        else {
            str(token): {
                "logprob": _finite_logprob(value),
                "rank": int(rank),
                "decoded_token": _token_text(token, spell),
            }
            for rank, (token, value) in (
                *enumerate(step.likeliest[:likeliest], 1),
                (step.state[0], (step.token, step.logprob)),
            )
        }
        for step in steps
    ]


def _token_object(token: int, logprob: float, spell: Spell) -> JsonObject:
    return {
        "token": _token_text(token, spell),
        "logprob": _finite_logprob(logprob),
        "bytes": list(spell(token)),
    }


def _finite_logprob(logprob: float) -> float | None:
    # minus infinity is no JSON; OpenAI writes this number for tokens that are unlikely
    return None if math.isnan(logprob) else max(logprob, -9999.0)


def _token_text(token: int, spell: Spell) -> str:
    return spell(token).decode("utf-8", "replace")
