"""Laws that every strategy keeps, in one table: grammar and budget, batches, counted calls, the raw law,
drafts, thoughts, interrupts, other devices."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch
from strategy_models import LETTERS, TEXTS, TreeTable, allowed_after, interrupted, scrambled

import structgen as sg
from structgen.engine import Engine, Request, Result, Sampling, loop
from structgen.engine.choice import choose_anywhere
from structgen.engine.searches.cursor import Cursor
from structgen.engine.strategies.strategy import Mixture, SearchStrategy, Strategy
from structgen.engine.strategies.strategy_names import STRATEGIES, strategy_named

pytestmark = pytest.mark.usefixtures("rewards_here")
SMALL, OTHER = scrambled(21), scrambled(22)


def _worth(text: str) -> float:
    """A reward that likes the letter b."""
    return text.count("b") / 8


def _sampling(strategy: Strategy, seed: int = 0) -> Sampling:
    return Sampling(seed=seed, temperature=0.0 if strategy.is_greedy else 1.0, strategy=strategy)


EACH: dict[str, Strategy] = {
    "mirostat": sg.strategies.Mirostat(tau=1.0, eta=0.5),
    "momentum": sg.strategies.Momentum(alpha=0.5, k=2),
    "guidance": sg.strategies.Guidance([3, 2], scale=3.0),
    "contrast": sg.strategies.Contrast([3, 2], weight=3.0),
    "contrastive": sg.strategies.ContrastiveDecoding((SMALL, LETTERS), weight=1.0),
    "proxy": sg.strategies.ProxyTuning((SMALL, LETTERS), (OTHER, LETTERS)),
    "cautious": sg.strategies.Cautious(trials=4, high=0.6),
    "pause": sg.strategies.PauseAndRerank(tau=0.3, depth=3),
    "plan": sg.strategies.PlanningSearch(seconds=60, reward=_worth, rollouts=6),
    "valued": sg.strategies.ValueGuided(seconds=60, reward=_worth, k=2, continuations=2),
    "superposed": sg.strategies.SuperposedDecoding(temperature=0.5, texts=["abcabcabc", "cababc"]),
}
NEUTRAL: dict[str, Strategy] = {
    "mirostat": sg.strategies.Mirostat(tau=math.inf),
    "momentum": sg.strategies.Momentum(alpha=0.0),
    "guidance": sg.strategies.Guidance([3, 2], scale=1.0),
    "contrast": sg.strategies.Contrast([3, 2], weight=0.0),
    "contrastive": sg.strategies.ContrastiveDecoding((SMALL, LETTERS), weight=0.0),
    "proxy": sg.strategies.ProxyTuning((SMALL, LETTERS), (SMALL, LETTERS)),
    "cautious": sg.strategies.Cautious(trials=1),
    "pause": sg.strategies.PauseAndRerank(tau=math.inf),
    "plan": sg.strategies.PlanningSearch(seconds=60, reward=_worth, rollouts=1),
    "valued": sg.strategies.ValueGuided(seconds=60, reward=_worth, alpha=math.inf),
    "superposed": sg.strategies.SuperposedDecoding(k=1, texts=["abcabcabc"]),
}
MOST = 10
"""Tokens of a text."""
MOST_ROWS: dict[str, int] = {
    "cautious": 4 * MOST * MOST,
    "pause": 3 * 3 * MOST,
    "plan": 6 * MOST,
    "valued": 2 * 2 * MOST * MOST,
    "superposed": MOST,
}
"""The stated bounds of searches for a text."""


def test_the_table_has_each_strategy() -> None:
    assert set(EACH) == set(NEUTRAL) == set(STRATEGIES)


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


def _told(results: list[Result]) -> list[object]:
    assert [one.error for one in results] == [None] * len(results)
    return [
        (one.tokens, one.finish_reason, [(s.token, s.logprob, s.constrained, s.state) for s in one.steps])
        for one in results
    ]


@pytest.mark.parametrize("name", sorted(EACH))
def test_a_neutral_setting_is_plain_token_for_token_and_a_strategy_changes_texts(name: str) -> None:
    """A strategy that does nothing would keep all other laws."""
    requests = _requests(EACH[name], 6, max_tokens=20)

    def texts(strategy: Any) -> list[list[int]]:
        asked = [replace(one, sampling=replace(one.sampling, strategy=strategy)) for one in requests]
        return [one.tokens for one in Engine(scrambled(4), LETTERS).generate(asked)]

    plain = texts(())
    assert texts(NEUTRAL[name]) == plain != texts(EACH[name])


@pytest.mark.parametrize("name", sorted(EACH))
def test_texts_are_of_the_grammar_within_the_budget(name: str) -> None:
    for most in (2, 7):
        for one in _results(scrambled(4), EACH[name], max_tokens=most):
            assert 4 in allowed_after(one.tokens, TEXTS) and len(one.tokens) <= most


@pytest.mark.parametrize("name", sorted(EACH))
def test_texts_are_the_same_alone_and_in_any_batch(name: str) -> None:
    alone, in_pairs, together = (_told(_results(scrambled(5), EACH[name], rows=rows)) for rows in (1, 2, 4))
    assert alone == in_pairs == together


@pytest.mark.parametrize("name", sorted(EACH))
def test_calls_are_counted(name: str) -> None:
    """At most one pass for each further row and token, the prompt's included."""
    model = scrambled(6)
    before = SMALL.passes + OTHER.passes
    (one,) = _results(model, EACH[name], 1, speculation="off")
    strategy = EACH[name]
    further = len(strategy.seconds) if isinstance(strategy, Mixture) else 0
    if isinstance(strategy, SearchStrategy):
        assert 0 < one.usage.strategy_calls <= one.usage.strategy_rows <= MOST_ROWS[name]
        assert model.rows == one.usage.calls + one.usage.strategy_rows
    else:
        assert one.usage.strategy_calls <= further * len(one.steps)
        assert (one.usage.strategy_calls > 0) == (further > 0)
    assert (
        model.passes + SMALL.passes + OTHER.passes - before == 1 + one.usage.calls + one.usage.strategy_calls
    )


