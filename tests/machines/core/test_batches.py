"""A batch answers what its rows answer one by one, whatever stands beside them."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from for_each import for_each

import structgen as sg
from structgen.machines.core import batch
from structgen.machines.core.compiled import CompiledGrammar

PIECES = [b'{"', b'": ', b'", "', b"ab", b"true", b'"}', b"[[", b"]]", b"12", b", "]
END = 256 + len(PIECES)
TOKENIZER = sg.Tokenizer.from_bytes(
    [bytes((byte,)) for byte in range(256)] + PIECES + [None, None, None], eos_token_id=[END, END + 1]
)
SIZE = TOKENIZER.vocab_size
Status = sg.core.RowStatus


@pytest.fixture(autouse=True)
def one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have few rows taken by one call too."""
    monkeypatch.setattr(batch, "_FEW", 0)


FEW = sg.Limits(parser_states=60)


def drawn_schema(draw: random.Random, depth: int = 0) -> object:
    """Return a random schema."""
    kind = draw.randrange(4 if depth == 2 else 7)
    if kind == 0:
        return {"type": "string", "maxLength": draw.randrange(6)}
    if kind == 1:
        return {"type": "integer", "minimum": draw.randrange(-40, 40)}
    if kind == 2:
        return {"enum": draw.sample(["ab", "abc", 1, 12, True, None, [1]], 3)}
    if kind == 3:
        return {"type": "string", "pattern": draw.choice(["^a+b$", "^[ab]{2,4}$", "x|yy"])}
    if kind == 4:
        return {"type": "array", "items": drawn_schema(draw, depth + 1), "maxItems": draw.randrange(1, 4)}
    keys = draw.sample(["a", "ab", "abab", "b"], draw.randrange(1, 4))
    return {
        "type": "object",
        "properties": {key: drawn_schema(draw, depth + 1) for key in keys},
        "required": keys[: draw.randrange(2)],
        "additionalProperties": draw.random() < 0.3,
    }


def drawn_grammars(draw: random.Random) -> list[Callable[[], CompiledGrammar]]:
    """Return what compiles some grammars of rows; each call shares nothing with another."""

    def compiling(grammar: sg.Grammar, limits: sg.Limits | None = None) -> Callable[[], CompiledGrammar]:
        return lambda: sg.compile(grammar, TOKENIZER, limits=limits, store=False)

    schemas = [compiling(sg.json_schema(drawn_schema(draw))) for _ in range(3)]
    deep = compiling(sg.json_schema({}), FEW)
    tagged = compiling(sg.sequence("ab", sg.json_schema(drawn_schema(draw)), sg.special(END + 2), "x"))
    rules = compiling(sg.lark('start: (NAME | "[" start "]")+\nNAME: /[a-b]+/\n%ignore " "'))
    return [*schemas, deep, compiling(sg.regex("(ab|12)*x?")), tagged, rules]


def filled(matcher: sg.Matcher, mask: sg.core.TokenMask, row: int, budget: int | None) -> Status:
    """Write one row by a call of its own."""
    try:
        matcher.fill_mask(mask, row, budget=budget)
    except sg.errors.FinishedError:
        mask.array[row] = 0
        return Status.FINISHED
    except (sg.errors.LimitError, sg.errors.BudgetError):
        mask.array[row] = 0
        return Status.LIMIT
    return Status.CONSTRAINED


def advanced(matcher: sg.Matcher, token: int) -> Status:
    """Take a token by a call of its own."""
    try:
        matcher.advance(token)
    except sg.errors.FinishedError:
        return Status.FINISHED
    except sg.errors.LimitError:
        return Status.LIMIT
    except sg.errors.TokenError:
        return Status.REFUSED
    return Status.CONSTRAINED


