"""How sure a model was of its answer: of listed values as a whole, and of each scalar of a document.

Both are the model's own opinion, and say nothing of how often it is right. Where a strategy changes the law
of the tokens, neither is known.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias, Union

from structgen.base.json_text.events import Event, EventKind, EventLog
from structgen.decoding.engine.requests import COMPLETE, Result, Step
from structgen.decoding.engine.searches.listed_values import find_listed_values
from structgen.machines.core.compiled import CompiledGrammar, plain_grammar
from structgen.machines.core.grammar import Grammar
from structgen.tokens.tokenizer import Tokenizer

_OfText: TypeAlias = Union[Grammar, CompiledGrammar, None]
"""The grammar of a text, as a request has it."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure a model was of one value, by the tokens that write at least one byte of it, quotes included.
    At temperature 1, whatever the sampling was."""

    probability: float
    """The product, over these tokens, of P(token | text before, token allowed by the mask). Of a value that
    was compared as a whole: its share among the listed values (`Outcome.probabilities`)."""
    mask_mass: float | None
    """The product, over these tokens, of the mass that the model gives to allowed tokens: 1 where the model
    by itself keeps to the grammar. None for a value that was compared as a whole."""


def probabilities_of(result: Result, grammar: _OfText) -> dict[str, float]:
    """Return the probability of each listed value among them, where they were compared as a whole; else {}.
    The keys are `ListedValues.names`: strings without quotes."""
    # a comparison stands in the state of the first token alone
    shares = next((step.state for step in result.steps if step.state), ())
    names = find_listed_values(plain_grammar(grammar)).names if shares else ()
    # another strategy's states are no shares
    if len(names) != len(shares):
        return {}
    return dict(zip(names, shares, strict=True))


def confidences_of(
    result: Result, grammar: _OfText, tokenizer: Tokenizer, holder: str = ""
) -> dict[str, Confidence]:
    """Return how sure the model was of each string, number, boolean and null of a whole document, by JSON
    pointer, such as `/items/0/price`. `grammar`: that of the request, and `tokenizer` that of the engine.
    `holder`: the pointer of the value that is wanted, where an object holds it.

    {} for a text that is no document of a JSON Schema, and where its tokens are not known. Cost: linear.
    """
    ends = tokenizer.eos_token_ids
    steps = [step for step in result.steps if step.token not in ends]
    step_bytes = [tokenizer.token_bytes[step.token] or b"" for step in steps]
    text = (result.reply or result.text).encode()
    language: Grammar | None = plain_grammar(grammar)
    is_json = language is not None and language.policies is not None
    is_document = is_json and result.finish_reason in COMPLETE
    if not is_document or b"".join(step_bytes) != text:  # as where the prompt's last tokens are written again
        return {}
    # where each token ends in the text, in bytes
    stops = list(accumulate(map(len, step_bytes)))
    probabilities = probabilities_of(result, grammar)
    confidences: dict[str, Confidence] = {}
    for event in (Event(*raw) for raw in EventLog().feed_text(text + b" ")):  # a blank ends a numeral
        if event.kind is EventKind.TERMINAL_END and event.end is not None:
            # from the token with the value's first byte to the token with its last one
            first = bisect_right(stops, event.start)
            last = bisect_left(stops, event.end)
            if probabilities:
                confidence = Confidence(max(probabilities.values()), None)
            else:
                confidence = _confidence_of_steps(steps[first : last + 1])
            confidences[event.pointer.removeprefix(holder)] = confidence
    return confidences


def _confidence_of_steps(steps: Sequence[Step]) -> Confidence:
    probability = math.exp(sum(step.constrained for step in steps))
    mask_mass = math.prod(1.0 - step.removed for step in steps)
    return Confidence(probability, mask_mass)
