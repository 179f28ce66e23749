"""Batches: the masks of many matchers are filled, and the matchers advanced, in one call and on all cores.
The failure of one row never stops the others."""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Iterable, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor, wait
from enum import IntEnum
from functools import lru_cache, partial
from itertools import chain
from operator import index as as_index
from operator import methodcaller
from typing import TYPE_CHECKING, Any, Final, TypeVar

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
from structgen.base.native.addresses import address_of_items
from structgen.machines.machine_core import row_batches
from structgen.machines.machine_core.layout import REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from structgen.machines.core.compiled import CompiledGrammar
    from structgen.machines.core.matcher import Matcher
    from structgen.tokens.token_mask import TokenMask

_SECONDS_ALONE = 0.002
"""Once the unknown masks of a batch have taken this thread so long each, several threads work out the
others. Masks of JSON take some 70 us, for the most part under the interpreter lock: threads made a step of 64
to 256 new schemas 1.3 times as long."""
_FEW = 16
"""Tokens of fewer rows are taken one by one: one call costs 5 us more than they do, and 0.3 us less a row."""
_TRY: Final = methodcaller("acquire", False)
_LET: Final = methodcaller("release")
T = TypeVar("T")


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
def _thread_pool(process: int) -> ThreadPoolExecutor:
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
    token not counted. One compiled call, without the interpreter lock, copies the known masks: 0.3 us a row
    and the copy. Unknown ones are worked out one by one, on all cores where they take long. Raises MaskError
    before anything is written where a row is missing, named twice, or too narrow.
    """
    count, words = len(matchers), mask.words
    chosen = range(count) if rows is None else _whole_numbers(rows, "rows")
    check_rows(mask, count, chosen, "matchers")
    if budgets is not None:
        check_count("budgets", budgets, count, "matchers", "Give one each, or None.")
    contexts = [0 if matcher is None or matcher._words != words else matcher._address for matcher in matchers]
    if 0 in contexts:
        for matcher in matchers:
            if matcher is not None:
                matcher.compiled.check_mask(mask)
    status = np.zeros(count, np.int8)
    for i, matcher in enumerate(matchers if None in matchers or budgets is not None else ()):
        if matcher is None:
            allow_all(mask, chosen[i])
            status[i] = RowStatus.FREE
        elif budgets is not None and not matcher.has_room(budgets[i]):
            contexts[i] = 0
    row_words, at = _join_columns(
        contexts, [0 if matcher is None else matcher._index for matcher in matchers], chosen
    )
    if row_batches.copy_rows(at, count, mask.address, mask.stride) == 0:
        return status

    def work(i: int) -> None:
        matcher, row = matchers[i], chosen[i]
        assert matcher is not None
        fill = partial(matcher.fill_mask, mask, row, budget=None if budgets is None else budgets[i])
        status[i] = write_row(fill, mask, row)

    _spread_work(
        work, [i for i, matcher in enumerate(matchers) if matcher is not None and row_words[count + i] < 0]
    )
    return status


def _whole_numbers(values: Iterable[int], where: str) -> list[int]:
    """Return whole numbers as Python's: those of numpy's have too few bits for addresses."""
    try:
        return list(map(as_index, values))
    except TypeError as error:
        raise OptionError(f"{error}.", where=where, cure="Give whole numbers.") from None


def _join_columns(*columns: Iterable[int]) -> tuple[array[int], int]:
    """Return columns one behind the other, as `row_batches` reads them, and their address."""
    words = array("q", [*chain(*columns)])
    return words, address_of_items(words)


def under_locks(grammars: Iterable[CompiledGrammar], work: Callable[[set[Any]], T]) -> T:
    """Return the answer of some work under the locks of some grammars, those that no other thread holds; the
    work is told which. Nothing is waited for: a thread that holds one lock must not wait for another of the
    same rank (`fork_locks`)."""
    locks, acquired = {grammar.lock for grammar in grammars}, list[Any]()
    releases = map(_LET, acquired)  # made ahead: of what the list holds at the end
    try:
        acquired.extend(filter(_TRY, locks))  # one call: no signal comes between a lock and its entry
        return work(set(acquired))
    finally:
        any(releases)  # one call, too


def _spread_work(work: Callable[[int], None], items: list[int]) -> None:
    start = time.thread_time()
    for at, item in enumerate(items):
        if time.thread_time() - start > _SECONDS_ALONE * max(at, 1) and (os.cpu_count() or 1) > 1:
            futures = list[Future[None]]()
            try:
                futures.extend(
                    _thread_pool(os.getpid()).submit(work, other_item) for other_item in items[at:]
                )
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


def write_row(fill: Callable[[], None], mask: TokenMask, row: int) -> RowStatus:
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


def check_count(name: str, arguments: Sized, count: int, argument_name: str, cure: str) -> None:
    """Raise OptionError where there are not as many of something as things that have one each."""
    if len(arguments) != count:
        raise OptionError(f"{len(arguments)} {name} for {count} {argument_name}.", where=name, cure=cure)


def check_rows(mask: TokenMask, count: int, rows: Sequence[int], argument_name: str) -> None:
    """Raise OptionError or MaskError where there are not as many rows of a mask, each once, as things to
    write."""
    check_count("rows", rows, count, argument_name, "Give one row each.")
    for row in (min(rows), max(rows)) if count else ():
        mask.row(row)
    if len(set(rows)) != count:
        raise MaskError("A row is named twice.", where="rows", cure="Give each of them a row of its own.")


def advance_all(matchers: Sequence[Matcher | None], tokens: Sequence[int]) -> npt.NDArray[np.int8]:
    """Return a `RowStatus` for each matcher, after it took its token; one that refuses it is unchanged.
    Raises OptionError before any is taken where one is no whole number.

    Of many rows one compiled call takes those that ask for nothing new of a grammar, without the interpreter
    lock: some 0.6 us a row. No lock of a grammar is waited for there; the others are taken one by one.
    """
    count = len(matchers)
    check_count("tokens", tokens, count, "matchers", "Give one token each.")
    token_column = (0 if matcher is None else token for matcher, token in zip(matchers, tokens, strict=True))
    token_ids = _whole_numbers(token_column, "tokens")
    states = [0 if matcher is None else matcher._index for matcher in matchers]
    states_after = [REFUSED] * count if count < _FEW else _states_after(matchers, states, token_ids)
    status = np.zeros(count, np.int8)
    for i, (matcher, after) in enumerate(zip(matchers, states_after, strict=True)):
        if matcher is None:
            status[i] = RowStatus.FREE
            continue
        try:
            if after >= 0 and matcher._index == states[i]:  # another, where a matcher is named twice
                matcher.took(token_ids[i], after)
            else:
                matcher.advance(token_ids[i])
        except FinishedError:
            status[i] = RowStatus.FINISHED
        except LimitError:
            status[i] = RowStatus.LIMIT
        except TokenError:
            status[i] = RowStatus.REFUSED
    return status


def _states_after(matchers: Sequence[Matcher | None], states: list[int], tokens: list[int]) -> Sequence[int]:
    """Return the states behind tokens that compiled code finds by itself; below 0 it does not."""
    count = len(matchers)

    def take(ours: set[Any]) -> Sequence[int]:
        contexts = [
            0 if matcher is None or matcher.compiled.lock not in ours else matcher._address
            for matcher in matchers
        ]
        try:
            words, at = _join_columns(contexts, states, tokens)
        except OverflowError:  # no token has such a number: `advance` says so of its row
            return [REFUSED] * count
        row_batches.take_rows(at, count)
        return words[count : 2 * count]

    return under_locks((matcher.compiled for matcher in matchers if matcher is not None), take)
