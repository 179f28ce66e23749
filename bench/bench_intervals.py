"""Do the intervals of the samplers hold the truth as often as they say?

    python bench/bench_intervals.py               five targets, every method, 400 seeds, n = 20, 100, 300
    python bench/bench_intervals.py --seeds 100 --methods smc auto --n 20

A target is a bigram model over a small vocabulary, a grammar, and perhaps a checker. Z and the means of two
functions of the text are known by dynamic programming over (last token, state of the language, tokens left),
without structgen. A run gives three figures: log Z with its interval of 95 %, and for each function its mean
and error; a mean is covered if it is within 1.96 errors. The table has the share of runs that cover the truth
among those that give an interval, and the share of runs that do. Runs are independent: `band` is where the
coverage of a cell of exact intervals lies in 999 of 1,000. What is proven does not cover in 95 %, but always:
bounds of which both ends are proven, and figures of texts that are all known. Runs that give it are counted
apart (`proven`), and are no part of `given` and `covered`.
"""

from __future__ import annotations

import argparse
import itertools
import math
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import records

import structgen as sg
from structgen.samplers.methods import METHODS

LETTERS: Final = "abcdefghijklmnopqrst"
OURS: Final = "abcdefghijklmnop"
"""The letters of the texts; no text has one of the others."""
COUNTED: Final = frozenset("acegikmo")
FIRST: Final = frozenset("abcdijkl")
TOKENS: Final[tuple[bytes | None, ...]] = (
    *(letter.encode() for letter in LETTERS),
    b"ab",
    b"ba",
    b"cd",
    b"ff",
    None,
)
END: Final = len(TOKENS) - 1
MOST_ATTEMPTS: Final = 500
"""Rejection is left out where a run would take more attempts on average."""
COUNTS: Final = (20, 100, 300)
NORMAL: Final = 1.96

Floats = npt.NDArray[np.float64]
State = Any


class NoTwins:
    """A checker: no letter stands beside itself."""

    fingerprint = "no twins"

    def copy(self) -> NoTwins:
        return self

    def viable(self, prefix: bytes) -> bool:
        return all(one != other for one, other in itertools.pairwise(prefix))


class ByThree:
    """A checker of whole texts: the places of the letters in the alphabet add up to a multiple of three."""

    fingerprint = "by three"

    def copy(self) -> ByThree:
        return self

    def final(self, text: str) -> bool:
        return sum(map(ord, text)) % 3 == 0


def counted(text: str) -> float:
    """Return how many letters of a text are of COUNTED."""
    return float(sum(letter in COUNTED for letter in text))


def begins(text: str) -> float:
    """Return 1 for a text whose first letter is of FIRST, else 0."""
    return float(text[:1] in FIRST)


