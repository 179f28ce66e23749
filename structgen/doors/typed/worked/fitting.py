"""Which examples make a function right more often, and how sure it must be of a field.

What comes in: pairs, and what a function scores on them. What goes out: `Fitted`, a function with the
examples that did best on pairs that are none of them, and a report. The pairs are split by chance: the first
part has the examples, the second chooses among candidates. Where an error is named, a third part gives each
field its threshold. No pair is in two parts.

A threshold is found by conformal risk control ("Learn then Test", Angelopoulos et al. 2021). The answers of
the third part are sorted, the surest first. The k surest ones are those above the confidence of the next
one; given that, the errors among them are binomial. The test passes where so few errors would be seen with a
probability of at most MISSES, were the error the named one. Then answers above it have a lower error. Such
tests are made for larger and larger k, fixed beforehand, until one fails. That a threshold has a higher
error is then at most as likely as MISSES, if a model that is surer is not wrong more often. Of a list one
item of each pair counts, for the items of one answer depend on each other.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Generic, NamedTuple, TypeVar

from structgen.asking.pages.html_pages import format_percent
from structgen.asking.request_reading.example_pairs import Pairs
from structgen.base.errors import OptionError, StructgenError
from structgen.doors.typed.worked.scores import ScoreTable, Table, Tables
from structgen.doors.typed.worked.worked_examples import load_text_similarity

F = TypeVar("F")
MISSES: Final = 0.1
"""How likely it may be, over the pairs, that the accepted answers of a field have a higher error."""
CANDIDATES: Final = (
    ("none", 0),
    ("first", 1),
    ("first", 2),
    ("nearest", 2),
    ("first", 4),
    ("nearest", 4),
    ("first", 8),
)
"""Examples that are tried: so many, the first of their part, or the nearest ones of all of it. Fewer stand
before more, and are chosen where both do equally well."""


class Candidate(NamedTuple):
    """Examples that were tried."""

    name: str
    right: int
    """Right fields of the pairs that choose."""
    of: int
    fault: str = ""
    """Why it was not tried."""


class FieldThreshold(NamedTuple):
    """How sure the model must be of a field."""

    threshold: float | None
    """The least confidence that is accepted; None: no answer is."""
    pairs: int
    """Of the third part, in which the field was answered."""
    needed: int
    """With fewer pairs there is no threshold, even if all are right."""


@dataclass(frozen=True)
class Fitted(Tables, Generic[F]):
    """A function that was fitted, and why it is as it is."""

    function: F
    chosen: str
    candidates: Sequence[Candidate]
    thresholds: Mapping[str, FieldThreshold]
    """By field; {} where no error was named."""

    @property
    def tables(self) -> list[Table]:
        """The candidates; and the thresholds, if any."""
        tried = [
            (name + " (chosen)" * (name == self.chosen), str(right), fault or str(of))
            for name, right, of, fault in self.candidates
        ]
        sure = [
            (name or "the whole", _describe_threshold(field), str(field.pairs))
            for name, field in self.thresholds.items()
        ]
        tables: list[Table] = [(("examples", "right", "of"), tried)]
        return [*tables, (("field", "accepted from", "pairs"), sure)] if sure else tables


def _describe_threshold(field: FieldThreshold) -> str:
    """Return a threshold in words, or why there is none."""
    if field.threshold is not None:
        return format_percent(field.threshold)
    return f"none: needs {field.needed} pairs" if field.pairs < field.needed else "none: too many are wrong"


def at_most_wrong(count: int, wrong: int, error: float) -> float:
    """Return how likely it is that at most `wrong` of `count` answers are wrong, where each is wrong with the
    probability `error`: the lower tail of the binomial distribution."""
    log_wrong, log_right = math.log(error), math.log1p(-error)
    terms = list[float]()
    for wrong_count in range(wrong + 1):
        right_count = count - wrong_count
        # in logarithms: the binomial coefficients of some hundred answers overflow a float
        log_ways = math.lgamma(count + 1) - math.lgamma(wrong_count + 1) - math.lgamma(right_count + 1)
        terms.append(math.exp(log_ways + wrong_count * log_wrong + right_count * log_right))
    return math.fsum(terms)


@cache
def sizes_to_test(error: float, max_size: int) -> list[int]:
    """Return the numbers of answers that are tested, ascending, up to `max_size`.

    For 0, 1, 2, ... wrong answers (from 8 on, a quarter more each time): the least number of answers with
    which the test still passes (`at_most_wrong` <= MISSES). Cost: about linear in `max_size`.
    """
    sizes, allowed_wrong = list[int](), 0

    def passes(size: int) -> bool:
        return at_most_wrong(size, allowed_wrong, error) <= MISSES

    while True:
        start = allowed_wrong + 1
        # more answers with as many wrong ones are less likely: the first size that passes is bisected
        size = start + bisect_left(range(start, max_size + 1), True, key=passes)
        if size > max_size:
            return sizes
        sizes.append(size)
        allowed_wrong += max(1, allowed_wrong // 4)


def find_threshold(answers: Sequence[tuple[float, bool]], error: float) -> float | None:
    """Return the least confidence at which answers may be accepted, or None. `answers`: the confidence of
    each, and whether it is right."""
    answers = sorted(answers, key=lambda answer: -answer[0])
    min_confidence = None
    for size in sizes_to_test(error, len(answers) - 1):
        last = answers[size - 1][0]
        # equal confidences are accepted or refused together
        next_confidence = next((sure for sure, _ in answers[size:] if sure < last), None)
        bound = -math.inf if next_confidence is None else next_confidence
        accepted_answers = [is_right for sure, is_right in answers if sure > bound]
        if at_most_wrong(len(accepted_answers), accepted_answers.count(False), error) > MISSES:
            break  # the sizes are tested in an order that is fixed beforehand: none is skipped
        min_confidence = last if next_confidence is None else math.nextafter(next_confidence, 2.0)
    return min_confidence


def find_thresholds(score: ScoreTable, error: float, seed: int) -> dict[str, FieldThreshold]:
    """Return how sure the model must be of each field of a score, for an error."""
    chance = random.Random(seed)
    # so many right answers pass the test, and a threshold stands above one more answer
    needed = math.ceil(math.log(MISSES) / math.log1p(-error)) + 1
    field_thresholds = {}
    for name, answers in score.answers.items():
        rated_answers = [(index, (sure, is_right)) for index, is_right, sure in answers if sure is not None]
        # the items of one answer depend on each other: one of them counts
        groups = groupby(rated_answers, key=itemgetter(0))
        chosen_answers = [chance.choice([*group])[1] for _, group in groups]
        threshold = find_threshold(chosen_answers, error)
        field_thresholds[name] = FieldThreshold(threshold, len(chosen_answers), needed)
    return field_thresholds


async def fit_function(
    function: Any,
    pairs: Pairs,
    error: float | None,
    held_out: float,
    seed: int,
) -> Fitted[Any]:
    """Return a typed function that is fitted to pairs.

    `error`: the named error of accepted answers, None for no thresholds; `held_out`: the share of the pairs
    that are no examples; `seed`: of the order of the pairs. For example, of 40 pairs with `held_out=0.5` and
    an error, 20 are examples, 10 choose, and 10 give thresholds. Errors: OptionError for too few pairs. Cost:
    at most seven calls for each pair that chooses, and one for each that gives thresholds.
    """
    order = random.Random(seed).sample(pairs, len(pairs))
    example_count = len(pairs) - round(held_out * len(pairs))
    choosing_end = len(pairs) if error is None else (example_count + len(pairs) + 1) // 2
    examples = Pairs(order[:example_count])
    choosing = Pairs(order[example_count:choosing_end])
    last = Pairs(order[choosing_end:])
    if not examples or not choosing or (error is not None and not last):
        fault = f"{len(pairs)} pairs with held_out={held_out} leave a part of them empty."
        raise OptionError(
            fault, where="pairs", cure="Pass more pairs; a few dozen are needed for a reliable figure."
        )
    scored_candidates = [
        await _score_candidate(function, *candidate_options, examples, choosing)
        for candidate_options in CANDIDATES
    ]
    able = [pair for pair in scored_candidates if pair[1] is not None]
    # the fewest wrong fields; among equal ones the first, which has the fewest examples
    best, chosen = max(able, key=lambda scored: scored[0].right - scored[0].of)
    candidates = [candidate for candidate, _ in scored_candidates if candidate.of or candidate.fault]
    if error is None:
        return Fitted(chosen, best.name, candidates, {})
    thresholds = find_thresholds(await chosen._score_pairs(last), error, seed)
    return Fitted(chosen._with_thresholds(thresholds), best.name, candidates, thresholds)


async def _score_candidate(
    function: Any,
    way: str,
    count: int,
    example_pairs: Pairs,
    choosing: Pairs,
) -> tuple[Candidate, Any]:
    """Return the score of a candidate, and the function with its examples; None in place of a function where
    there are too few examples, or the model takes none.

    `way`: "none", "first" or "nearest"; `count`: the number of examples of a prompt, such as 4 of the nearest
    ones. `example_pairs` and `choosing`: the pairs that are examples, and those that the function is scored
    on.
    """
    name = f"{way} {count}" if count else way
    # the nearest of all the examples would be the first ones
    if count > len(example_pairs) - (way == "nearest"):
        return Candidate(name, 0, 0), None
    candidate_examples = Pairs(example_pairs if way == "nearest" else example_pairs[:count])
    candidate_examples.max_told = count
    try:
        if way == "nearest":
            load_text_similarity()  # raises where its package is missing
        candidate_function = function.using(examples=candidate_examples)
    except StructgenError as fault:
        return Candidate(name, 0, 0, str(fault)), None
    score = await candidate_function._score_pairs(choosing)
    return Candidate(name, score.right, score.count), candidate_function
