"""Laws that every strategy keeps: grammar and budget, batches, counted calls, the raw law, drafts, thoughts,
interrupts, other devices. `LAWS` has those that need the strategy alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch
from strategy_models import LETTERS, TEXTS, TreeTable, allowed_after, interrupted, scrambled

import structgen as sg
from structgen.decoding.engine import Engine, Request, Result, Sampling, loop
from structgen.decoding.engine.choice import choose_anywhere
from structgen.decoding.engine.strategies.strategy import Mixture, SearchStrategy, Strategy

MOST = 10
"""Tokens of a text."""


def _sampling(strategy: Strategy, seed: int = 0) -> Sampling:
    return Sampling(seed=seed, temperature=0.0 if strategy.is_greedy else 1.0, strategy=strategy)


def _requests(strategy: Strategy, count: int = 0, **options: Any) -> list[Request]:
    """Return so many requests; by default three, and two where each token asks a process for rewards."""
    count = count or (2 if hasattr(strategy, "reward") else 3)
    how = _sampling(strategy)
    return [
        Request([0, 1, at % 4], TEXTS, replace(how, seed=at), **{"max_tokens": MOST, **options})
        for at in range(count)
    ]


def _results(model: Any, strategy: Strategy, count: int = 0, rows: int = 8, **options: Any) -> list[Result]:
    found = Engine(model, LETTERS, max_rows=rows).generate(_requests(strategy, count, **options))
    assert all(one.error is None for one in found), [one.error for one in found]
    return found


def told(results: list[Result]) -> list[object]:
    """Return what is the same in two runs of the same texts."""
    assert [one.error for one in results] == [None] * len(results)
    return [
        (one.tokens, one.finish_reason, [(s.token, s.logprob, s.constrained, s.state) for s in one.steps])
        for one in results
    ]


def neutral_is_plain(strategy: Strategy, neutral: Strategy) -> None:
    """A neutral setting is plain token for token, and the strategy changes texts: one that does nothing would
    keep all other laws."""
    requests = _requests(strategy, 6, max_tokens=20)

    def texts(strategy: Any) -> list[list[int]]:
        asked = [replace(one, sampling=replace(one.sampling, strategy=strategy)) for one in requests]
        return [one.tokens for one in Engine(scrambled(4), LETTERS).generate(asked)]

    plain = texts(())
    assert texts(neutral) == plain != texts(strategy)


def calls_are_counted(strategy: Strategy, others: Iterable[Any] = (), most_rows: int = 0) -> None:
    """At most one pass for each further row and token, the prompt's included. `others`: further models;
    `most_rows`: the stated bound of a search."""
    model, others = scrambled(6), tuple(others)
    before = sum(one.passes for one in others)
    (one,) = _results(model, strategy, 1, speculation="off")
    if isinstance(strategy, SearchStrategy):
        assert 0 < one.usage.strategy_calls <= one.usage.strategy_rows <= most_rows
        assert others or model.rows == one.usage.calls + one.usage.strategy_rows
    else:
        further = int(isinstance(strategy, Mixture))
        assert one.usage.strategy_calls <= further * len(one.steps)
        assert (one.usage.strategy_calls > 0) == (further > 0)
    passes = model.passes + sum(one.passes for one in others) - before
    assert passes == 1 + one.usage.calls + one.usage.strategy_calls


def texts_are_of_the_grammar_within_the_budget(strategy: Strategy) -> None:
    for most in (2, 7):
        for one in _results(scrambled(4), strategy, max_tokens=most):
            assert 4 in allowed_after(one.tokens, TEXTS) and len(one.tokens) <= most


def texts_are_the_same_alone_and_in_any_batch(strategy: Strategy) -> None:
    alone, in_pairs, together = (told(_results(scrambled(5), strategy, rows=rows)) for rows in (1, 2, 4))
    assert alone == in_pairs == together


def the_law_before_the_strategy_stays_in_the_step(strategy: Strategy) -> None:
    model = scrambled(7)
    for at, one in enumerate(_results(model, strategy)):
        read = [0, 1, at % 4]
        for step in one.steps:
            law = torch.log_softmax(model.logits(read).double(), -1)
            allowed = allowed_after(read[3:], TEXTS)
            assert step.logprob == pytest.approx(float(law[step.token]), abs=1e-5)
            within = float(law[step.token] - torch.logsumexp(law[allowed], 0))
            if not step.steered:
                assert step.constrained == pytest.approx(within, abs=1e-5)
            read.append(step.token)


def drafts_leave_the_texts_as_they_are(strategy: Strategy) -> None:
    """Rejected guesses roll nothing back: the state of a strategy follows decided tokens alone."""
    plain = told(_results(TreeTable(scrambled(8)._law), strategy, speculation="off"))
    guessed = _results(
        TreeTable(scrambled(8)._law), strategy, speculation=sg.Speculation(drafters=("grammar", "suffix"))
    )
    assert told(guessed) == plain
    if isinstance(strategy, SearchStrategy):
        assert all("reads ahead itself" in one.usage.speculation for one in guessed)
    else:
        assert sum(one.usage.drafted for one in guessed) > 0


def texts_are_the_same_where_tokens_are_chosen_on_a_device(strategy: Strategy) -> None:
    here = _results(scrambled(9), strategy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "choose_tokens", choose_anywhere)
        there = _results(scrambled(9), strategy)
    assert [one.tokens for one in here] == [one.tokens for one in there]


def an_interrupt_at_any_pass_changes_nothing(strategy: Strategy, passes: Iterable[int] = (2, 6, 18)) -> None:
    expected = told(_results(scrambled(10), strategy))
    for at in passes:
        engine = Engine(scrambled(10), LETTERS, max_rows=8)
        assert told(interrupted(engine, _requests(strategy), at)) == expected


def thoughts_are_drawn_without_the_strategy(strategy: Strategy) -> None:
    thinking = sg.Thinking(until="c", max_tokens=4)
    found = _results(scrambled(11), strategy, thinking=thinking)
    requests = _requests(strategy, thinking=thinking)
    others = Engine(scrambled(11), LETTERS).generate(
        [replace(one, sampling=replace(one.sampling, strategy=())) for one in requests]
    )
    assert [one.thoughts for one in found] == [one.thoughts for one in others]


def free_text_takes_it(strategy: Strategy) -> None:
    found = Engine(scrambled(12), LETTERS).generate(
        Request([0, 1], None, _sampling(strategy), max_tokens=12, n=4)
    )
    assert all(one.error is None for one in found)


def on_a_llama_texts_do_not_depend_on_the_batch(strategy: Strategy, engine: Engine) -> None:
    """Over shared pages."""
    grammar = sg.json_schema(
        {"type": "object", "properties": {"what": {"type": "string"}, "count": {"type": "integer"}}},
        **sg.JSON_DUMPS,
    )
    requests = [
        Request(text, grammar, max_tokens=20, strategy=strategy)
        for text in ("Nine brooms were sold, two of them green.", "Zorvik took 3 lamps.")
    ]
    alone = [told(engine.generate(one)) for one in requests]
    assert [told([one]) for one in engine.generate(requests)] == alone


LAWS: tuple[Callable[[Strategy], None], ...] = (
    texts_are_of_the_grammar_within_the_budget,
    texts_are_the_same_alone_and_in_any_batch,
    the_law_before_the_strategy_stays_in_the_step,
    drafts_leave_the_texts_as_they_are,
    texts_are_the_same_where_tokens_are_chosen_on_a_device,
    an_interrupt_at_any_pass_changes_nothing,
    thoughts_are_drawn_without_the_strategy,
    free_text_takes_it,
)