@dataclass(frozen=True)
class Target:
    """A model, a language and a length. The language is given twice: to structgen as a grammar with checkers,
    and to the dynamic programme as a transition function."""

    name: str
    pattern: str
    first: State
    step: Callable[[State, str], State | None]
    """The state after a letter; None where no text goes on so."""
    accepts: Callable[[State], bool]
    seed: int
    max_tokens: int
    favour: float
    """Added to the logits of the letters that no text has."""
    ending: float
    """Added to the logit of the end token."""
    sharp: float = 1.0
    checkers: tuple[Any, ...] = ()

    def row(self, last: int) -> Floats:
        """Return log P(token | last token), -1 standing for the beginning."""
        row = self.sharp * np.random.default_rng([self.seed, last + 1]).normal(size=len(TOKENS))
        row[len(OURS) : len(LETTERS)] += self.favour
        row[END] += self.ending
        found: Floats = row - np.logaddexp.reduce(row)
        return found

    @cached_property
    def rows(self) -> dict[int, Floats]:
        return {last: self.row(last) for last in range(-1, END)}

    def next_logprobs(self, ids: list[int]) -> Floats:
        return self.rows[ids[-1] if ids else -1]

    @cached_property
    def tokenizer(self) -> sg.Tokenizer:
        return sg.Tokenizer.from_bytes(list(TOKENS), eos_token_id=[END])

    @cached_property
    def compiled(self) -> sg.CompiledGrammar:
        return sg.compile(sg.regex(self.pattern), self.tokenizer)

    def after(self, state: State, text: bytes) -> State | None:
        for letter in text.decode():
            state = self.step(state, letter)
            if state is None:
                return None
        return state

    @cached_property
    def truth(self) -> tuple[float, float, float]:
        """Log Z, and the means of `counted` and `begins`."""

        @cache
        def valid(last: int, state: State, left: int) -> tuple[float, float]:
            """Return the valid mass after a prefix, and the sum of mass times the letters counted to come."""
            row = np.exp(self.rows[last])
            mass = float(row[END]) if self.accepts(state) else 0.0
            count = 0.0
            for token, text in enumerate(TOKENS[:END] if left else ()):
                after = self.after(state, text or b"")
                if after is not None:
                    more, inner = valid(token, after, left - 1)
                    mass += row[token] * more
                    count += row[token] * (inner + counted((text or b"").decode()) * more)
            return mass, count

        z, count = valid(-1, self.first, self.max_tokens)
        share = 0.0
        for token, text in enumerate(TOKENS[:END]):
            after = self.after(self.first, text or b"")
            if after is not None and begins((text or b"").decode()):
                share += math.exp(self.rows[-1][token]) * valid(token, after, self.max_tokens - 1)[0]
        return math.log(z), count / z, share / z

    def sample(self, method: str, n: int, seed: int) -> sg.Samples[str]:
        return sg.sample(
            self.next_logprobs,
            [],
            self.compiled,
            n,
            method=method,
            seed=seed,
            max_tokens=self.max_tokens,
            checkers=self.checkers,
            tokenizer=self.tokenizer,
            name=self.name,
        )


def _words(count: int, letter: str) -> int | None:
    return 0 if letter in OURS else None


def _even(odd: int, letter: str) -> int | None:
    """An even number of b."""
    return odd ^ (letter == "b") if letter in OURS else None


def _twins(state: tuple[int, str], letter: str) -> tuple[int, str] | None:
    count, last = state
    return (min(count + 1, 2), letter) if letter in OURS and letter != last else None


def _three(state: tuple[int, int], letter: str) -> tuple[int, int] | None:
    count, total = state
    return (count + 1, (total + ord(letter)) % 3) if letter in OURS and count < 3 else None


def _turns(count: int, letter: str) -> int | None:
    """Letters of a to h and of i to p in turns, at most 4."""
    return count + 1 if letter in (OURS[:8], OURS[8:])[count % 2] and count < 4 else None


TARGETS: Final = (
    Target("words", "[a-p]*", 0, _words, lambda _: True, 4, 4, -8.0, 2.0),
    Target("even", "([ac-p]|b[ac-p]*b)*", 0, _even, lambda odd: not odd, 2, 3, 0.0, 1.0),
    Target(
        "no twins",
        "[a-p]{2,}",
        (0, ""),
        _twins,
        lambda state: state[0] == 2,
        3,
        4,
        -2.0,
        0.0,
        checkers=(NoTwins(),),
    ),
    Target(
        "by three",
        "[a-p]{3}",
        (0, 0),
        _three,
        lambda state: state[0] == 3 and not state[1],
        4,
        3,
        -2.0,
        1.0,
        checkers=(ByThree(),),
    ),
    Target("in turns", "([a-h][i-p]){1,2}", 0, _turns, lambda count: count in (2, 4), 5, 4, 3.0, 0.0),
)
"""Z falls from 0.8 to 1e-4. Of the texts of each, too many to be listed, a run meets a part."""
COLUMNS: Final = (
    *("target", "z", "method", "n", "runs", "figure", "covered", "band_low", "band_high", "given", "proven"),
    *("cpu_s", "notes"),
)
PROVEN: Final = "proven"
NONE: Final = "none"
OUTSIDE: Final = 0.0005
"""The probability of a cell of exact intervals below its band, and of one above."""
OF_SHARES: Final = "share, marginals"