def drawn_token(draw: random.Random, mask: sg.core.TokenMask, row: int) -> int:
    """Return mostly a token of a mask, else any, or a number that is none."""
    allowed = mask.allowed(row).tolist()
    chance = draw.random()
    if allowed and chance < 0.85:
        opening = [token for token in allowed if token in (ord("["), 256 + 6)]
        return draw.choice(opening if opening and chance < 0.6 else allowed)
    return draw.choice((-1, SIZE, 1 << 40, 1 << 70)) if chance > 0.97 else draw.randrange(SIZE)


@for_each("seed", range(12))
@for_each("is_bounded", [False, True])
def test_a_batch_answers_what_its_rows_answer_one_by_one(seed: int, is_bounded: bool) -> None:
    draw = random.Random(seed)
    makers = drawn_grammars(draw)
    # the grammar with a limit has one row: of several, whichever comes first would use it up
    kinds = [*range(len(makers)), *draw.choices((0, 1, 2, 4, 5, 6), k=4)]
    pairs = [[maker() for maker in makers] for _ in range(2)]
    ours, alone = ([sg.Matcher(made[kind]) for kind in kinds] for made in pairs)
    for one in (ours[3], alone[3]):
        assert sg.core.advance_all([one] * 240, [ord("[")] * 240).tolist() == [0] * 240
    count, met = len(kinds), set[Status]()
    mask, other = (sg.allocate_mask(count + 3, SIZE + 40 * (seed % 2)) for _ in range(2))
    for _ in range(50):
        rows = draw.sample(range(count + 3), count)
        budgets = [draw.choice((None, *range(12), 60, 1000)) if is_bounded else None for _ in kinds]
        free = draw.randrange(count + 2)
        given = [None if at == free else one for at, one in enumerate(ours)]
        statuses = sg.core.fill_masks(given, mask, rows, budgets if is_bounded else None)
        for at, one in enumerate(alone):
            if at == free:
                assert statuses[at] == Status.FREE
                continue
            assert statuses[at] == filled(one, other, rows[at], budgets[at])
            assert (mask.array[rows[at]] == other.array[rows[at]]).all()
        tokens = [drawn_token(draw, mask, row) for row in rows]
        statuses = sg.core.advance_all(given, tokens)
        assert statuses.tolist() == [
            Status.FREE if at == free else advanced(one, tokens[at]) for at, one in enumerate(alone)
        ]
        assert [one.tokens for one in ours] == [one.tokens for one in alone]
        met.update(map(Status, statuses.tolist()))
    assert met >= {Status.CONSTRAINED, Status.REFUSED, Status.FINISHED}


def test_a_limit_ends_its_own_row_and_the_others_go_on() -> None:
    deep = sg.Matcher(sg.compile(sg.json_schema({}), TOKENIZER, limits=FEW, store=False))
    other = sg.Matcher(sg.compile(sg.json_schema({"type": "array"}), TOKENIZER, store=False))
    mask, seen = sg.allocate_mask(2, SIZE), []
    for _ in range(400):
        seen.append(sg.core.fill_masks([deep, other], mask).tolist())
        taken = sg.core.advance_all([deep, other], [ord("["), ord("[")]).tolist()
        if taken[0] == Status.LIMIT:
            break
    assert taken == [Status.LIMIT, Status.CONSTRAINED]
    assert {row[1] for row in seen} == {Status.CONSTRAINED}
    assert len(other.tokens) == len(seen) == len(deep.tokens) + 1


def test_a_matcher_that_is_named_twice_takes_both_tokens() -> None:
    matcher = sg.Matcher(sg.compile(sg.json_schema({"const": "ab"}), TOKENIZER, store=False))
    statuses = sg.core.advance_all([matcher, matcher, matcher], [ord('"'), 259, ord("x")])
    assert statuses.tolist() == [Status.CONSTRAINED, Status.CONSTRAINED, Status.REFUSED]
    assert matcher.tokens == (ord('"'), 259)


@contextmanager
def held_elsewhere(lock: threading.RLock) -> Iterator[threading.Event]:
    """Hold a lock in another thread, until the event is set that is yielded."""
    taken, let = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            let.wait(600)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(600)
    try:
        yield let
    finally:
        let.set()
        thread.join()


