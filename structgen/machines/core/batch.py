"""Batches: one call fills the masks of many matchers, or advances them, on all cores.

A *row* is one matcher of the batch, and its row of the mask. `None` in place of a matcher is a *free* row:
every token is allowed. The failure of one row never stops the others: each row has a `RowStatus`.
"""

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

from structgen.base.errors import (
    BudgetError,
    FinishedError,
    LimitError,
    MaskError,
    OptionError,
    TokenError,
)
from structgen.base.native.addresses import address_of_items
from structgen.base.native.array_types import Int8Array
from structgen.machines.machine_core import row_batches
from structgen.machines.machine_core.layout import REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from structgen.machines.core.compiled import CompiledGrammar
    from structgen.machines.core.matcher import Matcher
    from structgen.tokens.token_mask import TokenMask

_SECONDS_ALONE = 0.002
"""The seconds for each unknown mask after which several threads work out the other masks of a batch. Masks of
JSON take some 70 us, mostly under the interpreter lock: threads made a step of 64 to 256 new schemas 1.3
times as long."""
_FEW = 16
"""The least number of rows whose tokens are taken by one compiled call. Such a call costs 5 us, and 0.3 us
less a row than tokens that are taken one by one."""
_TRY_ACQUIRE: Final = methodcaller("acquire", False)
_RELEASE: Final = methodcaller("release")
T = TypeVar("T")


class RowStatus(IntEnum):
    """What has happened to one row of a batch."""

    CONSTRAINED = 0
    """The row holds the mask (or the token was taken)."""
    FREE = 1
    """The row has no matcher: every token is allowed (or nothing was advanced)."""
    FINISHED = 2
    """The matcher has taken an end token; the row is all 0 (or the token was refused)."""
    LIMIT = 3
    """A limit of `sg.Limits` was reached, or the budget completes no document; the row is all 0."""
    REFUSED = 4
    """The token is not allowed, or out of range; the matcher is unchanged."""


@lru_cache(maxsize=1)
def _thread_pool(process: int) -> ThreadPoolExecutor:
    """Return the threads of a process, made at the first call. `process`: its id; a forked process has
    others."""
    return ThreadPoolExecutor(os.cpu_count() or 1, "structgen-masks")


def fill_masks(
    matchers: Sequence[Matcher | None],
    mask: TokenMask,
    rows: Sequence[int] | None = None,
    budgets: Sequence[int | None] | None = None,
) -> Int8Array:
    """Write the mask of each matcher to a row of `mask`; return a `RowStatus` for each.

    In the row of a None every token is allowed. `rows` are the rows (default 0, 1, ...). `budgets` are the
    tokens that each document may still take, the end token not counted. Raises MaskError before anything is
    written where a row is missing, named twice, or too narrow. Cost: 0.3 us a row, and the copy, for known
    masks, in one compiled call without the interpreter lock. Unknown masks are worked out one by one, on all
    cores where they take long.
    """
    count = len(matchers)
    words = mask.words
    row_numbers = range(count) if rows is None else _whole_numbers(rows, "rows")
    check_rows(mask, count, row_numbers, "matchers")
    if budgets is not None:
        check_count("budgets", budgets, count, "matchers", "Pass one each, or None.")
    # Compiled code passes over a row whose address is 0.
    contexts = [0 if matcher is None or matcher._words != words else matcher._address for matcher in matchers]
    if 0 in contexts:
        for matcher in matchers:
            if matcher is not None:
                matcher.compiled.check_mask(mask)
    status = np.zeros(count, np.int8)
    # Most batches have neither free rows nor budgets, and skip this loop.
    has_special_rows = None in matchers or budgets is not None
    for i, matcher in enumerate(matchers if has_special_rows else ()):
        if matcher is None:
            allow_all(mask, row_numbers[i])
            status[i] = RowStatus.FREE
        elif budgets is not None and not matcher.has_room(budgets[i]):
            contexts[i] = 0
    states = [0 if matcher is None else matcher._index for matcher in matchers]
    row_words, address = _join_columns(contexts, states, row_numbers)
    if row_batches.copy_rows(address, count, mask.address, mask.stride) == 0:
        return status

    def work(i: int) -> None:
        matcher, row = matchers[i], row_numbers[i]
        assert matcher is not None
        fill = partial(matcher.fill_mask, mask, row, budget=None if budgets is None else budgets[i])
        status[i] = write_row(fill, mask, row)

    # Compiled code has written a code below 0 over the state of each row whose mask it did not know.
    states_written = row_words[count : 2 * count]
    unknown = [i for i, matcher in enumerate(matchers) if matcher is not None and states_written[i] < 0]
    _spread_work(work, unknown)
    return status


def _whole_numbers(values: Iterable[int], where: str) -> list[int]:
    """Return numbers as ints of Python, since numpy's have too few bits for addresses.

    Raises OptionError, at `where`, for a value that is not a whole number.
    """
    try:
        return list(map(as_index, values))
    except TypeError as error:
        raise OptionError(f"{error}.", where=where, cure="Pass whole numbers.") from None


