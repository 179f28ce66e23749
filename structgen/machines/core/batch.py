"""Batches: the masks of many matchers are filled, and the matchers advanced, in one call and on all cores.
The failure of one row never stops the others."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor, wait
from enum import IntEnum
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from structgen.base.errors import (
    BudgetError,
    FinishedError,
    LimitError,
    MaskError,
    OptionError,
    TokenError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from structgen.machines.core.matcher import Matcher
    from structgen.tokens.token_mask import TokenMask

_SECONDS_ALONE = 0.0005
"""Once the unknown masks of a batch have taken so long, several threads work out the others. Most take 20 us,
for the most part under the interpreter lock, and a thread's task takes as much again."""


class RowStatus(IntEnum):
    """The outcome of one row of a batch."""

    CONSTRAINED = 0
    """The row holds the mask (or the token was taken)."""
    FREE = 1
    """The row has no matcher: every token is allowed (or nothing was advanced)."""
    FINISHED = 2
    """The matcher has taken an end token; the row is all 0 (or the token was refused)."""
    LIMIT = 3
    """A limit of `sg.Limits` was reached, or the budget is below the least; the row is all 0."""
    REFUSED = 4
    """The token is not allowed, or out of range; the matcher is unchanged."""


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Return the threads of a process, made when first needed: a forked one has others."""
    return ThreadPoolExecutor(os.cpu_count() or 1, "structgen-masks")


def fill_masks(
    matchers: Sequence[Matcher | None],
    mask: TokenMask,
    rows: Sequence[int] | None = None,
    budgets: Sequence[int | None] | None = None,
) -> npt.NDArray[np.int8]:
    """Return a `RowStatus` for each matcher, after its mask was written to its row (None:
    every token is allowed).

    `rows` are the rows (default 0, 1, ...), `budgets` the tokens that each document may still take, the end
    token not counted. Known masks cost 0.3 us a row; unknown ones that take long are worked out on all cores,
    without the interpreter lock. Raises MaskError before anything is written where a row is missing, named
    twice, or too narrow.
    """
    chosen = range(len(matchers)) if rows is None else rows
    check_rows(mask, len(matchers), chosen, "matchers")
    if budgets is not None:
        check_count("budgets", budgets, len(matchers), "matchers", "Give one each, or None.")
    status = np.zeros(len(matchers), np.int8)
    left = []
    for i, matcher in enumerate(matchers):
        if matcher is None:
            allow_all(mask, chosen[i])
            status[i] = RowStatus.FREE
            continue
        matcher.compiled.check_mask(mask)
        if matcher.fill_known(mask, chosen[i], None if budgets is None else budgets[i]):
            continue
        left.append(i)

    def work(i: int) -> None:
        matcher, row = matchers[i], chosen[i]
        assert matcher is not None
        fill = partial(matcher.fill_mask, mask, row, budget=None if budgets is None else budgets[i])
        status[i] = written(fill, mask, row)

    _spread(work, left)
    return status


def _spread(work: Callable[[int], None], items: list[int]) -> None:
    begun = time.perf_counter()
    for at, item in enumerate(items):
        if time.perf_counter() - begun > _SECONDS_ALONE and (os.cpu_count() or 1) > 1:
            futures = list[Future[None]]()
            try:
                futures.extend(_pool(os.getpid()).submit(work, other) for other in items[at:])
                wait(futures)
            except BaseException:
                # wait for all before raising an error: the caller may then use the matchers again
                for future in futures:
                    future.cancel()
                wait(futures)
                raise
            for future in futures:
                future.result()
            return
        work(item)


def written(fill: Callable[[], None], mask: TokenMask, row: int) -> RowStatus:
    """Write the mask of a row; where that fails, allow nothing in it."""
    try:
        fill()
    except FinishedError:
        mask.array[row] = 0
        return RowStatus.FINISHED
    except (LimitError, BudgetError):
        mask.array[row] = 0
        return RowStatus.LIMIT
    return RowStatus.CONSTRAINED


def allow_all(mask: TokenMask, row: int) -> None:
    """Allow every token of the mask's vocabulary in a row; bits past it stay 0."""
    mask.row(row)
    whole, rest = divmod(mask.vocab_size, 32)
    mask.array[row, :whole] = -1
    mask.array[row, whole:] = 0
    if rest:
        mask.array[row, whole] = (1 << rest) - 1


def check_count(name: str, given: Sized, count: int, what: str, cure: str) -> None:
    """Raise OptionError where there are not as many of something as things that have one each."""
    if len(given) != count:
        raise OptionError(f"{len(given)} {name} for {count} {what}.", where=name, cure=cure)


def check_rows(mask: TokenMask, count: int, rows: Sequence[int], what: str) -> None:
    """Raise OptionError or MaskError where there are not as many rows of a mask, each once, as things to
    write."""
    check_count("rows", rows, count, what, "Give one row each.")
    for row in rows:
        mask.row(row)
    if len(set(rows)) != count:
        raise MaskError("A row is named twice.", where="rows", cure="Give each of them a row of its own.")


def advance_all(matchers: Sequence[Matcher | None], tokens: Sequence[int]) -> npt.NDArray[np.int8]:
    """Return a `RowStatus` for each matcher, after it took its token; one that refuses it is unchanged."""
    check_count("tokens", tokens, len(matchers), "matchers", "Give one token each.")
    status = np.zeros(len(matchers), np.int8)
    for i, matcher in enumerate(matchers):
        if matcher is None:
            status[i] = RowStatus.FREE
            continue
        try:
            matcher.advance(int(tokens[i]))
        except FinishedError:
            status[i] = RowStatus.FINISHED
        except LimitError:
            status[i] = RowStatus.LIMIT
        except TokenError:
            status[i] = RowStatus.REFUSED
    return status