def test_a_grammar_in_which_another_thread_works_is_waited_for_without_any_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy, free = (sg.compile(sg.json_schema({"enum": [at, "a"]}), TOKENIZER, store=False) for at in (1, 2))
    matchers, alone = [sg.Matcher(busy), sg.Matcher(free)], sg.Matcher.advance
    asked: list[sg.Matcher] = []

    def could_be_taken() -> bool:
        took = free.lock.acquire(blocking=False)
        if took:
            free.lock.release()
        return took

    with held_elsewhere(busy.lock) as let, ThreadPoolExecutor(1) as other:

        def advance(matcher: sg.Matcher, token: int) -> None:
            assert other.submit(could_be_taken).result(60)
            let.set()
            asked.append(matcher)
            alone(matcher, token)

        monkeypatch.setattr(sg.Matcher, "advance", advance)
        statuses = sg.core.advance_all(matchers, [ord("1"), ord("2")])
    assert statuses.tolist() == [0, 0] and [one.tokens for one in matchers] == [(ord("1"),), (ord("2"),)]
    assert matchers[0] in asked


def test_rows_may_be_numbers_of_numpys_and_others_are_refused_before_anything_is_written() -> None:
    compiled = sg.compile(sg.json_schema({"enum": ["a", "b"]}), TOKENIZER, store=False)
    matchers = [sg.Matcher(compiled) for _ in range(3)]
    mask, other = (sg.allocate_mask(4, SIZE) for _ in range(2))
    sg.core.fill_masks(matchers, other, [2, 3, 0])
    sg.core.fill_masks(matchers, mask, np.array([2, 3, 0], np.int32))  # type: ignore[arg-type]
    assert (mask.array == other.array).all()
    for wrong in ([0, 1.0, 2], [0, 1.5, 2], ["0", 1, 2], [None, 1, 2]):
        with pytest.raises(sg.errors.OptionError, match=r"rows: .* Pass whole numbers"):
            sg.core.fill_masks(matchers, mask, wrong)  # type: ignore[arg-type]
        assert (mask.array == other.array).all()


@pytest.mark.parametrize("wrong", [34.5, 34.0, "34", None, [34]])
def test_a_token_that_is_no_whole_number_is_refused_before_any_is_taken(wrong: object) -> None:
    compiled = sg.compile(sg.json_schema({"enum": ["a", "b"]}), TOKENIZER, store=False)
    matchers = [sg.Matcher(compiled) for _ in range(3)]
    with pytest.raises(sg.errors.OptionError, match=r"tokens: .* Pass whole numbers"):
        sg.core.advance_all(matchers, [ord('"'), wrong, ord('"')])  # type: ignore[list-item]
    assert [one.tokens for one in matchers] == [(), (), ()]
    assert sg.core.advance_all([None, matchers[0]], [wrong, ord('"')]).tolist() == [1, 0]  # type: ignore[list-item]


class Signal(BaseException):
    """What the handler of a signal raises."""


def test_a_signal_behind_any_call_leaves_no_lock_taken() -> None:
    made = [sg.compile(sg.json_schema({"enum": [at, "a"]}), TOKENIZER, store=False) for at in range(3)]
    matchers = [sg.Matcher(one) for one in made]
    raised: list[Signal] = []
    left = -1

    def profile(_frame: object, event: str, _about: object) -> None:
        nonlocal left
        if event in ("call", "c_return"):  # where Python looks for signals
            left -= 1
            if left == 0:
                raise Signal

    with ThreadPoolExecutor(1) as other:
        for at in range(1, 1000):
            left = at
            try:
                sys.setprofile(profile)
                sg.core.advance_all(matchers, [ord('"')] * 3)
            except Signal as error:
                raised.append(error)  # with its frames
            finally:
                sys.setprofile(None)
            for one in made:
                assert other.submit(one.lock.acquire, False).result(60), at
                other.submit(one.lock.release).result(60)
            if left > 0:
                break  # the call was over before
            for matcher in matchers:
                matcher.reset()
    assert len(raised) > 30
