"""Tables of options that exclude one another, in a request and in a sampling.

Each row is an `Exclusion`: an option, the fault, the cure, and the other option or the case that excludes it.
`requests` checks the tables when a `Sampling` or a `Request` is made. The first row that applies is the
error, so the rows of one option are together. A lambda of a row gets the arguments of `raise_first`: the
sampling, or the request and its whole sampling. If it returns a true value, the case applies, and the value
fills the `{}` of the fault.
"""

from __future__ import annotations

from typing import Any, Final

from structgen.decoding.engine.strategies.strategy import Mixture, Narrowing, SearchStrategy
from structgen.decoding.runs.exclusions import Exclusion, Exclusions


def _names_with_property(sampling: Any, property: str) -> str:
    """Return the names of the strategies whose class has a true flag of the name `property`."""
    return ", ".join(strategy.name for strategy in sampling.strategy if getattr(strategy, property))


def _names_of_kind(sampling: Any, kind: Any) -> list[str]:
    """Return the names of the strategies of a class, or of one of several."""
    return [strategy.name for strategy in sampling.strategy if isinstance(strategy, kind)]


def _find_exclusive_pair(sampling: Any) -> tuple[str, str, str] | None:
    """Return the names of two strategies that exclude one another, and why they do."""
    for kind, why in (
        (Mixture, "each makes another law of the model's own"),
        (Narrowing, "each decides alone which of the allowed tokens stay"),
    ):
        names = _names_of_kind(sampling, kind)
        if len(names) > 1:
            return names[0], names[1], why
    searches = _names_of_kind(sampling, SearchStrategy)
    if not searches or len(sampling.strategy) == 1:
        return None
    others = [strategy.name for strategy in sampling.strategy if strategy.name not in searches]
    # without another kind of strategy the second one is a search too
    second = others[0] if others else searches[-1]
    return searches[0], second, f"{searches[0]} reads ahead by the model's own law"


OF_SAMPLING: Final = Exclusions(
    # this row is first, because the rows below are about a single strategy
    Exclusion(
        "strategy", "{0[0]} and {0[1]} cannot be combined: {0[2]}.", "Give one.", when=_find_exclusive_pair
    ),
    Exclusion(
        "temperature",
        "{} takes the best token and does not draw.",
        "Give temperature=0.",
        when=lambda sampling: sampling.temperature != 0 and _names_with_property(sampling, "is_greedy"),
    ),
    Exclusion(
        "temperature",
        "{} applies to draws, and temperature 0 does not draw.",
        "Set a temperature above 0.",
        when=lambda sampling: sampling.temperature == 0 and _names_with_property(sampling, "draws"),
    ),
    Exclusion(
        ("top_k", "top_p", "min_p"),
        "{} truncates the distribution, and so does {name}.",
        "Remove one of them.",
        beside=lambda sampling: _names_with_property(sampling, "truncates"),
    ),
    Exclusion(
        "min_tokens",
        "{} may remove all tokens but the end token.",
        "Remove one of them.",
        beside=lambda sampling: ", ".join(_names_of_kind(sampling, Mixture)),
    ),
)
"""The exclusions of a sampling; every row is about a strategy."""
OF_REQUESTS: Final = Exclusions(
    Exclusion(
        "stop",
        "A stop string would truncate a text of the grammar.",
        "Remove stop: the text ends where the grammar ends it; or put what precedes the string "
        "into the grammar.",
        beside="grammar",
    ),
    Exclusion(
        "stop_tokens",
        "A stop token would truncate a text of the grammar.",
        "Remove stop_tokens: the text ends where the grammar ends it.",
        beside="grammar",
    ),
    Exclusion(
        "canonical", "Free text has no forced parts.", "Remove it, or pass a grammar.", without="grammar"
    ),
    Exclusion(
        "canonical",
        "Some of the tokenizer's own tokens are banned, or may be.",
        "Remove canonical, or ban texts instead of tokens.",
        beside=lambda request, sampling: any(isinstance(banned, int) for banned in sampling.banned),
    ),
    Exclusion(
        "healing",
        "The prompt is followed by thoughts, and the text begins after their closing tag.",
        "Remove healing or thinking.",
        beside="thinking",
    ),
    Exclusion(
        "healing",
        "The strategy reads further rows after the unchanged prompt, whose last tokens healing "
        "would replace.",
        "Remove healing or the strategy.",
        beside=lambda request, sampling: bool(_names_of_kind(sampling, Mixture | SearchStrategy)),
    ),
    Exclusion(
        "thinking",
        "Thoughts precede an answer, and this answer has already begun in the last message.",
        "Remove thinking, or set continue_final_message=False.",
        beside="begun",
    ),
    Exclusion(
        "min_tokens",
        "min_tokens would have a text of the grammar go on where only blanks may come.",
        "Remove it, and bound the text in the grammar: minLength, minItems, {n,}.",
        beside="grammar",
    ),
    Exclusion(
        "min_tokens",
        "min_tokens={0[0]:,} is more than max_tokens={0[1]:,}.",
        "Give fewer.",
        # false, or the pair of both numbers for the message
        when=lambda request, sampling: (
            sampling.min_tokens > request.most_tokens and (sampling.min_tokens, request.most_tokens)
        ),
    ),
)
"""The exclusions of a request and its whole sampling. They are checked only if the request has one of the
options that `Request.__post_init__` lists."""
