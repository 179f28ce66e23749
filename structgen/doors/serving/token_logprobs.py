"""Log-probabilities of tokens in the shapes of chat completions and of completions.

They are those of the model alone (temperature 1, no grammar), as OpenAI has them; so a token that a grammar
demands may be unlikely.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from structgen.decoding.engine.requests import Result
from structgen.tokens.tokenizer import Tokenizer


def chat_logprobs(result: Result, tokenizer: Tokenizer, likeliest: int) -> dict[str, Any]:
    """Return the member `logprobs` of a choice of a chat completion: its tokens, end tokens left out."""
    content = [
        {
            **_token_object(step.token, step.logprob, tokenizer),
            "top_logprobs": [_token_object(*likely, tokenizer) for likely in step.likeliest[:likeliest]],
        }
        for step in result.steps[: len(result.tokens)]
    ]
    return {"content": content, "refusal": None}


def text_logprobs(result: Result, tokenizer: Tokenizer, likeliest: int) -> dict[str, Any]:
    """Return the member `logprobs` of a choice of a completion."""
    steps = result.steps[: len(result.tokens)]
    places = []
    data = b""
    for step in steps:
        # offsets count characters, and tokens may be halves of one
        places.append(len(data.decode("utf-8", "ignore")))
        data += tokenizer.token_bytes[step.token] or b""
    return {
        "tokens": [_token_text(step.token, tokenizer) for step in steps],
        "token_logprobs": [_finite_logprob(step.logprob) for step in steps],
        "top_logprobs": [
            {
                _token_text(token, tokenizer): _finite_logprob(value)
                for token, value in step.likeliest[:likeliest]
            }
            for step in steps
        ],
        "text_offset": places,
    }


def _token_object(token: int, logprob: float, tokenizer: Tokenizer) -> dict[str, Any]:
    data: Sequence[int] = tokenizer.token_bytes[token] or b""
    return {"token": _token_text(token, tokenizer), "logprob": _finite_logprob(logprob), "bytes": list(data)}


def _finite_logprob(logprob: float) -> float:
    # minus infinity is no JSON; OpenAI writes this number for tokens that are unlikely
    return max(logprob, -9999.0)


def _token_text(token: int, tokenizer: Tokenizer) -> str:
    return (tokenizer.token_bytes[token] or b"").decode("utf-8", "replace")
