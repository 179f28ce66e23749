"""Joins the draws of two runs of one target, as if one run had made them.

- The *target* is the law of the texts: the model, its prompt, the grammar, the temperature and the checkers.
- An *attempt* is one try of a run to draw a text; its arrays name draws by their numbers (`Attempts`).
- A *repeat* is a draw of a text that was known before. The method "raj" sums known texts, so their order
  matters.
- The *bracket* is the proven bounds on Z, the probability that a text of the model is valid.

For example, a run of 100 draws with seed 1 and one of 50 draws with seed 2 become 150 draws.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np

from structgen.base.errors import OptionError
from structgen.decoding.samplers.draws import Draws
from structgen.decoding.samplers.estimates import Statistics, clamp_log_z, is_spent, log_sum, log_z_of_coins
from structgen.decoding.samplers.intervals.attempts import Attempts
from structgen.decoding.samplers.methods.raj import masses_of, share_masses
from structgen.decoding.samplers.target import Bounds, Floats, Tokens


def seeds_of(draws: Draws[Any]) -> list[int]:
    """Return the seeds of the runs that made the draws."""
    return list(draws.about.get("seeds", [draws.about.get("seed")]))


def joined_fields(first: Draws[Any], second: Draws[Any], *, are_of_one_run: bool = False) -> dict[str, Any]:
    """Return the fields of the joined draws of two runs. If the runs share a tree, `first` is the earlier
    one.

    `are_of_one_run` says that the second run continues the first. Otherwise both targets need names that are
    equal. Raises OptionError for draws that cannot be joined (see `Samples.joined`).
    """
    first_attempts, later_attempts = _check_joinable(first, second, are_of_one_run)
    order = _joined_order(first, second)
    names = ("texts", "values", "token_ids", "masses")
    columns_of_both = {}
    columns = {}
    for name in names:
        column = [*getattr(first, name), *getattr(second, name)]
        columns_of_both[name] = column
        # `masses` may be empty, where no draw has them.
        columns[name] = [column[at] for at in order] if column else []
    tokens = columns["token_ids"]
    logprobs = np.concatenate((first.logprobs, second.logprobs))[order]
    # `places` has, for each draw of the first run and then of the second, its number among the joined draws.
    places = np.arange(len(order))
    if first.method == "raj":  # an attempt is the first draw of its text
        first_of = {text: at for at, text in reversed(list(enumerate(tokens)))}
        places = np.array([first_of[text] for text in columns_of_both["token_ids"]], np.int64)
    count = len(first.texts)
    renumbered_attempts = first_attempts.renumber_draws(places[:count])
    attempts = renumbered_attempts.join_attempts(later_attempts, places[count:])
    # Both brackets are proven, so Z is in both.
    bracket = (max(first.bracket[0], second.bracket[0]), min(first.bracket[1], second.bracket[1]))
    log_weights = _joined_weights(first, second, attempts, tokens, logprobs, bracket)
    return {field.name: getattr(first, field.name) for field in fields(Draws)} | {
        **columns,
        "logprobs": logprobs,
        "log_weights": log_weights,
        "is_exact": first.is_exact and second.is_exact,
        "log_z": clamp_log_z(log_sum(log_weights), bracket),
        "bracket": bracket,
        "statistics": _add_statistics(first.statistics, second.statistics),
        "attempts": attempts,
        "about": {
            **first.about,
            "n": first.about.get("n", 0) + second.about.get("n", 0),
            "seeds": [*seeds_of(first), *seeds_of(second)],
        },
        "pieces": {**first.pieces, **second.pieces},
        "find_ranges": partial(dict, {**first.ranges, **second.ranges}),
        "again": None,
    }


def _add_statistics(first: Statistics, later: Statistics) -> Statistics:
    """Return the sums of the statistics of two runs. The reason why the run ended is that of the later
    run."""
    # All fields are numbers, except `stopped`, the reason of the end.
    summed_names = [field.name for field in fields(Statistics) if field.name != "stopped"]
    counts = {name: getattr(first, name) + getattr(later, name) for name in summed_names}
    return replace(later, **counts)


def _check_joinable(first: Draws[Any], second: Any, are_of_one_run: bool) -> tuple[Attempts, Attempts]:
    """Return the attempts of both runs. Raises OptionError if they cannot be joined. `are_of_one_run` is as
    in `joined_fields`."""
    reason = ""
    if not isinstance(second, Draws):
        raise OptionError(f"{type(second).__name__} has no draws.", where="joined", cure="Pass Samples.")
    if first.method != second.method:
        reason = f"One run used {first.method}, the other {second.method}."
    elif first.target != second.target:
        reason = "The runs have different targets: another model, prompt, grammar, temperature or checkers."
    elif not first.target and not are_of_one_run:
        reason = "The target has a part without a name, so the targets cannot be compared."
    # Equal seeds give equal draws, which would count twice.
    elif set(seeds_of(first)) & set(seeds_of(second)):
        reason = f"Both runs have the seed {second.about.get('seed')}: their draws are the same."
    elif first.attempts is None or second.attempts is None or first.is_biased:
        reason = f"Draws by {first.method} have no attempts that could be joined."
    if reason or first.attempts is None or second.attempts is None:
        cure = 'Join runs of one target with different seeds, by "raj", "cars", "importance" or "rejection".'
        raise OptionError(reason, where="joined", cure=cure)
    return first.attempts, second.attempts


def _joined_order(first: Draws[Any], second: Draws[Any]) -> list[int]:
    """Return the order of the joined draws: numbers that count the first run's draws and then the second's.

    For "raj" the first draw of each text comes before all repeats. For other methods the order does not
    change.
    """
    if first.method != "raj":
        return list(range(len(first.texts) + len(second.texts)))
    met_texts: set[Tokens] = set()
    once, repeats = list[int](), list[int]()
    for at, tokens in enumerate([*first.token_ids, *second.token_ids]):
        if tokens in met_texts:
            repeats.append(at)
        else:
            once.append(at)
        met_texts.add(tokens)
    # A text that both runs found is one draw, unless it is a repeat of one run.
    is_repeat = ~np.concatenate((first.is_first, second.is_first))
    return [*once, *(at for at in repeats if is_repeat[at])]


def _joined_weights(
    first: Draws[Any],
    second: Draws[Any],
    attempts: Attempts,
    tokens: list[Tokens],
    logprobs: Floats,
    bracket: Bounds,
) -> Floats:
    """Return the log weights of the draws of both runs; the sum of their exp is the estimate of Z.

    `attempts`: those of both runs; `tokens`, `logprobs`: of the joined draws, in their order; `bracket`: the
    proven bounds on Z. For example, draws by "cars" have equal weights.
    """
    if first.method == "raj":
        masses = np.exp(logprobs) if is_spent(bracket) else masses_of(logprobs, attempts)
        return share_masses(tokens, masses)
    if attempts.are_coins:
        draw_count = len(tokens)
        log_z = log_z_of_coins(1 / attempts.bounds, draw_count, is_stopped=False)
        return np.full(draw_count, log_z - math.log(max(draw_count, 1)))
    # Each run's own estimate of Z, weighted by its share of the attempts.
    parts = []
    for draws in (first, second):
        attempt_count = max(len(draws.attempts or ()), 1)
        parts.append(draws.log_weights + math.log(attempt_count / len(attempts)))
    weights: Floats = np.concatenate(parts)
    return weights