@pytest.mark.parametrize("name", sorted(EACH))
def test_the_law_before_the_strategy_stays_in_the_step(name: str) -> None:
    model = scrambled(7)
    for at, one in enumerate(_results(model, EACH[name])):
        read = [0, 1, at % 4]
        for step in one.steps:
            law = torch.log_softmax(model.logits(read).double(), -1)
            allowed = allowed_after(read[3:], TEXTS)
            assert step.logprob == pytest.approx(float(law[step.token]), abs=1e-5)
            within = float(law[step.token] - torch.logsumexp(law[allowed], 0))
            if not step.steered:
                assert step.constrained == pytest.approx(within, abs=1e-5)
            read.append(step.token)


@pytest.mark.parametrize("name", sorted(EACH))
def test_drafts_leave_the_texts_as_they_are(name: str) -> None:
    """Rejected guesses roll nothing back: the state of a strategy follows decided tokens alone."""
    plain = _told(_results(TreeTable(scrambled(8)._law), EACH[name], speculation="off"))
    guessed = _results(
        TreeTable(scrambled(8)._law), EACH[name], speculation=sg.Speculation(drafters=("grammar", "suffix"))
    )
    assert _told(guessed) == plain
    if isinstance(EACH[name], SearchStrategy):
        assert all("reads ahead itself" in one.usage.speculation for one in guessed)
    else:
        assert sum(one.usage.drafted for one in guessed) > 0


