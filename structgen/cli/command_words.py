"""Words that users of other tools type for a command of ours."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

MEANT: Final = {
    "bulk": "batch batches map many",
    "check": "validate valid validator verify lint test parse match accept accepts",
    "explain": "describe inspect show info why schema grammar",
    "explain --tokenizer": "tokenize tokenizer tokens vocab vocabulary",
    "generate": "run chat complete completion completions ask prompt write infer predict extract call gen",
    "infill": "fill fim edit template",
    "maskbench": "bench benchmark benchmarks mask masks perf profile replay eval evaluate",
    "models": "model list ls install download pull",
    "sample": "draw draws sampling",
    "sample-report": "report plot html",
    "serve": "server start host api http up",
    "store": "cache clean clear purge",
    "warmup": "compile precompile build preload prepare warm",
}
"""Words by the beginning of the command line that does what they mean."""
_WORDS: Final = {word: meant for meant, words in MEANT.items() for word in words.split()}


def meant_by(word: str, *, exactly: bool) -> str | None:
    """Return the beginning of the command line that does what an unknown command means; None where the word
    is none of those above, nor, unless `exactly`, nearly one of them."""
    close = get_close_matches(word.lower(), _WORDS, 1, 1.0 if exactly else 0.75)
    return _WORDS[close[0]] if close else None
