"""Computes how sure a model was of its answer: of listed values as a whole, or of each scalar of a document.

*Listed values* are the few values that a grammar lists, such as those of an `enum`. A *scalar* is a string, a
number, a boolean or null. These confidences are the model's own opinion, and do not tell how often it is
right. If a strategy changes the distribution of the tokens, no confidence is known.
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
    """How sure a model was of one value. It counts the tokens that write at least one byte of the value,
    quotes included. It is at temperature 1, whatever the sampling was."""

    probability: float
    """The product, over these tokens, of P(token | text before, token allowed by the mask). For a value that
    was compared as a whole, it is its share among the listed values (`Outcome.probabilities`)."""
    mask_mass: float | None
    """The product, over these tokens, of the mass that the model gives to allowed tokens. It is 1 if the
    model follows the grammar by itself. None for a value that was compared as a whole."""


def probabilities_of(result: Result, grammar: _OfText, *, is_plain: bool = False) -> dict[str, float]:
    """Return the probability of each listed value among all listed ones. The keys are `ListedValues.names`:
    strings without quotes. Return {} if the values were not compared as a whole. `is_plain`: before a neutral
    prompt's are subtracted; {} where there was none."""
    # a comparison is noted in the state of the first token only
    shares = next((step.state for step in result.steps if step.state), ())
    names = find_listed_values(plain_grammar(grammar)).names if shares else ()
    count = len(names)
    # the states of another strategy are not shares
    if not count or len(shares) not in (count, 2 * count):
        return {}
    return dict(zip(names, shares[count:] if is_plain else shares, strict=False))


def confidences_of(
    result: Result, grammar: _OfText, tokenizer: Tokenizer, holder: str
) -> dict[str, Confidence]:
    """Return the confidence of each string, number, boolean and null of a whole document, by JSON pointer,
    such as `/items/0/price`.

    `grammar` is that of the request, and `tokenizer` that of the engine. `holder` is the pointer of the
    wanted value, if an object around it was added for the model. Return {} for a text that is not a document
    of a JSON Schema, and if its tokens are not known. Cost: linear.
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
    # the place in the text where each token ends, in bytes
    stops = list(accumulate(map(len, step_bytes)))
    probabilities = probabilities_of(result, grammar)
    confidences: dict[str, Confidence] = {}
    for event in (Event(*raw) for raw in EventLog().feed_text(text + b" ")):  # the blank ends a number
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