def _join_columns(*columns: Iterable[int]) -> tuple[array[int], int]:
    """Return an array with all columns, one after the other, for `row_batches`; and its address.

    The caller must keep the array as long as the address is used.
    """
    words = array("q", [*chain(*columns)])
    return words, address_of_items(words)


def under_locks(grammars: Iterable[CompiledGrammar], work: Callable[[set[Any]], T]) -> T:
    """Return `work(acquired)`, called under the locks of those grammars that no other thread uses.

    `acquired`: the set of the locks that were taken. It waits for none: a thread that holds one lock must not
    wait for another of the same rank (`fork_locks`).
    """
    locks = {grammar.lock for grammar in grammars}
    acquired = list[Any]()
    # A signal may raise between any two calls. So one call takes the locks and notes them, and one call
    # releases those that are noted. `releases` is made before, and reads the list when it runs.
    releases = map(_RELEASE, acquired)
    try:
        acquired.extend(filter(_TRY_ACQUIRE, locks))
        return work(set(acquired))
    finally:
        any(releases)  # `release` returns None, so `any` goes through all of them


def _spread_work(work: Callable[[int], None], items: list[int]) -> None:
    """Call `work` for each item: in this thread, and on all cores once the items have taken long.

    Raises the error of an item after the work for all items has ended.
    """
    start = time.thread_time()
    for done_count, item in enumerate(items):
        # The time of this thread alone counts: a busy machine is no reason for more threads.
        is_slow = time.thread_time() - start > _SECONDS_ALONE * max(done_count, 1)
        if is_slow and (os.cpu_count() or 1) > 1:
            futures = list[Future[None]]()
            try:
                pool = _thread_pool(os.getpid())
                futures.extend(pool.submit(work, pending_item) for pending_item in items[done_count:])
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
    """Write a row of a mask by calling `fill`; where that fails, allow no token in it. Return the status."""
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
    mask.row(row)  # raises MaskError where there is no such row
    full_words, bits_left = divmod(mask.vocab_size, 32)
    mask.array[row, :full_words] = -1  # all bits of an int32
    mask.array[row, full_words:] = 0
    if bits_left:
        mask.array[row, full_words] = (1 << bits_left) - 1


def check_count(name: str, arguments: Sized, count: int, argument_name: str, cure: str) -> None:
    """Raise OptionError where there are not `count` arguments.

    `name` names the `arguments`; `argument_name` names the things that need one each, of which there are
    `count`. For example, `check_count("tokens", tokens, 3, "matchers", "Give one token each.")`. `cure` is
    the last sentence of the message.
    """
    if len(arguments) != count:
        raise OptionError(
            f"{len(arguments)} {name} do not fit {count} {argument_name}.", where=name, cure=cure
        )


def check_rows(mask: TokenMask, count: int, rows: Sequence[int], argument_name: str) -> None:
    """Check the rows of a mask that are to be written, one for each of `count` things.

    Raises OptionError where there are not `count` rows, MaskError where a row is not in the mask or is named
    twice. `argument_name` names the things, for example `"matchers"`.
    """
    check_count("rows", rows, count, argument_name, "Pass one row each.")
    # The least and the greatest row are in the mask only if all are.
    for row in (min(rows), max(rows)) if count else ():
        mask.row(row)
    if len(set(rows)) != count:
        raise MaskError("A row is repeated.", where="rows", cure="Pass a separate row for each of them.")


def advance_all(matchers: Sequence[Matcher | None], tokens: Sequence[int]) -> Int8Array:
    """Have each matcher take its token; return a `RowStatus` for each. A matcher that refuses is unchanged.

    Raises OptionError, before any token is taken, where a token is not a whole number. Of many rows, one
    compiled call without the interpreter lock takes the tokens that need nothing new of their grammar, and
    whose grammar no other thread uses. The others are taken one by one. Cost: some 0.6 us a row.
    """
    count = len(matchers)
    check_count("tokens", tokens, count, "matchers", "Pass one token each.")
    # A free row takes no token: 0 is in its place.
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
            # A matcher that is in the batch twice has left its state meanwhile.
            if after >= 0 and matcher._index == states[i]:
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
    """Return the state after each row's token, as far as compiled code finds it; else a code below 0."""
    count = len(matchers)

    def take_tokens(locks: set[Any]) -> Sequence[int]:
        contexts = [
            0 if matcher is None or matcher.compiled.lock not in locks else matcher._address
            for matcher in matchers
        ]
        try:
            words, address = _join_columns(contexts, states, tokens)
        except OverflowError:  # A number is too large for any token: `advance` raises the error of its row.
            return [REFUSED] * count
        row_batches.take_rows(address, count)
        return words[count : 2 * count]  # compiled code writes over the states

    return under_locks((matcher.compiled for matcher in matchers if matcher is not None), take_tokens)