Answer: TypeAlias = "bool | str"
"""Whether an interval of 95 % holds the truth; PROVEN, NONE."""


def covers(found: sg.Samples[str], truth: tuple[float, float, float]) -> Iterator[tuple[str, Answer]]:
    """Yield each figure's name, and its answer. Raises AssertionError for a proven figure that is wrong."""
    log_z, mean, share = truth
    if not math.isnan(found.log_z):
        interval = found.log_z_interval
        bracket = tuple(math.log(end) if end else -math.inf for end in found.bracket)
        yield "log Z", NONE if interval is None else held(interval, log_z, interval == bracket)
    if not found.values:
        return
    for name, function, exact in (("mean", counted, mean), ("share", begins, share)):
        value, error = found.expectation(function)
        if error is None:
            yield name, NONE
        else:
            yield name, held((value - NORMAL * error, value + NORMAL * error), exact, error == 0)
    if not found.is_biased:
        for one in found.marginals(begins, 2):
            if one.value == 1.0:
                is_told = found.is_exact or (found.knows_error and not found.lists_all)
                yield OF_SHARES, held(one.interval, share, not is_told)


def held(interval: tuple[float, float], truth: float, is_proven: bool) -> Answer:
    holds = interval[0] - 1e-9 <= truth <= interval[1] + 1e-9
    assert holds or not is_proven, f"{interval} is proven, and has no {truth}"
    return PROVEN if is_proven else bool(holds)


def band(runs: int) -> tuple[float, float]:
    """Return the least and the greatest share of covered runs of 999 in 1,000 cells of exact intervals."""
    law = [math.comb(runs, k) * 0.95**k * 0.05 ** (runs - k) for k in range(runs + 1)]
    low = next(k for k in range(runs + 1) if sum(law[: k + 1]) > OUTSIDE)
    high = next(k for k in range(runs, -1, -1) if sum(law[k:]) > OUTSIDE)
    return low / runs, high / runs


def measured(options: argparse.Namespace) -> Iterator[tuple[object, ...]]:
    """Yield a row for each target, method, n and figure."""
    for n in options.n:
        for target in TARGETS:
            z = math.exp(target.truth[0])
            for method in options.methods:
                if method == "rejection" and n / z > MOST_ATTEMPTS:
                    continue
                cpu, answers = time.process_time(), defaultdict(list)
                for seed in range(options.seeds):
                    for figure, answer in covers(target.sample(method, n, seed), target.truth):
                        answers[figure].append(answer)
                cpu = time.process_time() - cpu
                for figure, found in answers.items():
                    given = [one for one in found if isinstance(one, bool)]
                    covered = sum(given) / len(given) if given else math.nan
                    low, high = band(len(given)) if given else (math.nan, math.nan)
                    yield (
                        target.name,
                        f"{z:.3g}",
                        method,
                        n,
                        len(found),
                        figure,
                        *(f"{one:.4f}" for one in (covered, low, high, len(given) / options.seeds)),
                        f"{found.count(PROVEN) / options.seeds:.4f}",
                        f"{cpu:.1f}",
                        options.notes,
                    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = records.arguments(__doc__)
    # mcmc needs eleven texts a draw, and gives log Z alone: it is asked for by name.
    usual = [name for name in METHODS if name not in ("mcmc", "asap", "masked")]
    parser.add_argument("--methods", nargs="+", default=usual, choices=METHODS)
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--n", nargs="+", type=int, default=list(COUNTS))
    parser.add_argument("--notes", default="", help="a column of each row: busy machine, say")
    parser.add_argument("--more", action="store_true", help="add to the day's rows")
    options = parser.parse_args(argv)
    versions = f"structgen {records.version()}, numpy {np.__version__}"
    about = {"load": records.load(), "python": platform.python_version(), "versions": versions}

    def told() -> Iterator[tuple[object, ...]]:
        for row in measured(options):
            print(*row, sep="  ", flush=True)
            yield row

    print(records.write(options.results, "intervals", about, COLUMNS, told(), more=options.more))


if __name__ == "__main__":
    main()
