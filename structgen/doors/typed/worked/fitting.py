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

from structgen.asking.request_reading.example_pairs import Pairs
from structgen.base.errors import OptionError, StructgenError
from structgen.base.system.html_pages import percent
from structgen.doors.typed.worked.scores import ScoreTable, Shown, Tables
from structgen.doors.typed.worked.worked_examples import likeness

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
    def tables(self) -> list[Shown]:
        """The candidates; and the thresholds, if any."""
        tried = [
            (name + " (chosen)" * (name == self.chosen), str(right), fault or str(of))
            for name, right, of, fault in self.candidates
        ]
        sure = [
            (name or "the whole", _said(field), str(field.pairs)) for name, field in self.thresholds.items()
        ]
        tables: list[Shown] = [(("examples", "right", "of"), tried)]
        return [*tables, (("field", "accepted from", "pairs"), sure)] if sure else tables


def _said(field: FieldThreshold) -> str:
    if field.threshold is not None:
        return percent(field.threshold)
    return f"none: needs {field.needed} pairs" if field.pairs < field.needed else "none: too many are wrong"


def at_most_wrong(count: int, wrong: int, error: float) -> float:
    """Return how likely it is that at most `wrong` of `count` answers are wrong, where each is wrong with the
    probability `error`: the lower tail of the binomial distribution."""
    log = math.log
    return math.fsum(
        math.exp(
            math.lgamma(count + 1)
            - math.lgamma(some + 1)
            - math.lgamma(count - some + 1)
            + some * log(error)
            + (count - some) * math.log1p(-error)
        )
        for some in range(wrong + 1)
    )


@cache
def sizes_to_test(error: float, most: int) -> list[int]:
    """Return the numbers of answers that are tested, ascending, up to `most`.

    For 0, 1, 2, ... wrong answers (from 8 on, a quarter more each time): the least number of answers with
    which the test still passes (`at_most_wrong` <= MISSES). Cost: about linear in `most`.
    """
    listed, allowed = list[int](), 0
    while True:
        start = allowed + 1
        size = start + bisect_left(
            range(start, most + 1), True, key=lambda size: at_most_wrong(size, allowed, error) <= MISSES
        )
        if size > most:
            return listed
        listed.append(size)
        allowed += max(1, allowed // 4)


def threshold(answers: Sequence[tuple[float, bool]], error: float) -> float | None:
    """Return the least confidence at which answers may be accepted, or None. `answers`: the confidence of
    each, and whether it is right."""
    answers = sorted(answers, key=lambda answer: -answer[0])
    least = None
    for size in sizes_to_test(error, len(answers) - 1):
        last = answers[size - 1][0]
        below = next((sure for sure, _ in answers[size:] if sure < last), None)
        taken = [is_right for sure, is_right in answers if below is None or sure > below]
        if at_most_wrong(len(taken), taken.count(False), error) > MISSES:
            break
        least = last if below is None else math.nextafter(below, 2.0)
    return least


def thresholds(score: ScoreTable, error: float, seed: int) -> dict[str, FieldThreshold]:
    """Return how sure the model must be of each field of a score, for an error."""
    chance = random.Random(seed)
    needed = math.ceil(math.log(MISSES) / math.log1p(-error)) + 1
    made = {}
    for name, every in score.answers.items():
        known = [(at, (sure, is_right)) for at, is_right, sure in every if sure is not None]
        some = [chance.choice([*group])[1] for _, group in groupby(known, key=itemgetter(0))]
        made[name] = FieldThreshold(threshold(some, error), len(some), needed)
    return made


async def fitted(function: Any, pairs: Pairs, error: float | None, held_out: float, seed: int) -> Fitted[Any]:
    """Return a typed function that is fitted to pairs. Errors: OptionError for too few of them. Cost: seven
    calls for each pair that chooses, at most, and one for each that gives thresholds."""
    order = random.Random(seed).sample(pairs, len(pairs))
    kept = len(pairs) - round(held_out * len(pairs))
    cut = len(pairs) if error is None else (kept + len(pairs) + 1) // 2
    examples, choosing, last = (Pairs(order[a:b]) for a, b in ((0, kept), (kept, cut), (cut, len(pairs))))
    if not examples or not choosing or (error is not None and not last):
        what = f"{len(pairs)} pairs with held_out={held_out} leave a part of them empty."
        raise OptionError(what, where="pairs", cure="Give more pairs; some dozens tell more than chance.")
    tried = [await _tried(function, *how, examples, choosing) for how in CANDIDATES]
    able = [(candidate, made) for candidate, made in tried if made is not None]
    best, chosen = max(able, key=lambda both: both[0].right - both[0].of)
    candidates = [candidate for candidate, _ in tried if candidate.of or candidate.fault]
    if error is None:
        return Fitted(chosen, best.name, candidates, {})
    sure = thresholds(await chosen._scored(last), error, seed)
    return Fitted(chosen._accepting(sure), best.name, candidates, sure)


async def _tried(
    function: Any, way: str, most: int, examples: Pairs, choosing: Pairs
) -> tuple[Candidate, Any]:
    """Return what a candidate scores, and the function with its examples; None where there are too few, or
    the model takes none."""
    name = f"{way} {most}" if most else way
    if most > len(examples) - (way == "nearest"):
        return Candidate(name, 0, 0), None
    given = Pairs(examples if way == "nearest" else examples[:most])
    given.max_told = most
    try:
        if way == "nearest":
            likeness()
        made = function.using(examples=given)
    except StructgenError as fault:
        return Candidate(name, 0, 0, str(fault)), None
    score = await made._scored(choosing)
    return Candidate(name, score.right, score.count), made
