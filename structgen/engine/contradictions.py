"""The options of a request that exclude one another, and those of a sampling."""

from __future__ import annotations

from typing import Any, Final

from structgen.engine.strategies.strategy import Mixture, Narrowing, SearchStrategy
from structgen.language.exclusions import Exclusion

# --- sampling, of which every row is about a strategy -------------------------------------------------------


def _are(how: Any, property: str) -> list[str]:
    """Return the names of the strategies with a property of their class."""
    return [one.name for one in how.strategy if getattr(one, property)]


def _of(how: Any, kind: Any) -> list[str]:
    """Return the names of the strategies of a class, or of one of several."""
    return [one.name for one in how.strategy if isinstance(one, kind)]


def _pair(how: Any) -> tuple[str, str, str] | None:
    """Return the names of two strategies that exclude one another, and why they do."""
    for kind, why in (
        (Mixture, "each makes another law of the model's own"),
        (Narrowing, "each decides alone which of the allowed tokens stay"),
    ):
        same = _of(how, kind)
        if len(same) > 1:
            return same[0], same[1], why
    searches = _of(how, SearchStrategy)
    if not searches or len(how.strategy) == 1:
        return None
    others = [one.name for one in how.strategy if one.name not in searches]
    return searches[0], [*others, searches[-1]][0], f"{searches[0]} reads ahead by the model's own law"


def _truncations(how: Any) -> tuple[str, str] | None:
    """Return a strategy that truncates, and a truncation beside it."""
    plain = (("top_k", 0), ("top_p", 1.0), ("min_p", 0.0))
    given = [name for name, neutral in plain if getattr(how, name) != neutral]
    named = _are(how, "truncates")
    return (named[0], given[0]) if named and given else None


OF_SAMPLING: Final = (
    Exclusion(_pair, "strategy", "{0[0]} and {0[1]} exclude one another: {0[2]}.", "Give one."),
    Exclusion(
        lambda how: how.temperature != 0 and ", ".join(_are(how, "is_greedy")),
        "temperature",
        "{} takes the best token and draws none.",
        "Give temperature=0.",
    ),
    Exclusion(
        lambda how: how.temperature == 0 and ", ".join(_are(how, "draws")),
        "temperature",
        "{} is about draws, and nothing is drawn at temperature 0.",
        "Give a temperature above 0.",
    ),
    Exclusion(
        _truncations,
        "{0[1]}",
        "{0[0]} is a truncation itself, and {0[1]} another.",
        "Leave one of them out.",
    ),
    Exclusion(
        lambda how: how.min_tokens and ", ".join(_of(how, Mixture)),
        "min_tokens",
        "{} may drop all tokens but the end token.",
        "Leave one of them out.",
    ),
)

# --- a request, and its sampling with all defaults ----------------------------------------------------------

OF_REQUESTS: Final = (
    Exclusion(
        lambda asked, how: asked.stop and asked.grammar is not None,
        "stop",
        "A stop string would cut a text of the grammar short: it would be none of its texts.",
        "Leave stop out: the text ends where the grammar ends it; or say in the grammar what comes before "
        "the string.",
    ),
    Exclusion(
        lambda asked, how: how.monitors and asked.grammar is None,
        "monitors",
        "Monitors narrow the masks of a grammar, and free text has none.",
        "Give a grammar; sg.text() is that of any text.",
    ),
    Exclusion(
        lambda asked, how: asked.canonical and asked.grammar is None,
        "canonical",
        "Free text has no forced parts.",
        "Leave it out, or give a grammar.",
    ),
    Exclusion(
        lambda asked, how: asked.canonical and any(isinstance(one, int) for one in how.banned),
        "canonical",
        "The tokenizer's own tokens are some of those that are banned, or may be.",
        "Leave out canonical, or ban texts in place of tokens.",
    ),
    Exclusion(
        lambda asked, how: asked.healing and asked.thinking is not None,
        "healing",
        "What follows the prompt are thoughts, and the text begins behind their closing tag.",
        "Leave out healing or thinking.",
    ),
    Exclusion(
        lambda asked, how: asked.healing and _of(how, Mixture | SearchStrategy),
        "healing",
        "The strategy reads further rows behind the prompt as it is, whose last tokens are others.",
        "Leave out healing or the strategy.",
    ),
    Exclusion(
        lambda asked, how: how.min_tokens and asked.grammar is not None,
        "min_tokens",
        "min_tokens would have a text of the grammar go on where only blanks may come.",
        "Leave it out, and bound the text in the grammar: minLength, minItems, {n,}.",
    ),
    Exclusion(
        lambda asked, how: how.min_tokens > asked.most_tokens and (how.min_tokens, asked.most_tokens),
        "min_tokens",
        "min_tokens={0[0]:,} is more than max_tokens={0[1]:,}.",
        "Give fewer.",
    ),
)