@pytest.mark.parametrize("name", sorted(EACH))
def test_texts_are_the_same_where_tokens_are_chosen_on_a_device(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = _results(scrambled(9), EACH[name])
    monkeypatch.setattr(loop, "choose", choose_anywhere)
    there = _results(scrambled(9), EACH[name])
    assert [one.tokens for one in here] == [one.tokens for one in there]


@pytest.mark.parametrize("name", ["cautious", "pause", "plan", "valued"])
def test_a_limit_that_other_documents_used_up_begins_the_decision_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(SMALL, LETTERS)
    request = Request([0], engine.compiled(TEXTS), _sampling(EACH[name]), max_tokens=10)
    (plain,) = engine.generate(request)
    after, met = Cursor.after, [0]

    def used_up(self: Cursor, token: int) -> Cursor:
        if self.compiled is request.grammar and len(self.tokens) == 1:
            met[0] += 1
            raise sg.errors.LimitError("It is full.", limit="parser_states")
        return after(self, token)

    monkeypatch.setattr(Cursor, "after", used_up)
    (again,) = engine.generate(request)
    assert (again.tokens, again.finish_reason, met[0]) == (plain.tokens, plain.finish_reason, 1)


@pytest.mark.parametrize("name", sorted(EACH))
def test_an_interrupt_at_any_pass_changes_nothing(name: str) -> None:
    _hold_interrupts(name, (2, 6))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(EACH))
def test_an_interrupt_at_any_pass_changes_nothing_whole(name: str) -> None:
    _hold_interrupts(name, range(2, 24))


def _hold_interrupts(name: str, passes: Iterable[int]) -> None:
    expected = _told(_results(scrambled(10), EACH[name]))
    for at in passes:
        engine = Engine(scrambled(10), LETTERS, max_rows=8)
        assert _told(interrupted(engine, _requests(EACH[name]), at)) == expected


@pytest.mark.parametrize("name", sorted(EACH))
def test_thoughts_are_drawn_without_the_strategy(name: str) -> None:
    strategy = EACH[name]
    thinking = sg.Thinking(until="c", max_tokens=4)
    found = _results(scrambled(11), strategy, thinking=thinking)
    requests = _requests(strategy, thinking=thinking)
    others = Engine(scrambled(11), LETTERS).generate(
        [replace(one, sampling=replace(one.sampling, strategy=())) for one in requests]
    )
    assert [one.thoughts for one in found] == [one.thoughts for one in others]


@pytest.mark.parametrize("name", sorted(EACH))
def test_free_text_takes_each_strategy(name: str) -> None:
    found = Engine(scrambled(12), LETTERS).generate(
        Request([0, 1], None, _sampling(EACH[name]), max_tokens=12, n=4)
    )
    assert all(one.error is None for one in found)


def test_names_of_the_command_line_make_strategies() -> None:
    assert strategy_named("mirostat") == sg.strategies.Mirostat()
    assert strategy_named("mirostat:tau=2.5,eta=0.2") == sg.strategies.Mirostat(tau=2.5, eta=0.2)
    assert strategy_named("mirostat:tau=inf") == sg.strategies.Mirostat(tau=math.inf)


@pytest.mark.parametrize("name", ["cautious", "pause", "plan", "superposed"])
def test_searches_of_a_llama_over_shared_pages_do_not_depend_on_the_batch(name: str) -> None:
    grammar = sg.json_schema(
        {"type": "object", "properties": {"what": {"type": "string"}, "count": {"type": "integer"}}},
        **sg.JSON_DUMPS,
    )
    strategy = {
        "cautious": sg.strategies.Cautious(trials=3, low=0.0, high=0.01),
        "pause": sg.strategies.PauseAndRerank(tau=0.001),
        "plan": sg.strategies.PlanningSearch(seconds=60, reward=_few_letters, rollouts=5),
        "superposed": sg.strategies.SuperposedDecoding(temperature=1.0),
    }[name]
    requests = [
        Request(text, grammar, max_tokens=20, strategy=strategy)
        for text in ("Nine brooms were sold, two of them green.", "Zorvik took 3 lamps.")
    ]
    engine = Engine("structgen/extract")
    alone = [_told(engine.generate(one)) for one in requests]
    assert [_told([one]) for one in engine.generate(requests)] == alone


def _few_letters(value: Any) -> float:
    return -len(str(value)) / 100
